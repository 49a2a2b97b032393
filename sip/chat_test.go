package sip

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tutti/bridge"
)

func said(id int, from, to bridge.UserID, name, text string) bridge.Message {
	return bridge.Message{ID: id, From: from, To: to, Name: name, Text: text}
}

// A participant's MESSAGE is a line of chat, in the call and outside of it.
func TestMessageIsChat(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.titled("8001", "one")
		p := w.phone("192.0.2.7:5060")
		p.call()
		p.request("MESSAGE", "hello\r\nworld", "Content-Type: text/plain;charset=UTF-8")
		if res := p.answer(200); res.Contact() != nil {
			t.Errorf("Contact in\n%s", res)
		}
		if c := w.joined().command(); c != (bridge.Chat{Text: "hello\nworld"}) {
			t.Errorf("the bridge was told %#v", c)
		}
		alone := w.phone("192.0.2.7:5070")
		alone.callID, alone.tag = "alone", "alone"
		alone.request("MESSAGE", "again", "Content-Type: text/plain")
		alone.answer(200)
		if c := w.joined().command(); c != (bridge.Chat{Text: "again"}) {
			t.Errorf("the bridge was told %#v", c)
		}
		stranger := w.phone("192.0.2.8:5060")
		stranger.callID, stranger.tag = "stranger", "stranger"
		stranger.request("MESSAGE", "let me in", "Content-Type: text/plain")
		stranger.answer(403)
		p.hangUp()
	})
}

func TestMessageIsRefused(t *testing.T) {
	tests := map[string]struct {
		body, typ string
		more      string
		code      int
	}{
		"picture":     {"x", "image/png", "", 415},
		"typing":      {"<isComposing/>", "application/im-iscomposing+xml", "", 415},
		"no UTF-8":    {"\xff\xfe", "text/plain", "", 415},
		"compressed":  {"x", "text/plain", "Content-Encoding: gzip", 415},
		"nothing":     {" \r\n", "text/plain", "", 400},
		"too much":    {strings.Repeat("x", maxText+1), "text/plain", "", 413},
		"just enough": {strings.Repeat("x", maxText), "text/plain", "", 200},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				p := w.phone("192.0.2.7:5060")
				p.call()
				lines := []string{"Content-Type: " + test.typ}
				if test.more != "" {
					lines = append(lines, test.more)
				}
				p.request("MESSAGE", test.body, lines...)
				res := p.answer(test.code)
				if name == "picture" && field(res, "accept") != "text/plain" {
					t.Errorf("no Accept in\n%s", res)
				}
				p.hangUp()
			})
		})
	}
	inWorld(t, nil, func(w *world) {
		p := w.phone("192.0.2.7:5060")
		p.call()
		w.joined().refuse = &bridge.Refusal{Rule: bridge.RuleBusy, Text: "wait a moment"}
		p.request("MESSAGE", "x", "Content-Type: text/plain")
		p.answer(503)
		p.hangUp()
	})
}

// Phones that allow MESSAGE are sent the chat, one line at a time, and never their own.
func TestChatIsSentToPhones(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		states := w.titled("8001", "one")
		chat := func(lines ...bridge.Message) { states <- &bridge.State{Chat: lines} }
		<-states
		chat(said(1, "bob", "", "Bob", "before"))
		p := w.phone("192.0.2.7:5060")
		p.call("Allow: INVITE, ACK, BYE, MESSAGE")
		synctest.Wait()
		old := said(1, "bob", "", "Bob", "before")
		two, mine := said(2, "bob", "", "Bob", "good morning"), said(3, "ann", "", "Ann", "mine")
		other, me, op := said(4, "bob", "eve", "Bob", "for Eve"), said(5, "bob", "ann", "Bob", "for you"), said(6, "", "", "", "goodbye")
		chat(old, two, mine, other, me, op)
		for _, want := range []string{"Bob: good morning", "Bob: for you", "Operator: goodbye"} {
			req := p.asks("MESSAGE")
			if string(req.Body()) != want || field(req, "content-type") != "text/plain;charset=UTF-8" {
				t.Errorf("got %q, want %q", req.Body(), want)
			}
			p.quiet(100 * time.Millisecond) // until it is answered
			p.reply(200, "OK", "")
		}
		chat(op, said(7, "bob", "", "Bob", "you cannot read"))
		p.asks("MESSAGE")
		p.reply(415, "Unsupported Media Type", "")
		synctest.Wait()
		chat(said(8, "bob", "", "Bob", "more"))
		p.quiet(time.Minute)
		p.hangUp()
	})
}

// Who does not allow MESSAGE, or is a conference, is sent nothing; and a conference may say nothing.
func TestChatDoesNotGoRound(t *testing.T) {
	for name, test := range map[string]struct{ feature, allow string }{
		"no MESSAGE": {"", "Allow: INVITE, ACK, BYE"},
		"a focus":    {";isfocus", "Allow: INVITE, ACK, BYE, MESSAGE"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				states := w.titled("8001", "one")
				p := w.phone("192.0.2.7:5060")
				p.feature = test.feature
				p.call(test.allow)
				synctest.Wait()
				states <- &bridge.State{Chat: []bridge.Message{said(2, "bob", "", "Bob", "hello")}}
				p.quiet(time.Second)
				p.request("MESSAGE", "x", "Content-Type: text/plain")
				p.answer(map[bool]int{true: 403, false: 200}[name == "a focus"])
				p.hangUp()
			})
		})
	}
}

// The factory makes a conference of its own for each call.
func TestFactory(t *testing.T) {
	inWorld(t, func(c *Config) { c.Factory = "factory" }, func(w *world) {
		w.titled("8001", "one")
		seen := map[string]bool{}
		for _, addr := range []string{"192.0.2.7:5060", "192.0.2.8:5060"} {
			p := w.phone(addr)
			p.target = "sip:factory@198.51.100.1"
			res := p.call()
			name := res.Contact().Address.User
			if len(name) != freshDigits || strings.Trim(name, "0123456789") != "" || seen[name] || !res.Contact().Params.Has("isfocus") {
				t.Errorf("Contact %s", res.Contact().Value())
			}
			seen[name] = true
			if got := w.joined().request.Conference; got != name {
				t.Errorf("joined %s, Contact says %s", got, name)
			}
			p.hangUp()
		}
	})
}
