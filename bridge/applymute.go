package bridge

import (
	"slices"
	"time"
)

func (c *change) mute(m Mute) error {
	u, err := c.subject(m.User)
	if err != nil {
		return err
	}
	switch own := u.ID == c.by.User; {
	case !own && m.On:
		err = c.may(muteOthers)
	case !own:
		err = c.may(unmuteOthers)
	case !m.On && u.Hard && !c.chairs():
		err = refuseHard()
	case !m.On:
		err = c.may(beHeard)
	}
	if err == nil && m.Hard && !c.chairs() {
		err = c.may(unmuteOthers) // who may not undo a mute makes none that others cannot undo
	}
	if err != nil {
		return err
	}
	c.setMuted(u, m.On, m.Hard)
	return nil
}

// setMuted mutes, or not, on behalf of the caller. A moderator's mute stays hard when the muted one mutes again.
func (c *change) setMuted(u *User, on, hard bool) {
	by := MutedByModerator
	if u.ID == c.by.User {
		by = MutedBySelf
	}
	if u.Muted == on && (!on || u.Hard == hard || u.Hard && by == MutedBySelf) {
		return
	}
	c.edit(u, touchedUsers|touchedSpeaking, func(u *User) { u.mute(on, by); u.Hard = on && hard })
	if by == MutedByModerator {
		c.tellUser(u, choose(on, PromptHardMuted, PromptUnmuted))
	}
}

// mute mutes, or not.
func (u *User) mute(on bool, by Muter) {
	u.Muted, u.MutedBy = on, ""
	if on {
		u.MutedBy = by
		return
	}
	u.Hard, u.Asked = false, time.Time{}
}

// muteAll mutes everybody but moderators and the caller, or lets all be heard.
func (c *change) muteAll(m MuteAll) error {
	if err := c.may(choose(m.On && !m.Hard, muteOthers, unmuteOthers)); err != nil {
		return err
	}
	for _, u := range c.Users() {
		if u.ID != c.by.User && !(m.On && u.Role == Moderator) {
			c.setMuted(u, m.On, m.Hard)
		}
	}
	return nil
}

// askUnmute asks somebody to unmute; who was muted hard may now.
func (c *change) askUnmute(a AskUnmute) error {
	u, err := c.subject(a.User)
	if err != nil {
		return err
	}
	if err = c.may(askOthers); err != nil || !u.Muted {
		return err
	}
	c.edit(u, touchedUsers, func(u *User) { u.Hard, u.Asked = false, c.at })
	c.tellUser(u, PromptAskUnmute)
	return nil
}

func (c *change) deafen(d Deafen) error {
	u, err := c.subject(d.User)
	if err != nil {
		return err
	}
	if err = c.mayTo(u, deafenOthers); err != nil {
		return err
	}
	if u.Deaf != d.On {
		c.edit(u, touchedUsers|touchedHearing, func(u *User) { u.Deaf = d.On })
	}
	return nil
}

const maxGain = 4 // of one participant: 12 dB

func (c *change) gain(g SetGain) error {
	u, err := c.subject(g.User)
	if err != nil {
		return err
	}
	if err = c.may(setGain); err != nil {
		return err
	}
	if !(g.Gain >= 0 && g.Gain <= maxGain) { // NaN is neither
		return refuseInvalid("a gain is 0 to %d", maxGain)
	}
	if u.Gain != g.Gain {
		c.edit(u, touchedUsers, func(u *User) { u.Gain = g.Gain })
	}
	return nil
}

func (c *change) grant(g Grant) error {
	u, err := c.subject(g.User)
	if err != nil {
		return err
	}
	if !slices.Contains(Roles(), g.Role) {
		return refuseInvalid("role %q is none of %v", g.Role, Roles())
	}
	if err = c.may(giveRoles); err != nil {
		return err
	}
	c.setRole(u, g.Role)
	return nil
}

// revoke takes a role away: its bearer is a participant again.
func (c *change) revoke(r Revoke) error {
	u, err := c.subject(r.User)
	if err != nil {
		return err
	}
	if err = c.mayTo(u, giveRoles); err != nil {
		return err
	}
	if u.ID == c.by.User && u.Role.rank() < Participant.rank() {
		return c.may(giveRoles) // nobody makes more of themself
	}
	if u.Role == r.Role {
		c.setRole(u, Participant)
	}
	return nil
}

func (c *change) setRole(u *User, role Role) {
	if u.Role != role {
		c.edit(u, touchedUsers|touchedSpeaking, func(u *User) { u.Role = role })
	}
}
