package bridge

import (
	"fmt"
	"slices"
	"testing"

	"tutti/mixer/plan"
)

// heard lists who hears whom and how loud, "a<b" for unity.
func (h *hall) heard() (all []string) {
	p := Plan(&h.state)
	for _, row := range p.Rows {
		for _, in := range p.Inputs {
			switch g := gainOf(row, in); g {
			case 0:
			case 1:
				all = append(all, fmt.Sprintf("%s<%s", row.Leg, in.Leg))
			default:
				all = append(all, fmt.Sprintf("%s<%s %v", row.Leg, in.Leg, g))
			}
		}
	}
	slices.Sort(all)
	return all
}

func (h *hall) want(what string, all ...string) {
	h.t.Helper()
	if got := h.heard(); !slices.Equal(got, all) {
		h.t.Fatalf("%s: heard %v, want %v", what, got, all)
	}
}

// Three in a conference, two of whom go aside, are joined, and come back.
func TestSideRoom(t *testing.T) {
	h := gather(t, "a", "b", "c")
	h.want("at first", "a<b", "a<c", "b<a", "b<c", "c<a", "c<b")
	h.must(by("a"), SidebarCreate{ID: "s", Name: "Budget", Users: []UserID{"b"}})
	h.want("a waits in the side room", "b<c", "c<b")
	h.refused(by("c"), SidebarJoin{"s"}, RuleSidebar)
	h.refused(by("c"), SidebarMove{"s", []UserID{"c"}}, RuleRole)
	h.refused(by("c"), SidebarEnd{"s"}, RuleRole)
	h.refused(by("a"), SidebarCreate{ID: "t"}, RuleLimit)
	h.must(by("b"), SidebarJoin{"s"})
	h.want("two aside", "a<b", "b<a")
	h.must(by("a"), SidebarGain{"s", 0.5})
	h.want("two hear the conference", "a<b", "a<c 0.5", "b<a", "b<c 0.5")
	h.refused(by("a"), SidebarGain{"s", 2}, RuleInvalid)
	h.must(Operator("cli"), SidebarGain{"s", 0})
	h.must(Operator("cli"), Broadcast{"c", true})
	h.want("c speaks to all", "a<b", "a<c", "b<a", "b<c")
	h.must(by("c"), Mute{On: true})
	h.want("c is muted", "a<b", "b<a")
	h.must(by("c"), Mute{})
	h.must(Operator("cli"), Broadcast{"c", false})
	h.must(by("b"), SidebarJoin{""})
	h.want("b is back", "b<c", "c<b")
	h.must(by("a"), SidebarJoin{""})
	if len(h.state.Sidebars) != 0 {
		t.Errorf("an empty sidebar of a participant stays: %+v", h.state.Sidebars)
	}
	h.must(Operator("cli"), SidebarCreate{ID: "x"})
	h.must(Operator("cli"), SidebarCreate{ID: "y", Users: []UserID{"b"}})
	h.must(Operator("cli"), SidebarMove{"x", []UserID{"a"}})
	h.must(Operator("cli"), SidebarMerge{"x", "y"})
	h.want("merged", "a<b", "b<a")
	h.happens(0, leave{leg: "b", reason: Reason{Method: Departed}})
	h.must(Operator("cli"), SidebarEnd{})
	h.want("at last", "a<c", "c<a")
}

func TestWhisperAndCoach(t *testing.T) {
	h := gather(t, "a", "b", "c")
	full := float32(1)
	h.must(by("a"), SidebarCreate{ID: "w", Kind: Whisper, Users: []UserID{"b"}, MainGain: &full})
	h.want("a whispers", "a<b", "a<c", "b<a", "b<c")
	h.refused(by("c"), SidebarCreate{ID: "v", Kind: Whisper, Users: []UserID{"b"}}, RuleSidebar)
	h.refused(by("c"), SidebarJoin{"w"}, RuleInvalid)
	h.must(by("b"), SidebarJoin{""})
	h.want("b does not listen any more", "a<b", "a<c", "b<a", "b<c", "c<a", "c<b")

	h.refused(by("c"), SidebarCreate{ID: "k", Kind: Coach, Users: []UserID{"b"}}, RuleRole)
	h.must(Operator("cli"), Grant{User: "c", Role: Moderator})
	h.must(by("c"), SidebarCreate{ID: "k", Kind: Coach, Users: []UserID{"b"}})
	h.want("c is heard by b only", "a<b", "b<a", "b<c", "c<a", "c<b")
	h.must(by("a"), Deafen{On: true})
	h.want("a is deaf", "b<a", "b<c", "c<a", "c<b")
	h.happens(0, leave{leg: "b", reason: Reason{Method: Departed}})
	h.must(by("a"), Deafen{})
	h.want("without b", "a<c", "c<a")
}

// Who is in a side room sees it only; whisperers see the conference.
func TestSidebarsHaveAPictureOfTheirOwn(t *testing.T) {
	h := gather(t, "a", "b", "c", "d")
	for _, leg := range []plan.LegID{"a", "b", "c", "d"} {
		h.happens(0, mediaChanged{leg, []Media{{ID: "1", Type: "video", Content: plan.MainContent, Status: SendRecv}}})
	}
	h.must(Operator("cli"), SidebarCreate{ID: "s", Users: []UserID{"a", "b"}})
	h.must(by("c"), SidebarCreate{ID: "w", Kind: Whisper, Users: []UserID{"d"}})
	scenes := Plan(&h.state).Scenes
	if len(scenes) != 2 || !slices.Equal(scenes[0].Viewers, []plan.LegID{"c", "d"}) || len(scenes[0].Tiles) != 2 ||
		!slices.Equal(scenes[1].Viewers, []plan.LegID{"a", "b"}) || scenes[1].Tiles[0].Leg != "a" {
		t.Errorf("scenes %+v", scenes)
	}
}

// A sidebar by reference is a conference with a URI of its own.
func TestSidebarByReference(t *testing.T) {
	h := gather(t, "a")
	h.state.Conference.URI = "sip:8001@example.org"
	h.must(Operator("cli"), SidebarCreate{ID: "s", ByRef: true})
	if b, _ := h.state.Sidebar("s"); b.URI != "sip:8001-s@example.org" {
		t.Errorf("sidebar %+v", b)
	}
	h.refused(by("a"), SidebarJoin{"s"}, RuleSidebar)
	h.must(Operator("cli"), SidebarMove{"s", []UserID{"a"}})
	if len(h.did) != 1 || h.did[0].(Handover).To != "8001-s" {
		t.Errorf("effects %+v", h.did)
	}
}
