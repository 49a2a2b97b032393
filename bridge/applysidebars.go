package bridge

import (
	"fmt"
	"slices"
	"strings"
)

const (
	maxSidebars = 64   // of one conference
	whisperGain = 0.25 // with which who whispers hears the conference, where nothing else is said: 12 dB less
)

// Commands about sidebars. A Sidebar of "" is the conference itself.
type (
	// SidebarCreate makes a sidebar and brings Users into it where the caller may move them; else they are invited. The caller
	// goes along unless they chair the conference. A Whisper or Coach is with one other user, who is brought at once.
	SidebarCreate struct {
		ID       SidebarID // given by the bridge where it is ""
		Name     string    // "" is made
		Kind     SidebarKind
		Users    []UserID
		MainGain *float32 // nil is the usual one of its kind: off, but for a Whisper
		ByRef    bool     // a conference with a URI of its own
	}
	// SidebarInvite lets users come who would not be allowed to.
	SidebarInvite struct {
		Sidebar SidebarID
		Users   []UserID
	}
	// SidebarMove brings users into a sidebar, or back.
	SidebarMove struct {
		Sidebar SidebarID
		Users   []UserID
	}
	// SidebarJoin brings the caller into a sidebar, or back.
	SidebarJoin struct{ Sidebar SidebarID }
	// SidebarMerge brings all members of one sidebar into another, or back, and ends it.
	SidebarMerge struct{ From, Into SidebarID }
	// SidebarEnd ends a sidebar, or with "" all: everybody is back in the conference.
	SidebarEnd struct{ Sidebar SidebarID }
	// SidebarGain says how loud members of a sidebar hear the conference: 0 is not at all, 1 as it comes.
	SidebarGain struct {
		Sidebar SidebarID
		Gain    float32
	}
	// Broadcast lets a participant be heard in all sidebars too.
	Broadcast struct {
		User UserID
		On   bool
	}
)

func (SidebarCreate) command() {}
func (SidebarInvite) command() {}
func (SidebarMove) command()   {}
func (SidebarJoin) command()   {}
func (SidebarMerge) command()  {}
func (SidebarEnd) command()    {}
func (SidebarGain) command()   {}
func (Broadcast) command()     {}

// sidebars carries out what is about sidebars; false is for what is not.
func (c *change) sidebars(command Command) (bool, error) {
	switch command := command.(type) {
	case SidebarCreate:
		return true, c.createSidebar(command)
	case SidebarInvite:
		return true, c.inviteAside(command)
	case SidebarMove:
		return true, c.moveAside(command)
	case SidebarJoin:
		return true, c.joinSidebar(command)
	case SidebarMerge:
		return true, c.mergeSidebar(command)
	case SidebarEnd:
		return true, c.endSidebarAsked(command)
	case SidebarGain:
		return true, c.sidebarGain(command)
	case Broadcast:
		return true, c.broadcast(command)
	}
	return false, nil
}

func (c *change) createSidebar(s SidebarCreate) error {
	b, err := c.newSidebar(s)
	if err != nil {
		return err
	}
	users, err := c.all(s.Users)
	if err != nil {
		return err
	}
	me := c.User(c.by.User)
	pair := b.Kind != SideRoom
	if pair && (me == nil || len(users) != 1 || users[0] == me) {
		return refuseInvalid("a %s is between a participant and one other", b.Kind)
	}
	going := users
	if me != nil && (pair || !c.chairs()) {
		going = append([]*User{me}, without(users, me)...)
	}
	if pair {
		for _, u := range going {
			if !free(u) {
				return refuseBusyAside(u.Label())
			}
		}
	}
	c.Sidebars = append(slices.Clip(c.Sidebars), b)
	c.touched |= touchedHearing
	for _, u := range going {
		if pair || u == me || c.chairs() {
			if !u.Waiting && !b.byRef() {
				c.place(u, b.ID)
			}
		} else {
			c.editSidebar(b.ID, func(b *Sidebar) { b.Invited = plus(b.Invited, u.ID) })
		}
	}
	return nil
}

