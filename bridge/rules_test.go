package bridge

import (
	"strings"
	"testing"
	"time"

	"tutti/bridge/announce"
	"tutti/mixer/plan"
)

// t0 is when the conferences of these tests start.
func t0() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC) }

// hall is a conference in the making, for tests that tell a story.
type hall struct {
	t     *testing.T
	state State
	at    time.Time
	did   []Effect // of the last order
}

// gather is a conference with these people, whose user and leg ids are their names.
func gather(t *testing.T, names ...string) *hall {
	t.Helper()
	h := &hall{t: t, at: t0(), state: State{Conference: Description{Name: "8001", Layout: plan.Grid}, menu: announce.DefaultMenu()}}
	for _, n := range names {
		h.must(Caller{system: true}, join{user: UserID(n), leg: plan.LegID(n), request: JoinRequest{DisplayText: n, Kind: SIP}})
	}
	return h
}

func (h *hall) try(by Caller, c Command) error {
	h.t.Helper()
	next, effects, err := h.state.Apply(Order{At: h.at, By: by, Command: c})
	h.state, h.did = next, effects
	return err
}

func (h *hall) must(by Caller, c Command) {
	h.t.Helper()
	if err := h.try(by, c); err != nil {
		h.t.Fatalf("%+v: %v", c, err)
	}
}

// happens lets the world do something, after a while.
func (h *hall) happens(after time.Duration, c Command) {
	h.t.Helper()
	h.at = h.at.Add(after)
	h.must(Caller{system: true}, c)
}

// refused wants a refusal by this rule.
func (h *hall) refused(by Caller, c Command, rule string) {
	h.t.Helper()
	err := h.try(by, c)
	if r := refused(err); r == nil || r.Rule != rule {
		h.t.Fatalf("%+v by %+v: %v, want a refusal by %s", c, by, err, rule)
	}
}

func by(u UserID) Caller { return Caller{User: u} }

func TestWhoMayDoWhat(t *testing.T) {
	h := gather(t, "ada", "bob", "eve")
	h.must(by("ada"), Mute{User: "bob", On: true}) // nobody is moderator: all may mute
	h.refused(by("ada"), Mute{User: "bob"}, RuleRole)
	h.must(by("bob"), Mute{})
	h.refused(by("ada"), Expel{User: "bob"}, RuleRole)
	h.refused(by("ada"), Lock{On: true}, RuleRole)
	h.refused(by("ada"), End{}, RuleRole)
	h.refused(by("ada"), Grant{User: "ada", Role: Moderator}, RuleRole)
	h.must(by("ada"), SetLayout{plan.Speaker})

	h.must(Operator("cli"), Grant{User: "ada", Role: Moderator})
	h.must(Operator("cli"), Grant{User: "eve", Role: Guest})
	h.refused(by("bob"), Mute{User: "ada", On: true}, RuleRole)
	h.refused(by("bob"), SetLayout{plan.Grid}, RuleRole)
	h.refused(by("eve"), Dial{Target: "x", User: "x", Leg: "x"}, RuleRole)
	h.must(by("eve"), Mute{On: true})
	h.must(by("ada"), Mute{User: "eve"})
	h.must(by("ada"), Expel{User: "eve"})
	if len(h.did) != 1 || h.did[0].(Hangup).Leg != "eve" || h.did[0].(Hangup).Reason.Method != Booted {
		t.Errorf("expelling did %+v", h.did)
	}
	h.refused(by("eve"), Mute{On: true}, RuleEnded)
	h.must(by("ada"), Lock{On: true})
	h.refused(Caller{system: true}, join{user: "new", leg: "new"}, RuleLocked)
	h.refused(by("ada"), Dial{Target: "x", User: "x", Leg: "x"}, RuleLocked)
	h.must(by("ada"), End{})
	if h.state.Len() != 0 || len(h.did) != 2 {
		t.Errorf("after the end: %d users, effects %+v", h.state.Len(), h.did)
	}
}

