package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tutti/bridge"
)

type muteRequest struct {
	Member

	Hard bool `query:"hard" doc:"so that only a moderator or an operator can undo it"`
}

type denied struct {
	Member

	Reason string `query:"reason" maxLength:"256" doc:"told to who is turned away"`
}

type muteAllRequest struct {
	Named

	Hard bool `query:"hard" doc:"so that only a moderator or an operator can undo it"`
}

type switchRequest struct {
	Member

	Body struct {
		On bool `json:"on"`
	}
}

type gainRequest struct {
	Member

	Body struct {
		Gain float32 `json:"gain" minimum:"0" maximum:"4" doc:"1 is as it comes, 0 is not at all"`
	}
}

type roleRequest struct {
	Member

	Role bridge.Role `path:"role" enum:"moderator,presenter,participant,guest,listener"`
}

type renameRequest struct {
	Member

	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"256"`
	}
}

type transferRequest struct {
	Member

	Body struct {
		Conference string `json:"conference" minLength:"1" maxLength:"256" doc:"made if need be"`
	}
}

type chatRequest struct {
	Named

	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"4096"`
		To   string `json:"to,omitempty" maxLength:"256" doc:"participant, by id or name; empty for everybody"`
	}
}

type playRequest struct {
	Named

	Body struct {
		File        string `json:"file" minLength:"1" maxLength:"64" doc:"name in the folder of prompts"`
		Participant string `json:"participant,omitempty" maxLength:"256" doc:"by id or name; empty for everybody"`
	}
}

type unbanRequest struct {
	Named

	Participant string `query:"participant" maxLength:"256" doc:"the name they had; empty for all"`
}

type configureRequest struct {
	Named

	Body struct {
		Title            *string    `json:"title,omitempty"`
		Subject          *string    `json:"subject,omitempty"`
		FreeText         *string    `json:"freeText,omitempty"`
		Keywords         *[]string  `json:"keywords,omitempty"`
		MaxUsers         *int       `json:"maxUsers,omitempty" doc:"0 for any number"`
		Lobby            *bool      `json:"lobby,omitempty" doc:"who comes in waits to be admitted"`
		WaitForModerator *bool      `json:"waitForModerator,omitempty"`
		MuteOnEntry      *bool      `json:"muteOnEntry,omitempty"`
		EndWithModerator *bool      `json:"endWithModerator,omitempty"`
		EndsAt           *time.Time `json:"endsAt,omitempty"`
	}
}

// commands are the operations that only carry out one command.
func (a *api) commands(h huma.API) {
	const one, all = "/conferences/{name}/participants/{participant}", "/conferences/{name}"
	who := func(id, path, summary string, make func(bridge.UserID) bridge.Command) {
		huma.Register(h, empty(id, http.MethodPost, one+path, summary), func(ctx context.Context, in *Member) (*struct{}, error) {
			return a.about(ctx, in, make)
		})
	}
	who("ask-unmute", "/ask-unmute", "Ask a participant to unmute, who may do so then", func(u bridge.UserID) bridge.Command { return bridge.AskUnmute{User: u} })
	who("admit-participant", "/admit", "Let a participant in from the lobby", func(u bridge.UserID) bridge.Command { return bridge.Admit{User: u} })
	who("lower-hand", "/lower-hand", "Lower a participant's hand", func(u bridge.UserID) bridge.Command { return bridge.Hand{User: u} })
	huma.Register(h, empty("admit-all", http.MethodPost, all+"/admit", "Let everybody in from the lobby"),
		func(ctx context.Context, in *Named) (*struct{}, error) { return a.do(ctx, in.Name, bridge.Admit{}) })
	huma.Register(h, empty("deny-participant", http.MethodPost, one+"/deny", "Turn a participant away from the lobby"),
		func(ctx context.Context, in *denied) (*struct{}, error) {
			return a.about(ctx, &in.Member, func(u bridge.UserID) bridge.Command { return bridge.Deny{User: u, Reason: in.Reason} })
		})
	huma.Register(h, empty("mute-all", http.MethodPost, all+"/mute", "Silence everybody but moderators"),
		func(ctx context.Context, in *muteAllRequest) (*struct{}, error) {
			return a.do(ctx, in.Name, bridge.MuteAll{On: true, Hard: in.Hard})
		})
	huma.Register(h, empty("unmute-all", http.MethodPost, all+"/unmute", "Let everybody be heard again"),
		func(ctx context.Context, in *Named) (*struct{}, error) { return a.do(ctx, in.Name, bridge.MuteAll{}) })
	onOff := func(id, path, summary string, make func(bridge.UserID, bool) bridge.Command) {
		huma.Register(h, empty(id, http.MethodPost, one+path, summary), func(ctx context.Context, in *switchRequest) (*struct{}, error) {
			return a.about(ctx, &in.Member, func(u bridge.UserID) bridge.Command { return make(u, in.Body.On) })
		})
	}
	onOff("deafen-participant", "/deafen", "Let a participant hear nobody, or hear again", func(u bridge.UserID, on bool) bridge.Command { return bridge.Deafen{User: u, On: on} })
	onOff("switch-video", "/video", "Show a participant's camera, or hide it", func(u bridge.UserID, on bool) bridge.Command { return bridge.Video{User: u, On: on} })
	onOff("broadcast", "/broadcast", "Let a participant be heard in all sidebars too, or not", func(u bridge.UserID, on bool) bridge.Command { return bridge.Broadcast{User: u, On: on} })
	huma.Register(h, empty("set-gain", http.MethodPost, one+"/gain", "Make a participant louder or quieter for all others"),
		func(ctx context.Context, in *gainRequest) (*struct{}, error) {
			return a.about(ctx, &in.Member, func(u bridge.UserID) bridge.Command { return bridge.SetGain{User: u, Gain: in.Body.Gain} })
		})
	huma.Register(h, empty("rename-participant", http.MethodPost, one+"/rename", "Give a participant another name"),
		func(ctx context.Context, in *renameRequest) (*struct{}, error) {
			return a.about(ctx, &in.Member, func(u bridge.UserID) bridge.Command { return bridge.Rename{User: u, Name: in.Body.Name} })
		})
	huma.Register(h, empty("grant-role", http.MethodPut, one+"/roles/{role}", "Give a participant a role"),
		func(ctx context.Context, in *roleRequest) (*struct{}, error) {
			return a.about(ctx, &in.Member, func(u bridge.UserID) bridge.Command { return bridge.Grant{User: u, Role: in.Role} })
		})
	huma.Register(h, empty("revoke-role", http.MethodDelete, one+"/roles/{role}", "Take a role away from a participant"),
		func(ctx context.Context, in *roleRequest) (*struct{}, error) {
			return a.about(ctx, &in.Member, func(u bridge.UserID) bridge.Command { return bridge.Revoke{User: u, Role: in.Role} })
		})
	huma.Register(h, empty("transfer-participant", http.MethodPost, one+"/transfer", "Bring a participant into another conference, without a new call"),
		func(ctx context.Context, in *transferRequest) (*struct{}, error) {
			return a.about(ctx, &in.Member, func(u bridge.UserID) bridge.Command {
				return bridge.Transfer{User: u, Conference: in.Body.Conference}
			})
		})
	a.wholes(h)
}

