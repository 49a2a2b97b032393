package bridge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tutti/mixer/plan"
)

// told is what the last order let people hear: "ada:muted" one leg, ":joined" everybody.
func (h *hall) told() string {
	var all []string
	for _, e := range h.did {
		if a, ok := e.(Announce); ok {
			for _, p := range a.Play.Prompts {
				all = append(all, fmt.Sprintf("%s:%s", a.Play.Leg, p))
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// silence ends all that is said, as an announcer does in time.
func (h *hall) silence() {
	for _, p := range h.state.Playing {
		h.happens(0, announced{source: p.Source})
	}
}

func speakingHall(t *testing.T, names ...string) *hall {
	h := gather(t, names...)
	h.state.speaker = true
	return h
}

func (h *hall) keys(leg string, keys string) {
	for _, k := range keys {
		h.happens(200*time.Millisecond, pressed{leg: plan.LegID(leg), key: k})
	}
}

func TestWhoComesAndGoesIsHeard(t *testing.T) {
	h := speakingHall(t)
	come := func(name, want string) {
		t.Helper()
		h.happens(time.Minute, join{user: UserID(name), leg: plan.LegID(name), request: JoinRequest{DisplayText: name, Kind: SIP}})
		if got := h.told(); got != want {
			t.Errorf("when %s comes: %s; want %s", name, got, want)
		}
		h.silence()
	}
	leaves := func(name, want string) {
		t.Helper()
		h.happens(time.Minute, leave{leg: plan.LegID(name), reason: Reason{Method: Departed}})
		if got := h.told(); got != want {
			t.Errorf("when %s goes: %s; want %s", name, got, want)
		}
		h.silence()
	}
	come("ada", "ada:alone ada:welcome")
	come("bob", ":joined bob:welcome")
	for i := range fewPeople - 2 {
		come(fmt.Sprintf("p%d", i), fmt.Sprintf(":joined p%d:welcome", i))
	}
	come("zoe", "zoe:welcome") // so many people: a sound for each would be noise
	leaves("zoe", ":left")
	for i := range fewPeople - 2 {
		leaves(fmt.Sprintf("p%d", i), ":left")
	}
	leaves("bob", ":left ada:alone")
}

// Each action of the menu is carried out by the rules for everybody, and its telephone hears what came of it.
func TestMenuOfATelephone(t *testing.T) {
	tests := []struct {
		keys string
		want string
		then func(*State) bool
	}{
		{"*6", "ada:muted", func(s *State) bool { return s.User("ada").Muted }},
		{"*6", "ada:unmuted", func(s *State) bool { return !s.User("ada").Muted }},
		{"*5", "ada:hand-up", func(s *State) bool { return !s.User("ada").Hand.IsZero() }},
		{"*5", "ada:hand-down", func(s *State) bool { return s.User("ada").Hand.IsZero() }},
		{"*1", "ada:count:3", nil},
		{"*0", "ada:help", nil},
		{"*7", "ada:not-allowed", func(s *State) bool { return !s.Conference.Locked }},
		{"*9", "ada:not-allowed", func(s *State) bool { return s.Ended == nil }},
		{"*4", "", nil},
	}
	h := speakingHall(t, "ada", "bob", "eve")
	for _, tt := range tests {
		h.keys("ada", tt.keys)
		if got := h.told(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.keys, got, tt.want)
		}
		if tt.then != nil && !tt.then(&h.state) {
			t.Errorf("%s did not do it", tt.keys)
		}
		h.silence()
	}
}

func TestMenuOfAModerator(t *testing.T) {
	h := speakingHall(t, "ada", "bob", "eve")
	h.must(Operator("test"), Grant{User: "ada", Role: Moderator})
	for _, tt := range []struct{ keys, want string }{
		{"*7", "ada:locked"}, {"*7", "ada:unlocked"}, {"*8", "ada:all-muted bob:muted-by eve:muted-by"}, {"*0", "ada:help-moderator"},
	} {
		h.keys("ada", tt.keys)
		if got := h.told(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.keys, got, tt.want)
		}
		h.silence()
	}
	if !h.state.User("bob").Muted || h.state.User("ada").Muted {
		t.Error("*8 did not mute everybody else")
	}
	h.keys("ada", "*9")
	if h.state.Ended == nil {
		t.Error("*9 did not end the conference")
	}
}

// Without an announcer keys do what they do, in silence.
func TestMenuWithoutPrompts(t *testing.T) {
	h := gather(t, "ada", "bob")
	h.keys("ada", "*6")
	if len(h.did) != 0 || !h.state.User("ada").Muted {
		t.Errorf("%+v", h.did)
	}
}