func TestCallOut(t *testing.T) {
	h := gather(t, "ada", "bob")
	h.state.Limits.Pending = 2
	h.must(by("ada"), Dial{Target: "sip:+4930123467@trunk", User: "x", Leg: "x"})
	h.must(by("bob"), Dial{Target: "carol", Name: "Carol", User: "y", Leg: "y"})
	h.refused(by("bob"), Dial{Target: "dan", User: "z", Leg: "z"}, RuleLimit)
	if p := Plan(&h.state); len(p.Rows) != 2 || len(p.Inputs) != 2 {
		t.Errorf("a call that rings is in the mix: %+v", p)
	}
	h.happens(time.Second, statusChanged{"x", Alerting})
	h.refused(by("bob"), Expel{User: "x"}, RuleRole)
	h.happens(time.Second, leave{leg: "x", reason: Reason{Method: BusyMethod, Text: "+4930123467 is busy", Code: 486}})
	x := View(&h.state, Viewer{}).Users["x"]
	if x.Name != "+49 … 67" || x.Endpoints["x"].Status != Disconnected || x.Endpoints["x"].Reason != "+49 … 67 is busy" {
		t.Errorf("the roster shows %+v", x)
	}
	if due := h.state.Deadline(); due != h.at.Add(linger) {
		t.Errorf("forgotten at %v, want %v", due, h.at.Add(linger))
	}
	h.happens(linger, tick{})
	if h.state.User("x") != nil {
		t.Error("the failed call is still shown")
	}
	h.happens(0, mediaChanged{"y", []Media{{ID: "0", Type: "audio", Status: SendRecv}}})
	if !h.state.User("y").Connected() || len(Plan(&h.state).Rows) != 3 {
		t.Error("the answered call is not in the conference")
	}
	h.refused(by("bob"), Expel{User: "y"}, RuleRole) // it is a call no more
	h.must(by("bob"), Dial{Target: "dan", User: "z", Leg: "z"})
	h.must(by("bob"), Expel{User: "z"})
	if h.state.User("z") != nil || len(h.did) != 1 {
		t.Errorf("the cancelled call: %+v", h.did)
	}
	h.must(by("bob"), Dial{Target: "dan", User: "q", Leg: "q"})
	for _, leg := range []plan.LegID{"ada", "bob", "y"} {
		h.happens(0, leave{leg: leg, reason: Reason{Method: Departed}})
	}
	if h.state.Ended == nil || len(h.did) != 1 || h.did[0].(Hangup).Leg != "q" {
		t.Errorf("with only a ringing call left: %+v, %+v", h.state.Ended, h.did)
	}
}

// The large tile waits for somebody who really talks, and does not swing between two who talk at once.
func TestActiveSpeaker(t *testing.T) {
	h := gather(t, "ada", "bob")
	h.must(by("ada"), SetLayout{plan.Speaker})
	want := func(u UserID) {
		t.Helper()
		if h.state.Floor.Active != u {
			t.Fatalf("%v: active speaker %q, want %q", h.at.Sub(t0()), h.state.Floor.Active, u)
		}
	}
	h.happens(0, speaking{"bob", true})
	h.happens(500*time.Millisecond, speaking{"bob", false}) // a cough
	want("")
	h.happens(time.Second, speaking{"bob", true})
	if due := h.state.Deadline(); due != h.at.Add(takeFloor) {
		t.Fatalf("deadline %v, want %v", due, h.at.Add(takeFloor))
	}
	h.happens(takeFloor, tick{})
	want("bob")
	if first := tileOrder(&h.state)[0]; first != "bob" {
		t.Errorf("the first tile is %s", first)
	}
	h.happens(time.Second, speaking{"ada", true})
	h.happens(takeFloor, tick{})
	want("bob") // still talks
	h.happens(overTalk-takeFloor, tick{})
	want("ada") // talked over him long enough
	if due := h.state.Deadline(); !due.IsZero() {
		t.Fatalf("bob would take it back at %v", due)
	}
	h.happens(time.Second, speaking{"ada", false})
	want("bob")
	h.must(by("bob"), Mute{On: true})
	want("bob") // keeps it in silence
	h.happens(0, leave{leg: "bob"})
	want("")
}