// newSidebar judges what is asked for.
func (c *change) newSidebar(s SidebarCreate) (Sidebar, error) {
	b := Sidebar{ID: s.ID, Name: cleanName(s.Name), Kind: s.Kind, Owner: c.by.User, Created: c.at}
	if b.Kind == "" {
		b.Kind = SideRoom
	}
	right := makeSideRoom
	switch b.Kind {
	case SideRoom:
	case Whisper:
		right, b.MainGain = whisperTo, whisperGain
	case Coach:
		right, b.MainGain = coachOthers, 1
	default:
		return b, refuseInvalid("sidebar %q is none of %v", b.Kind, []SidebarKind{SideRoom, Whisper, Coach})
	}
	if err := c.may(right); err != nil {
		return b, err
	}
	if s.MainGain != nil {
		if !validMainGain(*s.MainGain) {
			return b, refuseGain()
		}
		b.MainGain = *s.MainGain
	}
	_, taken := c.Sidebar(b.ID)
	switch {
	case b.ID == "" || taken || !ValidName(string(b.ID)):
		return b, refuseInvalid("the id of the sidebar is taken")
	case len(c.Sidebars) >= maxSidebars:
		return b, refuseLimit("sidebars", maxSidebars)
	case !c.chairs() && slices.ContainsFunc(c.Sidebars, func(o Sidebar) bool { return o.Owner == c.by.User }):
		return b, refuseLimit("sidebars of yours", 1)
	case s.ByRef && b.Kind != SideRoom:
		return b, refuseInvalid("a %s is no conference of its own", b.Kind)
	}
	if b.Name == "" {
		b.Name = fmt.Sprintf("Sidebar %d", len(c.Sidebars)+1)
	}
	if s.ByRef {
		_, domain, _ := strings.Cut(c.Conference.URI, "@")
		b.URI = conferenceURI(c.refName(b.ID), domain)
	}
	b.Lasting = c.chairs()
	return b, nil
}

// refName is the name of the conference that a sidebar by reference is.
func (s *State) refName(id SidebarID) string {
	return clip(s.Conference.Name, maxName-20) + "-" + string(id)
}

func validMainGain(g float32) bool { return g >= 0 && g <= 1 }

// all are the users with these ids.
func (c *change) all(ids []UserID) ([]*User, error) {
	var users []*User
	for _, id := range ids {
		u := c.User(id)
		if u == nil {
			return nil, refuseAbsent(string(id))
		}
		if !slices.Contains(users, u) {
			users = append(users, u)
		}
	}
	return users, nil
}

func without(users []*User, u *User) []*User {
	return slices.DeleteFunc(slices.Clone(users), func(o *User) bool { return o == u })
}

// free says whether the user can be drawn aside.
func free(u *User) bool { return u.Sidebar == "" && u.Connected() }

// place brings a user into a sidebar, or with "" back. Who stays behind alone in a whisper is back too.
func (c *change) place(u *User, id SidebarID) {
	if u.Sidebar == id {
		return
	}
	old := u.Sidebar
	if old != "" {
		c.editSidebar(old, func(b *Sidebar) { b.Members = minus(b.Members, u.ID) })
	}
	if id != "" {
		c.editSidebar(id, func(b *Sidebar) { b.Members, b.Invited = plus(b.Members, u.ID), minus(b.Invited, u.ID) })
	}
	c.edit(u, touchedUsers|touchedHearing|touchedSpeaking, func(u *User) { u.Sidebar = id })
	c.tidy(old)
}

// tidy ends a sidebar that has lost its sense.
func (c *change) tidy(id SidebarID) {
	b, ok := c.Sidebar(id)
	if ok && !b.byRef() && (b.Kind != SideRoom && len(b.Members) < 2 || !b.Lasting && len(b.Members) == 0) {
		c.endSidebar(b)
	}
}

// depart takes a user who leaves the conference out of all sidebars.
func (c *change) depart(u *User) {
	for _, b := range c.Sidebars {
		if u.Sidebar != b.ID && !slices.Contains(b.Invited, u.ID) {
			continue
		}
		c.editSidebar(b.ID, func(b *Sidebar) { b.Members, b.Invited = minus(b.Members, u.ID), minus(b.Invited, u.ID) })
		c.tidy(b.ID)
	}
}

// endSidebar brings its members back.
func (c *change) endSidebar(b Sidebar) {
	c.Sidebars = slices.DeleteFunc(slices.Clone(c.Sidebars), func(o Sidebar) bool { return o.ID == b.ID })
	c.touched |= touchedHearing
	for _, id := range b.Members {
		if u := c.User(id); u != nil && u.Sidebar == b.ID {
			c.edit(u, touchedUsers|touchedHearing|touchedSpeaking, func(u *User) { u.Sidebar = "" })
		}
	}
}

// editSidebar puts a changed copy of a sidebar in its place.
func (c *change) editSidebar(id SidebarID, f func(*Sidebar)) {
	i := slices.IndexFunc(c.Sidebars, func(b Sidebar) bool { return b.ID == id })
	if i < 0 {
		return
	}
	c.Sidebars = slices.Clone(c.Sidebars)
	f(&c.Sidebars[i])
	c.touched |= touchedHearing
}

// plus is list with id at its end; a new list.
func plus(list []UserID, id UserID) []UserID {
	if slices.Contains(list, id) {
		return list
	}
	return append(slices.Clip(list), id)
}

// minus is list without id; a new list.
func minus(list []UserID, id UserID) []UserID {
	return member(list, id, slices.Contains(list, id), false)
}

