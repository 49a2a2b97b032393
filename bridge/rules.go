package bridge

// Who may do what. There are three rules: a chair (moderator or operator); a chair, or any participant as long as the
// conference has no moderator; and the participant concerned.

// chairs says whether the caller is a moderator or an operator.
func (c *change) chairs() bool {
	if c.by.Operator || c.by.system {
		return true
	}
	u := c.User(c.by.User)
	return u != nil && u.Role == Moderator
}

// chair refuses what only moderators and operators may do.
func (c *change) chair(what string) error {
	if c.chairs() {
		return nil
	}
	return refuseRole(what, "moderators and operators")
}

// chairOrAll refuses where there is a moderator who could be asked.
func (c *change) chairOrAll(what string) error {
	if c.chairs() {
		return nil
	}
	if u := c.User(c.by.User); u.Role == Guest {
		return refuseRole(what, "participants, moderators and operators")
	}
	if c.counts.moderators > 0 {
		return refuseRole(what, "moderators and operators while a moderator is here")
	}
	return nil
}

// member refuses a caller who is not in the conference (any more).
func (c *change) member() error {
	if c.by.Operator || c.by.system || c.User(c.by.User) != nil {
		return nil
	}
	return refuseGone()
}

// subject is the participant that a command is about: the named one, or the caller.
func (c *change) subject(id UserID) (*User, error) {
	if id == "" {
		id = c.by.User
	}
	if id == "" {
		return nil, refuseInvalid("the command needs a participant")
	}
	if u := c.User(id); u != nil {
		return u, nil
	}
	return nil, refuseAbsent(string(id))
}