// tileOrder is the order of tiles.
func tileOrder(s *State) []plan.LegID {
	var legs []plan.LegID
	for _, tile := range scene(s, s.Users(), OwnView{}).Tiles {
		legs = append(legs, tile.Leg)
	}
	return legs
}

func TestSceneOrder(t *testing.T) {
	h := gather(t, "ada", "bob", "eve")
	camera := Media{ID: "1", Type: "video", Content: plan.MainContent, Status: SendRecv}
	screen := Media{ID: "2", Type: "video", Content: plan.Slides, Status: SendOnly}
	h.happens(0, mediaChanged{"bob", []Media{camera}})
	h.happens(0, mediaChanged{"eve", []Media{camera, screen}})
	h.must(by("bob"), Spotlight{User: "bob"})
	h.must(by("bob"), Video{On: false})
	sc := Plan(&h.state).Scenes[0]
	want := []plan.Tile{
		{Leg: "eve", Content: plan.Slides, Label: "eve", Video: true},
		{Leg: "bob", Content: plan.MainContent, Label: "bob"}, // the camera is off
		{Leg: "ada", Content: plan.MainContent, Label: "ada"}, // a phone
		{Leg: "eve", Content: plan.MainContent, Label: "eve", Video: true},
	}
	if len(sc.Tiles) != len(want) || len(sc.Viewers) != 2 {
		t.Fatalf("scene %+v", sc)
	}
	for i := range want {
		if sc.Tiles[i] != want[i] {
			t.Errorf("tile %d = %+v, want %+v", i, sc.Tiles[i], want[i])
		}
	}
}

func TestKeysOfAPhone(t *testing.T) {
	h := gather(t, "ada")
	press := func(gap time.Duration, key rune) {
		h.happens(gap, pressed{"ada", key})
	}
	press(0, '6')
	press(0, '*')
	press(4*time.Second, '6') // too late
	if h.state.User("ada").Muted {
		t.Fatal("muted by a key that stands alone")
	}
	press(0, '*')
	press(time.Second, '6')
	press(0, '6') // the star is used up
	press(0, '*')
	press(time.Second, '5')
	if u := h.state.User("ada"); !u.Muted || u.Hand.IsZero() {
		t.Errorf("after *6 and *5: %+v", u)
	}
	press(0, '*')
	press(0, '6')
	if h.state.User("ada").Muted {
		t.Error("still muted after the second *6")
	}
}

func TestSilentLegEnds(t *testing.T) {
	h := gather(t, "ada", "bob")
	h.happens(0, mediaChanged{"ada", []Media{
		{ID: "0", Type: "audio", Status: SendRecv}, {ID: "1", Type: "video", Status: SendRecv}, {ID: "2", Type: "audio", Status: RecvOnly},
	}})
	h.happens(0, quiet{"ada", "1", time.Minute})
	h.happens(0, quiet{"ada", "2", time.Minute})
	if h.state.User("ada") == nil {
		t.Fatal("ended for what she need not send")
	}
	h.happens(0, quiet{"ada", "0", 30 * time.Second})
	if h.state.User("ada") != nil || len(h.did) != 1 || h.did[0].(Hangup).Reason != (Reason{Method: Failed, Text: "no media for 30s"}) {
		t.Errorf("after silence: %+v", h.did)
	}
}

