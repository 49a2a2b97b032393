package sip

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
)

func TestHoldAndResume(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.call()
		for _, body := range []string{"audio hold", "audio"} {
			p.request("INVITE", body)
			if got := string(p.answer(200).Body()); got != "answer to "+body {
				t.Errorf("answer = %q", got)
			}
			p.request("ACK", "")
		}
		if got := w.joined().story(); got != "attach(1) connected attach(1) on-hold attach(1) connected" {
			t.Errorf("leg: %s", got)
		}
		p.hangUp()
	})
}

func TestVideoIsAddedAndAFailedReINVITELeavesWhatWas(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.call()
		p.request("INVITE", "audio video")
		p.answer(200)
		p.request("ACK", "")
		p.request("INVITE", "bad")
		p.answer(488)
		p.raw("ACK", p.seq, fmt.Sprintf("z9hG4bK-phone-%d", p.branch), "")
		if got := w.joined().story(); got != "attach(1) connected attach(2)" {
			t.Errorf("leg: %s", got)
		}
		p.request("INFO", "x", "Content-Type: application/media_control+xml")
		p.answer(200)
		p.request("INFO", pictureFastUpdate, "Content-Type: application/media_control+xml")
		p.answer(200)
		if got := w.joined().story(); !strings.HasSuffix(got, "attach(2) keyframe(1)") {
			t.Errorf("leg: %s", got)
		}
		p.hangUp()
	})
}

func TestLateReINVITE(t *testing.T) {
	tests := map[string]struct{ answer, want string }{
		"answered":    {"audio video", "attach(1) connected attach(2)"},
		"no answer":   {"", "attach(1) connected"},
		"cannot work": {"bad", "attach(1) connected"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				p := w.phone("203.0.113.5:5060")
				p.call()
				p.request("INVITE", "")
				p.answer(200)
				p.request("ACK", tc.answer)
				if got := w.joined().story(); got != tc.want {
					t.Errorf("leg: %s, want %s", got, tc.want)
				}
				p.hangUp()
			})
		})
	}
}

// A second INVITE before the final answer to the first: 500 with Retry-After (RFC 3261 §14.2).
func TestOverlappingINVITE(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.request("INVITE", "audio", "Require: 100rel")
		ring := p.answer(180)
		p.request("INVITE", "audio")
		if res := p.answer(500); field(res, "retry-after") == "" {
			t.Error("500 without Retry-After")
		}
		p.raw("ACK", 2, "z9hG4bK-phone-2", "")
		p.request("PRACK", "", "RAck: "+field(ring, "rseq")+" 1 INVITE")
		p.answer(200)
		p.answer(200)
		p.raw("ACK", 1, "z9hG4bK-ack", "")
		p.hangUp()
	})
}

// Over TCP and through proxies the ACK may come after what follows it.
func TestReINVITEBeforeTheACK(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.request("INVITE", "audio")
		p.answer(180)
		p.answer(200)
		p.request("INFO", "5", "Content-Type: application/dtmf")
		p.request("INVITE", "audio hold")
		p.quiet(100 * time.Millisecond)
		p.raw("ACK", 1, "z9hG4bK-ack1", "")
		p.answer(200)
		p.answer(200)
		p.raw("ACK", 3, "z9hG4bK-ack3", "")
		if got := w.joined().story(); got != "attach(1) connected press(5) attach(1) on-hold" {
			t.Errorf("leg: %s", got)
		}
		p.hangUp()
	})
}

func TestUpdate(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.call()
		p.request("UPDATE", "audio hold")
		if got := string(p.answer(200).Body()); got != "answer to audio hold" {
			t.Errorf("answer = %q", got)
		}
		p.contact = "sip:ann@203.0.113.5:5070" // target refresh without an offer
		p.request("UPDATE", "")
		if res := p.answer(200); len(res.Body()) != 0 {
			t.Errorf("an UPDATE without an offer got %q", res.Body())
		}
		p.request("UPDATE", "bad")
		p.answer(488)
		if got := w.joined().story(); got != "attach(1) connected attach(1) on-hold" {
			t.Errorf("leg: %s", got)
		}
		moved := w.phone("203.0.113.5:5070")
		w.joined().request.Actor.Hangup(bridge.Reason{})
		moved.asks("BYE")
		moved.reply(200, "OK", "")
	})
}

