package bridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"tutti/bridge/announce"
	"tutti/mixer/plan"
)

// script turns bytes into orders, so that a fuzzer can write them.
type script struct {
	data []byte
	at   time.Time
	legs int
}

func (s *script) next(n int) int {
	if len(s.data) == 0 {
		return 0
	}
	b := int(s.data[0])
	s.data = s.data[1:]
	return b % n
}

// user is somebody who is there, or who is not.
func (s *script) user(st *State) UserID {
	users := st.Users()
	if i := s.next(len(users) + 2); i < len(users) {
		return users[i].ID
	} else if i == len(users) {
		return "nobody"
	}
	return ""
}

func (s *script) leg(st *State) plan.LegID {
	for _, u := range st.Users() {
		if u.ID == s.user(st) {
			return u.Endpoints[s.next(len(u.Endpoints))].Leg
		}
	}
	return plan.LegID(fmt.Sprintf("leg%d", s.next(8)))
}

// order is the next order.
func (s *script) order(st *State) Order {
	s.at = s.at.Add(time.Duration(s.next(50)) * 100 * time.Millisecond)
	o := Order{At: s.at, By: Caller{User: s.user(st)}}
	if s.next(4) == 0 {
		o.By = Operator("test")
	}
	on := s.next(2) == 0
	happened := func(c Command) { o.By, o.Command = Caller{system: true}, c }
	switch s.next(32) {
	case 0, 1, 2, 3:
		happened(s.join(st))
	case 4, 5:
		happened(leave{s.leg(st), Reason{Method: []string{Departed, Failed}[s.next(2)], Text: "gone"}, on})
	case 6, 7:
		happened(mediaChanged{s.leg(st), s.media()})
	case 8:
		happened(statusChanged{s.leg(st), []Status{Alerting, OnHold, Connected, Disconnecting, Disconnected}[s.next(5)]})
	case 9, 10:
		happened(speaking{s.leg(st), on})
	case 11:
		happened(pressed{s.leg(st), []rune("*01567#")[s.next(7)]})
	case 12:
		happened(quiet{s.leg(st), []string{"0", "1"}[s.next(2)], time.Second})
	case 13:
		happened(tick{})
	case 14:
		o.Command = Mute{s.user(st), on, s.next(3) == 0}
	case 15:
		o.Command = Video{s.user(st), on}
	case 16:
		o.Command = Rename{s.user(st), []string{"", "Ada", "+4930123456", "\x00"}[s.next(4)]}
	case 17:
		o.Command = Hand{s.user(st), on}
	case 18:
		o.Command = Chat{s.user(st), []string{"", "hello", "+4930123456"}[s.next(3)]}
	case 19:
		s.legs++
		o.Command = Dial{[]string{"bob", "sip:+4930123456@trunk", ""}[s.next(3)], "", UserID(fmt.Sprintf("u%d", s.legs)), plan.LegID(fmt.Sprintf("leg%d", s.legs))}
	case 20:
		o.Command = Expel{s.user(st), "enough", s.next(3) == 0}
	case 21:
		o.Command = Lock{on}
	case 22:
		o.Command = []Command{SetLayout{plan.Speaker}, SetLayout{"round"}, Spotlight{s.user(st)}}[s.next(3)]
	case 23:
		o.Command = Grant{s.user(st), append(Roles(), "king")[s.next(6)]}
		if s.next(30) == 0 {
			o.Command = End{}
		}
	case 24:
		happened(s.heard(st))
	default:
		o.Command = s.more(st, on)
	}
	return o
}

// more is a command of a moderator.
func (s *script) more(st *State, on bool) Command {
	if s.next(2) == 0 {
		return s.sidebar(st, on)
	}
	switch s.next(13) {
	case 0:
		return MuteAll{on, s.next(2) == 0}
	case 1:
		return AskUnmute{s.user(st)}
	case 2, 3:
		return Deafen{s.user(st), on}
	case 4:
		return SetGain{s.user(st), []float32{0, 0.5, 1, 4, 5, -1}[s.next(6)]}
	case 5:
		return Revoke{s.user(st), Roles()[s.next(5)]}
	case 6:
		return Unban{[]string{"", "Ada"}[s.next(2)]}
	case 7:
		return Admit{s.user(st)}
	case 8:
		return Deny{s.user(st), "no"}
	case 9:
		n, end := s.next(20), s.at.Add(time.Duration(s.next(200))*time.Second)
		return []Command{Configure{Lobby: &on}, Configure{WaitForModerator: &on}, Configure{MuteOnEntry: &on}, Configure{EndWithModerator: &on},
			Configure{MaxUsers: &n}, Configure{EndsAt: &end}}[s.next(6)]
	case 10:
		return PlayFile{s.user(st), []string{"a.wav", "", "../x"}[s.next(3)]}
	case 11:
		return StopPlaying{}
	}
	return OwnView{[]plan.Layout{"", plan.Single, "round"}[s.next(3)], s.user(st)}
}

