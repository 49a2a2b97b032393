package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"tutti/bridge"
)

// film shows states one after the other.
type film struct {
	states []*bridge.State
	last   *bridge.State
}

func (f *film) Next(ctx context.Context) (prev, cur *bridge.State, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if len(f.states) == 0 {
		return f.last, nil, errors.New("over")
	}
	prev, f.last = f.last, f.states[0]
	f.states = f.states[1:]
	return prev, f.last, nil
}

// text writes only the title.
type text struct{}

func (text) Full(s *bridge.State, v uint32) ([]byte, error) {
	return fmt.Appendf(nil, "%d: %s", v, s.Conference.Title), nil
}

func (text) Partial(prev, now *bridge.State, v uint32) ([]byte, bool) {
	return fmt.Appendf(nil, "%d: %s→%s", v, prev.Conference.Title, now.Conference.Title), prev.Conference.Title != now.Conference.Title
}

func titled(title string) *bridge.State {
	return &bridge.State{Conference: bridge.Description{Title: title}}
}

// Versions grow by one with each document, whatever was left out in between.
func TestRosterCountsItsDocuments(t *testing.T) {
	f := &film{states: []*bridge.State{titled("a"), titled("a"), titled("b"), titled("c")}}
	r, err := NewRoster(t.Context(), f, text{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	next := func() {
		if err := r.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(got []byte, want string) {
		t.Helper()
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect(r.Full(), "1: a")
	next()
	expect(r.Changes(), "") // nothing that is shown
	next()
	next()
	expect(r.Changes(), "2: a→c")
	expect(r.Changes(), "")
	expect(r.Full(), "3: c")
	f.last, f.states = nil, []*bridge.State{titled("another")} // a new conference of the same name
	next()
	expect(r.Changes(), "4: another")
	if r.Next(t.Context()) == nil {
		t.Error("the end was not noticed")
	}
}

func called(t *testing.T, change func(*bridge.User)) *bridge.State {
	t.Helper()
	s, _, err := bridge.State{}.Apply(bridge.Order{
		At: time.Unix(1e9, 0), By: bridge.Operator("op"), Command: bridge.Dial{Target: "sip:bob@example.org", User: "u", Leg: "l"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if u := s.User("u"); u != nil {
		change(u)
	}
	return &s
}

func TestProgressOfARefer(t *testing.T) {
	status := func(s bridge.Status) *bridge.State {
		return called(t, func(u *bridge.User) { u.Endpoints[0].Status = s })
	}
	failed := func(r bridge.Reason) *bridge.State {
		return called(t, func(u *bridge.User) { u.Endpoints[0].Status, u.Endpoints[0].Disconnection = bridge.Disconnected, &r })
	}
	tests := []struct {
		name   string
		states []*bridge.State
		steps  []string
	}{
		{"answered", []*bridge.State{status(bridge.DialingOut), status(bridge.Alerting), status(bridge.Alerting), status(bridge.Connected)}, []string{"100 Trying", "180 Ringing", "200 OK"}},
		{"busy", []*bridge.State{status(bridge.Alerting), failed(bridge.Reason{Code: 486, Text: "Busy\r\nHere"})}, []string{"100 Trying", "180 Ringing", "486 BusyHere"}},
		{"failed without a code", []*bridge.State{failed(bridge.Reason{Text: "lost"})}, []string{"100 Trying", "480 Temporarily Unavailable"}},
		{"taken out", []*bridge.State{status(bridge.Alerting), {}}, []string{"100 Trying", "180 Ringing", "487 Request Terminated"}},
		{"the conference ended", nil, []string{"100 Trying", "487 Request Terminated"}},
	}
	for _, test := range tests {
		p := NewProgress(&film{states: test.states}, "u")
		got := []string{string(p.Full())}
		for p.Next(t.Context()) == nil {
			got = append(got, string(p.Changes()))
		}
		got = append(got, string(p.Full()))
		if fmt.Sprint(got) != fmt.Sprint(lines(test.steps)) {
			t.Errorf("%s: %q, want %q", test.name, got, test.steps)
		}
	}
	if p := Finished(200, "OK"); p.Next(t.Context()) == nil || string(p.Full()) != "SIP/2.0 200 OK\r\n" {
		t.Error("what is finished is told at once")
	}
}

func lines(steps []string) []string {
	out := make([]string, len(steps))
	for i, s := range steps {
		out[i] = "SIP/2.0 " + s + "\r\n"
	}
	return out
}
