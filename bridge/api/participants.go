package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tutti/bridge"
)

// Participant is one of the roster.
type Participant struct {
	ID bridge.UserID `json:"id"`
	bridge.UserView
}

// Member is the path of one participant.
type Member struct {
	Named

	Participant string `path:"participant" maxLength:"256" doc:"id, or name if only one is called so"`
}

type expelled struct {
	Member

	Reason string `query:"reason" maxLength:"256" doc:"told to who is hung up"`
	Ban    bool   `query:"ban" doc:"they may not come again"`
}

type roster struct {
	Body struct {
		Participants []Participant `json:"participants" doc:"in the order of joining"`
	}
}

func (a *api) participants(h huma.API) {
	const one = "/conferences/{name}/participants/{participant}"
	huma.Register(h, operation("list-participants", http.MethodGet, "/conferences/{name}/participants", "Who is in the conference"), a.roster)
	huma.Register(h, empty("mute-participant", http.MethodPost, one+"/mute", "Silence a participant"),
		func(ctx context.Context, in *muteRequest) (*struct{}, error) {
			return a.about(ctx, &in.Member, func(u bridge.UserID) bridge.Command { return bridge.Mute{User: u, On: true, Hard: in.Hard} })
		})
	huma.Register(h, empty("unmute-participant", http.MethodPost, one+"/unmute", "Let a participant be heard again"),
		func(ctx context.Context, in *Member) (*struct{}, error) {
			return a.about(ctx, in, func(u bridge.UserID) bridge.Command { return bridge.Mute{User: u} })
		})
	huma.Register(h, empty("expel-participant", http.MethodDelete, one, "Hang up a participant, or cancel a call that still rings"),
		func(ctx context.Context, in *expelled) (*struct{}, error) {
			who, err := a.find(in.Name, in.Participant)
			if err != nil {
				return nil, err
			}
			return a.do(ctx, in.Name, bridge.Expel{User: who, Reason: in.Reason, Ban: in.Ban})
		})
}

func (a *api) roster(_ context.Context, in *Named) (*roster, error) {
	s, err := a.state(in.Name)
	if err != nil {
		return nil, err
	}
	out := &roster{}
	out.Body.Participants = []Participant{}
	users := bridge.View(s, bridge.Viewer{Operator: true}).Users
	for _, u := range s.Users() {
		out.Body.Participants = append(out.Body.Participants, Participant{u.ID, users[string(u.ID)]})
	}
	return out, nil
}

// find is the participant of this id or name.
func (a *api) find(conference, who string) (bridge.UserID, error) {
	s, err := a.state(conference)
	if err != nil {
		return "", err
	}
	u, err := s.Find(who)
	if err != nil {
		return "", problem(err)
	}
	return u.ID, nil
}
