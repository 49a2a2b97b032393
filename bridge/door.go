package bridge

import (
	"cmp"
	"slices"
	"time"

	"tutti/bridge/announce"
	"tutti/mixer/plan"
)

// Wait is what somebody in the lobby waits for.
type Wait string

const (
	WaitPIN       Wait = "pin"       // their PIN
	WaitAdmission Wait = "admission" // a moderator who lets them in
	WaitModerator Wait = "moderator" // any moderator's coming
)

const maxBans = 1000 // of one conference

// admission is the verdict on who comes: what their PIN, or the ticket they hold, is worth.
type admission struct {
	role Role // "" is a participant
	ask  bool // for the PIN, by telephone keys
	pass bool // the lobby
}

// banned says whether somebody is kept out: callers by their address of record, browsers by the address they come from.
func (d Door) banned(entity, source string) bool {
	return slices.ContainsFunc(d.Banned, func(b Ban) bool {
		return b.Entity != "" && b.Entity == entity || b.Entity == "" && b.Source != "" && b.Source == sourceOf(source)
	})
}

// waits says what somebody with this verdict has to wait for, "" for nothing.
func (c *change) waits(a admission) Wait {
	switch {
	case a.ask:
		return WaitPIN
	case a.role == Moderator:
		return ""
	case c.Door.Lobby && !a.pass:
		return WaitAdmission
	case c.Door.WaitForModerator && c.counts.presiding == 0:
		return WaitModerator
	}
	return ""
}

// enter greets a newcomer, or tells them to wait.
func (c *change) enter(u *User) {
	switch u.WaitsFor {
	case WaitPIN:
		dialogue, step := announce.StartPIN(c.at, !c.Door.PIN)
		c.edit(u, touchedInside, func(u *User) { u.pin = dialogue })
		c.converse(u.ID, step)
	case "":
		c.greet(u)
	default:
		c.playTo(u, Play{Prompts: []Prompt{PromptWaiting}, Loop: true})
	}
}

// greet welcomes somebody who is in now.
func (c *change) greet(u *User) {
	words := []Prompt{PromptWelcome}
	if c.counts.connected == 1 {
		words = append(words, PromptAlone)
	}
	if c.Conference.Recording.On {
		words = append(words, PromptRecordingOn)
	}
	c.tellUser(u, words...)
}

// playTo plays something to all devices of u that have no screen.
func (c *change) playTo(u *User, p Play) (played bool) {
	for _, e := range u.Endpoints {
		if e.Status.connected() && e.Kind == SIP {
			p.Leg = e.Leg
			played = c.play(p) || played
		}
	}
	return played
}

// hushUser ends what is played to u.
func (c *change) hushUser(u *User) {
	c.hush(func(p Play) bool {
		return p.Leg != "" && slices.ContainsFunc(u.Endpoints, func(e *Endpoint) bool { return e.Leg == p.Leg })
	})
}

// letIn takes somebody out of the lobby, or lets them wait for something else.
func (c *change) letIn(u *User, a admission) {
	wait := c.waits(a)
	c.hushUser(u)
	c.edit(u, touchedRoster|touchedUsers, func(u *User) {
		u.Waiting, u.WaitsFor, u.pin = wait != "", wait, announce.PINDialogue{}
		u.Role = cmp.Or(a.role, u.Role)
	})
	c.enter(c.User(u.ID))
}

// callIn lets those in who waited for a moderator, now that one is here.
func (c *change) callIn() {
	if c.counts.presiding == 0 {
		return
	}
	for _, id := range c.waiting {
		if u := c.User(id); u.WaitsFor == WaitModerator && !u.leaving {
			c.letIn(u, admission{pass: true})
		}
	}
}

func (c *change) admit(a Admit) error {
	if err := c.may(admitOthers); err != nil {
		return err
	}
	ids := c.waiting
	if a.User != "" {
		if _, err := c.subject(a.User); err != nil {
			return err
		}
		ids = []UserID{a.User}
	}
	for _, id := range ids {
		// A PIN is not given by being let in one by one: a moderator may do without it, a crowd not.
		if u := c.User(id); u.Waiting && !u.leaving && (a.User != "" || u.WaitsFor == WaitAdmission) {
			c.letInNow(u)
		}
	}
	return nil
}

// letInNow lets somebody in whatever they waited for.
func (c *change) letInNow(u *User) {
	c.hushUser(u)
	c.edit(u, touchedRoster|touchedUsers, func(u *User) { u.Waiting, u.WaitsFor, u.leaving, u.pin = false, "", false, announce.PINDialogue{} })
	u = c.User(u.ID)
	c.tellUser(u, PromptAdmitted)
	c.greet(u)
}

func (c *change) deny(d Deny) error {
	u, err := c.subject(d.User)
	if err != nil {
		return err
	}
	if err = c.may(admitOthers); err != nil {
		return err
	}
	if !u.Waiting {
		return refuseInvalid("%s is not in the lobby", u.Label())
	}
	c.turnAway(u, cmp.Or(clip(cleanText(d.Reason), maxReason), "not let in"), PromptDenied)
	return nil
}

// turnAway hangs up somebody who is not let in, after telling them where that is possible.
func (c *change) turnAway(u *User, why string, words ...Prompt) {
	c.hushUser(u)
	c.edit(u, touchedInside, func(u *User) { u.pin, u.leaving = announce.PINDialogue{}, true })
	u = c.User(u.ID)
	if c.playTo(u, Play{Prompts: words, Until: true}) {
		return
	}
	c.dismiss(u, Reason{Method: Booted, Text: why})
}

// dismiss hangs somebody up and takes them out of the roster.
func (c *change) dismiss(u *User, r Reason) {
	for _, e := range u.Endpoints {
		c.hangup(e, r)
	}
	c.drop(u)
	c.touched |= touchedRoster
}

