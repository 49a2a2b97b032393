package bridge

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tutti/codec/g711"
	"tutti/mixer"
	"tutti/mixer/plan"
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

func ruleOf(err error) string {
	if r := refused(err); r != nil {
		return r.Rule
	}
	return fmt.Sprint(err)
}

func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{
			Conferences: []Definition{{Name: "board", Title: "The board", Layout: plan.Speaker}},
			Policy:      Policy{MaxConferences: 2, MaxParticipants: 2, MaxLegs: 4, MaxLegsPerSource: 3},
		})
		try := func(conference, source, want string) *Leg {
			t.Helper()
			a := &actor{}
			r := JoinRequest{Conference: conference, Kind: SIP, Source: source, Actor: a}
			_, admit := b.Admit(r)
			leg, err := b.Join(t.Context(), r)
			if ruleOf(err) != want || ruleOf(admit) != want {
				t.Errorf("join of %s from %s: %v, Admit says %v, want %s", conference, source, err, admit, want)
			}
			a.leg = leg
			return leg
		}
		const ok = "<nil>"
		try("a b", "", RuleName)
		try("board", "192.0.2.1:1000", ok)
		try("board", "192.0.2.1:1001", ok)
		try("board", "192.0.2.1:1002", RuleFull)
		third := try("other", "192.0.2.1:1003", ok)
		try("other", "192.0.2.1:1004", RuleLimit)
		try("other", "[2001:db8::1]:5060", ok)
		try("other", "192.0.2.2", RuleLimit) // four legs
		third.Leave(Reason{Method: Departed})
		try("third", "192.0.2.2", RuleLimit) // conferences
		if s := b.Conferences()[0]; s.Conference.Title != "The board" || s.Conference.Layout != plan.Speaker {
			t.Errorf("the definition is not heeded: %+v", s.Conference)
		}
		b.cfg.Policy = Policy{}
		try("third", "", RuleUnknown)
		if _, err := b.Dial(t.Context(), "third", Operator("cli"), "bob", ""); ruleOf(err) != RuleOutbound {
			t.Errorf("dial without a dialer: %v", err)
		}
		if err := b.Do(t.Context(), "third", Operator("cli"), End{}); ruleOf(err) != RuleUnknown {
			t.Errorf("a refused call out leaves its conference: %v", err)
		}
	})
}

// slow is a dialer that answers when it is told to.
type slow struct {
	legs   chan *Leg
	answer chan error
	actor  actor
}

func (s *slow) Dial(leg *Leg, target string) (Actor, error) {
	s.actor.leg = leg
	s.legs <- leg
	return &s.actor, <-s.answer
}

func TestDialing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		d := &slow{legs: make(chan *Leg, 1), answer: make(chan error, 1)}
		b.SetDialer(d)

		// Nobody is there: an operator's call makes the conference, and it lasts as long as the call.
		d.answer <- nil
		who, err := b.Dial(t.Context(), "8001", Operator("cli"), "bob", "Bob")
		if err != nil {
			t.Fatal(err)
		}
		bob := <-d.legs
		bob.SetStatus(Alerting)
		synctest.Wait()
		if s := b.Conferences()[0]; s.User(who).Endpoints[0].Status != Alerting || s.Connected() != 0 {
			t.Fatalf("the roster: %+v", s.User(who).Endpoints[0])
		}
		if _, err := bob.Attach([]mixer.Stream{phoneStream()}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		e := b.Conferences()[0].User(who).Endpoints[0]
		if e.Status != Connected || len(e.Media) != 1 || e.Media[0] != (Media{ID: "0", Type: "audio", Content: plan.MainContent, Status: SendRecv, Codec: "PCMU", Label: "audio", SrcID: 1}) {
			t.Fatalf("after the answer: %+v", e)
		}

		// A call that no rule allows is refused to who asked, and leaves nothing.
		d.answer <- &Refusal{Rule: RuleOutbound, Text: "no"}
		if _, err := bob.Dial(t.Context(), "eve", ""); ruleOf(err) != RuleOutbound {
			t.Errorf("a forbidden call: %v", err)
		}
		<-d.legs
		synctest.Wait()
		if n := b.Conferences()[0].Len(); n != 1 {
			t.Errorf("%d participants after a forbidden call", n)
		}

		// A call that is cancelled while the dialer still thinks is hung up as soon as there is whom to tell.
		go bob.Do(t.Context(), Dial{Target: "eve", User: "eve"})
		eve := <-d.legs
		synctest.Wait()
		if err := bob.Do(t.Context(), Expel{User: "eve"}); err != nil {
			t.Fatal(err)
		}
		d.answer <- nil
		<-eve.Done()
		if len(d.actor.told) != 1 || d.actor.told[0].Method != Booted {
			t.Errorf("the cancelled call was told %+v", d.actor.told)
		}
		bob.Leave(Reason{Method: Departed})
		synctest.Wait()
		if st := b.Stats(); st.Conferences != 0 || len(st.Legs) != 0 {
			t.Errorf("left over: %+v", st)
		}
		if _, err := bob.Attach([]mixer.Stream{phoneStream()}); ruleOf(err) != RuleEnded {
			t.Errorf("attach after leave: %v", err)
		}
	})
}

