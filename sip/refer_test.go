package sip

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
)

// ringing is a conference that calls user.
func ringing(t *testing.T, user bridge.UserID, status bridge.Status) *bridge.State {
	t.Helper()
	s, _, err := bridge.State{}.Apply(bridge.Order{
		At: time.Now(), By: bridge.Operator("op"), Command: bridge.Dial{Target: "sip:bob@192.0.2.9", User: user, Leg: "l"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.User(user).Endpoints[0].Status = status
	return &s
}

// A participant refers the focus to somebody; the focus calls them and says how it goes.
func TestReferAddsAParticipant(t *testing.T) {
	for _, where := range []string{"within the call", "outside of it"} {
		t.Run(where, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				states := w.titled("8001", "one")
				<-states
				call := w.phone("192.0.2.7:5060")
				call.call()
				l := w.joined()
				p := call
				if where != "within the call" {
					p = w.phone("192.0.2.7:5070")
					p.callID, p.tag = "other", "other"
				}
				p.request("REFER", "", `Refer-To: "Bob" <sip:bob@192.0.2.9>`, "Referred-By: <sip:ann@example.org>")
				res := p.answer(202)
				if !res.Contact().Params.Has("isfocus") {
					t.Errorf("no focus in\n%s", res)
				}
				if p != call {
					p.theirs = res.To().Params.GetOr("tag", "")
				}
				req := p.notified(true)
				if field(req, "event") != "refer;id="+field(res, "cseq")[:1] || field(req, "content-type") != "message/sipfrag;version=2.0" || string(req.Body()) != "SIP/2.0 100 Trying\r\n" {
					t.Errorf("first NOTIFY\n%s", req)
				}
				d, ok := l.command().(bridge.Dial)
				if !ok || d.Target != "sip:bob@192.0.2.9" || d.Name != "Bob" || d.User == "" {
					t.Fatalf("the bridge was asked to %#v", l.command())
				}
				states <- ringing(t, d.User, bridge.Alerting)
				p.wantNotify("active", "SIP/2.0 180 Ringing\r\n")
				states <- ringing(t, d.User, bridge.Connected)
				p.wantNotify("terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
				if len(w.ua.referred) != 0 {
					t.Error("the REFER is remembered")
				}
				call.hangUp()
			})
		})
	}
}

func TestReferRemovesAParticipant(t *testing.T) {
	tests := map[string]string{
		"address":            "sip:bob@192.0.2.9",
		"entity of document": "sip:anybody@example.org;tutti-id=bob-id",
		"number":             "sip:bob@198.51.100.1",
	}
	for name, uri := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.focus.states = map[string]*fakeStates{}
				states := w.titled("8001", "")
				<-states
				states <- ringing(t, "bob-id", bridge.Connected)
				p := w.phone("192.0.2.7:5060")
				p.call()
				p.request("REFER", "", "Refer-To: <"+uri+";method=BYE>")
				p.answer(202)
				p.wantNotify("active", "SIP/2.0 200 OK\r\n")
				p.wantNotify("terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
				if x, ok := w.joined().command().(bridge.Expel); !ok || x.User != "bob-id" {
					t.Errorf("the bridge was asked to %#v", w.joined().command())
				}
				p.hangUp()
			})
		})
	}
}

// Refer-Sub: false wants no NOTIFY (RFC 4488).
func TestReferWithoutSubscription(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.titled("8001", "one")
		p := w.phone("192.0.2.7:5060")
		p.call()
		p.request("REFER", "", "Refer-To: <tel:+49301234>", "Refer-Sub: false", "Require: norefersub")
		if res := p.answer(202); field(res, "refer-sub") != "false" {
			t.Errorf("answer\n%s", res)
		}
		p.quiet(time.Second)
		if d, ok := w.joined().command().(bridge.Dial); !ok || d.Target != "tel:+49301234" {
			t.Errorf("the bridge was asked to %#v", w.joined().command())
		}
		p.hangUp()
	})
}

