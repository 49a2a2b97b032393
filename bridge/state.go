package bridge

import (
	"cmp"
	"slices"
	"time"

	"tutti/bridge/announce"
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
	Door       Door
	Sidebars   []Sidebar // oldest first; at most maxSidebars. Nobody changes the slice
	Playing    []Play    // prompts and files that are played now. Nobody changes the slice
	Chat       []Message // the last maxChat, oldest first
	Ended      *Reason   // nil while the conference lives

	users   persist.Map[*User]
	legs    persist.Map[UserID] // who a leg belongs to
	joined  int                 // users so far, the source of User.Order
	said    int                 // messages so far, the source of Message.ID
	played  int                 // prompts so far, the source of Play.Source
	speaker bool                // there is an Announcer
	menu    announce.Menu       // of telephones
	met     bool                // somebody was connected once
	counts  counts              // of users
	talking []UserID            // who speaks now
	waiting []UserID            // who is in the lobby
	hands   []UserID            // whose hand is up, the first first
	failed  []UserID            // whose failed call is shown
	touched parts               // what the last Apply changed
}

// Description is the conference-description and the conference-state of RFC 4575, and what we add to them.
type Description struct {
	Name      string // as in /NAME
	URI       string // sip:NAME@domain, the entity of the conference
	Title     string // RFC 4575 display-text
	Subject   string
	FreeText  string
	Keywords  []string // nobody changes it, nor the lists below
	ConfURIs  []URI    // other ways in; URI itself is not among them
	Services  []URI    // RFC 4575 service-uris: web page, recording …
	MaxUsers  int      // 0 is any number; see State.MaxUsers
	Started   time.Time
	Locked    bool
	Layout    plan.Layout
	Spotlight UserID // shown large whoever speaks; "" is nobody
	Recording Recording
}

// URI is an address with what it is for (RFC 4575 uri-type).
type URI struct {
	URI         string `json:"uri" maxLength:"256"`
	DisplayText string `json:"displayText,omitempty" maxLength:"256"`
	Purpose     string `json:"purpose,omitempty" maxLength:"64"` // "participation", "streaming", "event", "recording", "web-page" (RFC 4575 §5.3.1, §5.3.2)
}

// Recording says whether the conference is recorded.
type Recording struct {
	On    bool
	Since time.Time
	By    UserID // "" is an operator
	File  string // name without folders; "" while the recorder has not said
}

// Door is who may come in, and how it goes on without a moderator. PINs are not in it: the verdict on one comes with a command.
type Door struct {
	PIN              bool // who comes in needs one
	Lobby            bool // who comes in waits to be admitted
	WaitForModerator bool // nobody hears anybody before a moderator is here
	MuteOnEntry      bool
	EndWithModerator bool      // the conference ends when the last moderator has left
	EndsAt           time.Time // zero is never
	Banned           []Ban     // nobody changes the slice
}

// Ban keeps somebody out for as long as the conference lives.
type Ban struct {
	Name   string // then
	Entity string // URI, "" for a browser
	Source string // address, "" for none known
	By     UserID // "" is an operator
	Reason string
	At     time.Time
}

// Info is when, why and by whom something was done (RFC 4575 execution-type).
type Info struct {
	When   time.Time
	Reason string
	By     string // URI or name, "" for nobody in particular
}

// Limits bound one conference.
type Limits struct {
	Users   int // 0 is any number
	Pending int // calls out that are not answered yet
}

// Role is what a participant may do: see rights. An operator is no participant: see Caller.
type Role string

const (
	Moderator   Role = "moderator"
	Presenter   Role = "presenter"
	Participant Role = "participant"
	Guest       Role = "guest"
	Listener    Role = "listener" // is never heard nor seen
)

// Roles are all roles, the one that may most first.
func Roles() []Role { return []Role{Moderator, Presenter, Participant, Guest, Listener} }

// Muter is who muted a participant.
type Muter string

const (
	MutedBySelf      Muter = "self"
	MutedByModerator Muter = "moderator" // or by anybody else
)

