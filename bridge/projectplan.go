package bridge

import (
	"cmp"
	"slices"

	"tutti/mixer/plan"
)

// loudBus is the sum of those who are heard in the sidebars too.
const loudBus plan.BusID = "loud"

// Plan says who gets what. Who is in no sidebar hears the main bus; who is in one hears the sidebar's, and the main bus as
// far as the sidebar wants; who is in the lobby hears what is played to them. Everybody hears them except themself: all legs
// of one user are one person, whose phone must not be heard in the same person's browser.
func Plan(s *State) *plan.Plan {
	users := s.Users()
	return &plan.Plan{Rows: rows(s, users), Inputs: inputs(s, users), Scenes: scenes(s, users)}
}

// planner makes the plan anew where something is new, and keeps the rest of the last one.
type planner struct{ last *plan.Plan }

// next is the plan for s, or nil if the last one still holds.
func (p *planner) next(s *State) *plan.Plan {
	if s.touched&^(touchedChat|touchedInside) == 0 && p.last != nil {
		return nil
	}
	users := s.Users()
	next := &plan.Plan{}
	if p.last != nil && s.touched&(touchedRoster|touchedHearing) == 0 {
		next.Rows = p.last.Rows
	} else {
		next.Rows = rows(s, users)
	}
	if p.last != nil && s.touched&(touchedRoster|touchedUsers|touchedHearing) == 0 {
		next.Inputs = p.last.Inputs
	} else {
		next.Inputs = inputs(s, users)
	}
	next.Scenes = scenes(s, users)
	p.last = next
	return next
}

func inputs(s *State, users []*User) []plan.Input {
	var in []plan.Input
	for _, u := range users {
		if u.Waiting {
			continue
		}
		gain := u.Gain
		if !u.mayTalk() {
			gain = 0
		}
		bus := s.talksTo(u)
		for _, leg := range legsOf(u) {
			in = append(in, plan.Input{Leg: leg, Bus: bus, Gain: gain})
		}
	}
	for _, p := range s.Playing {
		in = append(in, plan.Input{Leg: p.Source, Bus: p.bus(), Gain: 1})
	}
	return in
}

// mayTalk says whether anybody hears the user.
func (u *User) mayTalk() bool { return !u.Muted && !u.Waiting && u.Role != Listener }

// talksTo is the bus that the user's sound is put on.
func (s *State) talksTo(u *User) plan.BusID {
	if u.Loud {
		return loudBus
	}
	if b, ok := s.Sidebar(u.Sidebar); ok && (b.Kind != Coach || b.Owner == u.ID) {
		return b.bus()
	}
	return plan.Main
}

func rows(s *State, users []*User) []plan.Row {
	h := newHearings(s, users)
	var out []plan.Row
	for _, u := range users {
		var except []plan.InputGain
		for _, leg := range legsOf(u) {
			except = append(except, plan.InputGain{Leg: leg})
		}
		for _, leg := range legsOf(u) {
			out = append(out, plan.Row{Leg: leg, Hear: h.of(u, leg), Except: except})
		}
	}
	return out
}

// hearings are the lists of buses that rows have in common. Nobody changes a plan, so rows share them.
type hearings struct {
	main  []plan.BusGain
	aside map[SidebarID][]plan.BusGain
	all   []plan.BusGain                // what is played to everybody
	one   map[plan.LegID][]plan.BusGain // and to one leg
}

func newHearings(s *State, users []*User) hearings {
	h := hearings{
		main:  []plan.BusGain{{Bus: plan.Main, Gain: 1}},
		aside: map[SidebarID][]plan.BusGain{}, one: map[plan.LegID][]plan.BusGain{},
	}
	for _, p := range s.Playing {
		if g := (plan.BusGain{Bus: p.bus(), Gain: 1}); p.Leg == "" {
			h.all = append(h.all, g)
		} else {
			h.one[p.Leg] = append(h.one[p.Leg], g)
		}
	}
	common := h.all
	if slices.ContainsFunc(users, func(u *User) bool { return u.Loud }) {
		common = slices.Concat([]plan.BusGain{{Bus: loudBus, Gain: 1}}, h.all)
	}
	for _, b := range s.Sidebars {
		hear := []plan.BusGain{{Bus: b.bus(), Gain: 1}}
		if b.MainGain > 0 {
			hear = append(hear, plan.BusGain{Bus: plan.Main, Gain: b.MainGain})
		}
		h.aside[b.ID] = append(hear, common...)
	}
	h.main = append(h.main, common...)
	return h
}