// sidebar is a command about sidebars.
func (s *script) sidebar(st *State, on bool) Command {
	some := func() SidebarID {
		if n := len(st.Sidebars); n > 0 && s.next(4) > 0 {
			return st.Sidebars[s.next(n)].ID
		}
		return []SidebarID{"", "none"}[s.next(2)]
	}
	users := func() (all []UserID) {
		for range s.next(4) {
			all = append(all, s.user(st))
		}
		return all
	}
	gain := []float32{0, 0.5, 1, 2}[s.next(4)]
	switch s.next(10) {
	case 0, 1, 2:
		s.legs++
		c := SidebarCreate{ID: SidebarID(itoa(s.legs)), Kind: []SidebarKind{"", Whisper, Coach, "choir"}[s.next(4)], Users: users(), ByRef: s.next(8) == 0}
		if s.next(2) == 0 {
			c.MainGain = &gain
		}
		return c
	case 3:
		return SidebarInvite{some(), users()}
	case 4:
		return SidebarMove{some(), users()}
	case 5, 6:
		return SidebarJoin{some()}
	case 7:
		return SidebarMerge{some(), some()}
	case 8:
		if s.next(3) == 0 {
			return Transfer{s.user(st), []string{"8002", "8001", "a b"}[s.next(3)], ""}
		}
		return []Command{SidebarEnd{some()}, SidebarGain{some(), gain}}[s.next(2)]
	}
	return Broadcast{s.user(st), on}
}

// heard is what comes back from the announcer, and from who looks at PINs.
func (s *script) heard(st *State) Command {
	if n := len(st.Playing); n > 0 && s.next(2) == 0 {
		return announced{source: st.Playing[s.next(n)].Source}
	}
	switch s.next(6) {
	case 0:
		return stayed{s.user(st)}
	case 1:
		return moved{user: s.user(st)}
	case 2:
		s.legs++
		leg := &Endpoint{Leg: plan.LegID(fmt.Sprintf("leg%d", s.legs)), Kind: SIP, Status: Connected}
		return arrive{user: &User{ID: UserID(fmt.Sprintf("u%d", s.legs)), Name: "Ada", Hand: s.at, Endpoints: []*Endpoint{leg}}, admission: s.admission()}
	}
	return pinChecked{s.user(st), s.next(2) == 0, s.admission()}
}

func (s *script) admission() admission {
	return admission{role: append(Roles(), "")[s.next(6)], pass: s.next(2) == 0}
}

func (s *script) join(st *State) join {
	s.legs++
	j := join{user: UserID(fmt.Sprintf("u%d", s.legs)), leg: plan.LegID(fmt.Sprintf("leg%d", s.legs))}
	j.request = JoinRequest{Kind: SIP, Number: []string{"", "+4930123456", "8001"}[s.next(3)], DisplayText: []string{"", "Ada", "Bob"}[s.next(3)]}
	if s.next(4) == 0 {
		j.replaces = s.leg(st)
	}
	if s.next(3) == 0 {
		j.admission = s.admission()
		j.ask = s.next(3) == 0
	}
	return j
}

func (s *script) media() []Media {
	status := []MediaStatus{SendRecv, SendOnly, RecvOnly, Inactive}
	m := []Media{{ID: "0", Type: "audio", Content: plan.MainContent, Status: status[s.next(4)], Codec: "opus"}}
	if s.next(2) == 0 {
		m = append(m, Media{ID: "1", Type: "video", Content: plan.MainContent, Status: status[s.next(4)], Codec: "VP8"})
	}
	if s.next(4) == 0 {
		m = append(m, Media{ID: "2", Type: "video", Content: plan.Slides, Status: SendOnly, Codec: "VP8"})
	}
	return m
}

