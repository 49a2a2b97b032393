package bridge

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tutti/mixer"
	"tutti/mixer/plan"
)

// drainTime is how long the media plane of an ended conference waits for its legs to say goodbye.
const drainTime = 10 * time.Second

var errOver = errors.New("bridge: the conference has ended")

// Conference is one living conference. Its goroutine owns the current State: it takes orders from the inbox, applies
// them, publishes the snapshot and hands effects to goroutines of their own. Methods may be called from any goroutine.
type Conference struct {
	name   string
	bridge *Bridge
	log    *slog.Logger
	mixer  *mixer.Mixer
	inbox  inbox
	now    atomic.Pointer[published]
	done   chan struct{} // closed when the goroutine and the mixer have ended

	// of the goroutine
	legs    map[plan.LegID]*Leg          // that have not left, those that hang up included
	plays   map[plan.LegID]chan struct{} // closed when a Play is to end; by its source
	planner planner
}

// published is a snapshot and the news that there is a newer one.
type published struct {
	state *State
	over  chan struct{} // closed when it is no longer the newest
}

func newConference(b *Bridge, d Definition) *Conference {
	c := &Conference{
		name: d.Name, bridge: b, log: b.log.With("conference", d.Name), inbox: newInbox(),
		done: make(chan struct{}), legs: map[plan.LegID]*Leg{}, plays: map[plan.LegID]chan struct{}{},
	}
	cfg := b.cfg.Mixer
	cfg.Name, cfg.Events, cfg.Logger = d.Name, ears{c}, c.log
	c.mixer = mixer.New(cfg)
	s := d.state(time.Now(), b.cfg)
	s.speaker = b.announcer != nil
	c.now.Store(&published{over: make(chan struct{}), state: s})
	return c
}

// state is the conference before anybody has come.
func (d Definition) state(now time.Time, cfg Config) *State {
	layout := d.Layout
	if !layout.Valid() {
		layout = plan.Grid
	}
	return &State{
		menu: cfg.menu(),
		Conference: Description{
			Name: d.Name, URI: conferenceURI(d.Name, cfg.Domain), Title: d.Title, Started: now, Layout: layout,
			Subject: d.Subject, FreeText: d.FreeText, Keywords: slices.Clone(d.Keywords), MaxUsers: max(0, d.MaxUsers),
			ConfURIs: slices.Clone(d.ConfURIs), Services: slices.Clone(d.Services),
		},
		Limits: Limits{Users: cfg.Policy.MaxParticipants, Pending: cfg.Policy.MaxPendingCalls},
		Door: Door{
			PIN: d.PIN != "", Lobby: d.Lobby, WaitForModerator: d.WaitForModerator, MuteOnEntry: d.MuteOnEntry,
			EndWithModerator: d.EndWithModerator, EndsAt: d.EndsAt,
		},
	}
}

// language is what the owner of a leg prefers, "" where that is not known.
func (c *Conference) language(leg plan.LegID) string {
	s := c.State()
	if u, _ := s.Owner(leg); u != nil && len(u.Language) > 0 {
		return u.Language[0]
	}
	return ""
}

// Name is the name of the conference.
func (c *Conference) Name() string { return c.name }

// State is the newest snapshot.
func (c *Conference) State() *State { return c.now.Load().state }

// run owns the state until the conference has ended and its legs have left, or ctx ends.
func (c *Conference) run(ctx context.Context) {
	defer close(c.done)
	mixing, stop := context.WithCancelCause(ctx)
	var media sync.WaitGroup
	media.Go(func() { c.mix(mixing) })
	c.serve(ctx)
	c.hushAll()
	for _, leg := range c.legs { // of adapters that never told us
		leg.abandon()
	}
	stop(errOver)
	media.Wait()
	c.bridge.finished(c)
	for _, e := range c.inbox.close() {
		e.request.reply(answer{err: refuseEnded()})
	}
	c.log.Debug("conference over")
}

func (c *Conference) mix(ctx context.Context) {
	if err := c.mixer.Run(ctx); err != nil && !errors.Is(err, errOver) && ctx.Err() == nil {
		c.log.Error("the media plane failed", "error", err)
	}
}

// serve is the loop of the goroutine.
func (c *Conference) serve(ctx context.Context) {
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	var waiting []entry
	ended := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.inbox.wake:
			var lost int
			if waiting, lost = c.inbox.take(waiting); lost > 0 {
				c.log.Warn("events lost: the inbox was full", "lost", lost)
			}
		case <-due.C:
			if ended {
				c.log.Warn("legs did not leave in time", "legs", len(c.legs))
				return
			}
			waiting = append(waiting[:0], entry{order: Order{At: time.Now(), By: Caller{system: true}, Command: tick{}}})
		}
		s := c.step(waiting)
		switch {
		case s.Ended == nil:
			due.Reset(untilDue(s))
		case len(c.legs) == 0:
			return
		case !ended:
			ended = true
			due.Reset(drainTime)
		}
	}
}

// untilDue is how long time alone changes nothing.
func untilDue(s *State) time.Duration {
	at := s.Deadline()
	if at.IsZero() {
		return time.Hour
	}
	return max(0, time.Until(at))
}

