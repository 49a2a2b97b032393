package bridge

import (
	"slices"

	"tutti/mixer/plan"
)

// Plan says who gets what. Everybody who is connected hears the main bus except themself: all legs of one user are one
// person, whose phone must not be heard in the same person's browser.
func Plan(s *State) *plan.Plan {
	users := s.Users()
	p := &plan.Plan{Rows: rows(users), Inputs: inputs(users)}
	if sc := scene(s, users); len(sc.Viewers) > 0 {
		p.Scenes = []plan.Scene{sc}
	}
	return p
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
	if p.last != nil && s.touched&touchedRoster == 0 {
		next.Rows = p.last.Rows
	} else {
		next.Rows = rows(users)
	}
	if p.last != nil && s.touched&(touchedRoster|touchedUsers) == 0 {
		next.Inputs = p.last.Inputs
	} else {
		next.Inputs = inputs(users)
	}
	if sc := scene(s, users); len(sc.Viewers) > 0 {
		next.Scenes = []plan.Scene{sc}
	}
	p.last = next
	return next
}

func inputs(users []*User) []plan.Input {
	var in []plan.Input
	for _, u := range users {
		gain := float32(1)
		if u.Muted {
			gain = 0
		}
		for _, leg := range legsOf(u) {
			in = append(in, plan.Input{Leg: leg, Bus: plan.Main, Gain: gain})
		}
	}
	return in
}

func rows(users []*User) []plan.Row {
	hear := []plan.BusGain{{Bus: plan.Main, Gain: 1}} // shared: nobody changes a plan
	var out []plan.Row
	for _, u := range users {
		var except []plan.InputGain
		for _, leg := range legsOf(u) {
			except = append(except, plan.InputGain{Leg: leg})
		}
		for _, leg := range legsOf(u) {
			out = append(out, plan.Row{Leg: leg, Hear: hear, Except: except})
		}
	}
	return out
}

// scene is the picture that everybody sees: slides, then the spotlight or, in the speaker layouts, the active speaker,
// then the others in the order of joining.
func scene(s *State, users []*User) plan.Scene {
	sc := plan.Scene{Layout: s.Conference.Layout}
	var slides []plan.Tile
	first := s.Conference.Spotlight
	if first == "" && s.Conference.Layout != plan.Grid {
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
			if e.watches() {
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
