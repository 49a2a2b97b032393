package sip

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tutti/bridge"
)

// outbound lets everything at 203.0.113.0/24's example go out.
func outbound(c *Config) {
	c.Trunks = []Trunk{{Name: "pbx", Address: "203.0.113.9:5060", User: "focus", Password: "secret"}}
	c.Outbound = []Rule{{Match: "sip:*@203.0.113.*"}, {Match: "+49*", Trunk: "pbx"}}
}

// dialled starts a call out.
func (w *world) dialled(target string) (*fakeLeg, bridge.Actor) {
	w.t.Helper()
	l := &fakeLeg{}
	a, err := w.ua.dial(l, "8001", target)
	if err != nil {
		w.t.Fatal(err)
	}
	return l, a
}

func TestDialOut(t *testing.T) {
	inWorld(t, outbound, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		l, a := w.dialled("sip:bob@203.0.113.5")
		invite := p.asks("INVITE")
		if string(invite.Body()) != "our offer" || !strings.Contains(field(invite, "contact"), "isfocus") {
			t.Errorf("INVITE = %s", invite)
		}
		p.reply(100, "Trying", "")
		p.reply(180, "Ringing", "")
		if got := l.story(); got != "alerting" {
			t.Errorf("while it rings: %s", got)
		}
		p.reply(200, "OK", "audio")
		if ack := p.asks("ACK"); ack.CSeq().Value() != "1 ACK" {
			t.Errorf("ACK = %s", ack)
		}
		if got := l.story(); got != "alerting attach(1) connected" {
			t.Errorf("after the 200: %s", got)
		}
		p.last = invite
		p.reply(200, "OK", "audio") // our ACK was lost
		p.asks("ACK")
		a.Hangup(bridge.Reason{Method: "departed"})
		p.asks("BYE")
		p.reply(200, "OK", "")
		if got := l.story(); got != "alerting attach(1) connected leave(departed,0)" {
			t.Errorf("at the end: %s", got)
		}
	})
}

func TestDialledPhoneHangsUp(t *testing.T) {
	inWorld(t, outbound, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		l, _ := w.dialled("sip:bob@203.0.113.5")
		invite := p.asks("INVITE")
		p.reply(200, "OK", "audio")
		p.asks("ACK")
		from, _ := invite.From().Params.Get("tag")
		p.say("BYE sip:8001@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bKbye\r\nFrom: <sip:bob@203.0.113.5>;tag=phone\r\nTo: <sip:8001@198.51.100.1>;tag=" +
			from + "\r\nCall-ID: " + string(*invite.CallID()) + "\r\nCSeq: 77 BYE\r\nContent-Length: 0\r\n\r\n")
		p.answer(200)
		if got := l.story(); !strings.HasSuffix(got, "leave(departed,0)") {
			t.Errorf("leg: %s", got)
		}
	})
}

func TestNoRuleNoCall(t *testing.T) {
	inWorld(t, func(c *Config) { outbound(c); c.Users = []User{{"alice", "x"}} }, func(w *world) {
		for target, rule := range map[string]string{
			"sip:bob@evil.example":                     "outbound",
			"sip:bob@evil.example;x=@203.0.113.5":      "outbound",
			"sip:bob@evil.example?x=sip:a@203.0.113.5": "outbound",
			"sip:203.0.113.5@evil.example":             "outbound",
			"+33123456":                                "outbound",
			"+49 30; sip:x@y":                          "outbound",
			"":                                         "outbound",
			"mailto:bob@example.org":                   "outbound",
			"alice":                                    "absent",
			"bob":                                      "outbound",
			"sip:bob@203.0.113.5\r\nRoute: <sip:x>":    "outbound",
			"sip:b@[2001:db8::1]":                      "outbound",
			"sips:bob@203.0.113.5":                     "outbound",
		} {
			_, err := w.ua.dial(&fakeLeg{}, "8001", target)
			var r *bridge.Refusal
			if !errors.As(err, &r) || r.Rule != rule {
				t.Errorf("dial %q: %v, want rule %q", target, err, rule)
			}
		}
	})
}