func TestReferIsRefused(t *testing.T) {
	tests := map[string]struct {
		lines []string
		rule  error
		code  int
	}{
		"nobody":            {nil, nil, 400},
		"not an address":    {[]string{"Refer-To: <sip:>"}, nil, 400},
		"no call":           {[]string{"Refer-To: <http://example.org>"}, nil, 400},
		"another method":    {[]string{"Refer-To: <sip:bob@192.0.2.9;method=MESSAGE>"}, nil, 400},
		"broken Replaces":   {[]string{"Refer-To: <sip:bob@192.0.2.9?Replaces=a%0d%0aX%3Ato-tag>"}, nil, 400},
		"somebody not here": {[]string{"Refer-To: <sip:eve@192.0.2.9;method=BYE>"}, nil, 403},
		"not allowed":       {[]string{"Refer-To: <sip:bob@192.0.2.9>"}, &bridge.Refusal{Rule: bridge.RuleOutbound, Text: "No outbound rule allows it"}, 403},
		"too many":          {[]string{"Refer-To: <sip:bob@192.0.2.9>"}, &bridge.Refusal{Rule: bridge.RuleLimit, Text: "too many"}, 503},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.titled("8001", "one")
				p := w.phone("192.0.2.7:5060")
				p.call()
				w.joined().refuse = test.rule
				p.request("REFER", "", test.lines...)
				p.answer(test.code)
				p.hangUp()
			})
		})
	}
	inWorld(t, nil, func(w *world) {
		w.titled("8001", "one")
		p := w.phone("192.0.2.7:5060")
		p.request("REFER", "", "Refer-To: <sip:bob@192.0.2.9>")
		p.answer(403) // no participant
	})
}

// The INVITE that a REFER makes carries Replaces and Referred-By.
func TestReferWithReplaces(t *testing.T) {
	inWorld(t, func(c *Config) { c.Outbound = []Rule{{Match: "sip:*@192.0.2.9"}} }, func(w *world) {
		p := w.phone("192.0.2.7:5060")
		p.request("OPTIONS", "")
		p.answer(200)
		ref, problem := readReference(mustRead(t, "REFER sip:8001@198.51.100.1 SIP/2.0\r\nCSeq: 7 REFER\r\nRefer-To: <sip:bob@192.0.2.9?Replaces=12%40host%3Bto-tag%3Da%3Bfrom-tag%3Db>\r\nReferred-By: <sip:ann@example.org>\r\n\r\n"))
		if problem != nil {
			t.Fatal(problem)
		}
		w.ua.referred["ann"] = ref // the id of fakeLeg
		bob := w.phone("192.0.2.9:5060")
		if _, err := w.ua.dial(&fakeLeg{}, "8001", "sip:bob@192.0.2.9"); err != nil {
			t.Fatal(err)
		}
		delete(w.ua.referred, "ann")
		req := bob.asks("INVITE")
		if field(req, "replaces") != "12@host;to-tag=a;from-tag=b" || field(req, "referred-by") != "<sip:ann@example.org>" {
			t.Errorf("INVITE\n%s", req)
		}
		bob.reply(486, "Busy Here", "")
		synctest.Wait()
		bob.asks("ACK")
	})
}

func mustRead(t *testing.T, text string) *sipmsg.Request {
	t.Helper()
	m, err := sipmsg.ParseMessage([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*sipmsg.Request)
}

// An INVITE with Replaces takes the place of a participant (RFC 3891).
func TestInviteReplaces(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		ann := w.phone("192.0.2.7:5060")
		ann.call()
		w.joined()
		bob := w.phone("192.0.2.8:5060")
		bob.callID, bob.tag = "bob", "bobtag"
		invite := func(value string, code int) {
			t.Helper()
			bob.request("INVITE", "audio", "Require: replaces", "Replaces: "+value)
			if code == 200 {
				bob.answer(180)
				bob.answer(200)
				bob.request("ACK", "")
				return
			}
			bob.answer(code)
			bob.raw("ACK", bob.seq, "z9hG4bK-bobtag-"+strconv.Itoa(bob.branch), "")
		}
		invite("call-192.0.2.7:5060;to-tag=wrong;from-tag=phone", 481)
		invite("call-192.0.2.7:5060;to-tag="+ann.theirs+";from-tag=wrong", 481)
		invite("call-192.0.2.7:5060;to-tag="+ann.theirs+";from-tag=phone;early-only", 486)
		invite("call-192.0.2.7:5060", 400)
		invite("call-192.0.2.7:5060;to-tag="+ann.theirs+";from-tag=phone", 200)
		if r := w.joined().request; r.Resume != "token" || r.Conference != "8001" {
			t.Errorf("joined as %+v", r)
		}
		bob.hangUp()
		ann.hangUp()
	})
}

func FuzzReplaces(f *testing.F) {
	f.Add("a@b;to-tag=1;from-tag=2;early-only")
	f.Fuzz(func(t *testing.T, value string) {
		r, err := parseReplaces(value)
		if err != nil {
			return
		}
		again, err := parseReplaces(r.String())
		if err != nil || again != r || strings.ContainsAny(r.String(), "\r\n") {
			t.Errorf("%q: %+v, then %+v, %v", value, r, again, err)
		}
	})
}
