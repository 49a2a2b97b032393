// Package bridge is the control plane: conferences, participants, policy. It decides who gets what and carries no sample.
//
// A conference is a value, State. Apply makes the next one from an Order and says what the world has to do (Effect).
// Everything that anybody is told is computed from it: Plan for the mixer, View and Patch for pages, the API and the
// command line. One goroutine per conference owns the current State (Conference); it publishes snapshots, which any
// goroutine may read, and never waits for anything.
//
// Locks: Bridge.mu, Leg.mu and inbox.mu are never held together.
package bridge

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"tutti/bridge/announce"
	"tutti/codec"
	"tutti/mixer"
	"tutti/mixer/plan"
)

// Config is what a Bridge needs to know.
type Config struct {
	Domain      string         // host part of conference URIs: sip:NAME@Domain
	Conferences []Definition   // known beforehand
	Policy      Policy         // of everything else
	Menu        *announce.Menu // of telephones; nil is the default
	Logger      *slog.Logger   // may be nil
	Mixer       mixer.Config   // Name, Events and Logger are set per conference
}

// Definition is a conference known beforehand. Its JSON is what the API takes and the store keeps; the PINs are not of it.
type Definition struct {
	Name     string      `json:"name" minLength:"1" maxLength:"64" doc:"what is dialled, and the page's path" example:"8001"`
	Title    string      `json:"title,omitempty" maxLength:"256"`
	Layout   plan.Layout `json:"layout,omitempty" enum:"grid,speaker,single"`
	Subject  string      `json:"subject,omitempty" maxLength:"256"`
	FreeText string      `json:"freeText,omitempty" maxLength:"1024"`
	Keywords []string    `json:"keywords,omitempty" nullable:"false" maxItems:"32"`
	ConfURIs []URI       `json:"confURIs,omitempty" nullable:"false" maxItems:"16" doc:"further addresses of the conference"`
	Services []URI       `json:"services,omitempty" nullable:"false" maxItems:"16" doc:"addresses of its web page, recording, streaming"`
	MaxUsers int         `json:"maxUsers,omitempty" minimum:"0" maximum:"100000" doc:"0 is any number"`

	PIN              string    `json:"-"` // that everybody needs, or its HashPIN; "" for none
	ModeratorPIN     string    `json:"-"` // that makes its bearer a moderator, or its HashPIN; "" for none
	Lobby            bool      `json:"lobby,omitempty" doc:"who comes waits to be admitted"`
	WaitForModerator bool      `json:"waitForModerator,omitempty" doc:"nobody hears anybody before a moderator has come"`
	MuteOnEntry      bool      `json:"muteOnEntry,omitempty"`
	EndWithModerator bool      `json:"endWithModerator,omitempty" doc:"it ends when its last moderator leaves"`
	EndsAt           time.Time `json:"endsAt,omitzero" required:"false" doc:"when it ends for everybody; absent is never"`
}

// Policy limits what strangers can start. A limit of 0 is none.
type Policy struct {
	AdHoc            bool // dialling or opening an unknown name makes the conference
	MaxConferences   int
	MaxParticipants  int // of one conference
	MaxLegs          int // of all conferences
	MaxLegsPerSource int // of one address, or one IPv6 /64
	MaxPendingCalls  int // calls out of one conference that wait for an answer; 0 is 10
}

// Bridge is all conferences of this process. Its methods may be called from any goroutine.
type Bridge struct {
	cfg  Config
	log  *slog.Logger
	base context.Context // of the conferences; it outlives the one of Run by the grace
	stop context.CancelCauseFunc

	mu          sync.Mutex // guards the fields below
	dialer      Dialer
	announcer   Announcer
	closing     bool
	conferences map[string]*Conference // that live
	running     map[*Conference]bool   // and those whose legs still hang up
	defined     map[string]Definition  // known beforehand
	legs        ledger
	guesses     guesses
	tokens      map[string]*Leg
	setups      map[SetupOf]Setup
	changed     chan struct{} // closed at the next change of any conference; nil while nobody looks
}

// New returns a bridge without legs.
func New(cfg Config) *Bridge {
	// The conferences end in an orderly way after the context of Run, so they cannot be its children.
	base, stop := context.WithCancelCause(context.Background())
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	defined := make(map[string]Definition, len(cfg.Conferences))
	for _, d := range cfg.Conferences {
		defined[d.Name] = d
	}
	return &Bridge{
		cfg: cfg, defined: defined, log: log, base: base, stop: stop,
		conferences: map[string]*Conference{}, running: map[*Conference]bool{}, tokens: map[string]*Leg{},
		legs: newLedger(), guesses: guesses{}, setups: map[SetupOf]Setup{},
	}
}

