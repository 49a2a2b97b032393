package bridge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tutti/mixer/plan"
)

// join makes a leg a member, or lets it take the place of an older one.
func (c *change) join(j join) error {
	if u, _ := c.Owner(j.leg); u != nil || c.User(j.user) != nil {
		return refuseInvalid("the ids of the leg are taken")
	}
	fresh := &Endpoint{
		Leg: j.leg, Kind: j.request.Kind, Entity: j.request.Endpoint, Source: j.request.Source, Call: j.request.Call,
		Status: Connected, Method: j.request.Method, Joined: c.at, Connected: c.at,
		DisplayText: cleanName(j.request.DeviceText), Referred: j.request.Referred,
	}
	if fresh.Method == "" {
		fresh.Method = DialedIn
	}
	if u, old := c.Owner(j.replaces); u != nil {
		c.replace(u, old, fresh)
		return nil
	}
	if err := c.room(); err != nil {
		return err
	}
	if c.Door.banned(j.request.Entity, j.request.Source) {
		return refuseBanned()
	}
	c.joined++
	wait := c.waits(j.admission)
	muted := c.Door.MuteOnEntry && j.admission.role != Moderator
	u := &User{
		ID: j.user, Entity: j.request.Entity, Number: cleanName(j.request.Number), Order: c.joined, Role: cmp.Or(j.admission.role, Participant),
		Waiting: wait != "", WaitsFor: wait,
		Name: displayName(j.request, c.joined), Endpoints: []*Endpoint{fresh}, Gain: 1,
		AORs: few(j.request.AORs), Language: few(j.request.Languages), Focus: j.request.Focus,
	}
	if muted {
		u.mute(true, MutedByModerator)
	}
	c.put(nil, u)
	c.touched |= touchedRoster
	c.enter(u)
	return nil
}

// few are the first of what a stranger says about themself.
func few(list []string) []string { return slices.Clip(list[:min(len(list), maxFew)]) }

// room refuses a newcomer.
func (s *State) room() error {
	switch {
	case s.Ended != nil:
		return refuseEnded()
	case s.Conference.Locked:
		return refuseLocked()
	case s.MaxUsers() > 0 && s.Len() >= s.MaxUsers():
		return refuseFull(s.MaxUsers())
	}
	return nil
}

// replace puts a new leg in the place of an old one of the same user.
func (c *change) replace(u *User, old, fresh *Endpoint) {
	c.hangup(old, Reason{Method: Replaced, Text: "replaced by another connection of the same participant"})
	c.edit(u, touchedRoster, func(u *User) {
		u.Endpoints = slices.Clone(u.Endpoints)
		u.Endpoints[slices.Index(u.Endpoints, old)] = fresh
		u.Speaking = time.Time{}
	})
}

// displayName is what a joiner is called.
func displayName(r JoinRequest, order int) string {
	for _, name := range []string{r.DisplayText, r.Number, userPart(r.Entity)} {
		if name = cleanName(name); name != "" {
			return name
		}
	}
	return fmt.Sprintf("Guest %d", order)
}

// leave takes a leg out of the roster. A call out that failed is shown for a while.
func (c *change) leave(l leave) {
	u, e := c.Owner(l.leg)
	if u == nil || e.Status == Disconnected {
		return
	}
	if e.Status.pending() && !l.atOnce && l.reason.Method != Departed {
		l.reason.Text = clip(cleanText(l.reason.Text), maxReason)
		c.editEndpoint(u, e, touchedRoster, func(e *Endpoint) {
			e.Status, e.Disconnection, e.Disconnected = Disconnected, &l.reason, c.at
		})
		return
	}
	c.remove(u, e)
}

// remove drops an endpoint, and its user with the last one.
func (c *change) remove(u *User, e *Endpoint) {
	c.touched |= touchedRoster
	if len(u.Endpoints) == 1 {
		c.drop(u)
		return
	}
	c.edit(u, touchedRoster, func(u *User) {
		u.Endpoints = slices.DeleteFunc(slices.Clone(u.Endpoints), func(o *Endpoint) bool { return o == e })
	})
}

// forget drops failed calls that were shown long enough.
func (c *change) forget() {
	for _, id := range c.failed {
		u := c.User(id)
		for _, e := range u.Endpoints {
			if e.Status == Disconnected && !c.at.Before(e.Disconnected.Add(linger)) {
				c.remove(u, e)
				u = c.User(id)
			}
			if u == nil {
				break
			}
		}
	}
	c.touched |= c.floorDue()
}

func (c *change) mediaChanged(m mediaChanged) {
	u, e := c.Owner(m.leg)
	if u == nil || e.Status == Disconnected {
		return
	}
	media := m.media[:min(len(m.media), maxMedia)]
	answered := e.Status.pending()
	if !answered && slices.Equal(media, e.Media) {
		return
	}
	c.editEndpoint(u, e, touchedRoster, func(e *Endpoint) {
		e.Media, e.silent = media, nil
		if answered {
			e.Status, e.Connected = Connected, c.at
		}
	})
}

func (c *change) statusChanged(s statusChanged) {
	u, e := c.Owner(s.leg)
	if u == nil || e.Status == s.status || e.Status == Disconnected || s.status == Disconnected {
		return
	}
	if e.Status.connected() && s.status.pending() {
		return // an answered call never rings again
	}
	c.editEndpoint(u, e, touchedRoster, func(e *Endpoint) {
		e.Status = s.status
		if e.Connected.IsZero() && s.status.connected() {
			e.Connected = c.at
		}
	})
}

