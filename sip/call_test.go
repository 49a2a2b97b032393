package sip

import (
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
)

func TestPhoneDialsIn(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.request("INVITE", "audio")
		if res := p.answer(100); res.To().Params.Has("tag") {
			t.Error("100 has a To tag")
		}
		p.answer(180)
		if w.joined() != nil {
			t.Error("joined before the ACK: an ad-hoc conference lives only with a completed leg")
		}
		res := p.answer(200)
		if got := string(res.Body()); got != "answer to audio" {
			t.Errorf("answer = %q", got)
		}
		if c := field(res, "contact"); c != "<sip:8001@198.51.100.1:5060>;isfocus" {
			t.Errorf("Contact = %s", c)
		}
		p.request("ACK", "")
		l := w.joined()
		if l == nil {
			t.Fatal("not joined after the ACK")
		}
		r := l.request
		if r.Conference != "8001" || r.Entity != "sip:ann@example.org" || r.DisplayText != "Ann" || r.Number != "ann" || r.Call.CallID != p.callID {
			t.Errorf("JoinRequest = %+v", r)
		}
		if r.Began.IsZero() {
			t.Error("nobody knows when the INVITE came")
		}
		p.hangUp()
		if got := l.story(); got != "attach(1) connected leave(departed,0)" {
			t.Errorf("leg: %s", got)
		}
	})
}

func TestLateOffer(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.request("INVITE", "")
		p.answer(180)
		if got := string(p.answer(200).Body()); got != "our offer" {
			t.Errorf("200 has %q, want our offer", got)
		}
		p.request("ACK", "audio")
		if got := w.joined().story(); got != "attach(1) connected" {
			t.Errorf("leg: %s", got)
		}
		p.hangUp()
	})
}

func TestLateOfferWithoutAnswerEndsTheCall(t *testing.T) {
	for name, body := range map[string]string{"no answer": "", "does not fit": "bad"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				p := w.phone("203.0.113.5:5060")
				p.request("INVITE", "")
				p.answer(180)
				p.answer(200)
				p.request("ACK", body)
				if r := field(p.asks("BYE"), "reason"); !strings.Contains(r, "cause=488") {
					t.Errorf("Reason = %s", r)
				}
				p.reply(200, "OK", "")
				if w.joined() != nil {
					t.Error("joined without media")
				}
			})
		})
	}
}

func TestNoACK(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.request("INVITE", "audio")
		p.answer(180)
		start := time.Now()
		var at []time.Duration
		for {
			m := p.next(time.Minute)
			if req, ok := m.(*sipmsg.Request); ok {
				if req.Method != "BYE" {
					t.Fatalf("got %s, want BYE", req.StartLine())
				}
				p.last = req
				break
			}
			at = append(at, time.Since(start))
		}
		// T1 doubling up to T2: 0, 0.5, 1.5, 3.5, 7.5, then every 4 s until 64·T1 = 32 s (RFC 3261 §13.3.1.4).
		want := []time.Duration{0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500}
		if len(at) != len(want) {
			t.Fatalf("200 came at %v", at)
		}
		for i := range want {
			if at[i] != want[i]*time.Millisecond {
				t.Errorf("200 number %d came after %v, want %v", i+1, at[i], want[i]*time.Millisecond)
			}
		}
		if d := time.Since(start); d != 32*time.Second {
			t.Errorf("BYE after %v, want 32s", d)
		}
		p.reply(200, "OK", "")
		if w.joined() != nil {
			t.Error("joined without an ACK")
		}
	})
}

func TestCancel(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.request("INVITE", "audio", "Require: 100rel") // waits for PRACK, so there is time
		ring := p.answer(180)
		p.raw("CANCEL", p.seq, "z9hG4bK-phone-1", "")
		if res := p.answer(200); res.CSeq().MethodName != "CANCEL" {
			t.Errorf("200 is for %s", res.CSeq().MethodName)
		}
		res := p.answer(487)
		if a, b := ring.To().Value(), res.To().Value(); a != b {
			t.Errorf("To of 180 is %s, of 487 %s", a, b)
		}
		p.raw("ACK", p.seq, "z9hG4bK-phone-1", "")
		p.quiet(time.Minute)
		if w.joined() != nil {
			t.Error("joined although cancelled")
		}
	})
}

func TestReliableRinging(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.request("INVITE", "audio", "Require: 100rel")
		ring := p.answer(180)
		if field(ring, "require") != "100rel" || field(ring, "rseq") == "" {
			t.Errorf("180 is not reliable: %s", ring)
		}
		again := p.answer(180) // after T1
		if field(again, "rseq") != field(ring, "rseq") {
			t.Error("a repetition has another RSeq")
		}
		p.request("PRACK", "", "RAck: 1 1 INVITE")
		p.answer(481)
		p.request("PRACK", "", "RAck: "+field(ring, "rseq")+" 1 INVITE")
		if res := p.answer(200); res.CSeq().MethodName != "PRACK" {
			t.Errorf("answer to PRACK: %s", res)
		}
		p.answer(200)
		p.raw("ACK", 1, "z9hG4bK-ack", "")
		if w.joined() == nil {
			t.Error("not joined")
		}
		p.hangUp()
	})
}