// Run keeps the conferences until ctx ends, then ends them all: every leg's Actor is told to hang up, and Run returns
// when all legs have left or grace has passed.
func (b *Bridge) Run(ctx context.Context, grace time.Duration) error {
	<-ctx.Done()
	b.mu.Lock()
	b.closing = true
	running := slices.Collect(maps.Keys(b.running))
	b.mu.Unlock()
	for _, c := range running {
		c.inbox.put(Order{At: time.Now(), By: Caller{system: true}, Command: shutdown{}}, nil, mustKeep)
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	for _, c := range running {
		select {
		case <-c.done:
		case <-late.C:
			b.stop(context.Cause(ctx))
			<-c.done
		case <-b.base.Done():
			<-c.done
		}
	}
	b.stop(context.Cause(ctx))
	return context.Cause(ctx)
}

// SetDialer says who makes calls. To be called before Run.
func (b *Bridge) SetDialer(d Dialer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dialer = d
}

// Preferences help an adapter to answer so that encoders are shared.
type Preferences struct {
	Audio []codec.Format // formats that the conference already encodes, most used first
	Video []codec.Format
}

// Admit says beforehand whether Join with the same request would be refused, and what the conference would like to be sent.
// It makes no state. The error is a *Refusal.
func (b *Bridge) Admit(r JoinRequest) (Preferences, error) {
	b.mu.Lock()
	replaces := b.tokens[r.Resume]
	r.Conference = replaces.whither(r.Conference)
	c, err := b.admitLocked(r.Conference, true)
	if err == nil && replaces == nil {
		if err = b.legs.room(r.Source, b.cfg.Policy); err == nil {
			d, _ := b.definition(r.Conference)
			_, err = b.verdictLocked(d, r, time.Now())
		}
	}
	b.mu.Unlock()
	if err != nil || c == nil {
		return Preferences{}, err
	}
	s := c.State()
	if replaces == nil || replaces.in() != c {
		if err = s.room(); err == nil && s.Door.banned(r.Entity, r.Source) {
			err = refuseBanned()
		}
	}
	return c.preferences(), err
}

// admitLocked is the conference of this name, nil if it may be made.
func (b *Bridge) admitLocked(name string, strangers bool) (*Conference, error) {
	if !ValidName(name) {
		return nil, refuseName(name)
	}
	if b.closing {
		return nil, refuseShutdown()
	}
	if c := b.conferences[name]; c != nil {
		return c, nil
	}
	if _, known := b.definition(name); !known && strangers && !b.cfg.Policy.AdHoc {
		return nil, refuseUnknown(name)
	}
	if limit := b.cfg.Policy.MaxConferences; limit > 0 && len(b.conferences) >= limit {
		return nil, refuseLimit("conferences", limit)
	}
	return nil, nil
}

// definition is what is known of a conference; false is nothing but its name. Bridge.mu is held.
func (b *Bridge) definition(name string) (Definition, bool) {
	d, known := b.defined[name]
	d.Name = name
	return d, known
}

// openLocked is the conference of this name, made if need be. The first order of a new one must follow at once: a conference
// that is empty after an order ends.
func (b *Bridge) openLocked(name string, strangers bool) (*Conference, error) {
	c, err := b.admitLocked(name, strangers)
	if c != nil || err != nil {
		return c, err
	}
	d, _ := b.definition(name)
	c = newConference(b, d)
	b.conferences[name] = c
	b.running[c] = true
	go c.run(b.base)
	return c, nil
}

// closed forgets a conference that has ended, so that a new one can have its name.
func (b *Bridge) closed(c *Conference) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conferences[c.name] == c {
		delete(b.conferences, c.name)
	}
}

// finished forgets a conference whose legs have all left.
func (b *Bridge) finished(c *Conference) {
	b.closed(c)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, c)
}

// Conference is the living conference of this name.
func (b *Bridge) Conference(name string) (*Conference, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.conferences[name]; c != nil {
		return c, nil
	}
	return nil, refuseNoConference(name)
}

// Conferences are snapshots of all living conferences, by name.
func (b *Bridge) Conferences() []*State {
	b.mu.Lock()
	living := slices.Collect(maps.Values(b.conferences))
	b.mu.Unlock()
	var states []*State
	for _, c := range living {
		if s := c.State(); s.Ended == nil && s.Len() > 0 {
			states = append(states, s)
		}
	}
	slices.SortFunc(states, func(a, b *State) int { return compareNames(a.Conference.Name, b.Conference.Name) })
	return states
}

// Do carries out a command of somebody who is no participant. A Dial makes the conference where there is none. The error
// is a *Refusal or the end of ctx.
func (b *Bridge) Do(ctx context.Context, conference string, by Caller, command Command) error {
	_, dials := command.(Dial)
	for range tries {
		c, err := b.forOperator(conference, dials)
		if err != nil {
			return err
		}
		err = c.do(ctx, by, command)
		switch r := refused(err); {
		case r == nil || r.Rule != RuleEnded || ctx.Err() != nil:
			return err
		case !dials:
			return refuseNoConference(conference)
		}
		// It ended between our look at it and our order; the next try makes a new one.
	}
	return refuseBusy()
}

// forOperator is the living conference of this name or, for a call out, a new one.
func (b *Bridge) forOperator(name string, dials bool) (*Conference, error) {
	if !dials {
		return b.Conference(name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.openLocked(name, false)
}

// Dial calls target into a conference for somebody who is no participant, and says as whom the roster shows it.
func (b *Bridge) Dial(ctx context.Context, conference string, by Caller, target, name string) (UserID, error) {
	d := newDial(target, name)
	return d.User, b.Do(ctx, conference, by, d)
}