// quiet ends a leg of which no sound comes any more.
func (c *change) quiet(q quiet) {
	u, e := c.Owner(q.leg)
	if u == nil || !e.Status.connected() || slices.Contains(e.silent, q.stream) {
		return
	}
	silent := append(slices.Clip(e.silent), q.stream)
	alive, sounding := false, false
	for _, m := range e.Media {
		if m.Type != "audio" || !m.Status.sends() {
			continue
		}
		sounding = true
		alive = alive || !slices.Contains(silent, m.ID)
	}
	switch {
	case !sounding || !slices.ContainsFunc(e.Media, func(m Media) bool { return m.ID == q.stream && m.Type == "audio" }):
	case alive:
		c.editEndpoint(u, e, touchedInside, func(e *Endpoint) { e.silent = silent })
	default:
		c.hangup(e, Reason{Method: Failed, Text: fmt.Sprintf("no media for %v", q.length)})
		c.remove(u, e)
	}
}

func (c *change) dial(d Dial) error {
	if err := c.may(callOut); err != nil {
		return err
	}
	target := strings.TrimSpace(d.Target)
	if target == "" || len(target) > maxTarget || cleanText(target) != target {
		return refuseInvalid("a target has 1 to %d printable characters", maxTarget)
	}
	if err := c.room(); err != nil {
		return err
	}
	limit := c.Limits.Pending
	if limit <= 0 {
		limit = defaultWait
	}
	if c.counts.pending >= limit {
		return refuseLimit("calls out that wait for an answer", limit)
	}
	if u, _ := c.Owner(d.Leg); u != nil || c.User(d.User) != nil || d.User == "" || d.Leg == "" {
		return refuseInvalid("the ids of the call are taken")
	}
	c.joined++
	c.put(nil, dialled(d, target, c))
	c.touched |= touchedRoster
	c.effects = append(c.effects, Call{d.User, d.Leg, target})
	return nil
}

// dialled is the user who is called.
func dialled(d Dial, target string, c *change) *User {
	number := userPart(target)
	return &User{
		ID: d.User, Entity: target, Number: number, Order: c.joined, Role: Participant, DialedBy: c.by.User, Gain: 1,
		Name: displayName(JoinRequest{DisplayText: d.Name, Number: number, Entity: target}, c.joined),
		Endpoints: []*Endpoint{{
			Leg: d.Leg, Kind: SIP, Entity: target, Status: DialingOut, Method: DialedOut, Joined: c.at,
			Referred: &Info{When: c.at, By: c.caller()},
		}},
	}
}

// caller names who asks, for the roster.
func (c *change) caller() string {
	if u := c.User(c.by.User); u != nil {
		return u.Label()
	}
	return c.by.Name
}

func (c *change) expel(x Expel) error {
	if x.User == "" {
		return refuseInvalid("expel needs a participant")
	}
	u, err := c.subject(x.User)
	if err != nil {
		return err
	}
	mine := u.DialedBy != "" && u.DialedBy == c.by.User && !u.Connected()
	if !mine {
		if err = c.may(expelOthers); err != nil {
			return err
		}
	}
	text := clip(cleanText(x.Reason), maxReason)
	if text == "" {
		text = "expelled from the conference"
	}
	if x.Ban {
		if err = c.may(expelOthers); err != nil {
			return err
		}
		c.ban(u, text)
	}
	c.dismiss(u, Reason{Method: Booted, Text: text})
	return nil
}

// put makes now the successor of old (nil for a new user) and keeps what State counts.
func (c *change) put(old, now *User) {
	c.count(old, now)
	if old != nil {
		for _, e := range old.Endpoints {
			c.legs = c.legs.Without(string(e.Leg))
		}
	}
	if now == nil {
		c.users = c.users.Without(string(old.ID))
		return
	}
	for _, e := range now.Endpoints {
		c.legs = c.legs.With(string(e.Leg), now.ID)
	}
	c.users = c.users.With(string(now.ID), now)
}

// drop takes a user out.
func (c *change) drop(u *User) {
	c.put(u, nil)
	if len(c.Sidebars) > 0 {
		c.depart(u)
	}
	if c.Conference.Spotlight == u.ID {
		c.Conference.Spotlight = ""
		c.touched |= touchedConference
	}
}

// edit puts a changed copy of u in its place.
func (c *change) edit(u *User, what parts, f func(*User)) {
	now := *u
	f(&now)
	if sameEndpoints(u.Endpoints, now.Endpoints) {
		c.count(u, &now)
		c.users = c.users.With(string(u.ID), &now)
	} else {
		c.put(u, &now)
	}
	c.touched |= what
}

// editEndpoint puts a changed copy of e in its place.
func (c *change) editEndpoint(u *User, e *Endpoint, what parts, f func(*Endpoint)) {
	c.edit(u, what, func(u *User) {
		now := *e
		f(&now)
		u.Endpoints = slices.Clone(u.Endpoints)
		u.Endpoints[slices.Index(u.Endpoints, e)] = &now
	})
}

func sameEndpoints(a, b []*Endpoint) bool {
	return slices.EqualFunc(a, b, func(x, y *Endpoint) bool { return x.Leg == y.Leg })
}

// legsOf are the legs of a user that are in the conference.
func legsOf(u *User) []plan.LegID {
	var legs []plan.LegID
	for _, e := range u.Endpoints {
		if e.Status.connected() {
			legs = append(legs, e.Leg)
		}
	}
	return legs
}