// owned is a sidebar that the caller may change.
func (c *change) owned(id SidebarID, r right) (Sidebar, error) {
	b, ok := c.Sidebar(id)
	if !ok {
		return b, refuseSidebar(id)
	}
	if c.by.User != "" && b.Owner == c.by.User {
		return b, nil
	}
	return b, c.may(r)
}

func (c *change) inviteAside(s SidebarInvite) error {
	b, err := c.owned(s.Sidebar, moveOthers)
	if err != nil {
		return err
	}
	users, err := c.all(s.Users)
	if err != nil {
		return err
	}
	if b.Kind != SideRoom {
		return refuseInvalid("a %s is between two", b.Kind)
	}
	for _, u := range users {
		if u.Sidebar != b.ID {
			c.editSidebar(b.ID, func(b *Sidebar) { b.Invited = plus(b.Invited, u.ID) })
		}
	}
	return nil
}

func (c *change) moveAside(s SidebarMove) error {
	if err := c.may(moveOthers); err != nil {
		return err
	}
	users, err := c.all(s.Users)
	if err != nil {
		return err
	}
	if b, _ := c.Sidebar(s.Sidebar); b.byRef() {
		return c.sendAside(b, users...)
	}
	if err := c.open(s.Sidebar); err != nil {
		return err
	}
	for _, u := range users {
		if !u.Connected() {
			return refuseBusyAside(u.Label())
		}
	}
	for _, u := range users {
		if u = c.User(u.ID); u != nil {
			c.place(u, s.Sidebar)
		}
	}
	return nil
}

// open refuses a sidebar that nobody can be brought into.
func (c *change) open(id SidebarID) error {
	if id == "" {
		return nil
	}
	b, ok := c.Sidebar(id)
	switch {
	case !ok:
		return refuseSidebar(id)
	case b.Kind != SideRoom:
		return refuseInvalid("a %s is between two", b.Kind)
	case b.byRef():
		return refuseInvalid("the sidebar is a conference of its own: a transfer leads to %s", b.URI)
	}
	return nil
}

func (c *change) joinSidebar(s SidebarJoin) error {
	u, err := c.subject("")
	if err != nil {
		return err
	}
	b, _ := c.Sidebar(s.Sidebar)
	if err = c.open(s.Sidebar); err != nil && !b.byRef() {
		return err
	}
	if s.Sidebar != "" && !c.chairs() && b.Owner != u.ID && !slices.Contains(b.Invited, u.ID) && u.Sidebar != b.ID {
		return refuseUninvited()
	}
	if b.byRef() {
		return c.sendAside(b, u)
	}
	if !u.Connected() {
		return refuseBusyAside(u.Label())
	}
	c.place(u, s.Sidebar)
	return nil
}

// sendAside transfers users into a sidebar that is a conference of its own.
func (c *change) sendAside(b Sidebar, users ...*User) error {
	for _, u := range users {
		if err := c.sendTo(u, Handover{To: c.refName(b.ID), Trusted: true, aside: true}); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) mergeSidebar(s SidebarMerge) error {
	from, err := c.owned(s.From, moveOthers)
	if err != nil {
		return err
	}
	if s.Into != "" {
		if _, err = c.owned(s.Into, moveOthers); err == nil {
			err = c.open(s.Into)
		}
	}
	if err != nil || s.From == s.Into {
		return err
	}
	for _, id := range from.Members {
		if u := c.User(id); u.Sidebar == from.ID {
			c.place(u, s.Into)
		}
	}
	if b, ok := c.Sidebar(from.ID); ok {
		c.endSidebar(b)
	}
	return nil
}

func (c *change) endSidebarAsked(s SidebarEnd) error {
	if s.Sidebar == "" {
		if err := c.may(moveOthers); err != nil {
			return err
		}
		for len(c.Sidebars) > 0 {
			c.endSidebar(c.Sidebars[0])
		}
		return nil
	}
	b, err := c.owned(s.Sidebar, moveOthers)
	if err == nil {
		c.endSidebar(b)
	}
	return err
}

func (c *change) sidebarGain(s SidebarGain) error {
	b, err := c.owned(s.Sidebar, moveOthers)
	if err != nil {
		return err
	}
	if !validMainGain(s.Gain) {
		return refuseGain()
	}
	if b.MainGain != s.Gain {
		c.editSidebar(b.ID, func(b *Sidebar) { b.MainGain = s.Gain })
	}
	return nil
}

func (c *change) broadcast(b Broadcast) error {
	u, err := c.subject(b.User)
	if err != nil {
		return err
	}
	if err = c.may(speakToAll); err != nil {
		return err
	}
	if u.Loud != b.On {
		c.edit(u, touchedUsers|touchedHearing, func(u *User) { u.Loud = b.On })
	}
	return nil
}

// NewSidebarID is the id of a sidebar that is about to be created.
func NewSidebarID() SidebarID { return SidebarID(newUserID()[:6]) }
