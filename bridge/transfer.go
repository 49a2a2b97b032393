package bridge

import (
	"slices"
	"time"

	"tutti/bridge/announce"
	"tutti/mixer/plan"
)

// A transfer has two phases, so that a failure leaves everybody where they were: the other conference takes the participant
// (arrive), then the legs change mixers (Leg.moveTo), then this conference lets go (moved).

type (
	// Transfer brings a participant into another conference, with all devices and without a new call. Who may do so to others
	// needs no PIN for them; locks, limits and bans of the other conference hold.
	Transfer struct {
		User       UserID // "" is the caller
		Conference string
		PIN        string // of the other conference
	}
	// Handover is what remains to be done for a Transfer.
	Handover struct {
		User     *User // then
		To       string
		PIN      string
		Trusted  bool // needs neither PIN nor lobby
		aside    bool // into a sidebar that is a conference of its own
		Stranger bool // may not make conferences where that is not allowed
		By       string
		answers  bool // somebody waits for what comes of it
	}
	// arrive takes somebody who comes from another conference.
	arrive struct {
		user *User // as they were there
		from string
		by   string
		admission
	}
	// moved lets go of somebody who is in another conference now.
	moved struct {
		user UserID
		legs []plan.LegID
	}
	// stayed says that a Handover failed.
	stayed struct{ user UserID }
)

func (Transfer) command() {}
func (arrive) command()   {}
func (moved) command()    {}
func (stayed) command()   {}
func (Handover) effect()  {}

func (c *change) transfer(t Transfer) error {
	u, err := c.subject(t.User)
	if err != nil {
		return err
	}
	if err = c.mayTo(u, transferOthers); err != nil {
		return err
	}
	return c.sendTo(u, Handover{To: t.Conference, PIN: t.PIN, Trusted: c.chairs(), answers: true})
}

// sendTo asks for a Handover.
func (c *change) sendTo(u *User, h Handover) error {
	switch {
	case !ValidName(h.To):
		return refuseName(h.To)
	case h.To == c.Conference.Name:
		return refuseInvalid("%s is in this conference already", u.Label())
	case u.moving:
		return refuseTransfer("%s is under way already", u.Label())
	case !u.Connected() || slices.ContainsFunc(u.Endpoints, func(e *Endpoint) bool { return !e.Status.connected() }):
		return refuseTransfer("%s is not quite in the conference", u.Label())
	}
	h.User, h.By, h.Stranger = u, c.caller(), !c.by.Operator && !h.aside
	c.edit(u, touchedInside, func(u *User) { u.moving = true })
	c.effects = append(c.effects, h)
	return nil
}

// arrive makes somebody a member who comes from another conference.
func (c *change) arrive(a arrive) error {
	if c.User(a.user.ID) != nil {
		return refuseTransfer("they are there already")
	}
	if err := c.room(); err != nil {
		return err
	}
	u := *a.user
	if c.Door.banned(u.Entity, u.Endpoints[0].Source) {
		return refuseBanned()
	}
	c.joined++
	wait := c.waits(a.admission)
	u.Order, u.Role, u.Waiting, u.WaitsFor = c.joined, Participant, wait != "", wait
	if a.role != "" {
		u.Role = a.role
	}
	u.Hand, u.Speaking, u.Asked, u.Sidebar, u.Loud, u.Deaf, u.DialedBy, u.Gain = time.Time{}, time.Time{}, time.Time{}, "", false, false, "", 1
	u.Hard, u.named, u.moving, u.keys, u.pin, u.View = false, false, false, announce.Keys{}, announce.PINDialogue{}, OwnView{}
	if c.Door.MuteOnEntry && u.Role != Moderator && !u.Muted {
		u.mute(true, MutedByModerator)
	}
	u.Endpoints = nil
	for _, e := range a.user.Endpoints {
		now := *e
		now.Joined, now.JoinReason, now.JoinedBy, now.silent = c.at, "transferred from "+a.from, a.by, nil
		u.Endpoints = append(u.Endpoints, &now)
	}
	c.put(nil, &u)
	c.touched |= touchedRoster
	c.enter(&u)
	return nil
}

