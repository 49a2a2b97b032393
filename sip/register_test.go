package sip

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/auth"
)

func withAlice(c *Config) { c.Users = []User{{Name: "alice", Password: "secret"}} }

// register sends REGISTER of alice, answers the challenge with password, and returns the last answer.
func (p *phone) register(password string, code int, lines ...string) *sipmsg.Response {
	p.t.Helper()
	send := func(extra ...string) string {
		p.seq++
		p.branch++
		text := "REGISTER sip:198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP " + p.addr + ";branch=z9hG4bK-reg-" + p.callID + string(rune('a'+p.branch)) + ";rport\r\n" +
			"From: <sip:alice@198.51.100.1>;tag=r\r\nTo: <sip:alice@198.51.100.1>\r\nCall-ID: reg-" + p.addr + "\r\nMax-Forwards: 70\r\nCSeq: " + itoa(p.seq) + " REGISTER\r\n"
		for _, l := range append(lines, extra...) {
			text += l + "\r\n"
		}
		text += "Content-Length: 0\r\n\r\n"
		p.say(text)
		return text
	}
	text := send()
	challenge := p.answer(401)
	m, err := sipmsg.ParseMessage([]byte(text))
	if err != nil {
		p.t.Fatal(err)
	}
	again, err := auth.NewClient("alice", password).Answer(m.(*sipmsg.Request), challenge)
	if err != nil {
		p.t.Fatal(err)
	}
	send("Authorization: " + field(again, "authorization"))
	return p.answer(code)
}

func itoa(n int) string { return seconds(time.Duration(n) * time.Second) }

func contacts(res *sipmsg.Response) string {
	var list []string
	for _, h := range res.GetHeaders("contact") {
		list = append(list, h.Value())
	}
	return strings.Join(list, " ")
}

// Who types a wrong password on a phone finds out why in the log; a phone that has not been asked yet writes nothing.
func TestWrongPasswordIsLogged(t *testing.T) {
	var log strings.Builder
	configure := func(c *Config) {
		withAlice(c)
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	}
	inWorld(t, configure, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.register("secret", 200, "Contact: <sip:alice@203.0.113.5:5060>", "Expires: 600")
		synctest.Wait()
		if strings.Contains(log.String(), "password refused") {
			t.Errorf("a right password is logged as refused:\n%s", &log)
		}
		p.register("wrong", 401, "Contact: <sip:alice@203.0.113.5:5060>")
		synctest.Wait()
		const line = `msg="password refused" method=REGISTER user=alice from=203.0.113.5:5060 why="wrong user or password"`
		if n := strings.Count(log.String(), line); n != 1 {
			t.Errorf("%d lines %s in\n%s", n, line, &log)
		}
	})
}

func TestRegister(t *testing.T) {
	inWorld(t, withAlice, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		res := p.register("secret", 200, "Contact: <sip:alice@203.0.113.5:5060>", "Expires: 600")
		if got := contacts(res); got != "<sip:alice@203.0.113.5:5060>;expires=600" {
			t.Errorf("Contact = %s", got)
		}
		p.register("wrong", 401, "Contact: <sip:mallory@203.0.113.66>")
		res = p.register("secret", 423, "Contact: <sip:alice@203.0.113.5:5060>;expires=10")
		if field(res, "min-expires") != "60" {
			t.Errorf("423 has Min-Expires %q", field(res, "min-expires"))
		}
		res = p.register("secret", 200) // a query
		if got := contacts(res); got != "<sip:alice@203.0.113.5:5060>;expires=600" {
			t.Errorf("Contact = %s", got)
		}
		p.register("secret", 400, "Contact: *", "Expires: 60")
		res = p.register("secret", 200, "Contact: *", "Expires: 0")
		if got := contacts(res); got != "" {
			t.Errorf("after *: %s", got)
		}
	})
}

func TestRegistrationsAreBounded(t *testing.T) {
	inWorld(t, func(c *Config) { withAlice(c); c.Limits.Contacts = 1 }, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.register("secret", 200, "Contact: <sip:alice@203.0.113.5:5060>", "Expires: 100000")
		p.register("secret", 403, "Contact: <sip:alice@203.0.113.6:5060>")
		res := p.register("secret", 200, "Contact: <sip:alice@203.0.113.5:5060>", "Expires: 100000")
		if got := contacts(res); !strings.HasSuffix(got, ";expires=3600") {
			t.Errorf("Contact = %s, want an hour", got)
		}
		time.Sleep(2 * time.Hour)
		if _, err := w.ua.dial(&fakeLeg{}, "8001", "alice"); err == nil {
			t.Error("an old contact is dialled")
		}
	})
}