func TestChatIsBoundedAndPrivate(t *testing.T) {
	h := gather(t, "ada", "bob", "eve")
	h.must(by("ada"), Chat{To: "bob", Text: "psst"})
	for user, want := range map[UserID]int{"ada": 1, "bob": 1, "eve": 0, "": 0} {
		if got := len(View(&h.state, Viewer{Self: user, Operator: user == ""}).Chat); got != want {
			t.Errorf("%q sees %d messages, want %d", user, got, want)
		}
	}
	h.refused(by("ada"), Chat{Text: strings.Repeat("x", maxText+1)}, RuleInvalid)
	h.refused(by("ada"), Chat{Text: "\xff"}, RuleInvalid)
	h.refused(by("ada"), Chat{To: "nobody", Text: "x"}, RuleAbsent)
	for range 3 * maxChat {
		h.must(by("ada"), Chat{Text: "x"})
	}
	if len(h.state.Chat) != maxChat || h.state.Chat[maxChat-1].ID != 3*maxChat+1 {
		t.Errorf("%d messages kept", len(h.state.Chat))
	}
}

func TestMasks(t *testing.T) {
	for number, want := range map[string]string{
		"+4930123467": "+49 … 67", "+49 30 1234-67": "+49 … 67", "030123467": "… 67", "8001": "8001", "12345": "… 45",
		"alice": "alice", "": "", "+": "+", "+123456": "… 56",
	} {
		if got := maskNumber(number); got != want {
			t.Errorf("maskNumber(%q) = %q, want %q", number, got, want)
		}
	}
	if got := maskName("Call +4930123467", "+4930123467"); got != "Call +49 … 67" {
		t.Errorf("a name with the number in it is shown as %q", got)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"8001": true, "Büro": true, strings.Repeat("ü", 64): true, strings.Repeat("x", 65): false, "": false, "a b": false,
		"a/b": false, "a@b": false, "a\x00": false, "\xff": false, "..": false, "\u202eabc": false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]string{"8001": "sip:8001@host", "Büro": "sip:B%C3%BCro@host", "a:b?c": "sip:a%3Ab%3Fc@host"} {
		if got := conferenceURI(name, "host"); got != want {
			t.Errorf("URI of %q = %q, want %q", name, got, want)
		}
	}
	for in, want := range map[string]string{
		"  Ada \t Lovelace\n": "Ada Lovelace", "\x1b[31mred": "[31mred", "\u202eevil": "evil", strings.Repeat("é", 99): strings.Repeat("é", 64),
	} {
		if got := cleanName(in); got != want {
			t.Errorf("cleanName(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		`"Bob" <sip:bob@example.org;user=phone>;tag=1`: "bob", "tel:+4930": "+4930", "SIPS:x@y": "x", "8001": "8001", "sip:": "sip:",
	} {
		if got := userPart(in); got != want {
			t.Errorf("userPart(%q) = %q, want %q", in, got, want)
		}
	}
}

// Somebody's own view is theirs alone, and there are not too many.
func TestOwnView(t *testing.T) {
	h := gather(t, "ada", "bob", "eve")
	for _, leg := range []plan.LegID{"ada", "bob", "eve"} {
		h.happens(0, mediaChanged{leg, []Media{{ID: "1", Type: "video", Content: plan.MainContent, Status: SendRecv}}})
	}
	h.must(by("bob"), OwnView{plan.Single, "eve"})
	h.refused(by("bob"), OwnView{"round", ""}, RuleInvalid)
	h.refused(by("bob"), OwnView{"", "nobody"}, RuleAbsent)
	scenes := Plan(&h.state).Scenes
	if len(scenes) != 2 || len(scenes[0].Viewers) != 2 || scenes[0].Layout != plan.Grid ||
		scenes[1].Layout != plan.Single || scenes[1].Tiles[0].Leg != "eve" || scenes[1].Viewers[0] != "bob" {
		t.Fatalf("scenes %+v", scenes)
	}
	h.must(by("bob"), OwnView{})
	if scenes := Plan(&h.state).Scenes; len(scenes) != 1 || len(scenes[0].Viewers) != 3 {
		t.Errorf("scenes %+v", scenes)
	}
}
