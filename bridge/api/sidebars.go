package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tutti/bridge"
)

// Aside is the path of one sidebar.
type Aside struct {
	Named

	Sidebar bridge.SidebarID `path:"sidebar" maxLength:"64" doc:"id"`
}

type createSidebar struct {
	Named

	Body struct {
		Name         string   `json:"name,omitempty" maxLength:"256"`
		Participants []string `json:"participants,omitempty" maxItems:"500" doc:"who are brought into it, by id or name"`
		MainGain     *float32 `json:"mainGain,omitempty" minimum:"0" maximum:"1" doc:"with which its members hear the conference; 0 where nothing is said"`
		Conference   bool     `json:"conference,omitempty" doc:"a conference with a URI of its own"`
	}
}

type createdSidebar struct {
	Body struct {
		Sidebar bridge.SidebarID `json:"sidebar"`
	}
}

type sidebarMembers struct {
	Aside

	Body struct {
		Participants []string `json:"participants" maxItems:"500" doc:"by id or name"`
	}
}

type sidebarReturn struct {
	Named

	Body struct {
		Participants []string `json:"participants" maxItems:"500" doc:"by id or name"`
	}
}

type sidebarMerge struct {
	Aside

	Into bridge.SidebarID `query:"into" maxLength:"64" doc:"another sidebar; empty for the conference"`
}

type sidebarPatch struct {
	Aside

	Body struct {
		MainGain float32 `json:"mainGain" minimum:"0" maximum:"1" doc:"with which its members hear the conference"`
	}
}

func (a *api) sidebars(h huma.API) {
	const all, one = "/conferences/{name}/sidebars", "/conferences/{name}/sidebars/{sidebar}"
	create := operation("create-sidebar", http.MethodPost, all, "Make a sidebar: a conference within the conference")
	create.DefaultStatus = http.StatusCreated
	huma.Register(h, create, a.createSidebar)
	huma.Register(h, empty("end-sidebars", http.MethodDelete, all, "End all sidebars: everybody is back in the conference"),
		func(ctx context.Context, in *Named) (*struct{}, error) {
			return a.do(ctx, in.Name, bridge.SidebarEnd{})
		})
	huma.Register(h, empty("leave-sidebars", http.MethodPost, all+"/leave", "Bring participants back into the conference"),
		func(ctx context.Context, in *sidebarReturn) (*struct{}, error) {
			return a.move(ctx, in.Name, "", in.Body.Participants)
		})
	huma.Register(h, empty("move-to-sidebar", http.MethodPost, one+"/move", "Bring participants into a sidebar"),
		func(ctx context.Context, in *sidebarMembers) (*struct{}, error) {
			return a.move(ctx, in.Name, in.Sidebar, in.Body.Participants)
		})
	huma.Register(h, empty("invite-to-sidebar", http.MethodPost, one+"/invite", "Let participants come into a sidebar when they like"),
		func(ctx context.Context, in *sidebarMembers) (*struct{}, error) {
			users, err := a.findAll(in.Name, in.Body.Participants)
			if err != nil {
				return nil, err
			}
			return a.do(ctx, in.Name, bridge.SidebarInvite{Sidebar: in.Sidebar, Users: users})
		})
	huma.Register(h, empty("merge-sidebar", http.MethodPost, one+"/merge", "Bring everybody of a sidebar elsewhere and end it"),
		func(ctx context.Context, in *sidebarMerge) (*struct{}, error) {
			return a.do(ctx, in.Name, bridge.SidebarMerge{From: in.Sidebar, Into: in.Into})
		})
	huma.Register(h, empty("change-sidebar", http.MethodPatch, one, "Say how loud a sidebar hears the conference"),
		func(ctx context.Context, in *sidebarPatch) (*struct{}, error) {
			return a.do(ctx, in.Name, bridge.SidebarGain{Sidebar: in.Sidebar, Gain: in.Body.MainGain})
		})
	huma.Register(h, empty("end-sidebar", http.MethodDelete, one, "End a sidebar: its members are back in the conference"),
		func(ctx context.Context, in *Aside) (*struct{}, error) {
			return a.do(ctx, in.Name, bridge.SidebarEnd{Sidebar: in.Sidebar})
		})
}

func (a *api) createSidebar(ctx context.Context, in *createSidebar) (*createdSidebar, error) {
	users, err := a.findAll(in.Name, in.Body.Participants)
	if err != nil {
		return nil, err
	}
	c := bridge.SidebarCreate{
		ID: bridge.NewSidebarID(), Name: in.Body.Name, Users: users, MainGain: in.Body.MainGain, ByRef: in.Body.Conference,
	}
	if _, err := a.do(ctx, in.Name, c); err != nil {
		return nil, err
	}
	out := &createdSidebar{}
	out.Body.Sidebar = c.ID
	return out, nil
}

func (a *api) move(ctx context.Context, conference string, to bridge.SidebarID, who []string) (*struct{}, error) {
	users, err := a.findAll(conference, who)
	if err != nil {
		return nil, err
	}
	return a.do(ctx, conference, bridge.SidebarMove{Sidebar: to, Users: users})
}

func (a *api) findAll(conference string, who []string) ([]bridge.UserID, error) {
	var users []bridge.UserID
	for _, name := range who {
		id, err := a.find(conference, name)
		if err != nil {
			return nil, err
		}
		users = append(users, id)
	}
	return users, nil
}