// converse carries out what the dialogue about a PIN wants.
func (c *change) converse(id UserID, step announce.PINStep) {
	u := c.User(id)
	if step.Hush {
		c.hushUser(u)
	}
	var words []Prompt
	for _, w := range step.Say {
		words = append(words, Prompt(w))
	}
	switch {
	case step.Bye:
		c.turnAway(u, refuseNoPIN().Text, words...)
	case len(words) > 0 && !c.playTo(u, Play{Prompts: words}):
		c.turnAway(u, refuseNoPIN().Text) // who cannot be asked cannot answer
	case step.Skip:
		c.letIn(u, admission{})
	case step.Check != "":
		c.effects = append(c.effects, CheckPIN{u.ID, u.Endpoints[0].Leg, step.Check})
	}
}

// checked is the verdict on a PIN that was entered with keys.
func (c *change) checked(v pinChecked) {
	u := c.User(v.user)
	if u == nil || !u.pin.Active() || u.leaving {
		return
	}
	if v.right {
		c.letIn(u, v.admission)
		return
	}
	dialogue, step := u.pin.Wrong(c.at)
	c.edit(u, touchedInside, func(u *User) { u.pin = dialogue })
	c.converse(u.ID, step)
}

// dialogues lets time pass for those who are asked for a PIN.
func (c *change) dialogues() {
	for _, id := range c.waiting {
		u := c.User(id)
		if u == nil || !u.pin.Active() {
			continue
		}
		if dialogue, step := u.pin.Tick(c.at); dialogue != u.pin {
			c.edit(u, touchedInside, func(u *User) { u.pin = dialogue })
			c.converse(id, step)
		}
	}
}

// ban keeps u out for as long as the conference lives.
func (c *change) ban(u *User, why string) {
	b := Ban{Name: u.Name, Entity: u.Entity, By: c.by.User, Reason: why, At: c.at}
	if u.Entity == "" {
		b.Source = sourceOf(u.Endpoints[0].Source)
	}
	kept := c.Door.Banned[max(0, len(c.Door.Banned)-maxBans+1):]
	c.Door.Banned = append(slices.Clone(kept), b)
	c.touched |= touchedConference
}

func (c *change) unban(b Unban) error {
	if err := c.may(expelOthers); err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(c.Door.Banned), func(o Ban) bool { return b.Name == "" || o.Name == b.Name })
	if len(kept) != len(c.Door.Banned) {
		c.Door.Banned = kept
		c.touched |= touchedConference
	}
	return nil
}

// configure changes what the conference is about and who may come in.
func (c *change) configure(o Configure) error {
	if err := c.may(configureIt); err != nil {
		return err
	}
	if o.MaxUsers != nil && *o.MaxUsers < 0 {
		return refuseInvalid("the number of participants is 0 (any) or more")
	}
	if o.EndsAt != nil && !o.EndsAt.IsZero() && !o.EndsAt.After(c.at) {
		return refuseInvalid("the end of the conference lies in the past")
	}
	d := &c.Conference
	for to, from := range map[*string]*string{&d.Title: o.Title, &d.Subject: o.Subject, &d.FreeText: o.FreeText} {
		if from != nil {
			*to = clip(cleanText(*from), maxAbout)
		}
	}
	if o.Keywords != nil {
		d.Keywords = slices.Clone((*o.Keywords)[:min(len(*o.Keywords), maxFew)])
		for i, k := range d.Keywords {
			d.Keywords[i] = cleanName(k)
		}
	}
	if o.MaxUsers != nil {
		d.MaxUsers = *o.MaxUsers
	}
	if o.EndsAt != nil {
		c.Door.EndsAt = *o.EndsAt
	}
	for to, from := range map[*bool]*bool{
		&c.Door.Lobby: o.Lobby, &c.Door.WaitForModerator: o.WaitForModerator, &c.Door.MuteOnEntry: o.MuteOnEntry,
		&c.Door.EndWithModerator: o.EndWithModerator,
	} {
		if from != nil {
			*to = *from
		}
	}
	c.touched |= touchedConference
	if !c.Door.WaitForModerator {
		c.stopWaiting(WaitModerator)
	}
	if !c.Door.Lobby {
		c.stopWaiting(WaitAdmission)
	}
	return nil
}

// stopWaiting lets those in who wait for what need not be waited for any more.
func (c *change) stopWaiting(what Wait) {
	for _, id := range c.waiting {
		if u := c.User(id); u.WaitsFor == what && !u.leaving {
			c.letIn(u, admission{})
		}
	}
}

// over ends a conference whose time has come, or whose last moderator has left.
func (c *change) over(presided bool) {
	switch {
	case !c.Door.EndsAt.IsZero() && !c.at.Before(c.Door.EndsAt):
		c.end(Reason{Method: EndedMethod, Text: "the time of the conference is over"})
	case c.Door.EndWithModerator && presided && c.counts.presiding == 0:
		c.end(Reason{Method: EndedMethod, Text: "the moderator has left"})
	}
}

// What the door wants of the world.
type (
	// CheckPIN asks whether a PIN that was entered with keys is right.
	CheckPIN struct {
		User UserID
		Leg  plan.LegID
		PIN  string
	}
	// pinChecked is the answer.
	pinChecked struct {
		user      UserID
		right     bool
		admission admission
	}
)

func (CheckPIN) effect()    {}
func (pinChecked) command() {}

// doorDue is when time alone changes who is in; zero is never.
func (s *State) doorDue() time.Time {
	due := s.Door.EndsAt
	for _, id := range s.waiting {
		if at := s.User(id).pin.Deadline(); !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	return due
}