func TestKeysByINFO(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.call()
		tests := []struct {
			typ, body string
			code      int
			field     string
		}{
			{"application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 200, ""},
			{"application/dtmf-relay", "Duration=160\r\nSignal= *\r\n", 200, ""},
			{"application/dtmf", "#", 200, ""},
			{"application/dtmf", "11", 200, ""},
			{"application/dtmf", "x", 400, ""},
			{"application/dtmf-relay", "Signal=\r\n", 400, ""},
			{"text/plain", "hello", 415, "accept"},
		}
		for _, tc := range tests {
			p.request("INFO", tc.body, "Content-Type: "+tc.typ)
			if res := p.answer(tc.code); tc.field != "" && field(res, tc.field) == "" {
				t.Errorf("%s %q: no %s", tc.typ, tc.body, tc.field)
			}
		}
		p.request("INFO", "")
		p.answer(200)
		if got := w.joined().story(); got != "attach(1) connected press(5) press(*) press(#) press(#)" {
			t.Errorf("leg: %s", got)
		}
		p.hangUp()
	})
}

func TestRequestsThatBelongNowhere(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		for method, code := range map[string]int{"BYE": 481, "UPDATE": 481, "INFO": 481, "PRACK": 481, "MESSAGE": 404, "REFER": 404, "DANCE": 501} {
			p.request(method, "")
			res := p.answer(code)
			if code != 481 && code != 404 && !strings.Contains(field(res, "allow"), "INVITE") {
				t.Errorf("%s: %d without Allow", method, code)
			}
		}
		p.theirs = "stranger"
		for _, method := range []string{"INVITE", "BYE", "SUBSCRIBE"} {
			p.request(method, "")
			p.answer(481)
			if method == "INVITE" {
				p.raw("ACK", p.seq, fmt.Sprintf("z9hG4bK-phone-%d", p.branch), "")
			}
		}
	})
}

func TestOptions(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		check := func() {
			t.Helper()
			p.request("OPTIONS", "")
			res := p.answer(200)
			for name, want := range map[string]string{"allow": "UPDATE", "accept": "application/sdp", "supported": "timer", "allow-events": "conference", "contact": "isfocus"} {
				if !strings.Contains(field(res, name), want) {
					t.Errorf("%s = %q, want %s in it", name, field(res, name), want)
				}
			}
		}
		check()
		p.call()
		check()
		p.hangUp()
	})
}

func TestOldRequestInTheDialog(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.seq = 10
		p.call()
		p.raw("INFO", 5, "z9hG4bK-old", "")
		p.answer(500)
		p.hangUp()
	})
}

// The far end is the refresher (JsSIP asks for 90 s): when it does not refresh, the call ends a third before the time.
func TestSessionExpires(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		res := p.call("Supported: timer", "Session-Expires: 90")
		if got := field(res, "session-expires"); got != "90;refresher=uac" {
			t.Errorf("Session-Expires = %s", got)
		}
		if !strings.Contains(field(res, "require"), "timer") {
			t.Error("200 without Require: timer")
		}
		start := time.Now()
		time.Sleep(50 * time.Second)
		p.request("UPDATE", "", "Supported: timer", "Session-Expires: 90;refresher=uac")
		p.answer(200)
		if r := field(p.asks("BYE"), "reason"); !strings.Contains(r, "Session expired") {
			t.Errorf("Reason = %s", r)
		}
		if d := time.Since(start); d != 110*time.Second { // 50 + 90 − min(32, 90/3)
			t.Errorf("BYE after %v, want 1m50s", d)
		}
		p.reply(200, "OK", "")
	})
}

