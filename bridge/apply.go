package bridge

import (
	"slices"
	"time"
	"unicode/utf8"

	"tutti/mixer/plan"
)

const (
	maxChat     = 200              // messages kept
	maxText     = 4096             // bytes of one
	maxTarget   = 256              // bytes of a dialled address
	maxReason   = 200              // characters of why somebody was hung up
	maxAbout    = 1000             // characters of a title, a subject …
	maxFew      = 8                // languages, and other addresses, of a participant
	maxMedia    = 16               // streams of a leg in the roster
	linger      = 10 * time.Second // a failed call is shown so long
	defaultWait = 10               // pending calls out of a conference where Limits says nothing
)

// Apply is pure: no clock, no socket, no goroutine, no randomness. The same state and order give the same result. The error
// is a *Refusal and leaves the state as it was. An order that changes nothing gives the same Version.
func (s State) Apply(o Order) (State, []Effect, error) {
	if s.Ended != nil {
		return s, nil, refuseEnded()
	}
	c := change{State: s, at: o.At, by: o.By}
	c.touched = 0
	if err := c.carryOut(o.Command); err != nil {
		return s, nil, err
	}
	c.settle(s.counts.presiding > 0)
	c.sound(&s)
	if c.touched == 0 {
		return s, c.effects, nil
	}
	c.Version++
	return c.State, c.effects, nil
}

// change is a state in the making.
type change struct {
	State
	at      time.Time
	by      Caller
	effects []Effect
}

func (c *change) carryOut(command Command) error {
	switch command := command.(type) {
	case join:
		return c.join(command)
	case leave:
		c.leave(command)
	case mediaChanged:
		c.mediaChanged(command)
	case statusChanged:
		c.statusChanged(command)
	case speaking:
		c.speaking(command)
	case pressed:
		c.pressed(command)
	case quiet:
		c.quiet(command)
	case announced:
		c.announced(command)
	case arrive:
		return c.arrive(command)
	case moved:
		c.moved(command)
	case stayed:
		c.stayed(command)
	case pinChecked:
		c.checked(command)
	case tick:
		c.forget()
		c.dialogues()
		c.over(false)
	case shutdown:
		c.end(Reason{Method: Shutdown, Text: "the bridge is shutting down"})
	default:
		return c.wish(command)
	}
	return nil
}

// wish carries out what people ask for.
func (c *change) wish(command Command) error {
	if err := c.member(command); err != nil {
		return err
	}
	if mine, err := c.sidebars(command); mine {
		return err
	}
	switch command := command.(type) {
	case Mute:
		return c.mute(command)
	case Video:
		return c.video(command)
	case Rename:
		return c.rename(command)
	case Hand:
		return c.hand(command)
	case Chat:
		return c.chat(command)
	case Dial:
		return c.dial(command)
	case Expel:
		return c.expel(command)
	case Lock:
		return c.lock(command)
	case End:
		return c.endAsked(command)
	case SetLayout:
		return c.layout(command)
	case Spotlight:
		return c.spotlight(command)
	case PlayFile:
		return c.playFile(command)
	case StopPlaying:
		return c.stopPlaying()
	case Admit:
		return c.admit(command)
	case Deny:
		return c.deny(command)
	case Unban:
		return c.unban(command)
	case Configure:
		return c.configure(command)
	case Transfer:
		return c.transfer(command)
	case OwnView:
		return c.ownView(command)
	case MuteAll:
		return c.muteAll(command)
	case AskUnmute:
		return c.askUnmute(command)
	case Deafen:
		return c.deafen(command)
	case SetGain:
		return c.gain(command)
	case Revoke:
		return c.revoke(command)
	case Grant:
		return c.grant(command)
	}
	return refuseInvalid("unknown command %T", command)
}

// settle makes true what must hold after every command: the speaker has the floor, who waits for a moderator who is here is
// let in, and a conference in which nobody is any more, or not the one it needs, has ended.
func (c *change) settle(presided bool) {
	if c.Ended == nil && c.touched&(touchedRoster|touchedUsers) != 0 {
		c.callIn()
		c.over(presided && c.touched&touchedRoster != 0)
	}
	if c.Ended != nil {
		return
	}
	if c.touched&touchedRoster != 0 {
		c.hushOrphans()
	}
	if c.touched&(touchedRoster|touchedSpeaking|touchedUsers) != 0 {
		c.yieldFloor()
	}
	if c.counts.connected+c.counts.waiting > 0 {
		c.met = true
	} else if c.touched != 0 && (c.met || c.Len() == 0) { // before that, an operator's calls out may ring
		text := "everybody has left"
		if !c.met {
			text = "nobody came"
		}
		c.end(Reason{Method: EndedMethod, Text: text})
	}
}

func (c *change) video(v Video) error {
	u, err := c.subject(v.User)
	if err != nil {
		return err
	}
	if err = c.mayTo(u, videoOthers); err != nil {
		return err
	}
	if u.VideoOff == v.On {
		c.edit(u, touchedUsers, func(u *User) { u.VideoOff = !v.On })
	}
	return nil
}