// play lets a script happen, in one conference after the other.
func play(t *testing.T, data []byte) {
	for len(data) > 0 {
		data = playOne(t, data)
	}
}

// playOne looks after every order whether all holds that must. It returns what remains when the conference ends.
func playOne(t *testing.T, data []byte) []byte {
	s := &script{data: data, at: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)}
	st := State{Conference: Description{Name: "8001", Layout: plan.Grid}, Limits: Limits{Users: 12, Pending: 3}, speaker: s.next(2) == 0, menu: announce.DefaultMenu()}
	viewers := []Viewer{{}, {Operator: true}, {Self: "u1"}, {Self: "u2"}}
	views := map[Viewer]any{}
	for _, v := range viewers {
		views[v] = toJSON(t, View(&st, v))
	}
	var planner planner
	var current *plan.Plan
	for len(s.data) > 0 {
		o := s.order(&st)
		before := toJSON(t, View(&st, Viewer{Operator: true}))
		next, effects, err := st.Apply(o)
		if after := toJSON(t, View(&st, Viewer{Operator: true})); !reflect.DeepEqual(before, after) {
			t.Fatalf("%T changed the state that it was applied to", o.Command)
		}
		checkOrder(t, &st, &next, o, effects, err)
		checkState(t, &next, o)
		for _, v := range viewers {
			got := merge(views[v], toJSON(t, Patch(&st, &next, v)))
			if views[v] = toJSON(t, View(&next, v)); !reflect.DeepEqual(got, views[v]) {
				t.Fatalf("after %+v the patch for %+v leads to\n%v\nwant\n%v", o, v, got, views[v])
			}
		}
		if p := planner.next(&next); p != nil {
			current = p
		}
		if want := Plan(&next); !reflect.DeepEqual(current, want) {
			t.Fatalf("after %+v the planner's plan is\n%+v\nwant\n%+v", o, current, want)
		}
		checkPlan(t, &next, current)
		if st = next; st.Ended != nil {
			break
		}
	}
	return s.data
}

// checkOrder looks at one step: who may do what, and what a step may do.
func checkOrder(t *testing.T, old, now *State, o Order, effects []Effect, err error) {
	t.Helper()
	if err != nil {
		if r := refused(err); r == nil || r.Text == "" || r.Title() == "Refused" {
			t.Fatalf("%T is refused with %#v", o.Command, err)
		}
		if now.Version != old.Version || len(effects) > 0 {
			t.Fatalf("a refused %T did something", o.Command)
		}
		return
	}
	if old.Conference.Locked && now.Len() > old.Len() {
		t.Fatalf("a locked conference grew by %+v", o)
	}
	if now.Len() > old.Len() && now.Len() > now.MaxUsers() {
		t.Fatalf("%d participants, limit %d", now.Len(), now.MaxUsers())
	}
	chair, me := o.By.Operator, old.User(o.By.User)
	if me != nil && me.Role == Moderator {
		chair = true
	}
	if chair || o.By.system {
		return
	}
	switch c := o.Command.(type) {
	case Lock, End, Grant, AskUnmute, SetGain, Unban, Admit, Deny, Configure, PlayFile, StopPlaying:
		t.Fatalf("a %v could %+v", me, c)
	case Transfer:
		if c.User != "" && c.User != me.ID {
			t.Fatalf("%v could %+v", me, c)
		}
	case SidebarMove, Broadcast:
		t.Fatalf("a %v could %+v", me, c)
	case SidebarJoin:
		if b, ok := old.Sidebar(c.Sidebar); ok && b.Owner != me.ID && me.Sidebar != b.ID && !slices.Contains(b.Invited, me.ID) {
			t.Fatalf("%v could %+v", me, c)
		}
	case SidebarCreate:
		for _, u := range now.Users() {
			if u.Sidebar == c.ID && u.ID != me.ID && c.Kind != Whisper {
				t.Fatalf("%v could draw %v aside", me, u)
			}
		}
	case Revoke:
		if now.User(me.ID).Role.rank() > me.Role.rank() {
			t.Fatalf("%v made more of themself by %+v", me, c)
		}
	case Deafen:
		if c.User != "" && c.User != me.ID {
			t.Fatalf("%v could %+v", me, c)
		}
	case Mute:
		if (c.User == "" || c.User == me.ID) && !c.On && (me.Hard || me.Role == Listener) {
			t.Fatalf("%v could %+v", me, c)
		}
		if c.User != me.ID && c.User != "" && (!c.On || old.moderated() || me.Role.rank() < Participant.rank()) {
			t.Fatalf("%v could %+v", me, c)
		}
	case Expel:
		if u := old.User(c.User); c.Ban || u.DialedBy != me.ID || u.Connected() {
			t.Fatalf("%v could %+v of %+v", me, c, u)
		}
	case Dial:
		if me.Role.rank() < Participant.rank() {
			t.Fatalf("a guest could %+v", c)
		}
	}
}