func TestWeRefreshByUPDATE(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		res := p.call("Supported: timer", "Session-Expires: 120;refresher=uas", "Allow: INVITE, ACK, BYE, UPDATE")
		if got := field(res, "session-expires"); got != "120;refresher=uas" {
			t.Errorf("Session-Expires = %s", got)
		}
		for range 3 {
			start := time.Now()
			req := p.asks("UPDATE")
			if d := time.Since(start); d != time.Minute {
				t.Errorf("refreshed after %v, want 1m", d)
			}
			if got := field(req, "session-expires"); got != "120;refresher=uac" {
				t.Errorf("Session-Expires = %s", got)
			}
			p.reply(200, "OK", "", "Session-Expires: 120;refresher=uac", "Require: timer")
		}
		p.seq = 50
		p.hangUp()
	})
}

func TestWeRefreshByReINVITE(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.call("Supported: timer", "Session-Expires: 120;refresher=uas")
		req := p.asks("INVITE")
		if string(req.Body()) != "our offer" {
			t.Errorf("offer = %q", req.Body())
		}
		// Theirs crosses ours: 491 both ways (RFC 3261 §14.1).
		p.request("INVITE", "audio hold")
		p.answer(491)
		p.raw("ACK", p.seq, fmt.Sprintf("z9hG4bK-phone-%d", p.branch), "")
		p.reply(491, "Request Pending", "")
		p.asks("ACK")
		start := time.Now()
		p.asks("INVITE") // we do not own the Call-ID: 0–2 s
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("again after %v, want at most 2s", d)
		}
		p.reply(200, "OK", "audio", "Session-Expires: 120;refresher=uac", "Require: timer")
		if ack := p.asks("ACK"); ack.CSeq().SeqNo != 2 {
			t.Errorf("CSeq of ACK = %d, want 2", ack.CSeq().SeqNo)
		}
		p.hangUp()
	})
}

// RFC 3261 §12.2.1.2: a far end that is gone, or says that it lost the call, ends it.
func TestRefreshFails(t *testing.T) {
	tests := map[string]struct {
		code int // of the answer to UPDATE; 0 is silence
		want string
	}{
		"silence":       {0, "attach(1) connected leave(failed,408)"},
		"lost the call": {481, "attach(1) connected leave(failed,481)"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				p := w.phone("203.0.113.5:5060")
				p.call("Supported: timer", "Session-Expires: 120;refresher=uas", "Allow: UPDATE")
				p.asks("UPDATE")
				if tc.code > 0 {
					p.reply(tc.code, "Gone", "")
				}
				for {
					if req, ok := p.next(time.Hour).(*sipmsg.Request); !ok {
						t.Fatal("no BYE")
					} else if req.Method == "BYE" {
						p.last = req
						break
					}
				}
				p.reply(200, "OK", "")
				if got := w.joined().story(); got != tc.want {
					t.Errorf("leg: %s, want %s", got, tc.want)
				}
			})
		})
	}
}

func TestFlood(t *testing.T) {
	inWorld(t, func(c *Config) { c.Limits = Limits{RatePerSource: 3} }, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		for i := range 5 {
			p.callID, p.theirs = fmt.Sprint("call", i), ""
			p.target = "sip:8001@198.51.100.1"
			p.request("INVITE", "bad")
			if i < 3 {
				p.answer(488)
			} else if res := p.answer(503); field(res, "retry-after") == "" {
				t.Error("503 without Retry-After")
			}
			p.raw("ACK", p.seq, fmt.Sprintf("z9hG4bK-phone-%d", p.branch), "")
		}
		synctest.Wait()
		if n := w.ua.Calls(); n != 0 {
			t.Errorf("%d calls are kept", n)
		}
		time.Sleep(time.Second)
		p.callID, p.theirs = "later", ""
		p.call()
		p.hangUp()
	})
}

func TestCallsAtOnce(t *testing.T) {
	inWorld(t, func(c *Config) { c.Limits = Limits{CallsPerSource: 1} }, func(w *world) {
		p, q, r := w.phone("203.0.113.5:5060"), w.phone("203.0.113.5:5062"), w.phone("203.0.113.6:5060")
		p.call()
		q.request("INVITE", "audio")
		q.answer(503)
		q.raw("ACK", q.seq, "z9hG4bK-phone-1", "")
		r.call()
		p.hangUp()
		r.hangUp()
		q.callID, q.theirs = "again", ""
		q.call()
		q.hangUp()
	})
}
