package sip

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/transport"
)

// subscribes sends a SUBSCRIBE outside of a call and takes its answer and the first NOTIFY.
func (p *phone) subscribes(lines ...string) *sipmsg.Request {
	p.t.Helper()
	p.request("SUBSCRIBE", "", append([]string{"Event: conference"}, lines...)...)
	res := p.answer(200)
	p.theirs = res.To().Params.GetOr("tag", "")
	return p.notified(true)
}

// notified takes a NOTIFY, and accepts it.
func (p *phone) notified(accept bool) *sipmsg.Request {
	p.t.Helper()
	req := p.asks("NOTIFY")
	if accept {
		p.reply(200, "OK", "")
	}
	return req
}

func (p *phone) wantNotify(state, body string) {
	p.t.Helper()
	req := p.notified(true)
	if got := field(req, "subscription-state"); !strings.HasPrefix(got, state) || string(req.Body()) != body {
		p.t.Errorf("got %s: %q, want %s: %q", got, req.Body(), state, body)
	}
}

// A subscriber is told everything at once, then what changes, and all again when it refreshes.
func TestSubscriberOfAConference(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		states := w.titled("8001", "one")
		p := w.phone("192.0.2.7:5060")
		p.request("SUBSCRIBE", "", "Event: conference;id=7", "Expires: 600", "Record-Route: <sip:192.0.2.99;lr>", "Accept: application/conference-info+xml")
		res := p.answer(200)
		if field(res, "expires") != "600" || field(res, "allow-events") != "conference" || !res.Contact().Params.Has("isfocus") || res.Contact().Address.User != "8001" {
			t.Errorf("answer\n%s", res)
		}
		p.theirs = res.To().Params.GetOr("tag", "")
		proxy := w.ether.listen("192.0.2.99:5060") // the route set is kept
		d := <-proxy.in
		m, err := sipmsg.ParseMessage(d.data)
		req, ok := m.(*sipmsg.Request)
		if err != nil || !ok || req.Recipient.String() != "sip:ann@192.0.2.7:5060" {
			t.Fatalf("%v %s", err, d.data)
		}
		for name, want := range map[string]string{
			"event": "conference;id=7", "content-type": "application/conference-info+xml", "route": "<sip:192.0.2.99;lr>",
			"subscription-state": "active;expires=600",
		} {
			if field(req, name) != want {
				t.Errorf("%s: %q, want %q", name, field(req, name), want)
			}
		}
		if req.Contact() == nil || !req.Contact().Params.Has("isfocus") || string(req.Body()) != "full 1 one" || req.CSeq().SeqNo != 1 {
			t.Errorf("NOTIFY\n%s", req)
		}
		states <- entitled("lost, for nobody answers")
	})
	inWorld(t, nil, func(w *world) {
		states := w.titled("8001", "one")
		p := w.phone("192.0.2.7:5060")
		p.subscribes("Expires: 600")
		states <- entitled("two")
		p.wantNotify("active;expires=600", "partial 2 two")
		time.Sleep(time.Minute)
		p.contact = "sip:ann@192.0.2.8:5060" // it moved
		moved := w.ether.listen("192.0.2.8:5060")
		p.request("SUBSCRIBE", "", "Event: conference", "Expires: 600")
		p.answer(200)
		p.sock = moved
		p.wantNotify("active;expires=600", "full 3 two")
		p.request("SUBSCRIBE", "", "Event: conference", "Expires: 0")
		p.answer(200)
		p.wantNotify("terminated;reason=timeout", "full 4 two")
		p.request("SUBSCRIBE", "", "Event: conference", "Expires: 600")
		p.answer(481)
	})
	inWorld(t, nil, func(w *world) {
		states := w.titled("8001", "one")
		p := w.phone("192.0.2.7:5060")
		p.subscribes()
		close(states)
		p.wantNotify("terminated;reason=noresource", "full 2 one")
		p.quiet(time.Hour)
	})
}

func TestSubscribeIsRefused(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		lines  []string
		target string
		code   int
		field  string
	}{
		"other package":        {lines: []string{"Event: presence"}, code: 489, field: "allow-events: conference"},
		"other documents":      {lines: []string{"Event: conference", "Accept: application/pidf+xml"}, code: 406},
		"too short":            {lines: []string{"Event: conference", "Expires: 5"}, code: 423, field: "min-expires: 60"},
		"unknown conference":   {lines: []string{"Event: conference"}, target: "sip:9@198.51.100.1", code: 404},
		"strangers":            {change: func(c *Config) { c.SubscribersAreKnown = true }, lines: []string{"Event: conference"}, code: 403},
		"password":             {change: func(c *Config) { withAlice(c); c.SubscribersAreKnown = true }, lines: []string{"Event: conference"}, code: 401},
		"calls need one":       {change: func(c *Config) { withAlice(c); c.AuthenticateCalls = true }, lines: []string{"Event: conference"}, code: 401},
		"a dialog that is not": {lines: []string{"Event: conference", "To: <sip:8001@198.51.100.1>;tag=x"}, code: 400},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, test.change, func(w *world) {
				w.titled("8001", "one")
				p := w.phone("192.0.2.7:5060")
				if test.target != "" {
					p.target = test.target
				}
				p.request("SUBSCRIBE", "", test.lines...)
				res := p.answer(test.code)
				if name, want, ok := strings.Cut(test.field, ": "); ok && field(res, name) != want {
					t.Errorf("%s: %q, want %q", name, field(res, name), want)
				}
			})
		})
	}
}

