package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tutti/bridge"
	"tutti/bridge/rfc4575"
	"tutti/mixer/plan"
)

// Summary is one line of the list of conferences.
type Summary struct {
	bridge.ConferenceView

	Participants int `json:"participants" doc:"who are connected"`
	Calling      int `json:"calling" doc:"who are called and have not answered"`
}

// Named is the path of one conference. It is exported because huma sets embedded fields.
type Named struct {
	Name string `path:"name" maxLength:"256" doc:"of the conference" example:"8001"`
}

type reasoned struct {
	Named

	Reason string `query:"reason" maxLength:"256" doc:"told to those who are hung up"`
}

type list struct {
	Body struct {
		Conferences []Summary `json:"conferences"`
	}
}

type document struct{ Body *bridge.Document }

type infoDocument struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type patched struct {
	Named

	Body struct {
		Layout    plan.Layout `json:"layout,omitempty" enum:"grid,speaker,single"`
		Spotlight *string     `json:"spotlight,omitempty" maxLength:"256" doc:"participant, by id or name; empty for nobody"`
	}
}

type dialRequest struct {
	Named

	Body struct {
		Target string `json:"target" minLength:"1" maxLength:"256" doc:"a registered user, a number, or a SIP address that a rule allows" example:"sip:bob@example.org"`
		Name   string `json:"name,omitempty" maxLength:"256" doc:"shown in the roster"`
	}
}

type dialAnswer struct {
	Body struct {
		Participant bridge.UserID `json:"participant" doc:"as whom the roster shows how the call fares"`
	}
}

func (a *api) conferences(h huma.API) {
	huma.Register(h, operation("list-conferences", http.MethodGet, "/conferences", "All conferences"),
		func(context.Context, *struct{}) (*list, error) { return a.list(), nil })
	huma.Register(h, operation("show-conference", http.MethodGet, "/conferences/{name}", "One conference and who is in it"), a.show)
	huma.Register(h, info(), a.info)
	huma.Register(h, empty("end-conference", http.MethodDelete, "/conferences/{name}", "Hang up everybody"),
		func(ctx context.Context, in *reasoned) (*struct{}, error) {
			return a.do(ctx, in.Name, bridge.End{Reason: in.Reason})
		})
	huma.Register(h, empty("lock-conference", http.MethodPost, "/conferences/{name}/lock", "Let nobody in"),
		func(ctx context.Context, in *Named) (*struct{}, error) {
			return a.do(ctx, in.Name, bridge.Lock{On: true})
		})
	huma.Register(h, empty("unlock-conference", http.MethodPost, "/conferences/{name}/unlock", "Let people in again"),
		func(ctx context.Context, in *Named) (*struct{}, error) {
			return a.do(ctx, in.Name, bridge.Lock{})
		})
	huma.Register(h, empty("change-conference", http.MethodPatch, "/conferences/{name}", "Choose the layout and the spotlight"), a.patch)
	dial := operation("dial", http.MethodPost, "/conferences/{name}/dial", "Call somebody into the conference, which is made if need be")
	dial.DefaultStatus = http.StatusAccepted
	huma.Register(h, dial, a.dial)
}

func (a *api) list() *list {
	out := &list{}
	out.Body.Conferences = []Summary{}
	for _, s := range a.bridge.Conferences() {
		out.Body.Conferences = append(out.Body.Conferences, Summary{
			ConferenceView: bridge.View(s, bridge.Viewer{Operator: true}).Conference, Participants: s.Connected(), Calling: s.Calling(),
		})
	}
	return out
}

func (a *api) show(_ context.Context, in *Named) (*document, error) {
	s, err := a.state(in.Name)
	if err != nil {
		return nil, err
	}
	return &document{bridge.View(s, bridge.Viewer{Operator: true})}, nil
}

// info describes the operation whose answer is XML.
func info() huma.Operation {
	o := operation("show-conference-info", http.MethodGet, "/conferences/{name}/conference-info", "One conference as phones are told of it (RFC 4575)")
	o.Responses = map[string]*huma.Response{"200": {
		Description: "The full document; its version is that of the state",
		Content:     map[string]*huma.MediaType{rfc4575.ContentType: {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	return o
}

func (a *api) info(_ context.Context, in *Named) (*infoDocument, error) {
	s, err := a.state(in.Name)
	if err != nil {
		return nil, err
	}
	text, err := rfc4575.Full(s, uint32(s.Version), bridge.Viewer{Operator: true})
	if err != nil {
		return nil, problem(err)
	}
	return &infoDocument{rfc4575.ContentType, text}, nil
}

func (a *api) patch(ctx context.Context, in *patched) (*struct{}, error) {
	if in.Body.Layout != "" {
		if _, err := a.do(ctx, in.Name, bridge.SetLayout{Layout: in.Body.Layout}); err != nil {
			return nil, err
		}
	}
	if in.Body.Spotlight == nil {
		return nil, nil
	}
	var who bridge.UserID
	if *in.Body.Spotlight != "" {
		var err error
		if who, err = a.find(in.Name, *in.Body.Spotlight); err != nil {
			return nil, err
		}
	}
	return a.do(ctx, in.Name, bridge.Spotlight{User: who})
}

func (a *api) dial(ctx context.Context, in *dialRequest) (*dialAnswer, error) {
	who, err := a.bridge.Dial(ctx, in.Name, caller(ctx), in.Body.Target, in.Body.Name)
	if err != nil {
		return nil, problem(err)
	}
	out := &dialAnswer{}
	out.Body.Participant = who
	return out, nil
}