// phoneStream is the m-line of a G.711 phone.
func phoneStream() mixer.Stream {
	pcmu := g711.PCMU()
	return mixer.Stream{
		ID: "0", Kind: mixer.Audio, Wire: nowhere{},
		Receive: []mixer.Payload{{Type: 0, Audio: &pcmu, ClockRate: 8000}},
		Send:    &mixer.Encoding{SSRC: 1, Audio: &pcmu},
	}
}

func TestWatchersSeeTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		all := b.WatchAll()
		if _, list, _ := all.Next(t.Context()); len(list) != 0 {
			t.Fatalf("list %v", list)
		}
		ada, _ := enter(t, b, "8001", "Ada")
		if _, list, _ := all.Next(t.Context()); len(list) != 1 || list[0].Connected() != 1 {
			t.Fatalf("list %v", list)
		}
		w, err := b.Watch("8001")
		if err != nil {
			t.Fatal(err)
		}
		prev, cur, _ := w.Next(t.Context())
		if prev != nil || cur.Connected() != 1 {
			t.Fatalf("first: %v, %v", prev, cur)
		}
		for i := range 500 { // nobody looks; nobody is held up
			if err := ada.in().do(t.Context(), by(ada.User()), Mute{On: i%2 == 0}); err != nil {
				t.Fatal(err)
			}
		}
		prev, cur, _ = w.Next(t.Context())
		if prev.Version != 1 || cur.Version != 501 {
			t.Errorf("versions %d and %d, want 1 and 501", prev.Version, cur.Version)
		}
		wait, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, cur, err := w.Next(wait); cur != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing happened, and Next = %v, %v", cur, err)
		}
		cancel()
		ada.Leave(Reason{Method: Departed})
		if _, cur, err := w.Next(t.Context()); cur != nil || ruleOf(err) != RuleEnded {
			t.Errorf("after the end Next = %v, %v", cur, err)
		}
		if _, list, _ := all.Next(t.Context()); len(list) != 0 {
			t.Errorf("list after the end: %v", list)
		}
	})
}

// What the media plane notices reaches the roster, and time alone moves the large tile.
func TestEventsOfTheMediaPlane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		ada, a := enter(t, b, "8001", "Ada")
		bob, _ := enter(t, b, "8001", "Bob")
		c := ada.Conference()
		hear := ears{c}
		hear.Report(mixer.Speaking{Leg: ada.ID(), On: true})
		synctest.Wait()
		if s := c.State(); !s.User(ada.User()).Speaks() || s.Floor.Active != "" {
			t.Fatalf("floor %+v", s.Floor)
		}
		time.Sleep(takeFloor)
		synctest.Wait()
		if s := c.State(); s.Floor.Active != ada.User() {
			t.Errorf("after %v the floor is %+v", takeFloor, s.Floor)
		}
		hear.Report(mixer.Digit{Leg: ada.ID(), Key: '*'})
		ada.Press('6')
		synctest.Wait()
		if !c.State().User(ada.User()).Muted {
			t.Error("*6 did not mute")
		}
		if _, err := ada.Attach([]mixer.Stream{phoneStream()}); err != nil {
			t.Fatal(err)
		}
		hear.Report(mixer.Quiet{Leg: ada.ID(), Stream: "0", For: time.Minute})
		<-ada.Done()
		if len(a.told) != 1 || a.told[0].Method != Failed {
			t.Errorf("the silent leg was told %+v", a.told)
		}
		bob.Leave(Reason{Method: Departed})
	})
}

// deaf never hangs up.
type deaf struct{}

func (deaf) Hangup(Reason) {}

func TestWhoDoesNotHangUpIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		ada, _ := enter(t, b, "8001", "Ada")
		bob, err := b.Join(t.Context(), JoinRequest{Conference: "8001", Kind: SIP, Actor: deaf{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Do(t.Context(), "8001", Operator("test"), Expel{User: bob.User()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(drainTime - time.Nanosecond)
		synctest.Wait()
		if st := b.Stats(); st.Legs[SIP] != 1 {
			t.Errorf("given up early: %v", st.Legs)
		}
		time.Sleep(time.Nanosecond)
		<-bob.Done()
		if st := b.Stats(); st.Legs[SIP] != 0 || st.Legs[WebRTC] != 1 {
			t.Errorf("legs %v", st.Legs)
		}
		ada.Leave(Reason{})
	})
}

func TestShutdownDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Config{Policy: Policy{AdHoc: true}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx, 5*time.Second) }()
		leg, err := b.Join(t.Context(), JoinRequest{Conference: "8001", Actor: deaf{}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		cancel()
		<-done
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v, want the grace of 5s", took)
		}
		<-leg.Done()
		leg.Leave(Reason{}) // too late, and harmless
	})
}

func TestInboxIsBounded(t *testing.T) {
	q := newInbox()
	put := func(u urgency) string { return ruleOf(q.put(Order{Command: tick{}}, nil, u)) }
	for i := range maxEvents + 10 {
		switch {
		case i < maxRequests && put(mayRefuse) != "<nil>":
			t.Fatalf("request %d is refused", i)
		case i >= maxRequests && put(mayRefuse) != RuleBusy:
			t.Fatalf("request %d is taken", i)
		case i >= maxRequests && i < maxEvents && put(mayLose) != "<nil>":
			t.Fatalf("event %d is lost", i)
		case i >= maxEvents && put(mayLose) != RuleBusy:
			t.Fatalf("event %d is kept", i)
		}
	}
	if put(mustKeep) != "<nil>" {
		t.Fatal("a leave was lost")
	}
	if all, lost := q.take(nil); len(all) != maxEvents+1 || lost != 10 {
		t.Errorf("took %d, lost %d", len(all), lost)
	}
	q.close()
	if put(mustKeep) != RuleEnded {
		t.Error("a closed inbox takes more")
	}
}

func TestHasteIsBraked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ada, _ := enter(t, open(t, Config{}), "8001", "Ada")
		ask := func(times int) (done int) {
			for i := range times {
				if ada.Do(t.Context(), Hand{On: i%2 == 0}) == nil {
					done++
				}
			}
			return done
		}
		if n := ask(100); n != paceBurst {
			t.Errorf("%d of 100 at once, want %d", n, paceBurst)
		}
		time.Sleep(time.Second)
		if n := ask(100); n != 10 {
			t.Errorf("%d a second later, want 10", n)
		}
		ada.Leave(Reason{})
	})
}

// A thousand legs that come and go leave no goroutine and no memory behind.
func TestNothingIsLeftBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	b := New(Config{Policy: Policy{AdHoc: true}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx, time.Second) }()
	round := func() {
		var legs []*Leg
		for i := range 250 {
			leg, _ := enter(t, b, fmt.Sprint(i%25), "x")
			if _, err := leg.Attach([]mixer.Stream{phoneStream()}); err != nil {
				t.Fatal(err)
			}
			legs = append(legs, leg)
		}
		for _, leg := range slices.Backward(legs) {
			leg.Leave(Reason{Method: Departed})
		}
		for _, leg := range legs {
			<-leg.in().done
		}
	}
	round()
	before := heap()
	for range 4 {
		round()
	}
	if after := heap(); after > before+2<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	if len(b.conferences)+len(b.running)+len(b.tokens)+len(b.legs.source)+len(b.legs.kinds) != 0 {
		t.Error("the books are not empty")
	}
	cancel()
	<-done
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A mute costs the same among ten and among a thousand.
func BenchmarkMute(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n, " users"), func(b *testing.B) {
			var s State
			for i := range n {
				id := fmt.Sprint("user", i)
				s, _, _ = s.Apply(Order{By: Caller{system: true}, Command: join{user: UserID(id), leg: plan.LegID(id)}})
			}
			b.ReportAllocs()
			on := false
			for b.Loop() {
				on = !on
				next, _, err := s.Apply(Order{By: Caller{User: "user5"}, Command: Mute{On: on}})
				if err != nil || len(Patch(&s, &next, Viewer{})) != 1 {
					b.Fatal(err)
				}
				s = next
			}
		})
	}
}

// Somebody who begins to talk among a thousand costs one scene, not the rows.
func BenchmarkSpeakingPlan(b *testing.B) {
	var s State
	for i := range 1000 {
		id := fmt.Sprint("user", i)
		s, _, _ = s.Apply(Order{By: Caller{system: true}, Command: join{user: UserID(id), leg: plan.LegID(id)}})
	}
	var p planner
	p.next(&s)
	b.ReportAllocs()
	on := false
	for b.Loop() {
		on = !on
		s, _, _ = s.Apply(Order{By: Caller{system: true}, Command: speaking{"user5", on}})
		p.next(&s)
	}
}
