// Package plan holds the words in which the focus tells the media plane who gets what.
//
// A Plan is a value: the focus computes it from its state, the mixer swaps it in at its own next step (a tick, a
// frame). Nothing in it is a sample, a socket or a goroutine, so either side is tested without the other.
package plan

import "slices"

// LegID names one leg (a SIP dialog, a PeerConnection, a local device) for as long as it lives. Never reused.
type LegID string

// BusID names a sum of inputs: the main room of a conference, or a sidebar.
type BusID string

// Main is the bus of the conference itself.
const Main BusID = "main"

// Plan is what the media plane of one conference is to do from now on. It replaces the plan before as a whole;
// its slices are not changed by anybody after it was handed over.
type Plan struct {
	Inputs []Input
	Rows   []Row
	Scenes []Scene
}

// Input puts the sound of one leg on a bus. A leg that no Input names, or whose Gain is 0, is heard by nobody
// and need not be decoded.
type Input struct {
	Leg  LegID
	Bus  BusID
	Gain float32 // 1 is unity
}

// Row is what one leg hears: the sum of its buses, with exceptions. It is one row of the gain matrix. The focus
// always makes the leg's own input an exception of gain 0 (mix-minus). A leg without a row is sent silence.
type Row struct {
	Leg    LegID
	Hear   []BusGain
	Except []InputGain
}

// BusGain is one bus in a row.
type BusGain struct {
	Bus  BusID
	Gain float32
}

// InputGain replaces, in one row, the gain that the buses give to one input.
type InputGain struct {
	Leg  LegID
	Gain float32
}

// Layout is the arrangement of a scene.
type Layout string

const (
	Grid    Layout = "grid"    // equal tiles
	Speaker Layout = "speaker" // the first tile large, the others in a strip
	Single  Layout = "single"  // the first tile only
)

// Layouts are all layouts that a person may choose from.
func Layouts() []Layout { return []Layout{Grid, Speaker, Single} }

// Valid says whether l is one of Layouts.
func (l Layout) Valid() bool { return slices.Contains(Layouts(), l) }

// Content tells a camera from slides (RFC 4796).
type Content string

const (
	MainContent Content = "main"
	Slides      Content = "slides"
)

// Scene is one picture and who is shown it. Viewers of one scene with the same encoding share one encoder.
type Scene struct {
	Layout  Layout
	Tiles   []Tile // in the order of display; a slides tile comes first and is large whatever the layout
	Viewers []LegID
}

// Tile is one place in a scene.
type Tile struct {
	Leg      LegID
	Content  Content
	Label    string // the name shown
	Muted    bool   // its sound is muted: the mark is shown
	Speaking bool   // it speaks now: the border is shown
	Video    bool   // a picture is expected; false shows the placeholder with the name
}