// of is what one leg of u hears.
func (h hearings) of(u *User, leg plan.LegID) []plan.BusGain {
	hear := h.main
	switch {
	case u.Waiting:
		hear = nil
	case u.Deaf:
		hear = h.all
	case u.Sidebar != "":
		hear = h.aside[u.Sidebar]
	}
	if one := h.one[leg]; one != nil {
		hear = slices.Concat(hear, one)
	}
	return hear
}

// scenes are the pictures: that of the conference, and one of each side room, which is seen by its members only.
func scenes(s *State, users []*User) []plan.Scene {
	rooms := map[SidebarID][]*User{}
	for _, u := range users {
		if !u.Waiting {
			room := s.watched(u)
			rooms[room] = append(rooms[room], u)
		}
	}
	var all []plan.Scene
	all = append(all, views(s, rooms[""])...)
	for _, b := range s.Sidebars {
		all = append(all, views(s, rooms[b.ID])...)
	}
	return all
}

// views are the pictures of one room: that of all, and those that people arranged for themselves.
func views(s *State, users []*User) (all []plan.Scene) {
	kinds := []OwnView{{}}
	for _, u := range users {
		if !slices.Contains(kinds, u.View) {
			kinds = append(kinds, u.View)
		}
	}
	for _, v := range kinds {
		if sc := scene(s, users, v); len(sc.Viewers) > 0 {
			all = append(all, sc)
		}
	}
	return all
}

// watched is the side room that the user sees and is seen in, "" for the conference.
func (s *State) watched(u *User) SidebarID {
	if b, ok := s.Sidebar(u.Sidebar); ok && b.Kind == SideRoom {
		return b.ID
	}
	return ""
}

// scene is the picture that all users of one room see who want this view: slides, then the spotlight or, in the speaker layouts, the active
// speaker, then the others in the order of joining.
func scene(s *State, users []*User, v OwnView) plan.Scene {
	sc := plan.Scene{Layout: cmp.Or(v.Layout, s.Conference.Layout)}
	var slides []plan.Tile
	first := cmp.Or(v.Spotlight, s.Conference.Spotlight)
	if first == "" && sc.Layout != plan.Grid {
		first = s.Floor.Active
	}
	for _, u := range foremost(users, first) {
		for _, e := range u.Endpoints {
			if !e.Status.connected() {
				continue
			}
			sc.Tiles = append(sc.Tiles, tile(u, e, plan.MainContent))
			if e.shows(plan.Slides) {
				slides = append(slides, tile(u, e, plan.Slides))
			}
			if e.watches() && u.View == v {
				sc.Viewers = append(sc.Viewers, e.Leg)
			}
		}
	}
	sc.Tiles = append(slides, sc.Tiles...)
	return sc
}

// foremost is users with the one of this id, if there is one, before all others.
func foremost(users []*User, id UserID) []*User {
	i := slices.IndexFunc(users, func(u *User) bool { return u.ID == id })
	if i <= 0 {
		return users
	}
	return slices.Concat(users[i:i+1], users[:i], users[i+1:])
}

func tile(u *User, e *Endpoint, content plan.Content) plan.Tile {
	return plan.Tile{
		Leg: e.Leg, Content: content, Label: u.Label(), Muted: u.Muted, Speaking: u.Speaks(),
		Video: content == plan.Slides || e.shows(content) && !u.VideoOff,
	}
}

// shows says whether the endpoint sends pictures of this content.
func (e *Endpoint) shows(content plan.Content) bool {
	return slices.ContainsFunc(e.Media, func(m Media) bool {
		return m.Type == "video" && m.Content == content && m.Status.sends()
	})
}

// watches says whether the endpoint is sent pictures.
func (e *Endpoint) watches() bool {
	return slices.ContainsFunc(e.Media, func(m Media) bool { return m.Type == "video" && m.Status.receives() })
}
