package bridge

import (
	"slices"
	"time"

	"tutti/mixer/plan"
)

// SidebarID names a sidebar for as long as it lives. Never reused within its conference.
type SidebarID string

// SidebarKind is which preset of the gain matrix a sidebar is.
type SidebarKind string

const (
	SideRoom SidebarKind = "sidebar" // its members hear each other, nobody else hears them
	Whisper  SidebarKind = "whisper" // the same for two, who go on hearing the conference
	Coach    SidebarKind = "coach"   // the owner is heard by the other member only, who goes on talking to the conference
)

// Sidebar is a conference within the conference (RFC 4575 sidebars-by-val) or, where it has a URI, a conference of its
// own that belongs to this one (sidebars-by-ref). A Sidebar in a State never changes.
type Sidebar struct {
	ID       SidebarID
	Name     string
	Kind     SidebarKind
	URI      string // of a sidebar by reference, "" for one by value
	Owner    UserID // "" is an operator
	Created  time.Time
	Members  []UserID // in the order of coming; none of a sidebar by reference
	Invited  []UserID // who may come although the sidebar is not theirs
	Lasting  bool     // also when it is empty: a moderator or an operator made it
	MainGain float32  // with which its members hear the conference; 0 is not at all
}

// bus is the sum of who talks in the sidebar.
func (b Sidebar) bus() plan.BusID { return plan.BusID("sidebar:" + b.ID) }

// byRef says whether the sidebar is a conference of its own.
func (b Sidebar) byRef() bool { return b.URI != "" }

// Sidebar is the sidebar with this id.
func (s *State) Sidebar(id SidebarID) (Sidebar, bool) {
	i := slices.IndexFunc(s.Sidebars, func(b Sidebar) bool { return b.ID == id })
	if i < 0 {
		return Sidebar{}, false
	}
	return s.Sidebars[i], true
}
