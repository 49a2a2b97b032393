package webrtc

import (
	"context"
	"encoding/json"
	"time"

	"tutti/bridge"
	"tutti/mixer/plan"
)

// command finds the request that is a command about the conference, carried out on behalf of the page's participant.
func command(name string) (request, bool) {
	switch name {
	case "mute":
		return order(func(p muteParams) bridge.Command { return bridge.Mute{User: p.Participant, On: true, Hard: p.Hard} }), true
	case "unmute":
		return order(func(p whoParams) bridge.Command { return bridge.Mute{User: p.Participant} }), true
	case "video":
		return order(func(p switchParams) bridge.Command { return bridge.Video{User: p.Participant, On: p.On} }), true
	case "hand":
		return order(func(p switchParams) bridge.Command { return bridge.Hand{User: p.Participant, On: p.On} }), true
	case "rename":
		return order(func(p nameParams) bridge.Command { return bridge.Rename{User: p.Participant, Name: p.Name} }), true
	case "chat":
		return order(func(p chatParams) bridge.Command { return bridge.Chat{To: p.To, Text: p.Text} }), true
	case "dial":
		return (*socket).dial, true
	case "expel":
		return order(func(p expelParams) bridge.Command {
			return bridge.Expel{User: p.Participant, Reason: p.Reason, Ban: p.Ban}
		}), true
	case "lock":
		return order(func(p lockParams) bridge.Command { return bridge.Lock{On: p.On} }), true
	case "layout":
		return order(func(p layoutParams) bridge.Command { return bridge.SetLayout{Layout: p.Layout} }), true
	case "spotlight":
		return order(func(p whoParams) bridge.Command { return bridge.Spotlight{User: p.Participant} }), true
	}
	if r, ok := chairCommand(name); ok {
		return r, true
	}
	return sidebarCommand(name)
}

// chairCommand finds those that are mostly for moderators; the bridge says who may.
func chairCommand(name string) (request, bool) {
	switch name {
	case "mute-all":
		return order(func(p muteParams) bridge.Command { return bridge.MuteAll{On: true, Hard: p.Hard} }), true
	case "unmute-all":
		return order(func(none) bridge.Command { return bridge.MuteAll{} }), true
	case "ask-unmute":
		return order(func(p whoParams) bridge.Command { return bridge.AskUnmute{User: p.Participant} }), true
	case "view":
		return order(func(p viewParams) bridge.Command { return bridge.OwnView(p) }), true
	case "deafen":
		return order(func(p switchParams) bridge.Command { return bridge.Deafen{User: p.Participant, On: p.On} }), true
	case "gain":
		return order(func(p gainParams) bridge.Command { return bridge.SetGain{User: p.Participant, Gain: p.Gain} }), true
	case "grant":
		return order(func(p roleParams) bridge.Command { return bridge.Grant{User: p.Participant, Role: p.Role} }), true
	case "revoke":
		return order(func(p roleParams) bridge.Command { return bridge.Revoke{User: p.Participant, Role: p.Role} }), true
	case "admit":
		return order(func(p whoParams) bridge.Command { return bridge.Admit{User: p.Participant} }), true
	case "deny":
		return order(func(p expelParams) bridge.Command { return bridge.Deny{User: p.Participant, Reason: p.Reason} }), true
	case "unban":
		return order(func(p nameParams) bridge.Command { return bridge.Unban{Name: p.Name} }), true
	case "end":
		return order(func(p expelParams) bridge.Command { return bridge.End{Reason: p.Reason} }), true
	case "settings":
		return order(func(p settingsParams) bridge.Command { return bridge.Configure(p) }), true
	case "transfer":
		return order(func(p transferParams) bridge.Command {
			return bridge.Transfer{User: p.Participant, Conference: p.Conference, PIN: p.PIN}
		}), true
	case "play":
		return order(func(p playParams) bridge.Command { return bridge.PlayFile{User: p.Participant, File: p.File} }), true
	case "stop-playing":
		return order(func(none) bridge.Command { return bridge.StopPlaying{} }), true
	}
	return nil, false
}

// sidebarCommand finds those about sidebars.
func sidebarCommand(name string) (request, bool) {
	switch name {
	case "sidebar-create":
		return (*socket).createSidebar, true
	case "sidebar-invite":
		return order(func(p sidebarParams) bridge.Command {
			return bridge.SidebarInvite{Sidebar: p.Sidebar, Users: p.Participants}
		}), true
	case "sidebar-move":
		return order(func(p sidebarParams) bridge.Command {
			return bridge.SidebarMove{Sidebar: p.Sidebar, Users: p.Participants}
		}), true
	case "sidebar-join":
		return order(func(p asideParams) bridge.Command { return bridge.SidebarJoin{Sidebar: p.Sidebar} }), true
	case "sidebar-leave":
		return order(func(none) bridge.Command { return bridge.SidebarJoin{} }), true
	case "sidebar-merge":
		return order(func(p mergeParams) bridge.Command { return bridge.SidebarMerge{From: p.From, Into: p.Into} }), true
	case "sidebar-end":
		return order(func(p asideParams) bridge.Command { return bridge.SidebarEnd{Sidebar: p.Sidebar} }), true
	case "sidebar-gain":
		return order(func(p sidebarGainParams) bridge.Command { return bridge.SidebarGain{Sidebar: p.Sidebar, Gain: p.Gain} }), true
	case "broadcast":
		return order(func(p switchParams) bridge.Command { return bridge.Broadcast{User: p.Participant, On: p.On} }), true
	}
	return nil, false
}