// wholes are those about the conference as a whole.
func (a *api) wholes(h huma.API) {
	const all = "/conferences/{name}"
	huma.Register(h, empty("configure-conference", http.MethodPatch, all+"/settings", "Change what the conference is about and who may come in"),
		func(ctx context.Context, in *configureRequest) (*struct{}, error) {
			b := in.Body
			return a.do(ctx, in.Name, bridge.Configure{
				Title: b.Title, Subject: b.Subject, FreeText: b.FreeText, Keywords: b.Keywords, MaxUsers: b.MaxUsers, Lobby: b.Lobby,
				WaitForModerator: b.WaitForModerator, MuteOnEntry: b.MuteOnEntry, EndWithModerator: b.EndWithModerator, EndsAt: b.EndsAt,
			})
		})
	huma.Register(h, empty("chat", http.MethodPost, all+"/chat", "Say something to all, or to one"),
		func(ctx context.Context, in *chatRequest) (*struct{}, error) {
			to, err := a.maybe(in.Name, in.Body.To)
			if err != nil {
				return nil, err
			}
			return a.do(ctx, in.Name, bridge.Chat{To: to, Text: in.Body.Text})
		})
	huma.Register(h, empty("play", http.MethodPost, all+"/play", "Play a file to all, or to one"),
		func(ctx context.Context, in *playRequest) (*struct{}, error) {
			to, err := a.maybe(in.Name, in.Body.Participant)
			if err != nil {
				return nil, err
			}
			return a.do(ctx, in.Name, bridge.PlayFile{User: to, File: in.Body.File})
		})
	huma.Register(h, empty("stop-playing", http.MethodDelete, all+"/play", "Stop the files that are played"),
		func(ctx context.Context, in *Named) (*struct{}, error) {
			return a.do(ctx, in.Name, bridge.StopPlaying{})
		})
	huma.Register(h, empty("unban", http.MethodDelete, all+"/bans", "Let those come again who were banned"),
		func(ctx context.Context, in *unbanRequest) (*struct{}, error) {
			return a.do(ctx, in.Name, bridge.Unban{Name: in.Participant})
		})
}

// about carries out a command about one participant.
func (a *api) about(ctx context.Context, in *Member, make func(bridge.UserID) bridge.Command) (*struct{}, error) {
	who, err := a.find(in.Name, in.Participant)
	if err != nil {
		return nil, err
	}
	return a.do(ctx, in.Name, make(who))
}

// maybe is find, and "" where nobody is named.
func (a *api) maybe(conference, who string) (bridge.UserID, error) {
	if who == "" {
		return "", nil
	}
	return a.find(conference, who)
}