func (c *change) rename(r Rename) error {
	u, err := c.subject(r.User)
	if err != nil {
		return err
	}
	own := u.ID == c.by.User
	if err = c.mayTo(u, renameOthers); err == nil && own && u.named {
		err = c.may(renameBack)
	}
	if err != nil {
		return err
	}
	name := cleanName(r.Name)
	if name == "" {
		return refuseInvalid("a name has 1 to %d printable characters", maxDisplayName)
	}
	if name != u.Name {
		c.edit(u, touchedUsers, func(u *User) { u.Name, u.named = name, !own })
	}
	return nil
}

func (c *change) hand(h Hand) error {
	u, err := c.subject(h.User)
	if err != nil {
		return err
	}
	if u.ID != c.by.User {
		if h.On {
			return refuseRole("raising a hand", "its owner")
		}
		if err = c.may(lowerHands); err != nil {
			return err
		}
	}
	if h.On == u.Hand.IsZero() {
		c.edit(u, touchedUsers, func(u *User) { u.raise(h.On, c.at) })
	}
	return nil
}

// raise raises or lowers the hand.
func (u *User) raise(on bool, at time.Time) {
	u.Hand = time.Time{}
	if on {
		u.Hand = at
	}
}

func (c *change) chat(m Chat) error {
	text := cleanText(m.Text)
	if text == "" || len(m.Text) > maxText || !utf8.ValidString(m.Text) {
		return refuseInvalid("a message has 1 to %d bytes of UTF-8", maxText)
	}
	if m.To != "" && c.User(m.To) == nil {
		return refuseAbsent(string(m.To))
	}
	name := c.by.Name
	if u := c.User(c.by.User); u != nil {
		name = u.Label()
	}
	c.said++
	kept := c.Chat[max(0, len(c.Chat)-maxChat+1):]
	c.Chat = append(slices.Clip(slices.Clone(kept)), Message{c.said, c.by.User, m.To, name, text, c.at})
	c.touched |= touchedChat
	return nil
}

func (c *change) lock(l Lock) error {
	if err := c.may(lockIt); err != nil {
		return err
	}
	if c.Conference.Locked != l.On {
		c.Conference.Locked = l.On
		c.touched |= touchedConference
	}
	return nil
}

func (c *change) endAsked(e End) error {
	if err := c.may(endIt); err != nil {
		return err
	}
	text := clip(cleanText(e.Reason), maxReason)
	if text == "" {
		text = "the conference was ended"
	}
	c.end(Reason{Method: EndedMethod, Text: text})
	return nil
}

func (c *change) layout(l SetLayout) error {
	if !l.Layout.Valid() {
		return refuseInvalid("layout %q is none of %v", l.Layout, plan.Layouts())
	}
	if err := c.may(chooseLayout); err != nil {
		return err
	}
	if c.Conference.Layout != l.Layout {
		c.Conference.Layout = l.Layout
		c.touched |= touchedConference
	}
	return nil
}

// maxViews bounds the pictures that people arrange for themselves: each is drawn and encoded for itself.
const maxViews = 8

// ownView arranges the picture of the caller only.
func (c *change) ownView(v OwnView) error {
	u, err := c.subject("")
	if err != nil {
		return err
	}
	if v.Layout != "" && !v.Layout.Valid() {
		return refuseInvalid("layout %q is none of %v", v.Layout, plan.Layouts())
	}
	if v.Spotlight != "" && c.User(v.Spotlight) == nil {
		return refuseAbsent(string(v.Spotlight))
	}
	if v == u.View {
		return nil
	}
	kinds := map[OwnView]bool{{}: true}
	for _, o := range c.users.All() {
		kinds[o.View] = kinds[o.View] || o != u
	}
	if !kinds[v] && len(kinds) > maxViews {
		return refuseLimit("pictures that people arranged for themselves", maxViews)
	}
	c.edit(u, touchedUsers, func(u *User) { u.View = v })
	return nil
}

func (c *change) spotlight(s Spotlight) error {
	if s.User != "" && c.User(s.User) == nil {
		return refuseAbsent(string(s.User))
	}
	if err := c.may(chooseSpotlight); err != nil {
		return err
	}
	if c.Conference.Spotlight != s.User {
		c.Conference.Spotlight = s.User
		c.touched |= touchedConference
	}
	return nil
}

// end hangs up everybody and leaves nobody in the roster.
func (c *change) end(r Reason) {
	for _, u := range c.Users() {
		for _, e := range u.Endpoints {
			c.hangup(e, r)
		}
		c.drop(u)
	}
	c.hush(func(Play) bool { return true })
	c.Sidebars = nil
	c.Ended = &r
	c.touched |= touchedConference | touchedRoster
}

// hangup asks for the end of a leg that lives.
func (c *change) hangup(e *Endpoint, r Reason) {
	if e.Status != Disconnected {
		c.effects = append(c.effects, Hangup{e.Leg, r})
	}
}
