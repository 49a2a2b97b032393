package bridge

// Who may do what stands in one table. What somebody does to themself needs no right, unless it stands here.

// right is a thing that needs permission.
type right uint8

const (
	muteOthers right = iota
	unmuteOthers
	beHeard
	askOthers
	deafenOthers
	videoOthers
	renameOthers
	renameBack
	lowerHands
	callOut
	expelOthers
	lockIt
	endIt
	admitOthers
	configureIt
	chooseLayout
	chooseSpotlight
	setGain
	giveRoles
	playFiles
	recordIt
	moveOthers
	makeSideRoom
	whisperTo
	coachOthers
	speakToAll
	transferOthers
	showSlides
)

// rule says who has a right: those of a role and above it and, with orAll, all participants while no moderator is here.
type rule struct {
	what  string // completes "… can only be done by …"
	least Role
	orAll bool
}

// rule is the row of the table.
func (r right) rule() rule {
	return [...]rule{
		muteOthers:      {"muting others", Moderator, true},
		unmuteOthers:    {"letting others be heard", Moderator, false},
		beHeard:         {"being heard", Guest, false},
		askOthers:       {"asking others to unmute", Moderator, false},
		deafenOthers:    {"switching the hearing of others", Moderator, false},
		videoOthers:     {"switching the camera of others", Moderator, false},
		renameOthers:    {"renaming others", Moderator, false},
		renameBack:      {"changing a name that a moderator gave", Moderator, false},
		lowerHands:      {"lowering the hands of others", Moderator, false},
		callOut:         {"calling others", Participant, false},
		expelOthers:     {"expelling others", Moderator, false},
		lockIt:          {"locking or unlocking the conference", Moderator, false},
		endIt:           {"ending the conference", Moderator, false},
		admitOthers:     {"letting others in from the lobby", Moderator, false},
		configureIt:     {"changing the rules of the conference", Moderator, false},
		chooseLayout:    {"choosing the layout", Presenter, true},
		chooseSpotlight: {"the spotlight", Presenter, true},
		setGain:         {"changing how loud somebody is", Moderator, false},
		giveRoles:       {"giving roles", Moderator, false},
		playFiles:       {"playing a file", Moderator, false},
		recordIt:        {"recording", Moderator, false},
		moveOthers:      {"moving others between sidebars", Moderator, false},
		makeSideRoom:    {"making a sidebar", Participant, false},
		whisperTo:       {"whispering", Participant, false},
		coachOthers:     {"coaching", Moderator, false},
		speakToAll:      {"speaking to all sidebars", Moderator, false},
		transferOthers:  {"transferring others", Moderator, false},
		showSlides:      {"showing slides", Participant, false},
	}[r]
}

// rank is the height of a role.
func (r Role) rank() int {
	all := Roles()
	for i, o := range all {
		if o == r {
			return len(all) - i
		}
	}
	return 0
}

// who names those who have the right, for a refusal.
func (r rule) who(moderated bool) string {
	who := map[Role]string{
		Moderator: "moderators and operators", Presenter: "presenters, moderators and operators",
		Participant: "participants, moderators and operators", Guest: "guests, participants, moderators and operators",
	}[r.least]
	if r.orAll && moderated {
		who += " while a moderator is here"
	}
	return who
}

// may refuses a caller who does not have the right.
func (c *change) may(r right) error {
	rule := r.rule()
	if c.chairs() {
		return nil
	}
	u := c.User(c.by.User)
	switch {
	case u.Role.rank() >= rule.least.rank():
		return nil
	case !rule.orAll:
		return refuseRole(rule.what, rule.who(false))
	case u.Role.rank() < Participant.rank():
		return refuseRole(rule.what, "participants, moderators and operators")
	case c.counts.moderators > 0:
		return refuseRole(rule.what, rule.who(true))
	}
	return nil
}

// mayTo is may where the command is about somebody else, and nil where it is about the caller.
func (c *change) mayTo(u *User, r right) error {
	if u.ID == c.by.User {
		return nil
	}
	return c.may(r)
}

// chairs says whether the caller is a moderator or an operator.
func (c *change) chairs() bool {
	if c.by.Operator || c.by.system {
		return true
	}
	u := c.User(c.by.User)
	return u != nil && u.Role == Moderator
}

// member refuses a caller who is not in the conference (any more), or not yet.
func (c *change) member(command Command) error {
	if c.by.Operator || c.by.system {
		return nil
	}
	u := c.User(c.by.User)
	switch {
	case u == nil:
		return refuseGone()
	case u.Waiting && !allowedInLobby(command):
		return refuseLobby()
	}
	return nil
}

// allowedInLobby says what somebody who waits may do: to themself only.
func allowedInLobby(command Command) bool {
	switch command := command.(type) {
	case Mute:
		return command.User == ""
	case Video:
		return command.User == ""
	case Rename:
		return command.User == ""
	}
	return false
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