// User is a participant (RFC 4575 user). A User in a State never changes; the next State has another one.
type User struct {
	ID       UserID
	Entity   string   // URI
	Name     string   // shown; may be a telephone number, see Label
	Number   string   // telephone number or SIP user, "" for none
	Order    int      // of joining, from 1
	AORs     []string // RFC 4575 associated-aors
	Language []string // RFC 4575 languages, the preferred one first (BCP 47)
	Focus    string   // RFC 4575 cascaded-focus: URI of the conference that this participant is, "" for a person
	Role     Role
	Muted    bool
	MutedBy  Muter     // "" while not muted
	Hard     bool      // muted so that only a moderator can undo it
	Asked    time.Time // to unmute; zero is not asked
	Deaf     bool      // hears nobody
	Gain     float32   // of their sound for all others, 1 as it comes; at most maxGain
	Waiting  bool      // in the lobby: hears nobody and is heard by nobody
	WaitsFor Wait      // "" while not Waiting
	Sidebar  SidebarID // the one they are in, "" for the conference itself
	Loud     bool      // is heard in all sidebars too
	VideoOff bool      // the camera is not shown
	View     OwnView   // of the picture, as they want it
	Hand     time.Time // raised then; zero is down
	Speaking time.Time // since then; zero is silent
	DialedBy UserID    // who dialled this user out, "" for an operator or who dialled in

	Endpoints []*Endpoint // in the order of joining

	named   bool                 // by a moderator
	moving  bool                 // into another conference, just now
	leaving bool                 // is hung up when it has heard why
	keys    announce.Keys        // DTMF pressed so far
	pin     announce.PINDialogue // of who is asked for one
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
	DisplayText   string    // of the device, "" for none
	Joined        time.Time // RFC 4575 joining-info: see JoiningInfo
	JoinReason    string
	JoinedBy      string    // who let it join, "" for nobody in particular
	Referred      *Info     // nil where nobody asked for the call by REFER or Dial
	Connected     time.Time // zero before the answer
	Disconnection *Reason   // nil while it lives
	Disconnected  time.Time
	EndedBy       string // who hung it up, "" for nobody in particular
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
	Label   string // which of the conference's media it is (RFC 4574): "audio", "video" or "slides"
	SrcID   uint32 // SSRC with which the bridge sends it, 0 for none
	Text    string // RFC 4575 display-text, "" for none
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
type parts uint16

const (
	touchedConference parts = 1 << iota // Description, Floor, Ended
	touchedRoster                       // who is there, with what media
	touchedUsers                        // names, mutes, hands
	touchedSpeaking                     // who speaks
	touchedChat
	touchedHearing // who hears whom: sidebars, deafness, prompts, the lobby
	touchedInside  // nothing that anybody is shown
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

// Hands are those whose hand is up, who raised it first before the others.
func (s *State) Hands() []UserID { return slices.Clone(s.hands) }

// Connected is the user-count of RFC 4575: participants with a device whose set-up is complete.
func (s *State) Connected() int { return s.counts.connected }

// Connected says whether one of the user's devices is in the conference; one in the lobby is not.
func (u *User) Connected() bool { return !u.Waiting && u.reachable() }

// reachable says whether the set-up of one of the user's devices is complete.
func (u *User) reachable() bool {
	return slices.ContainsFunc(u.Endpoints, func(e *Endpoint) bool { return e.Status.connected() })
}

// Roles are those of RFC 4575: a list of one.
func (u *User) Roles() []Role { return []Role{u.Role} }

// MaxUsers is the maximum-user-count of RFC 4575: how many participants the conference may have, 0 for any number.
func (s *State) MaxUsers() int {
	a, b := s.Conference.MaxUsers, s.Limits.Users
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// JoiningInfo is when, why and by whom the endpoint came (RFC 4575 joining-info).
func (e *Endpoint) JoiningInfo() Info { return Info{e.Joined, e.JoinReason, e.JoinedBy} }

// DisconnectionInfo is when, why and by whom the endpoint was disconnected (RFC 4575 disconnection-info); nil while it lives.
func (e *Endpoint) DisconnectionInfo() *Info {
	if e.Disconnection == nil {
		return nil
	}
	return &Info{e.Disconnected, e.Disconnection.Text, e.EndedBy}
}

// DisconnectionMethod is the disconnection-method of RFC 4575: departed, booted, failed or busy; "" while the endpoint lives.
func (e *Endpoint) DisconnectionMethod() string {
	if e.Disconnection == nil {
		return ""
	}
	switch m := e.Disconnection.Method; m {
	case Departed, Failed, BusyMethod:
		return m
	}
	return Booted
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
