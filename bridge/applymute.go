package bridge

import "slices"

func (c *change) mute(m Mute) error {
	u, err := c.subject(m.User)
	if err != nil {
		return err
	}
	switch {
	case u.ID == c.by.User:
	case m.On:
		err = c.chairOrAll("muting others")
	default:
		err = c.chair("letting others be heard")
	}
	if err != nil || u.Muted == m.On {
		return err
	}
	by := MutedByModerator
	if u.ID == c.by.User {
		by = MutedBySelf
	}
	c.edit(u, touchedUsers|touchedSpeaking, func(u *User) { u.mute(m.On, by) })
	return nil
}

// mute mutes, or not.
func (u *User) mute(on bool, by Muter) {
	u.Muted, u.MutedBy = on, ""
	if on {
		u.MutedBy = by
	}
}

func (c *change) grant(g Grant) error {
	u, err := c.subject(g.User)
	if err != nil {
		return err
	}
	if !slices.Contains(Roles(), g.Role) {
		return refuseInvalid("role %q is none of %v", g.Role, Roles())
	}
	if err = c.chair("giving roles"); err != nil {
		return err
	}
	if u.Role != g.Role {
		c.edit(u, touchedUsers, func(u *User) { u.Role = g.Role })
	}
	return nil
}
