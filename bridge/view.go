package bridge

import (
	"slices"
	"strconv"
	"time"

	"tutti/mixer/plan"
)

// Viewer is for whom a view is made.
type Viewer struct {
	Self     UserID // a participant, "" for none
	Operator bool   // sees telephone numbers
}

// Viewer is the leg's user as the reader of views.
func (l *Leg) Viewer() Viewer { return Viewer{Self: l.User()} }

// Document is the state as pages, the API and the command line see it (docs/protocol.md). It is a value of its own: the
// reader may change it. Written as JSON it holds no null, so that a merge patch can say everything.
type Document struct {
	Conference ConferenceView         `json:"conference"`
	Self       UserID                 `json:"self" doc:"the participant who looks, empty for an operator"`
	Users      map[string]UserView    `json:"users" doc:"by participant id"`
	Sidebars   map[string]SidebarView `json:"sidebars" doc:"by sidebar id"`
	Chat       map[string]MessageView `json:"chat" doc:"by message number"`
}

// ConferenceView is what a Document says of the conference itself.
type ConferenceView struct {
	Name      string      `json:"name"`
	URI       string      `json:"uri" example:"sip:8001@host"`
	Title     string      `json:"title"`
	Locked    bool        `json:"locked"`
	Layout    plan.Layout `json:"layout" enum:"grid,speaker,single"`
	Spotlight UserID      `json:"spotlight" doc:"shown large whoever speaks; empty for nobody"`
	Speaker   UserID      `json:"speaker" doc:"who has the large tile of the speaker layout"`
	Hands     []UserID    `json:"hands" doc:"whose hand is up, the first first"`
	Started   string      `json:"started"`
	Subject   string      `json:"subject"`
	FreeText  string      `json:"freeText"`
	Keywords  []string    `json:"keywords"`
	MaxUsers  int         `json:"maxUsers" doc:"0 for any number"`
	Recording bool        `json:"recording"`
	Recorded  string      `json:"recorded" doc:"since when, empty while it is not recorded"`
	Door      DoorView    `json:"door"`
}

// DoorView is what a Document says of who may come in.
type DoorView struct {
	PIN              bool   `json:"pin" doc:"who comes in needs one"`
	Lobby            bool   `json:"lobby" doc:"who comes in waits to be admitted"`
	WaitForModerator bool   `json:"waitForModerator"`
	MuteOnEntry      bool   `json:"muteOnEntry"`
	EndWithModerator bool   `json:"endWithModerator"`
	EndsAt           string `json:"endsAt"`
	Banned           int    `json:"banned" doc:"how many are kept out"`
}

// SidebarView is what a Document says of one sidebar.
type SidebarView struct {
	Name     string      `json:"name"`
	Kind     SidebarKind `json:"kind" enum:"sidebar,whisper,coach"`
	URI      string      `json:"uri" doc:"of a sidebar that is a conference of its own, else empty"`
	Owner    UserID      `json:"owner" doc:"empty for an operator"`
	Created  string      `json:"created"`
	Members  []UserID    `json:"members"`
	Invited  []UserID    `json:"invited" doc:"who may come"`
	MainGain float32     `json:"mainGain" doc:"with which its members hear the conference, 0 to 1"`
}

// UserView is what a Document says of one participant.
type UserView struct {
	Name      string                  `json:"name"`
	Order     int                     `json:"order" doc:"of joining, from 1"`
	Roles     []Role                  `json:"roles"`
	Number    string                  `json:"number" doc:"masked for everybody but operators"`
	Muted     bool                    `json:"muted"`
	MutedBy   Muter                   `json:"mutedBy" doc:"self or moderator; empty while not muted"`
	Hard      bool                    `json:"hard" doc:"only a moderator can unmute"`
	Asked     string                  `json:"asked" doc:"when they were asked to unmute, else empty"`
	Deaf      bool                    `json:"deaf" doc:"hears nobody"`
	Gain      float32                 `json:"gain" doc:"of their sound for the others; 1 as it comes"`
	Waiting   bool                    `json:"waiting" doc:"in the lobby"`
	WaitsFor  Wait                    `json:"waitsFor" doc:"pin, admission or moderator; empty for who is in"`
	Sidebar   SidebarID               `json:"sidebar" doc:"empty for the conference itself"`
	View      ViewView                `json:"view" doc:"how they arranged their own picture"`
	Loud      bool                    `json:"loud" doc:"is heard in all sidebars too"`
	Speaking  bool                    `json:"speaking"`
	Hand      string                  `json:"hand" doc:"when it was raised, empty while it is down"`
	Camera    bool                    `json:"camera" doc:"false where it was switched off"`
	Endpoints map[string]EndpointView `json:"endpoints" doc:"by leg id"`
}

// ViewView is what a Document says of the picture that somebody arranged for themself.
type ViewView struct {
	Layout    plan.Layout `json:"layout" doc:"empty: as the conference has it"`
	Spotlight UserID      `json:"spotlight" doc:"empty: as the conference has it"`
}

