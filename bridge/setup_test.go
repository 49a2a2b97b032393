package bridge

import (
	"testing"
	"testing/synctest"
	"time"

	"tutti/mixer"
)

func TestSetUpTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Policy: Policy{MaxParticipants: 3}})
		join := func(kind LegKind, began time.Time) (*Leg, error) {
			a := &actor{}
			leg, err := b.Join(t.Context(), JoinRequest{Conference: "8001", Kind: kind, Method: DialedIn, Began: began, Actor: a})
			a.leg = leg
			return leg, err
		}
		now := time.Now()
		phone, err := join(SIP, now.Add(-250*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := join(SIP, now.Add(-time.Minute)); err != nil { // longer than the last bound
			t.Fatal(err)
		}
		if _, err := join(Local, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := join(WebRTC, now); err == nil {
			t.Error("a fourth came in")
		}
		if _, err := phone.Attach([]mixer.Stream{phoneStream()}); err != nil { // a renegotiation is no set-up
			t.Fatal(err)
		}
		all := b.Stats().Setup
		got := all[SetupOf{SIP, DialedIn}]
		want := Setup{Count: 2, Sum: time.Minute + 250*time.Millisecond, Buckets: [setupBuckets]uint64{0, 0, 0, 1, 1, 1, 1, 1, 1, 1}}
		if got != want || len(all) != 1 {
			t.Errorf("set-up times = %+v, want only of phones, %+v", all, want)
		}
	})
}

func TestSetUpTimeOfACallOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		d := &slow{legs: make(chan *Leg, 1), answer: make(chan error, 1)}
		b.SetDialer(d)
		d.answer <- nil
		if _, err := b.Dial(t.Context(), "8001", Operator("cli"), "bob", "Bob"); err != nil {
			t.Fatal(err)
		}
		bob := <-d.legs
		bob.SetStatus(Alerting)
		time.Sleep(4 * time.Second)
		if all := b.Stats().Setup; len(all) != 0 {
			t.Errorf("while it rings: %+v", all)
		}
		for range 2 {
			if _, err := bob.Attach([]mixer.Stream{phoneStream()}); err != nil {
				t.Fatal(err)
			}
		}
		got := b.Stats().Setup[SetupOf{SIP, DialedOut}]
		want := Setup{Count: 1, Sum: 4 * time.Second, Buckets: [setupBuckets]uint64{8: 1, 9: 1}}
		if got != want {
			t.Errorf("set-up time = %+v, want %+v", got, want)
		}
	})
}