func (s *State) moderated() bool {
	return slices.ContainsFunc(s.Users(), func(u *User) bool { return u.Role == Moderator })
}

// checkState compares what the state counts with what is there.
func checkState(t *testing.T, s *State, o Order) {
	t.Helper()
	if s.Ended != nil && (s.Len() != 0 || len(Plan(s).Rows) != 0) {
		t.Fatalf("ended, and %d are there", s.Len())
	}
	var want counts
	var talking, failed, hands, waiting []UserID
	legs := 0
	for _, u := range s.Users() {
		n := tally(u)
		want = counts{
			want.connected + n.connected, want.waiting + n.waiting, want.pending + n.pending, want.moderators + n.moderators,
			want.presiding + n.presiding,
		}
		if u.Speaks() {
			talking = append(talking, u.ID)
		}
		if !u.Hand.IsZero() {
			hands = append(hands, u.ID)
		}
		if u.Waiting {
			waiting = append(waiting, u.ID)
		}
		if u.Waiting != (u.WaitsFor != "") || u.Muted != (u.MutedBy != "") || u.Hard && !u.Muted || u.Gain < 0 || u.Gain > maxGain {
			t.Fatalf("after %+v: %+v", o, u)
		}
		if u.WaitsFor == WaitModerator && s.counts.presiding > 0 && !u.leaving {
			t.Fatalf("after %+v %s waits for a moderator who is here", o, u.ID)
		}
		if u.hasFailed() {
			failed = append(failed, u.ID)
		}
		for _, e := range u.Endpoints {
			legs++
			if owner, device := s.Owner(e.Leg); owner != u || device != e {
				t.Fatalf("leg %s belongs to %v", e.Leg, owner)
			}
		}
		if len(u.Endpoints) == 0 {
			t.Fatalf("%s has no device", u.ID)
		}
	}
	checkSidebars(t, s, o)
	if s.counts != want || s.legs.Len() != legs || !sameSet(s.talking, talking) || !sameSet(s.failed, failed) || !sameSet(s.hands, hands) || !sameSet(s.waiting, waiting) {
		t.Fatalf("after %+v: counts %+v, %d legs, talking %v, failed %v; want %+v, %d, %v, %v",
			o, s.counts, s.legs.Len(), s.talking, s.failed, want, legs, talking, failed)
	}
	if s.met && s.Ended == nil && s.Connected()+s.counts.waiting == 0 {
		t.Fatalf("after %+v the conference lives without anybody", o)
	}
	if due := s.Deadline(); !due.IsZero() {
		at := due
		if at.Before(o.At) {
			at = o.At
		}
		next, _, err := s.Apply(Order{At: at, By: Caller{system: true}, Command: tick{}})
		if again := next.Deadline(); err != nil || !again.IsZero() && !again.After(at) {
			t.Fatalf("the deadline %v is not over after a tick: %v, %v", due, again, err)
		}
	}
}

// checkSidebars looks whether users and sidebars agree on who is where.
func checkSidebars(t *testing.T, s *State, o Order) {
	t.Helper()
	places := 0
	for _, b := range s.Sidebars {
		for _, id := range b.Members {
			if u := s.User(id); u == nil || u.Sidebar != b.ID {
				t.Fatalf("after %+v %s is a member of %+v, and is %+v", o, id, b, u)
			}
		}
		for _, id := range b.Invited {
			if s.User(id) == nil {
				t.Fatalf("after %+v nobody is invited to %+v", o, b)
			}
		}
		if b.Kind != SideRoom && len(b.Members) != 2 || b.byRef() && len(b.Members) > 0 {
			t.Fatalf("after %+v there is %+v", o, b)
		}
		places += len(b.Members)
	}
	for _, u := range s.Users() {
		if u.Sidebar != "" {
			places--
		}
		if u.Sidebar != "" && u.Waiting {
			t.Fatalf("after %+v somebody of the lobby is in a sidebar: %+v", o, u)
		}
	}
	if places != 0 || s.Ended != nil && len(s.Sidebars) > 0 {
		t.Fatalf("after %+v the sidebars are %+v", o, s.Sidebars)
	}
}

