package bridge

import (
	"fmt"
	"strings"
	"time"

	"tutti/mixer/plan"
)

// Command is one wish about a conference.
type Command interface{ command() }

// What people may ask for. Where a User is "", the caller is meant.
type (
	// Mute silences a participant, or lets them be heard again. What a moderator does Hard, the muted one cannot undo.
	Mute struct {
		User UserID
		On   bool
		Hard bool
	}
	// MuteAll silences everybody but moderators and the caller, or lets all be heard again.
	MuteAll struct{ On, Hard bool }
	// AskUnmute asks somebody who is muted to unmute; who was muted Hard may do so then.
	AskUnmute struct{ User UserID }
	// Deafen lets a participant hear nobody, or hear again.
	Deafen struct {
		User UserID
		On   bool
	}
	// SetGain makes a participant louder or quieter for all others: 1 is as it comes, 0 is not at all.
	SetGain struct {
		User UserID
		Gain float32
	}
	// Video shows a participant's camera, or hides it behind the placeholder.
	Video struct {
		User UserID
		On   bool
	}
	// Rename changes the name shown.
	Rename struct {
		User UserID
		Name string
	}
	// Hand raises or lowers a hand.
	Hand struct {
		User UserID
		On   bool
	}
	// Chat says something to all, or to one.
	Chat struct {
		To   UserID
		Text string
	}
	// Dial calls target into the conference. User and Leg are given by the bridge where they are "".
	Dial struct {
		Target string
		Name   string // shown; "" is made from target
		User   UserID
		Leg    plan.LegID
	}
	// Expel ends all legs of a participant. It also cancels a call that still rings.
	Expel struct {
		User   UserID
		Reason string // for people, "" for none
		Ban    bool   // they may not come again
	}
	// Unban lets those come again whom a ban of this name keeps out; with "", all.
	Unban struct{ Name string }
	// Admit lets a participant in who waits in the lobby; with "", all.
	Admit struct{ User UserID }
	// Deny turns somebody away who waits in the lobby.
	Deny struct {
		User   UserID
		Reason string // for people, "" for none
	}
	// Configure changes what the conference is about and who may come in. What is nil stays.
	Configure struct {
		Title            *string
		Subject          *string
		FreeText         *string
		Keywords         *[]string
		MaxUsers         *int // 0 is any number
		Lobby            *bool
		WaitForModerator *bool
		MuteOnEntry      *bool
		EndWithModerator *bool
		EndsAt           *time.Time // zero is never
	}
	// Lock keeps newcomers out, or lets them in again.
	Lock struct{ On bool }
	// End ends the conference.
	End struct{ Reason string }
	// SetLayout arranges the picture.
	SetLayout struct{ Layout plan.Layout }
	// OwnView arranges the picture of the caller only. What is "" is as the conference has it.
	OwnView struct {
		Layout    plan.Layout
		Spotlight UserID
	}
	// Spotlight shows one participant large whoever speaks; "" is nobody.
	Spotlight struct{ User UserID }
	// Revoke takes a role away from a participant who has it.
	Revoke struct {
		User UserID
		Role Role
	}
	// PlayFile plays a file that the announcer has, to one participant or, with "", to all.
	PlayFile struct {
		User UserID
		File string // name without folders
	}
	// StopPlaying ends what PlayFile started.
	StopPlaying struct{}
	// Grant gives a participant a role.
	Grant struct {
		User UserID
		Role Role
	}
)

// What happens to a conference. Only the bridge itself issues these.
type (
	// join makes a leg a member. It replaces another leg of the same person where that is still there.
	join struct {
		user     UserID
		leg      plan.LegID
		replaces plan.LegID
		request  JoinRequest
		admission
	}
	// leave takes a leg out. At once drops it from the roster; else a failed call is shown a while.
	leave struct {
		leg    plan.LegID
		reason Reason
		atOnce bool
	}
	mediaChanged struct {
		leg   plan.LegID
		media []Media
	}
	statusChanged struct {
		leg    plan.LegID
		status Status
	}
	speaking struct {
		leg plan.LegID
		on  bool
	}
	pressed struct {
		leg plan.LegID
		key rune
	}
	// quiet says that a stream which should send does not.
	quiet struct {
		leg    plan.LegID
		stream string
		length time.Duration
	}
	// tick lets time pass: State.Deadline says when it is due.
	tick struct{}
	// shutdown ends the conference because the process ends.
	shutdown struct{}
)

func (Mute) command()          {}
func (Video) command()         {}
func (Rename) command()        {}
func (Hand) command()          {}
func (Chat) command()          {}
func (Dial) command()          {}
func (Expel) command()         {}
func (Lock) command()          {}
func (End) command()           {}
func (SetLayout) command()     {}
func (Spotlight) command()     {}
func (Grant) command()         {}
func (MuteAll) command()       {}
func (AskUnmute) command()     {}
func (Deafen) command()        {}
func (SetGain) command()       {}
func (Unban) command()         {}
func (Admit) command()         {}
func (Deny) command()          {}
func (Configure) command()     {}
func (OwnView) command()       {}
func (Revoke) command()        {}
func (PlayFile) command()      {}
func (StopPlaying) command()   {}
func (join) command()          {}
func (leave) command()         {}
func (mediaChanged) command()  {}
func (statusChanged) command() {}
func (speaking) command()      {}
func (pressed) command()       {}
func (quiet) command()         {}
func (tick) command()          {}
func (shutdown) command()      {}

// Caller is who asks.
type Caller struct {
	User     UserID // a participant, "" for none
	Operator bool   // may do everything: the unix socket, a token of the API
	Name     string // of an operator, for logs and chat
	system   bool   // the bridge itself
}

// Operator is somebody who may do everything and is no participant.
func Operator(name string) Caller { return Caller{Operator: true, Name: name} }

// Order is a command with all that is not pure about it.
type Order struct {
	At      time.Time
	By      Caller
	Command Command
}

// Effect is what the world outside a conference has to do because of a command.
type Effect interface{ effect() }

type (
	// Hangup ends a leg.
	Hangup struct {
		Leg    plan.LegID
		Reason Reason
	}
	// Call starts a leg.
	Call struct {
		User   UserID
		Leg    plan.LegID
		Target string
	}
)

func (Hangup) effect() {}
func (Call) effect()   {}

// who names the caller in a log line.
func (c Caller) who() string {
	switch {
	case c.system:
		return "bridge"
	case c.Operator:
		return "operator " + c.Name
	}
	return "participant " + string(c.User)
}

// nameOf is the type of a command without its package.
func nameOf(c Command) string {
	_, name, _ := strings.Cut(fmt.Sprintf("%T", c), ".")
	return name
}