func TestRegisteredPhonesRing(t *testing.T) {
	inWorld(t, withAlice, func(w *world) {
		desk, home := w.phone("203.0.113.5:5060"), w.phone("203.0.113.6:61000")
		desk.register("secret", 200, "Contact: <sip:alice@203.0.113.5:5060>")
		home.register("secret", 200, "Contact: <sip:alice@192.168.1.7:5060>") // behind a NAT
		l, a := w.dialled("alice")
		atDesk, atHome := desk.asks("INVITE"), home.asks("INVITE")
		desk.reply(180, "Ringing", "")
		home.reply(180, "Ringing", "")
		synctest.Wait()
		home.last = atHome
		home.reply(200, "OK", "audio")
		home.asks("ACK")
		// RFC 3326 §3.1: the desk phone shows no missed call.
		if r := field(desk.asks("CANCEL"), "reason"); r != `SIP;cause=200;text="Call completed elsewhere"` {
			t.Errorf("Reason = %s", r)
		}
		desk.reply(200, "OK", "")
		desk.last = atDesk
		desk.reply(487, "Request Terminated", "")
		desk.asks("ACK")
		if got := l.story(); got != "alerting attach(1) connected" {
			t.Errorf("leg: %s", got)
		}
		a.Hangup(bridge.Reason{})
		home.asks("BYE")
		home.reply(200, "OK", "")
	})
}

func TestAllPhonesBusy(t *testing.T) {
	inWorld(t, withAlice, func(w *world) {
		desk, home := w.phone("203.0.113.5:5060"), w.phone("203.0.113.6:5060")
		desk.register("secret", 200, "Contact: <sip:alice@203.0.113.5:5060>")
		home.register("secret", 200, "Contact: <sip:alice@203.0.113.6:5060>")
		l, _ := w.dialled("alice")
		desk.asks("INVITE")
		home.asks("INVITE")
		desk.reply(486, "Busy Here", "")
		desk.asks("ACK")
		if got := l.story(); got != "" {
			t.Errorf("leg: %s while one still rings", got)
		}
		home.reply(503, "Service Unavailable", "")
		home.asks("ACK")
		if got := l.story(); got != "leave(busy,486)" {
			t.Errorf("leg: %s", got)
		}
	})
}

func TestCallsNeedThePassword(t *testing.T) {
	inWorld(t, func(c *Config) {
		withAlice(c)
		c.AuthenticateCalls = true
		c.Trunks = []Trunk{{Name: "pbx", Address: "203.0.113.9"}}
	}, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.request("INVITE", "audio")
		p.answer(401)
		p.raw("ACK", p.seq, "z9hG4bK-phone-1", "")
		trunk := w.phone("203.0.113.9:5060")
		trunk.call(`P-Asserted-Identity: "Bob" <sip:+4930@pbx.example>`)
		if r := w.joined().request; r.Entity != "sip:+4930@pbx.example" || r.DisplayText != "Bob" || r.Number != "+4930" {
			t.Errorf("JoinRequest = %+v, want what the trunk asserts", r)
		}
		trunk.hangUp()
		hidden := w.phone("203.0.113.9:5070")
		hidden.call(`P-Asserted-Identity: "Bob" <sip:+4930@pbx.example>`, "Privacy: id")
		if r := w.joined().request; r.Entity != "" || r.DisplayText != "Anonymous" || r.Number != "" {
			t.Errorf("JoinRequest = %+v of a caller who wants to be unknown", r)
		}
		hidden.hangUp()
	})
}

// A stranger's assertion is worth nothing (RFC 3325 §5).
func TestStrangersAssertNothing(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		p := w.phone("203.0.113.5:5060")
		p.call(`P-Asserted-Identity: "The Boss" <sip:boss@example.org>`)
		if r := w.joined().request; r.Entity != "sip:ann@example.org" || r.DisplayText != "Ann" {
			t.Errorf("JoinRequest = %+v", r)
		}
		p.hangUp()
	})
}