// step applies a batch and publishes once.
func (c *Conference) step(batch []entry) *State {
	old := c.State()
	s := *old
	var touched parts
	var follow []func() // after the snapshot is out
	for _, e := range batch {
		next, effects, err := s.Apply(e.order)
		c.tell(e.order, &s, &next, err)
		s = next
		touched |= next.touched
		c.note(e, err)
		follow = append(follow, c.carryOut(e, effects, answer{user: joinedAs(e.order.Command, &next), err: err}))
	}
	if s.Ended == nil && s.Len() == 0 { // its first order was refused
		s, _, _ = s.Apply(Order{At: time.Now(), By: Caller{system: true}, Command: End{Reason: "nobody came"}})
		touched |= s.touched
	}
	if s.Version != old.Version {
		s.touched = touched
		c.publish(&s)
	}
	for _, f := range follow {
		f()
	}
	return &s
}

// publish makes s what everybody sees.
func (c *Conference) publish(s *State) {
	if s.Ended != nil {
		c.bridge.closed(c)
	}
	if p := c.planner.next(s); p != nil {
		c.mixer.Apply(p)
	}
	before := c.now.Swap(&published{state: s, over: make(chan struct{})})
	close(before.over)
	c.bridge.touch()
}

// note keeps the legs that have to be waited for.
func (c *Conference) note(e entry, err error) {
	switch command := e.order.Command.(type) {
	case join:
		if err == nil {
			c.legs[command.leg] = e.request.leg
		}
	case leave:
		delete(c.legs, command.leg)
	case arrive:
		if err == nil {
			for _, leg := range e.request.legs {
				c.legs[leg.id] = leg
			}
		}
	case moved:
		for _, id := range command.legs {
			delete(c.legs, id)
		}
	case announced:
		delete(c.plays, command.source)
	}
}

// carryOut says what remains to be done for one order once its snapshot is published.
func (c *Conference) carryOut(e entry, effects []Effect, a answer) func() {
	var todo []func()
	answered := false
	for _, effect := range effects {
		switch effect := effect.(type) {
		case Hangup:
			if leg := c.legs[effect.Leg]; leg != nil {
				todo = append(todo, func() { go leg.hangup(effect.Reason) })
			}
		case Announce:
			todo = append(todo, c.announce(effect.Play))
		case Handover:
			legs := c.legsFor(effect.User)
			answered = answered || effect.answers
			todo = append(todo, func() { go c.handOver(effect, legs, e.request) })
		case CheckPIN:
			todo = append(todo, func() { go c.checkPIN(effect) })
		case Hush:
			todo = append(todo, func() { c.hush(effect) })
		case Call:
			leg := c.dialled(effect)
			answered = true
			todo = append(todo, func() { go c.call(leg, effect, e.request) })
		}
	}
	return func() {
		for _, f := range todo {
			f()
		}
		if !answered {
			e.request.reply(a)
		}
	}
}

// legsFor are the legs of a user.
func (c *Conference) legsFor(u *User) (legs []*Leg) {
	for _, e := range u.Endpoints {
		if leg := c.legs[e.Leg]; leg != nil {
			legs = append(legs, leg)
		}
	}
	return legs
}

// joinedAs is the user of a leg that has just joined.
func joinedAs(command Command, s *State) UserID {
	if j, ok := command.(join); ok {
		if u, _ := s.Owner(j.leg); u != nil {
			return u.ID
		}
	}
	return ""
}

// reply tells who waits. Its channel has room.
func (r *request) reply(a answer) {
	if r != nil {
		r.answer <- a
	}
}

// do carries out a command and waits for the answer.
func (c *Conference) do(ctx context.Context, by Caller, command Command) error {
	if d, ok := command.(Dial); ok && d.Leg == "" {
		fresh := newDial(d.Target, d.Name)
		if d.User != "" {
			fresh.User = d.User
		}
		command = fresh
	}
	if s, ok := command.(SidebarCreate); ok && s.ID == "" {
		s.ID = NewSidebarID()
		command = s
	}
	answer := make(chan answer, 1)
	if err := c.inbox.put(Order{At: time.Now(), By: by, Command: command}, &request{answer: answer}, mayRefuse); err != nil {
		return err
	}
	select {
	case a := <-answer:
		return a.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// happened puts an order of the bridge itself into the inbox.
func (c *Conference) happened(command Command, u urgency) {
	_ = c.inbox.put(Order{At: time.Now(), By: Caller{system: true}, Command: command}, nil, u) // an ended conference needs no news
}

// nudge lets a conference that nobody came into end.
func (c *Conference) nudge() { c.happened(tick{}, mustKeep) }

// ears hear what the media plane notices.
type ears struct{ c *Conference }

func (e ears) Report(event mixer.Event) {
	switch event := event.(type) {
	case mixer.Speaking:
		e.c.happened(speaking{event.Leg, event.On}, mayLose)
	case mixer.Digit:
		e.c.happened(pressed{event.Leg, event.Key}, mayLose)
	case mixer.Quiet:
		e.c.happened(quiet{event.Leg, event.Stream, event.For}, mayLose)
	}
}

// preferences are the formats that the conference already encodes.
func (c *Conference) preferences() Preferences {
	audio, video := c.mixer.Encodings()
	return Preferences{Audio: audio, Video: video}
}

// MixerStats is what the media plane of the conference does.
func (c *Conference) MixerStats() mixer.Stats { return c.mixer.Stats() }