func TestTrunkAsksForAPassword(t *testing.T) {
	inWorld(t, outbound, func(w *world) {
		p := w.phone("203.0.113.9:5060")
		l, a := w.dialled("+49 (30) 123-45")
		first := p.asks("INVITE")
		if got := first.Recipient.String(); got != "sip:+493012345@203.0.113.9:5060" {
			t.Errorf("Request-URI = %s", got)
		}
		p.reply(407, "Proxy Authentication Required", "", `Proxy-Authenticate: Digest realm="pbx", nonce="abc", qop="auth", algorithm=MD5`)
		p.asks("ACK")
		second := p.asks("INVITE")
		if v := field(second, "proxy-authorization"); !strings.Contains(v, `username="focus"`) || second.CSeq().SeqNo != 2 {
			t.Errorf("second INVITE: %s", second)
		}
		p.reply(407, "Proxy Authentication Required", "", `Proxy-Authenticate: Digest realm="pbx", nonce="abd", qop="auth", algorithm=MD5`)
		p.asks("ACK")
		if got := l.story(); got != "leave(failed,407)" { // once, not for ever
			t.Errorf("leg: %s", got)
		}
		a.Hangup(bridge.Reason{})
		p.quiet(time.Minute)
	})
}

func TestFailuresOfACallOut(t *testing.T) {
	tests := map[string]struct {
		code int
		want string
	}{
		"busy":     {486, "leave(busy,486)"},
		"declined": {603, "leave(busy,603)"},
		"moved":    {302, "leave(failed,302)"},
		"unknown":  {404, "leave(failed,404)"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, outbound, func(w *world) {
				p := w.phone("203.0.113.5:5060")
				l, _ := w.dialled("sip:bob@203.0.113.5")
				p.asks("INVITE")
				p.reply(tc.code, "No", "", "Contact: <sip:elsewhere@203.0.113.77>")
				p.asks("ACK")
				if got := l.story(); got != tc.want {
					t.Errorf("leg: %s, want %s", got, tc.want)
				}
			})
		})
	}
}

func TestNobodyThere(t *testing.T) {
	inWorld(t, outbound, func(w *world) {
		l, _ := w.dialled("sip:bob@203.0.113.5")
		time.Sleep(33 * time.Second)
		if got := l.story(); got != "leave(failed,408)" {
			t.Errorf("leg: %s", got)
		}
	})
}

func TestHangUpWhileRinging(t *testing.T) {
	inWorld(t, outbound, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		l, a := w.dialled("sip:bob@203.0.113.5")
		invite := p.asks("INVITE")
		a.Hangup(bridge.Reason{Method: "departed"})
		p.quiet(100 * time.Millisecond) // RFC 3261 §9.1: not before a provisional answer
		p.reply(180, "Ringing", "")
		p.asks("CANCEL")
		p.reply(200, "OK", "")
		p.last = invite
		p.reply(487, "Request Terminated", "")
		p.asks("ACK")
		if got := l.story(); got != "leave(departed,0)" {
			t.Errorf("leg: %s", got)
		}
	})
}

func TestAnswerCrossesCANCEL(t *testing.T) {
	inWorld(t, outbound, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		l, a := w.dialled("sip:bob@203.0.113.5")
		invite := p.asks("INVITE")
		p.reply(180, "Ringing", "")
		synctest.Wait()
		a.Hangup(bridge.Reason{Method: "departed"})
		p.asks("CANCEL")
		p.reply(200, "OK", "")
		p.last = invite
		p.reply(200, "OK", "audio")
		p.asks("ACK")
		p.asks("BYE")
		p.reply(200, "OK", "")
		if got := l.story(); got != "alerting leave(departed,0)" {
			t.Errorf("leg: %s: something was mixed", got)
		}
	})
}

func TestRingTimeout(t *testing.T) {
	inWorld(t, outbound, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		l, _ := w.dialled("sip:bob@203.0.113.5")
		invite := p.asks("INVITE")
		p.reply(180, "Ringing", "")
		start := time.Now()
		p.asks("CANCEL")
		if d := time.Since(start); d != time.Minute {
			t.Errorf("CANCEL after %v, want 1m", d)
		}
		p.reply(200, "OK", "")
		p.last = invite
		p.reply(487, "Request Terminated", "")
		p.asks("ACK")
		if got := l.story(); got != "alerting leave(failed,408)" {
			t.Errorf("leg: %s", got)
		}
	})
}