func TestNoPRACK(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.request("INVITE", "audio", "Require: 100rel")
		for {
			res, ok := p.next(time.Minute).(*sipmsg.Response)
			if !ok {
				t.Fatal("no final answer")
			}
			if res.StatusCode == 504 {
				break
			}
		}
		p.raw("ACK", p.seq, "z9hG4bK-phone-1", "")
	})
}

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		refusal *bridge.Refusal
		target  string
		body    string
		lines   []string
		code    int
		field   string // "name: part of the value"
	}{
		"unknown conference": {refusal: &bridge.Refusal{Rule: "unknown", Text: "No such conference"}, code: 404, field: "warning: No such conference"},
		"full":               {refusal: &bridge.Refusal{Rule: "full", Text: "Full"}, code: 486, field: "warning: Full"},
		"locked":             {refusal: &bridge.Refusal{Rule: "locked", Text: "Locked"}, code: 403, field: "warning: Locked"},
		"limit":              {refusal: &bridge.Refusal{Rule: "limit", Text: "Too many"}, code: 503, field: "retry-after: "},
		"no conference":      {target: "sip:198.51.100.1", code: 404},
		"media do not fit":   {body: "bad", code: 488, field: `warning: 305 198.51.100.1 "No common format"`},
		"not SDP":            {body: "x", lines: []string{"Content-Type: text/plain"}, code: 415, field: "accept: application/sdp"},
		"compressed":         {body: "x", lines: []string{"Content-Type: application/sdp", "Content-Encoding: gzip"}, code: 415, field: "accept-encoding: identity"},
		"unknown extension":  {body: "audio", lines: []string{"Require: precondition"}, code: 420, field: "unsupported: precondition"},
		"interval too small": {body: "audio", lines: []string{"Supported: timer", "Session-Expires: 30"}, code: 422, field: "min-se: 90"},
		"malformed interval": {body: "audio", lines: []string{"Supported: timer", "Session-Expires: soon"}, code: 400},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.focus.refusal = tc.refusal
				p := w.phone("203.0.113.5:5060")
				if tc.target != "" {
					p.target = tc.target
				}
				p.request("INVITE", tc.body, tc.lines...)
				res := p.answer(tc.code)
				if name, want, ok := strings.Cut(tc.field, ": "); ok && (field(res, name) == "" || !strings.Contains(field(res, name), want)) {
					t.Errorf("%s = %q, want %q in it", name, field(res, name), want)
				}
				p.theirs = res.To().Params.GetOr("tag", "")
				p.raw("ACK", p.seq, "z9hG4bK-phone-1", "")
				p.quiet(time.Minute)
			})
		})
	}
}

func TestOptionalBodyIsIgnored(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		body := "--x\r\nContent-Type: image/png\r\n\r\nPNG\r\n--x\r\nContent-Type: application/sdp\r\n\r\naudio\r\n--x--\r\n"
		p.request("INVITE", body, "Content-Type: multipart/mixed;boundary=x")
		p.answer(180)
		if got := string(p.answer(200).Body()); got != "answer to audio" {
			t.Errorf("answer = %q", got)
		}
		p.request("ACK", "")
		p.hangUp()
	})
}

func TestRefusedAfterTheACK(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.focus.late = &bridge.Refusal{Rule: "full", Text: "Just filled"}
		p := w.phone("203.0.113.5:5060")
		p.call()
		if r := field(p.asks("BYE"), "reason"); r != `SIP;cause=486;text="Just filled"` {
			t.Errorf("Reason = %s", r)
		}
		p.reply(200, "OK", "")
	})
}

func TestBridgeHangsUp(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.call("Record-Route: <sip:203.0.113.5;lr>")
		l := w.joined()
		l.request.Actor.Hangup(bridge.Reason{Method: "booted", Text: "Expelled"})
		bye := p.asks("BYE")
		if r := field(bye, "reason"); r != `Q.850;cause=16;text="Expelled"` {
			t.Errorf("Reason = %s", r)
		}
		if got := field(bye, "route"); got != "<sip:203.0.113.5;lr>" {
			t.Errorf("Route = %s", got)
		}
		if got := l.story(); !strings.HasSuffix(got, "leave(booted,0)") {
			t.Errorf("leg: %s", got)
		}
		p.reply(200, "OK", "")
	})
}

// A phone behind a NAT names its private address; our requests go the way its INVITE came.
func TestRequestsFollowTheFlowThroughNAT(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:61000")
		p.contact = "sip:ann@192.168.1.20:5060"
		p.call()
		w.joined().request.Actor.Hangup(bridge.Reason{})
		if bye := p.asks("BYE"); bye.Recipient.Host != "192.168.1.20" {
			t.Errorf("Request-URI = %s, want the Contact", bye.Recipient.String())
		}
		p.reply(200, "OK", "")
	})
}

func TestShutdownDoesNotWaitForAnACK(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.request("INVITE", "audio")
		p.answer(180)
		p.answer(200)
		start := time.Now()
		w.stop()
		if r := field(p.asks("BYE"), "reason"); !strings.Contains(r, "cause=503") || time.Since(start) > 0 {
			t.Errorf("BYE after %v, Reason = %s", time.Since(start), r)
		}
		p.reply(200, "OK", "")
	})
}

func TestShutdownSaysBYE(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.call()
		w.joined()
		w.stop()
		p.asks("BYE")
		p.reply(200, "OK", "")
	})
}