// createSidebar makes a sidebar and says its id.
func (k *socket) createSidebar(ctx context.Context, raw json.RawMessage) (any, func() error, error) {
	p, err := params[createParams](raw)
	if err != nil {
		return nil, nil, err
	}
	l, err := k.member()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	id := bridge.NewSidebarID()
	err = l.Do(ctx, bridge.SidebarCreate{ID: id, Name: p.Name, Kind: p.Kind, Users: p.Participants, MainGain: p.MainGain, ByRef: p.Conference})
	return sidebarResult{id}, nil, err
}

// Parameters of commands.
type (
	whoParams struct {
		Participant bridge.UserID `json:"participant"`
	}
	switchParams struct {
		Participant bridge.UserID `json:"participant"`
		On          bool          `json:"on"`
	}
	muteParams struct {
		Participant bridge.UserID `json:"participant"`
		Hard        bool          `json:"hard"`
	}
	expelParams struct {
		Participant bridge.UserID `json:"participant"`
		Reason      string        `json:"reason"`
		Ban         bool          `json:"ban"`
	}
	viewParams struct {
		Layout    plan.Layout   `json:"layout"`
		Spotlight bridge.UserID `json:"spotlight"`
	}
	gainParams struct {
		Participant bridge.UserID `json:"participant"`
		Gain        float32       `json:"gain"`
	}
	roleParams struct {
		Participant bridge.UserID `json:"participant"`
		Role        bridge.Role   `json:"role"`
	}
	settingsParams struct {
		Title            *string    `json:"title"`
		Subject          *string    `json:"subject"`
		FreeText         *string    `json:"freeText"`
		Keywords         *[]string  `json:"keywords"`
		MaxUsers         *int       `json:"maxUsers"`
		Lobby            *bool      `json:"lobby"`
		WaitForModerator *bool      `json:"waitForModerator"`
		MuteOnEntry      *bool      `json:"muteOnEntry"`
		EndWithModerator *bool      `json:"endWithModerator"`
		EndsAt           *time.Time `json:"endsAt"`
	}
	transferParams struct {
		Participant bridge.UserID `json:"participant"`
		Conference  string        `json:"conference"`
		PIN         string        `json:"pin"`
	}
	playParams struct {
		Participant bridge.UserID `json:"participant"`
		File        string        `json:"file"`
	}
	createParams struct {
		Name         string             `json:"name"`
		Kind         bridge.SidebarKind `json:"kind"`
		Participants []bridge.UserID    `json:"participants"`
		MainGain     *float32           `json:"mainGain"`
		Conference   bool               `json:"conference"`
	}
	sidebarResult struct {
		Sidebar bridge.SidebarID `json:"sidebar"`
	}
	sidebarParams struct {
		Sidebar      bridge.SidebarID `json:"sidebar"`
		Participants []bridge.UserID  `json:"participants"`
	}
	asideParams struct {
		Sidebar bridge.SidebarID `json:"sidebar"`
	}
	mergeParams struct {
		From bridge.SidebarID `json:"from"`
		Into bridge.SidebarID `json:"into"`
	}
	sidebarGainParams struct {
		Sidebar bridge.SidebarID `json:"sidebar"`
		Gain    float32          `json:"gain"`
	}
	nameParams struct {
		Participant bridge.UserID `json:"participant"`
		Name        string        `json:"name"`
	}
	chatParams struct {
		To   bridge.UserID `json:"to"`
		Text string        `json:"text"`
	}
	dialParams struct {
		Target string `json:"target"`
		Name   string `json:"name"`
	}
	dialResult struct {
		Participant bridge.UserID `json:"participant"`
	}
	lockParams struct {
		On bool `json:"on"`
	}
	layoutParams struct {
		Layout plan.Layout `json:"layout"`
	}
)

// order makes a request of a command; the bridge judges the values.
func order[P any](build func(P) bridge.Command) request {
	return func(k *socket, ctx context.Context, raw json.RawMessage) (any, func() error, error) {
		p, err := params[P](raw)
		if err != nil {
			return nil, nil, err
		}
		l, err := k.member()
		if err != nil {
			return nil, nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, joinTime)
		defer cancel()
		return none{}, nil, l.Do(ctx, build(p))
	}
}

// dial calls somebody into the conference.
func (k *socket) dial(ctx context.Context, raw json.RawMessage) (any, func() error, error) {
	p, err := params[dialParams](raw)
	if err != nil {
		return nil, nil, err
	}
	l, err := k.member()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	who, err := l.Dial(ctx, p.Target, p.Name)
	return dialResult{who}, nil, err
}

// member is the page's leg. The error says that there is none yet.
func (k *socket) member() (leg, error) {
	if k.session != nil {
		if l := k.session.current(); l != nil {
			return l, nil
		}
	}
	return nil, badParams("you are not in the conference yet")
}