func sameSet(a, b []UserID) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// checkPlan compares who hears whom with what the words say: nobody hears themself, nor who is muted; who is in the lobby or
// deaf hears nobody; a sidebar hears itself, and of the others what it wants.
func checkPlan(t *testing.T, s *State, p *plan.Plan) {
	t.Helper()
	rows := 0
	for _, row := range p.Rows {
		me, _ := s.Owner(row.Leg)
		heard := map[plan.LegID]float32{}
		for _, in := range p.Inputs {
			heard[in.Leg] += gainOf(row, in)
		}
		for _, u := range s.Users() {
			for _, leg := range legsOf(u) {
				if want := hears(s, me, u); heard[leg] != want {
					t.Fatalf("%+v hears %+v with %v, want %v", me, u, heard[leg], want)
				}
			}
		}
		for _, play := range s.Playing {
			want := play.Leg == row.Leg || play.Leg == "" && !me.Waiting
			if got := heard[play.Source]; got != map[bool]float32{true: 1}[want] {
				t.Fatalf("%+v hears %+v with %v", me, play, got)
			}
		}
	}
	for _, u := range s.Users() {
		rows += len(legsOf(u))
	}
	if len(p.Rows) != rows {
		t.Fatalf("%d rows for %d legs", len(p.Rows), rows)
	}
	seen := map[plan.LegID]bool{}
	for _, sc := range p.Scenes {
		for _, leg := range sc.Viewers {
			me, _ := s.Owner(leg)
			if layout := me.View.Layout; seen[leg] || sc.Layout != s.Conference.Layout && sc.Layout != layout || layout != "" && sc.Layout != layout {
				t.Fatalf("%s sees %+v", me.ID, sc)
			}
			seen[leg] = true
			for _, tile := range sc.Tiles {
				if u, _ := s.Owner(tile.Leg); u.Waiting || me.Waiting || s.watched(u) != s.watched(me) {
					t.Fatalf("%s sees %s", me.ID, u.ID)
				}
			}
		}
	}
}

// hears is the gain with which one user hears another, as people would say it.
func hears(s *State, me, u *User) float32 {
	mine, _ := s.Sidebar(me.Sidebar)
	theirs, aside := s.Sidebar(u.Sidebar)
	if theirs.Kind == Coach && theirs.Owner != u.ID {
		aside = false // who is coached goes on talking to all
	}
	switch {
	case me == u, me.Waiting, me.Deaf, u.Muted, u.Waiting, u.Role == Listener:
		return 0
	case u.Loud, !aside && me.Sidebar == "", aside && theirs.ID == mine.ID:
		return u.Gain
	case !aside:
		return mine.MainGain * u.Gain
	}
	return 0
}

// gainOf is the matrix, as the words of plan define it.
func gainOf(row plan.Row, in plan.Input) float32 {
	for _, x := range row.Except {
		if x.Leg == in.Leg {
			return x.Gain
		}
	}
	var g float32
	for _, b := range row.Hear {
		if b.Bus == in.Bus {
			g += b.Gain * in.Gain
		}
	}
	return g
}

func toJSON(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := v.(*Document); ok && o != nil && bytes.Contains(text, []byte("null")) {
		t.Fatalf("a view with null: %s", text)
	}
	var back any
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// merge is MergePatch of RFC 7396 §2.
func merge(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	result := map[string]any{}
	if old, ok := target.(map[string]any); ok {
		for k, v := range old {
			result[k] = v
		}
	}
	for k, v := range changes {
		if v == nil {
			delete(result, k)
		} else {
			result[k] = merge(result[k], v)
		}
	}
	return result
}

func FuzzOrders(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x00\x00"))
	f.Fuzz(play)
}

func TestRandomOrders(t *testing.T) {
	r := rand.New(rand.NewPCG(4575, 7396))
	for range 6 {
		data := make([]byte, 1500)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		play(t, data)
	}
}
