package bridge

import (
	"tutti/bridge/announce"
	"tutti/mixer/plan"
)

// menu is what the keys of telephones mean.
func (c Config) menu() announce.Menu {
	if c.Menu != nil {
		return *c.Menu
	}
	return announce.DefaultMenu()
}

// pressed takes a key of a telephone: of a PIN, or of the menu.
func (c *change) pressed(p pressed) {
	u, e := c.Owner(p.leg)
	if u == nil || !e.Status.connected() {
		return
	}
	if u.Waiting {
		if dialogue, step := u.pin.Press(p.key, c.at); dialogue != u.pin || step.Hush {
			c.edit(u, touchedInside, func(u *User) { u.pin = dialogue })
			c.converse(u.ID, step)
		}
		return
	}
	keys, action := c.menu.Press(u.keys, p.key, c.at)
	if keys != u.keys {
		c.edit(u, touchedInside, func(u *User) { u.keys = keys })
	}
	if action != "" {
		c.by = Caller{User: u.ID}
		c.act(p.leg, action)
	}
}

// act carries out what keys ask for, by the same rules as for a page, and lets the telephone hear what came of it.
func (c *change) act(leg plan.LegID, a announce.Action) {
	u := c.User(c.by.User)
	switch a {
	case announce.ActMute:
		c.answer(leg, Mute{On: !u.Muted}, choose(u.Muted, PromptUnmuted, PromptMuted))
	case announce.ActHand:
		c.answer(leg, Hand{On: u.Hand.IsZero()}, choose(u.Hand.IsZero(), PromptHandUp, PromptHandDown))
	case announce.ActLock:
		locked := c.Conference.Locked
		c.answer(leg, Lock{On: !locked}, choose(locked, PromptUnlocked, PromptLocked))
	case announce.ActMuteAll:
		c.answer(leg, MuteAll{On: true}, PromptAllMuted)
	case announce.ActEnd:
		c.answer(leg, End{}, "")
	case announce.ActCount:
		c.say(leg, Prompt(announce.Count(c.Connected())))
	case announce.ActHelp:
		c.say(leg, choose(c.chairs(), PromptHelpModerator, PromptHelp))
	}
}

// answer carries out a command and says that it is done, or that it was refused.
func (c *change) answer(leg plan.LegID, command Command, done Prompt) {
	if err := c.wish(command); err != nil {
		done = PromptNotAllowed
	}
	if done != "" && c.Ended == nil {
		c.say(leg, done)
	}
}
