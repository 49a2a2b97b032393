package bridge

import (
	"testing"
	"testing/synctest"
	"time"

	"tutti/mixer/plan"
)

func joining(name string, a admission) join {
	return join{user: UserID(name), leg: plan.LegID(name), admission: a, request: JoinRequest{DisplayText: name, Kind: SIP, Entity: "sip:" + name + "@host"}}
}

// What a moderator mutes hard stays muted, until a moderator asks or lets them be heard.
func TestHardMute(t *testing.T) {
	h := gather(t, "ada", "bob", "eve")
	h.must(Operator("cli"), Grant{User: "ada", Role: Moderator})
	h.refused(by("bob"), Mute{User: "eve", On: true}, RuleRole)
	h.must(by("ada"), Mute{User: "bob", On: true})
	h.must(by("bob"), Mute{})
	h.must(by("ada"), Mute{User: "bob", On: true, Hard: true})
	h.refused(by("bob"), Mute{}, RuleMuted)
	h.must(by("bob"), Mute{On: true}) // does not make it soft
	h.happens(0, pressed{"bob", '*'})
	h.happens(0, pressed{"bob", '6'})
	if u := h.state.User("bob"); !u.Muted || !u.Hard || u.MutedBy != MutedByModerator {
		t.Fatalf("bob is %+v", u)
	}
	h.must(by("ada"), AskUnmute{User: "bob"})
	h.must(by("bob"), Mute{})
	if u := h.state.User("bob"); u.Muted || !u.Asked.IsZero() {
		t.Fatalf("bob is %+v", u)
	}
	h.must(by("ada"), MuteAll{On: true, Hard: true})
	if h.state.User("ada").Muted || !h.state.User("bob").Hard || !h.state.User("eve").Hard {
		t.Error("mute all mutes all but moderators")
	}
	h.must(Operator("cli"), Grant{User: "eve", Role: Listener})
	h.must(by("ada"), MuteAll{})
	h.refused(by("eve"), Mute{}, RuleRole)
	for _, in := range Plan(&h.state).Inputs {
		if in.Leg == "eve" && in.Gain != 0 {
			t.Error("a listener is heard")
		}
	}
	h.must(by("bob"), Hand{On: true})
	h.must(by("ada"), Hand{On: true})
	if q := h.state.Hands(); len(q) != 2 || q[0] != "bob" {
		t.Errorf("hands %v", q)
	}
	h.must(by("ada"), Rename{User: "bob", Name: "Robert"})
	h.refused(by("bob"), Rename{Name: "Boss"}, RuleRole)
	h.must(by("ada"), SetGain{User: "bob", Gain: 0.5})
	h.must(by("ada"), Revoke{Role: Moderator})
	h.refused(by("ada"), Lock{On: true}, RuleRole)
}

// The lobby: who waits sees, hears and says nothing until let in.
func TestLobby(t *testing.T) {
	h := gather(t)
	h.state.Door = Door{WaitForModerator: true, EndWithModerator: true}
	h.happens(0, joining("bob", admission{}))
	bob := h.state.User("bob")
	if bob.WaitsFor != WaitModerator || h.state.Connected() != 0 || len(Plan(&h.state).Inputs) != 0 || h.state.Ended != nil {
		t.Fatalf("bob is %+v; ended: %v", bob, h.state.Ended)
	}
	h.refused(by("bob"), Chat{Text: "hello?"}, RuleLobby)
	h.must(by("bob"), Rename{Name: "Bob"})
	if v := View(&h.state, Viewer{Self: "bob"}); len(v.Users) != 1 {
		t.Errorf("in the lobby one sees %v", v.Users)
	}
	h.happens(0, joining("ada", admission{role: Moderator}))
	if h.state.Connected() != 2 {
		t.Fatal("with the moderator bob comes in")
	}
	on := true
	h.must(by("ada"), Configure{Lobby: &on})
	h.happens(0, joining("eve", admission{}))
	h.happens(0, joining("dan", admission{pass: true}))
	if h.state.User("eve").WaitsFor != WaitAdmission || h.state.User("dan").Waiting {
		t.Fatal("eve waits, dan has a ticket")
	}
	h.refused(by("bob"), Admit{User: "eve"}, RuleRole)
	h.must(by("ada"), Admit{User: "eve"})
	h.happens(0, joining("joe", admission{}))
	h.must(by("ada"), Deny{User: "joe"})
	if h.state.User("joe") != nil || len(h.did) != 1 || h.did[0].(Hangup).Reason.Method != Booted {
		t.Errorf("joe was turned away: %+v", h.did)
	}
	h.must(by("ada"), Expel{User: "eve", Ban: true})
	h.refused(Caller{system: true}, joining("eve", admission{}), RuleBanned)
	h.must(by("ada"), Unban{Name: "eve"})
	h.happens(0, joining("eve", admission{}))
	h.happens(0, leave{leg: "ada", reason: Reason{Method: Departed}})
	if h.state.Ended == nil || h.state.Ended.Text != "the moderator has left" || h.state.Len() != 0 {
		t.Errorf("without the moderator: %+v", h.state.Ended)
	}
}

