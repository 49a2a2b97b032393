package bridge

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tutti/bridge/announce"
	"tutti/mixer/plan"
)

// For tests outside of the package.

// RandomStates visits each step of conferences in which anything happens, n bytes of it.
func RandomStates(t *testing.T, seed uint64, n int, visit func(prev, now *State)) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 4575))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	WalkStates(data, visit)
}

// WalkStates is RandomStates with a script of one's own.
func WalkStates(data []byte, visit func(prev, now *State)) {
	s := &script{data: data, at: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)}
	for len(s.data) > 0 {
		st := &State{Conference: Description{Name: "8001", URI: "sip:8001@bridge.example", Layout: plan.Grid}, Limits: Limits{Users: 12, Pending: 3}, speaker: s.next(2) == 0, menu: announce.DefaultMenu()}
		visit(nil, st)
		for len(s.data) > 0 && st.Ended == nil {
			next, _, err := st.Apply(s.order(st))
			if next.Ended != nil && s.next(8) > 0 {
				continue // most orders that would end it do not happen, else no conference grew
			}
			if err == nil {
				visit(st, &next)
				st = &next
			}
		}
	}
}

// Crowd is a conference that these have joined, as u1, u2, …, each with sound and picture.
func Crowd(t testing.TB, guests ...JoinRequest) *State {
	t.Helper()
	st := &State{Conference: Description{Name: "8001", URI: "sip:8001@bridge.example", Title: "Weekly", Layout: plan.Grid}}
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	for i, g := range guests {
		leg := plan.LegID(fmt.Sprintf("leg%d", i+1))
		st = must(t, st, Order{At: at, By: Caller{system: true}, Command: join{user: UserID(fmt.Sprintf("u%d", i+1)), leg: leg, request: g}})
		st = must(t, st, Order{At: at, By: Caller{system: true}, Command: mediaChanged{leg, []Media{
			{ID: "0", Type: "audio", Content: plan.MainContent, Status: SendRecv, Codec: "opus"},
			{ID: "1", Type: "video", Content: plan.MainContent, Status: SendRecv, Codec: "VP8"},
		}}})
	}
	return st
}

// Step is the state after a command of an operator.
func Step(t testing.TB, s *State, c Command) *State {
	t.Helper()
	return must(t, s, Order{At: time.Date(2026, 1, 2, 15, 5, 0, 0, time.UTC), By: Operator("test"), Command: c})
}

func must(t testing.TB, s *State, o Order) *State {
	t.Helper()
	next, _, err := s.Apply(o)
	if err != nil {
		t.Fatal(err)
	}
	return &next
}
