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