func TestEndsAtItsTime(t *testing.T) {
	h := gather(t, "ada")
	end := h.at.Add(time.Hour)
	h.refused(by("ada"), Configure{EndsAt: &end}, RuleRole)
	h.must(Operator("cli"), Configure{EndsAt: &end})
	if due := h.state.Deadline(); due != end {
		t.Fatalf("due at %v, want %v", due, end)
	}
	h.happens(time.Hour, tick{})
	if h.state.Ended == nil || len(h.did) != 1 {
		t.Errorf("ended %+v, effects %+v", h.state.Ended, h.did)
	}
}

// A phone is asked for the PIN: three tries, then goodbye.
func TestPINByKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := make(jukebox, 100)
		b := New(Config{Conferences: []Definition{{Name: "8001", PIN: "1234", ModeratorPIN: "9999"}}})
		b.SetAnnouncer(said)
		call := func(pin string) (*Leg, *actor) {
			t.Helper()
			a := &actor{}
			leg, err := b.Join(t.Context(), JoinRequest{Conference: "8001", Kind: SIP, Source: "192.0.2.1:5060", PIN: pin, Actor: a})
			if err != nil {
				t.Fatal(err)
			}
			a.leg = leg
			return leg, a
		}
		enterKeys := func(l *Leg, keys string) {
			for _, k := range keys {
				l.Press(k)
			}
			synctest.Wait()
		}
		heard := func() (last Prompt) {
			for len(said) > 0 {
				r := <-said
				last = r.Prompts[len(r.Prompts)-1]
				r.Done(nil)
			}
			synctest.Wait()
			return last
		}
		user := func(l *Leg) *User { return l.Conference().State().User(l.User()) }

		ada, _ := call("")
		synctest.Wait()
		if user(ada).WaitsFor != WaitPIN {
			t.Fatalf("ada is %+v", user(ada))
		}
		heard()
		enterKeys(ada, "111#")
		if heard(); !user(ada).Waiting {
			t.Fatal("a wrong PIN opens")
		}
		enterKeys(ada, "9999#")
		if u := user(ada); u.Waiting || u.Role != Moderator {
			t.Fatalf("after the moderator's PIN ada is %+v", u)
		}
		bob, _ := call("1234")
		if u := user(bob); u.Waiting || u.Role != Participant {
			t.Fatalf("with the PIN in the request bob is %+v", u)
		}
		eve, told := call("")
		for range 3 {
			enterKeys(eve, "0000#")
			heard()
		}
		if user(eve) != nil || len(told.told) != 1 {
			t.Errorf("after three wrong PINs eve is %+v and was told %+v", user(eve), told.told)
		}
		time.Sleep(2 * time.Second)
		first := ruleOf2(b.Admit(JoinRequest{Conference: "8001", Source: "192.0.2.1", PIN: "5"}))
		second := ruleOf2(b.Admit(JoinRequest{Conference: "8001", Source: "192.0.2.1", PIN: "1234"}))
		if first != RulePIN || second != RuleLockedOut {
			t.Errorf("refused by %s, %s", first, second)
		}
		if r := ruleOf2(b.Admit(JoinRequest{Conference: "8001", Source: "192.0.2.2", PIN: "1234"})); r != "<nil>" {
			t.Errorf("another address: %s", r)
		}
		if r := ruleOf2(b.Admit(JoinRequest{Conference: "8001", Source: "192.0.2.2"})); r != RulePIN {
			t.Errorf("a page without a PIN: %s", r)
		}
		time.Sleep(lockOut)
		if r := ruleOf2(b.Admit(JoinRequest{Conference: "8001", Source: "192.0.2.1", PIN: "1234"})); r != "<nil>" {
			t.Errorf("after the lock-out: %s", r)
		}
		ada.Leave(Reason{Method: Departed})
		bob.Leave(Reason{Method: Departed})
		<-ada.Conference().done
		b.stop(nil)
	})
}

func ruleOf2(_ Preferences, err error) string { return ruleOf(err) }

func TestGuessersAreBounded(t *testing.T) {
	g := guesses{}
	now := t0()
	for i := range 3 * maxGuessers {
		g.wrong("source"+itoa(i), now)
	}
	if len(g) > maxGuessers {
		t.Errorf("%d sources are remembered", len(g))
	}
	for range 2 * maxGuesses {
		g.wrong("192.0.2.1", now)
	}
	if wait := g.locked("192.0.2.1:99", now); wait != 2*lockOut {
		t.Errorf("locked out for %v, want %v", wait, 2*lockOut)
	}
}