// A subscriber that never answers NOTIFY costs one transaction, and loses its subscription.
func TestSubscriberIsSilent(t *testing.T) {
	inWorld(t, func(c *Config) { c.Timers = transport.Timers{T1: 500 * time.Millisecond} }, func(w *world) {
		states := w.titled("8001", "one")
		p := w.phone("192.0.2.7:5060")
		p.request("SUBSCRIBE", "", "Event: conference")
		p.answer(200)
		for range 50 {
			states <- entitled("other")
		}
		time.Sleep(31 * time.Second)
		if w.ua.events.Len() != 1 {
			t.Error("it was given up too early")
		}
		time.Sleep(2 * time.Second)
		if w.ua.events.Len() != 0 {
			t.Error("it still has its subscription")
		}
		branches := map[string]bool{}
		for m := p.next(time.Second); m != nil; m = p.next(time.Second) {
			branches[m.Via().Params.GetOr("branch", "")] = true
		}
		if len(branches) != 1 {
			t.Errorf("%d NOTIFYs, want one and its repetitions", len(branches))
		}
	})
}

// Phones subscribe within the dialog of their call. It ends with the call.
func TestSubscribeWithinACall(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		states := w.titled("8001", "one")
		p := w.phone("192.0.2.7:5060")
		res := p.call()
		if field(res, "allow-events") != "conference" || !strings.Contains(field(res, "allow"), "SUBSCRIBE") {
			t.Errorf("200 without events\n%s", res)
		}
		p.request("SUBSCRIBE", "", "Event: conference", "Expires: 100")
		p.answer(200)
		p.wantNotify("active;expires=100", "full 1 one")
		states <- entitled("two")
		p.wantNotify("active", "partial 2 two")
		p.request("SUBSCRIBE", "", "Event: conference", "Expires: 100")
		p.answer(200)
		p.wantNotify("active;expires=100", "full 3 two")
		p.request("SUBSCRIBE", "", "Event: presence")
		p.answer(489)
		p.request("SUBSCRIBE", "", "Event: conference", "Expires: 0")
		p.answer(200)
		p.wantNotify("terminated;reason=timeout", "full 4 two")
		time.Sleep(time.Second)
		w.titled("8001", "three")
		p.request("SUBSCRIBE", "", "Event: conference", "Expires: 100")
		p.answer(200)
		p.wantNotify("active", "full 1 three")
		p.hangUp()
		p.quiet(5 * time.Minute)
	})
}

// A participant may subscribe where strangers may not, known by address and name.
func TestParticipantsAreKnown(t *testing.T) {
	inWorld(t, func(c *Config) { c.SubscribersAreKnown = true }, func(w *world) {
		w.titled("8001", "one")
		p := w.phone("192.0.2.7:5060")
		p.call()
		synctest.Wait()
		sub := w.phone("192.0.2.7:5070")
		sub.callID, sub.tag = "another", "another"
		sub.subscribes()
		w.titled("8001", "one")            // for another watcher
		other := w.phone("192.0.2.8:5060") // the same name from elsewhere
		other.callID, other.tag = "third", "third"
		other.request("SUBSCRIBE", "", "Event: conference")
		other.answer(403)
		p.hangUp()
		sub.request("SUBSCRIBE", "", "Event: conference", "Expires: 0")
		sub.answer(200)
		sub.wantNotify("terminated", "full 2 one")
	})
}

// Where a PIN or a lobby is in the way, only who has passed it may look.
func TestClosedConferenceIsNotShownToStrangers(t *testing.T) {
	for name, door := range map[string]bridge.Door{"PIN": {PIN: true}, "lobby": {Lobby: true}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				states := w.titled("8001", "one")
				<-states
				waiting := &bridge.State{Door: door}
				states <- waiting
				p := w.phone("192.0.2.7:5060")
				p.request("SUBSCRIBE", "", "Event: conference")
				p.answer(403)
				states <- waiting
				in := w.phone("192.0.2.8:5060")
				in.callID, in.tag = "in", "in"
				in.call()
				in.request("SUBSCRIBE", "", "Event: conference")
				in.answer(200)
				in.wantNotify("active", "full 1 ")
				in.hangUp()
			})
		})
	}
}

func TestSubscriptionsEndWithTheBridge(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.titled("8001", "one")
		p := w.phone("192.0.2.7:5060")
		p.subscribes()
		w.stop()
		p.wantNotify("terminated;reason=probation", "full 2 one")
	})
}

// A conference that is defined can be subscribed to before anybody is there.
func TestIdleConferenceCanBeWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bridge.New(bridge.Config{Domain: "example.org", Conferences: []bridge.Definition{{Name: "8001", Title: "Monday"}}})
		if _, err := (conferences{b}).Watch("8002"); err == nil {
			t.Error("an unknown conference was watched")
		}
		w, err := conferences{b}.Watch("8001")
		if err != nil {
			t.Fatal(err)
		}
		if prev, now, err := w.Next(t.Context()); err != nil || prev != nil || now.Len() != 0 || now.Conference.Title != "Monday" || now.Conference.URI != "sip:8001@example.org" {
			t.Errorf("%v %v %v", prev, now, err)
		}
	})
}
