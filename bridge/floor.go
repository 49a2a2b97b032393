package bridge

import (
	"time"

	"tutti/mixer/plan"
)

// Floor is who has the large tile of the speaker layout.
type Floor struct {
	Active UserID // "" is nobody yet
	Since  time.Time
}

const (
	takeFloor = 600 * time.Millisecond // so long must a newcomer talk to follow somebody who is silent
	overTalk  = 2 * time.Second        // … and to follow somebody who still talks
)

// Speaks says whether the user is heard to talk.
func (u *User) Speaks() bool { return u.mayTalk() && !u.Speaking.IsZero() }

func (c *change) speaking(s speaking) {
	u, e := c.Owner(s.leg)
	if u == nil || !e.Status.connected() || s.on != u.Speaking.IsZero() {
		return
	}
	c.edit(u, touchedSpeaking, func(u *User) {
		u.Speaking = time.Time{}
		if s.on {
			u.Speaking = c.at
		}
	})
}

// yieldFloor passes the large tile on if somebody has talked long enough. Who has it keeps it in silence.
func (c *change) yieldFloor() {
	if c.Floor.Active != "" && c.User(c.Floor.Active) == nil {
		c.Floor = Floor{}
		c.touched |= touchedSpeaking
	}
	next, due := c.nextSpeaker()
	if next != "" && !c.at.Before(due) {
		c.Floor = Floor{Active: next, Since: c.at}
		c.touched |= touchedSpeaking
	}
}

// nextSpeaker is who takes the floor next, and when, if nothing else happens; "" for nobody.
func (s *State) nextSpeaker() (next UserID, due time.Time) {
	active := s.User(s.Floor.Active)
	for _, id := range s.talking {
		u := s.User(id)
		if u == active || u.Sidebar != "" && s.aside(u) {
			continue
		}
		at := u.Speaking.Add(takeFloor)
		if active != nil && active.Speaks() {
			if !u.Speaking.After(s.Floor.Since) {
				continue // talked before the active one took over: else two who talk at once would swap for ever
			}
			at = u.Speaking.Add(overTalk)
		}
		if next == "" || at.Before(due) {
			next, due = id, at
		}
	}
	return next, due
}

// aside says whether the user talks to others than the conference.
func (s *State) aside(u *User) bool { bus := s.talksTo(u); return bus != plan.Main && bus != loudBus }

// floorDue is what a tick touches for the floor: its change is made by settle.
func (c *change) floorDue() parts {
	if next, due := c.nextSpeaker(); next != "" && !c.at.Before(due) {
		return touchedSpeaking
	}
	return 0
}

// Deadline is when time alone changes the state: then a tick is due. Zero is never.
func (s *State) Deadline() time.Time {
	if s.Ended != nil {
		return time.Time{}
	}
	_, due := s.nextSpeaker()
	if at := s.doorDue(); !at.IsZero() && (due.IsZero() || at.Before(due)) {
		due = at
	}
	for _, id := range s.failed {
		for _, e := range s.User(id).Endpoints {
			if at := e.Disconnected.Add(linger); e.Status == Disconnected && (due.IsZero() || at.Before(due)) {
				due = at
			}
		}
	}
	return due
}

// keys are the DTMF keys of a user that wait for more.
type keys struct{ star time.Time }

const keyGap = 3 * time.Second // between the keys of one sequence

// pressed takes a key: of a PIN, or of the menu: *6 (mute or not) and *9 (hand up or down).
func (c *change) pressed(p pressed) {
	u, e := c.Owner(p.leg)
	if u == nil || !e.Status.connected() {
		return
	}
	if u.Waiting {
		if dialogue, step := u.pin.Press(p.key, c.at); dialogue != u.pin {
			c.edit(u, touchedInside, func(u *User) { u.pin = dialogue })
			c.converse(u.ID, step)
		}
		return
	}
	starred := !u.keys.star.IsZero() && c.at.Sub(u.keys.star) <= keyGap
	after := keys{}
	if p.key == '*' {
		after.star = c.at
	} else if !starred {
		return
	}
	c.edit(u, touchedInside, func(u *User) { u.keys = after })
	c.by = Caller{User: u.ID}
	switch p.key {
	case '6':
		c.answer(p.leg, Mute{On: !u.Muted}, choose(u.Muted, PromptUnmuted, PromptMuted))
	case '9':
		c.answer(p.leg, Hand{On: u.Hand.IsZero()}, choose(u.Hand.IsZero(), PromptHandUp, PromptHandDown))
	}
}

// answer carries out what a key asked for, and lets the leg hear what came of it.
func (c *change) answer(leg plan.LegID, command Command, done Prompt) {
	if err := c.wish(command); err != nil {
		done = PromptNotAllowed
	}
	c.say(leg, done)
}