// moved drops somebody who goes on elsewhere: nothing is hung up.
func (c *change) moved(m moved) {
	if u := c.User(m.user); u != nil {
		c.drop(u)
		c.touched |= touchedRoster
	}
}

// stayed lets somebody be transferred again whose Handover failed.
func (c *change) stayed(s stayed) {
	if u := c.User(s.user); u != nil && u.moving {
		c.edit(u, touchedInside, func(u *User) { u.moving = false })
	}
}

// handOver carries a Handover out and tells who asked. legs are those of the user.
func (c *Conference) handOver(h Handover, legs []*Leg, asked *request) {
	err := c.bridge.transfer(c, h, legs)
	if err != nil {
		c.happened(stayed{h.User.ID}, mustKeep)
		c.log.Info("transfer failed", "participant", h.User.ID, "to", h.To, "error", err)
	} else {
		c.log.Info("transferred", "participant", h.User.ID, "to", h.To, "by", h.By)
	}
	if h.answers {
		asked.reply(answer{err: err})
	}
}

func (b *Bridge) transfer(from *Conference, h Handover, legs []*Leg) error {
	to, err := b.reserve(from, h, legs)
	if err != nil {
		return err
	}
	var ids []plan.LegID
	for i, l := range legs {
		ids = append(ids, l.id)
		if err = l.moveTo(to); err == nil || refused(err) != nil { // who has left meanwhile has left
			if err != nil {
				to.happened(leave{leg: l.id, reason: Reason{Method: Departed}, atOnce: true}, mustKeep)
			}
			continue
		}
		for _, back := range legs[:i] {
			_ = back.moveTo(from) // it has been there before
		}
		to.happened(moved{h.User.ID, ids}, mustKeep)
		return refuseTransfer("%v", err)
	}
	from.happened(moved{h.User.ID, ids}, mustKeep)
	return nil
}

// reserve is the first phase.
func (b *Bridge) reserve(from *Conference, h Handover, legs []*Leg) (*Conference, error) {
	now := time.Now()
	for range tries {
		b.mu.Lock()
		to, err := b.openLocked(h.To, h.Stranger)
		if err != nil {
			b.mu.Unlock()
			return nil, err
		}
		d, _ := b.definition(h.To)
		a, err := admission{pass: true}, error(nil)
		if !h.Trusted || h.PIN != "" {
			e := h.User.Endpoints[0]
			a, err = b.verdictLocked(d, JoinRequest{Kind: e.Kind, Source: e.Source, PIN: h.PIN}, now)
			a.pass = a.pass || h.Trusted
		}
		b.mu.Unlock()
		if err != nil {
			to.nudge()
			return nil, err
		}
		reply := make(chan answer, 1)
		order := Order{At: now, By: Caller{system: true}, Command: arrive{h.User, from.name, h.By, a}}
		if err = to.inbox.put(order, &request{legs: legs, answer: reply}, mayRefuse); err == nil {
			err = (<-reply).err // the conference's goroutine answers all that it took
		}
		if r := refused(err); r == nil || r.Rule != RuleEnded {
			return to, err
		}
	}
	return nil, refuseBusy()
}

// moveTo hands the leg's media over to the mixer of another conference. On an error nothing has changed; a *Refusal says that the
// leg has left.
func (l *Leg) moveTo(to *Conference) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left {
		return refuseGone()
	}
	from := l.in()
	if err := l.lines.handOver(to.mixer, l.id); err != nil {
		return err
	}
	l.conference.Store(to)
	l.moved.Store(true)
	from.mixer.Detach(l.id)
	return nil
}

// whither is where somebody is to come back who was in the conference of this name: where their leg was transferred to. l may be nil.
func (l *Leg) whither(name string) string {
	if l != nil && l.moved.Load() {
		return l.in().name
	}
	return name
}
