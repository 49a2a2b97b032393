package bridge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// actor is a far end that hangs up when told to.
type actor struct {
	leg  *Leg
	told []Reason
}

func (a *actor) Hangup(r Reason) {
	a.told = append(a.told, r)
	a.leg.Leave(r)
}

// enter joins as name, with an actor that obeys.
func enter(t *testing.T, b *Bridge, conference, name string) (*Leg, *actor) {
	t.Helper()
	a := &actor{}
	leg, err := b.Join(t.Context(), JoinRequest{Conference: conference, Kind: WebRTC, DisplayText: name, Actor: a})
	if err != nil {
		t.Fatalf("join of %s: %v", name, err)
	}
	a.leg = leg
	return leg, a
}

// open is a bridge in which everybody may start a conference. It runs until the test ends.
func open(t *testing.T, cfg Config) *Bridge {
	t.Helper()
	cfg.Policy.AdHoc = true
	b := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx, time.Second) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func TestConferenceLivesWhileSomebodyIsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Domain: "example.org"})
		ada, _ := enter(t, b, "8001", "Ada")
		bob, _ := enter(t, b, "8001", "Bob")
		all := b.Conferences()
		if len(all) != 1 || all[0].Conference.URI != "sip:8001@example.org" || all[0].Connected() != 2 {
			t.Fatalf("conferences = %+v", all)
		}
		ada.Leave(Reason{Method: Departed})
		<-ada.Done()
		synctest.Wait()
		if s := b.Conferences()[0]; s.Connected() != 1 || s.User(bob.User()) == nil {
			t.Fatalf("after a leave: %d users", s.Connected())
		}
		bob.Leave(Reason{Method: Departed})
		synctest.Wait()
		if all := b.Conferences(); len(all) != 0 {
			t.Fatalf("after the last leave there are %d conferences", len(all))
		}
		if st := b.Stats(); len(st.Legs) != 0 {
			t.Errorf("legs left in the books: %v", st.Legs)
		}
	})
}

func TestShutdownTellsEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Config{Policy: Policy{AdHoc: true}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx, 5*time.Second) }()
		_, a := enter(t, b, "8001", "Ada")
		start := time.Now()
		cancel()
		<-done
		if len(a.told) != 1 || a.told[0].Method != Shutdown {
			t.Errorf("told %+v, want one shutdown", a.told)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("shutdown took %v although everybody left at once", took)
		}
		if _, err := b.Join(t.Context(), JoinRequest{Conference: "x"}); refused(err) == nil || refused(err).Rule != RuleShutdown {
			t.Errorf("join after the end = %v", err)
		}
	})
}

func TestResumeReplacesWithoutAFlicker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		ada, old := enter(t, b, "8001", "Ada")
		w := ada.Watch()
		if _, _, err := w.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := ada.Do(t.Context(), Mute{On: true}); err != nil {
			t.Fatal(err)
		}
		again, err := b.Join(t.Context(), JoinRequest{Conference: "8001", DisplayText: "other", Resume: ada.Token(), Actor: &actor{}})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s := again.Conference().State()
		u := s.User(again.User())
		if again.User() != ada.User() || s.Len() != 1 || !u.Muted || u.Name != "Ada" || len(u.Endpoints) != 1 || u.Endpoints[0].Leg != again.ID() {
			t.Fatalf("after resume: user %s of %d: %+v", again.User(), s.Len(), u)
		}
		if len(old.told) != 1 || old.told[0].Method != Replaced {
			t.Errorf("old leg was told %+v", old.told)
		}
		again.Leave(Reason{Method: Departed})
	})
}