// A proxy forked our INVITE: the first 200 talks, the second is acknowledged and hung up.
func TestForkedAnswers(t *testing.T) {
	inWorld(t, outbound, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		l, a := w.dialled("sip:bob@203.0.113.5")
		invite := p.asks("INVITE")
		p.tag = "one"
		p.reply(200, "OK", "audio")
		p.asks("ACK")
		p.tag, p.last = "two", invite
		p.reply(200, "OK", "audio")
		if ack := p.asks("ACK"); ack.To().Params.GetOr("tag", "") != "two" {
			t.Errorf("ACK to %s", ack.To().Value())
		}
		if bye := p.asks("BYE"); bye.To().Params.GetOr("tag", "") != "two" {
			t.Errorf("BYE to %s", bye.To().Value())
		}
		p.reply(200, "OK", "")
		a.Hangup(bridge.Reason{})
		if bye := p.asks("BYE"); bye.To().Params.GetOr("tag", "") != "one" {
			t.Errorf("BYE to %s", bye.To().Value())
		}
		p.reply(200, "OK", "")
		if got := l.story(); strings.Count(got, "attach") != 1 {
			t.Errorf("leg: %s", got)
		}
	})
}

// The far end wants a longer session interval (RFC 4028 §7.3), then lets us refresh.
func TestSessionTimerOfACallOut(t *testing.T) {
	inWorld(t, func(c *Config) { outbound(c); c.SessionExpires = 100 * time.Second }, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		_, a := w.dialled("sip:bob@203.0.113.5")
		if got := field(p.asks("INVITE"), "session-expires"); got != "100" {
			t.Errorf("Session-Expires = %s", got)
		}
		p.reply(422, "Session Interval Too Small", "", "Min-SE: 200")
		p.asks("ACK")
		again := p.asks("INVITE")
		if field(again, "session-expires") != "200" || field(again, "min-se") != "200" {
			t.Errorf("second INVITE: %s", again)
		}
		p.reply(200, "OK", "audio", "Session-Expires: 200;refresher=uac", "Allow: UPDATE")
		p.asks("ACK")
		start := time.Now()
		p.asks("UPDATE")
		if d := time.Since(start); d != 100*time.Second {
			t.Errorf("refreshed after %v, want 100 s", d)
		}
		p.reply(200, "OK", "", "Session-Expires: 200;refresher=uac")
		a.Hangup(bridge.Reason{})
		p.asks("BYE")
		p.reply(200, "OK", "")
	})
}

// The route of an answer is taken in reverse (RFC 3261 §12.1.2).
func TestRouteOfACallOut(t *testing.T) {
	inWorld(t, outbound, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		_, a := w.dialled("sip:bob@203.0.113.5")
		p.asks("INVITE")
		p.reply(200, "OK", "audio", "Record-Route: <sip:198.51.100.99;lr>", "Record-Route: <sip:203.0.113.5;lr>")
		ack := p.asks("ACK")
		var routes []string
		for _, h := range ack.GetHeaders("route") {
			routes = append(routes, h.Value())
		}
		if got := strings.Join(routes, " "); got != "<sip:203.0.113.5;lr> <sip:198.51.100.99;lr>" {
			t.Errorf("Route = %s", got)
		}
		a.Hangup(bridge.Reason{})
		p.asks("BYE")
		p.reply(200, "OK", "")
	})
}

// Some gateways leave the description out of the 200 when a provisional answer had it.
func TestDescriptionInTheProvisionalAnswer(t *testing.T) {
	inWorld(t, outbound, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		l, a := w.dialled("sip:bob@203.0.113.5")
		p.asks("INVITE")
		p.reply(183, "Session Progress", "audio")
		if got := l.story(); got != "alerting" {
			t.Errorf("before the 200: %s: something was mixed", got)
		}
		p.reply(200, "OK", "")
		p.asks("ACK")
		if got := l.story(); got != "alerting attach(1) connected" {
			t.Errorf("after the 200: %s", got)
		}
		a.Hangup(bridge.Reason{})
		p.asks("BYE")
		p.reply(200, "OK", "")
	})
}

func TestAnsweredWithoutMedia(t *testing.T) {
	for name, body := range map[string]string{"nothing": "", "does not fit": "bad"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, outbound, func(w *world) {
				p := w.phone("203.0.113.5:5060")
				l, _ := w.dialled("sip:bob@203.0.113.5")
				p.asks("INVITE")
				p.reply(200, "OK", body)
				p.asks("ACK")
				p.asks("BYE")
				p.reply(200, "OK", "")
				if got := l.story(); got != "leave(failed,488)" {
					t.Errorf("leg: %s", got)
				}
			})
		})
	}
}