// EndpointView is what a Document says of one device.
type EndpointView struct {
	Kind   LegKind              `json:"kind" enum:"sip,webrtc,local"`
	Status Status               `json:"status"`
	Joined string               `json:"joined"`
	Method JoiningMethod        `json:"method"`
	Reason string               `json:"reason" doc:"why a call failed"`
	Media  map[string]MediaView `json:"media" doc:"by stream id"`
}

// MediaView is what a Document says of one stream.
type MediaView struct {
	Type    string       `json:"type" enum:"audio,video"`
	Status  MediaStatus  `json:"status" doc:"direction, as the device sees it"`
	Codec   string       `json:"codec"`
	Content plan.Content `json:"content" enum:"main,slides"`
}

// MessageView is what a Document says of one line of chat.
type MessageView struct {
	From UserID `json:"from" doc:"empty for an operator"`
	To   UserID `json:"to" doc:"empty for everybody"`
	Name string `json:"name"`
	Text string `json:"text"`
	At   string `json:"at"`
}

// View is the state as v may see it: who waits in the lobby sees themself only.
func View(s *State, v Viewer) *Document {
	d := &Document{Conference: viewConference(s), Self: v.Self, Users: map[string]UserView{}, Chat: map[string]MessageView{}, Sidebars: viewSidebars(s)}
	if u := s.User(v.Self); u != nil && u.Waiting {
		d.Users[string(u.ID)] = viewUser(u, v)
		d.Conference.Speaker, d.Conference.Spotlight, d.Conference.Hands = "", "", []UserID{}
		d.Sidebars = map[string]SidebarView{}
		return d
	}
	for id, u := range s.users.All() {
		d.Users[id] = viewUser(u, v)
	}
	for _, m := range s.Chat {
		if m.seenBy(v) {
			d.Chat[strconv.Itoa(m.ID)] = viewMessage(m)
		}
	}
	return d
}

func viewConference(s *State) ConferenceView {
	d := s.Conference
	return ConferenceView{
		Name: d.Name, URI: d.URI, Title: d.Title, Locked: d.Locked, Layout: d.Layout, Spotlight: d.Spotlight,
		Speaker: s.Floor.Active, Hands: list(s.hands), Started: stamp(d.Started), Subject: d.Subject, FreeText: d.FreeText, Keywords: list(d.Keywords),
		MaxUsers: s.MaxUsers(), Recording: d.Recording.On, Recorded: stamp(d.Recording.Since), Door: viewDoor(s.Door),
	}
}

func viewDoor(d Door) DoorView {
	return DoorView{
		PIN: d.PIN, Lobby: d.Lobby, WaitForModerator: d.WaitForModerator, MuteOnEntry: d.MuteOnEntry, EndWithModerator: d.EndWithModerator,
		EndsAt: stamp(d.EndsAt), Banned: len(d.Banned),
	}
}

func viewSidebars(s *State) map[string]SidebarView {
	all := map[string]SidebarView{}
	for _, b := range s.Sidebars {
		all[string(b.ID)] = SidebarView{b.Name, b.Kind, b.URI, b.Owner, stamp(b.Created), list(b.Members), list(b.Invited), b.MainGain}
	}
	return all
}

// list is l, never nil: a view holds no null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return slices.Clone(l)
}

func viewUser(u *User, v Viewer) UserView {
	name, number := u.Name, u.Number
	if !v.Operator {
		name, number = u.Label(), maskNumber(number)
	}
	endpoints := map[string]EndpointView{}
	for _, e := range u.Endpoints {
		shown := viewEndpoint(e)
		if !v.Operator {
			shown.Reason = maskName(shown.Reason, u.Number) // "No answer from +49…"
		}
		endpoints[string(e.Leg)] = shown
	}
	return UserView{
		Name: name, Order: u.Order, Roles: u.Roles(), Number: number, Muted: u.Muted, Speaking: u.Speaks(),
		MutedBy: u.MutedBy, Hard: u.Hard, Asked: stamp(u.Asked), Deaf: u.Deaf, Gain: u.Gain, Waiting: u.Waiting, WaitsFor: u.WaitsFor, Sidebar: u.Sidebar, Loud: u.Loud, View: ViewView(u.View),
		Hand: stamp(u.Hand), Camera: !u.VideoOff, Endpoints: endpoints,
	}
}

func viewEndpoint(e *Endpoint) EndpointView {
	v := EndpointView{
		Kind: e.Kind, Status: e.Status, Joined: stamp(e.Joined), Method: e.Method, Media: map[string]MediaView{},
	}
	for _, m := range e.Media {
		v.Media[m.ID] = MediaView{Type: m.Type, Status: m.Status, Codec: m.Codec, Content: m.Content}
	}
	if e.Disconnection != nil {
		v.Reason = e.Disconnection.Text
	}
	return v
}

func viewMessage(m Message) MessageView {
	return MessageView{From: m.From, To: m.To, Name: m.Name, Text: m.Text, At: stamp(m.At)}
}

// seenBy says whether v may read the message.
func (m Message) seenBy(v Viewer) bool {
	return m.To == "" || v.Self != "" && (m.To == v.Self || m.From == v.Self) || v.Operator && m.From == ""
}

// stamp is a time for machines, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
