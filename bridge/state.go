package bridge

import (
	"cmp"
	"slices"
	"time"

	"tutti/bridge/internal/persist"
	"tutti/mixer/plan"
)

// UserID names a participant for as long as they are in the conference. Never reused.
type UserID string

// State is all there is to know about one conference: the tree of RFC 4575, and the policy. It is a value: Apply makes
// the next one, which shares what did not change. Any goroutine may read it; nobody changes it.
type State struct {
	Version    uint64 // grows with every change
	Conference Description
	Limits     Limits
	Floor      Floor
	Chat       []Message // the last maxChat, oldest first
	Ended      *Reason   // nil while the conference lives

	users   persist.Map[*User]
	legs    persist.Map[UserID] // who a leg belongs to
	joined  int                 // users so far, the source of User.Order
	said    int                 // messages so far, the source of Message.ID
	met     bool                // somebody was connected once
	counts  counts              // of users
	talking []UserID            // who speaks now
	failed  []UserID            // whose failed call is shown
	touched parts               // what the last Apply changed
}

// Description is the conference-description and the conference-state of RFC 4575, and what we add to them.
type Description struct {
	Name      string // as in /NAME
	URI       string // sip:NAME@domain, the entity of the conference
	Title     string
	Started   time.Time
	Locked    bool
	Layout    plan.Layout
	Spotlight UserID // shown large whoever speaks; "" is nobody
}

// Limits bound one conference.
type Limits struct {
	Users   int // 0 is any number
	Pending int // calls out that are not answered yet
}

// Role is what a participant may do. An operator is no participant: see Caller.
type Role string

const (
	Moderator   Role = "moderator"
	Participant Role = "participant"
	Guest       Role = "guest"
)

// User is a participant (RFC 4575 user). A User in a State never changes; the next State has another one.
type User struct {
	ID       UserID
	Entity   string // URI
	Name     string // shown; may be a telephone number, see Label
	Number   string // telephone number or SIP user, "" for none
	Order    int    // of joining, from 1
	Role     Role
	Muted    bool
	VideoOff bool      // the camera is not shown
	Hand     time.Time // raised then; zero is down
	Speaking time.Time // since then; zero is silent
	DialedBy UserID    // who dialled this user out, "" for an operator or who dialled in

	Endpoints []*Endpoint // in the order of joining

	keys keys // DTMF pressed so far
}

// Endpoint is one device of a user (RFC 4575 endpoint): one leg.
type Endpoint struct {
	Leg           plan.LegID
	Kind          LegKind
	Entity        string // the device's URI
	Source        string // address of the far end
	Status        Status
	Method        JoiningMethod
	Call          *CallInfo
	Joined        time.Time // RFC 4575 joining-info
	Connected     time.Time // zero before the answer
	Disconnection *Reason   // nil while it lives
	Disconnected  time.Time
	Media         []Media

	silent []string // streams that should send and do not
}

// Media is one stream of an endpoint (RFC 4575 media).
type Media struct {
	ID      string
	Type    string // "audio" or "video"
	Content plan.Content
	Status  MediaStatus
	Codec   string // its encoding name, "" for none
}

// MediaStatus is the direction of a stream as the endpoint sees it (RFC 4575 media status).
type MediaStatus string

const (
	SendRecv MediaStatus = "sendrecv"
	SendOnly MediaStatus = "sendonly"
	RecvOnly MediaStatus = "recvonly"
	Inactive MediaStatus = "inactive"
)

// sends says whether the endpoint sends media in this direction.
func (m MediaStatus) sends() bool { return m == SendRecv || m == SendOnly }

// receives says whether the endpoint is sent media in this direction.
func (m MediaStatus) receives() bool { return m == SendRecv || m == RecvOnly }

// Message is one line of chat.
type Message struct {
	ID   int
	From UserID // "" is an operator
	To   UserID // "" is everybody
	Name string // of the sender, then
	Text string
	At   time.Time
}

// parts is a set of what a command touched, so that projections look only where something is new.
type parts uint8

const (
	touchedConference parts = 1 << iota // Description, Floor, Ended
	touchedRoster                       // who is there, with what media
	touchedUsers                        // names, mutes, hands
	touchedSpeaking                     // who speaks
	touchedChat
	touchedInside // nothing that anybody is shown
)

// User is the participant with this id, or nil.
func (s *State) User(id UserID) *User {
	u, _ := s.users.Get(string(id))
	return u
}

// Users are all participants in the order of joining.
func (s *State) Users() []*User {
	all := make([]*User, 0, s.users.Len())
	for _, u := range s.users.All() {
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b *User) int { return cmp.Compare(a.Order, b.Order) })
	return all
}

// Len is the number of participants, those that are still called included.
func (s *State) Len() int { return s.users.Len() }

// Owner is the participant whose leg this is and the endpoint, or nil.
func (s *State) Owner(leg plan.LegID) (*User, *Endpoint) {
	id, ok := s.legs.Get(string(leg))
	if !ok {
		return nil, nil
	}
	u := s.User(id)
	for _, e := range u.Endpoints {
		if e.Leg == leg {
			return u, e
		}
	}
	return nil, nil
}

// Find is the participant of this id or, failing that, of this display name if only one has it.
func (s *State) Find(idOrName string) (*User, error) {
	if u := s.User(UserID(idOrName)); u != nil {
		return u, nil
	}
	var found *User
	for _, u := range s.users.All() {
		if u.Name != idOrName && u.Number != idOrName {
			continue
		}
		if found != nil {
			return nil, refuseAmbiguous(idOrName)
		}
		found = u
	}
	if found == nil {
		return nil, refuseAbsent(idOrName)
	}
	return found, nil
}

// Connected is the user-count of RFC 4575: participants with a device whose set-up is complete.
func (s *State) Connected() int { return s.counts.connected }

// Connected says whether one of the user's devices is in the conference.
func (u *User) Connected() bool {
	return slices.ContainsFunc(u.Endpoints, func(e *Endpoint) bool { return e.Status.connected() })
}

// Label is the name that strangers may see: a telephone number in place of a name is masked.
func (u *User) Label() string { return maskName(u.Name, u.Number) }

// connected says whether the set-up is complete.
func (s Status) connected() bool { return s == Connected || s == OnHold }

// pending says whether a call out is not answered yet.
func (s Status) pending() bool {
	return s == Pending || s == DialingOut || s == DialingIn || s == Alerting
}

// Calling is how many participants are called and have not answered.
func (s *State) Calling() int { return s.counts.pending }
