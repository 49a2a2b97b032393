package bridge

import (
	"errors"
	"fmt"
	"time"
)

// A Refusal is made here and nowhere else, so that every surface says the same.

// Refusal is a command or a join that a rule forbids. Its text is the same on every surface.
type Refusal struct {
	Rule string // one of the Rule constants
	Text string
}

func (r *Refusal) Error() string { return r.Text }

// Title is the short name of the rule, for people.
func (r *Refusal) Title() string {
	switch r.Rule {
	case RuleUnknown:
		return "No such conference"
	case RuleName:
		return "Not a conference name"
	case RuleFull:
		return "Conference is full"
	case RuleLimit:
		return "Limit reached"
	case RuleLocked:
		return "Conference is locked"
	case RuleEnded:
		return "Conference has ended"
	case RuleRole:
		return "Not allowed"
	case RuleAbsent:
		return "No such participant"
	case RuleAmbiguous:
		return "More than one participant"
	case RuleInvalid:
		return "Not understood"
	case RuleBusy:
		return "Busy"
	case RuleOutbound:
		return "No call out"
	case RuleShutdown:
		return "Shutting down"
	case RulePIN:
		return "Wrong PIN"
	case RuleLockedOut:
		return "Too many wrong PINs"
	case RuleLobby:
		return "Not let in yet"
	case RuleBanned:
		return "Banned"
	case RuleMuted:
		return "Muted by a moderator"
	case RuleSidebar:
		return "Sidebar not open"
	case RuleTransfer:
		return "Not transferred"
	case RuleReadOnly:
		return "Read-only"
	case RuleStale:
		return "Changed meanwhile"
	case RuleTaken:
		return "Name is taken"
	case RuleStore:
		return "Not stored"
	}
	return "Refused"
}

// The rules.
const (
	RuleUnknown   = "unknown"    // no conference or definition of this name, and none may be made
	RuleName      = "name"       // no conference can have this name
	RuleFull      = "full"       // the conference has all the participants that it may have
	RuleLimit     = "limit"      // of conferences, legs, pending calls
	RuleLocked    = "locked"     // the conference takes nobody in
	RuleEnded     = "ended"      // the conference, or the leg's membership, is over
	RuleRole      = "role"       // somebody else may do it
	RuleAbsent    = "absent"     // no such participant
	RuleAmbiguous = "ambiguous"  // several participants are called so
	RuleInvalid   = "invalid"    // a value that cannot be
	RuleBusy      = "busy"       // too many commands wait
	RuleOutbound  = "outbound"   // no rule allows the call out
	RuleShutdown  = "shutdown"   // the process ends
	RulePIN       = "pin"        // there is one, and it was not the right one
	RuleLockedOut = "locked-out" // too many wrong PINs came from there
	RuleLobby     = "lobby"      // who waits to be let in may not do it
	RuleBanned    = "banned"     // a moderator keeps them out
	RuleMuted     = "muted"      // a moderator muted them so that they cannot undo it
	RuleSidebar   = "sidebar"    // no such sidebar, or not one for them
	RuleTransfer  = "transfer"   // the other conference does not take them
	RuleReadOnly  = "read-only"  // the definition stands in the configuration
	RuleStale     = "stale"      // the definition was changed meanwhile
	RuleTaken     = "taken"      // there is a definition of this name
	RuleStore     = "store"      // what should be kept cannot be written
)

// refused is the Refusal in err, or nil.
func refused(err error) *Refusal {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	return nil
}

func refuse(rule, format string, args ...any) *Refusal {
	return &Refusal{Rule: rule, Text: fmt.Sprintf(format, args...)}
}

func refuseUnknown(name string) *Refusal {
	return refuse(RuleUnknown, "there is no conference %q, and policy.ad_hoc does not allow to make it", name)
}

func refuseNoConference(name string) *Refusal {
	return refuse(RuleUnknown, "there is no conference %q now", name)
}

func refuseName(name string) *Refusal {
	return refuse(RuleName, "%q cannot be a conference name: 1 to %d printable characters without spaces, '/' and '@'", name, maxName)
}

func refuseFull(limit int) *Refusal {
	return refuse(RuleFull, "the conference has all of its %d participants", limit)
}

func refuseLocked() *Refusal {
	return refuse(RuleLocked, "the conference is locked; a moderator or an operator can unlock it")
}

func refuseEnded() *Refusal { return refuse(RuleEnded, "the conference has ended") }

func refuseGone() *Refusal { return refuse(RuleEnded, "you are no longer in the conference") }

func refuseShutdown() *Refusal { return refuse(RuleShutdown, "the bridge is shutting down") }

func refuseBusy() *Refusal {
	return refuse(RuleBusy, "too many commands wait for this conference; try again")
}

func refuseHaste() *Refusal {
	return refuse(RuleBusy, "too many commands in a short time; wait a moment")
}

func refuseLimit(what string, limit int) *Refusal {
	return refuse(RuleLimit, "there are already %d %s, which is the limit", limit, what)
}

func refuseAbsent(who string) *Refusal {
	return refuse(RuleAbsent, "there is no participant %q in the conference", who)
}

func refuseAmbiguous(who string) *Refusal {
	return refuse(RuleAmbiguous, "more than one participant is called %q; use an id", who)
}

func refuseInvalid(format string, args ...any) *Refusal { return refuse(RuleInvalid, format, args...) }

// refuseRole names what was asked and who may do it.
func refuseRole(what, who string) *Refusal {
	return refuse(RuleRole, "%s can only be done by %s", what, who)
}

func refuseNoDialer() *Refusal {
	return refuse(RuleOutbound, "this bridge makes no calls")
}

// refuseSilence is about what cannot be played; speaker says whether anything can.
func refuseSilence(speaker bool) *Refusal {
	if !speaker {
		return refuse(RuleInvalid, "this bridge has no prompts and plays nothing")
	}
	return refuseLimit("prompts that are played", maxPlaying)
}

func refuseNoPIN() *Refusal { return refuse(RulePIN, "the conference needs a PIN") }

func refusePIN() *Refusal { return refuse(RulePIN, "this is not the PIN of the conference") }

func refuseLockedOut(wait time.Duration) *Refusal {
	return refuse(RuleLockedOut, "too many wrong PINs came from this address; wait %v", wait.Round(time.Second))
}

func refuseLobby() *Refusal {
	return refuse(RuleLobby, "you are in the lobby; a moderator can let you in")
}

func refuseBanned() *Refusal {
	return refuse(RuleBanned, "a moderator keeps you out of the conference")
}

func refuseTransfer(format string, args ...any) *Refusal {
	return refuse(RuleTransfer, "no transfer: "+format, args...)
}

func refuseHard() *Refusal {
	return refuse(RuleMuted, "a moderator muted you; ask a moderator to be heard again")
}

func refuseSidebar(id SidebarID) *Refusal {
	return refuse(RuleSidebar, "there is no sidebar %q in the conference", id)
}

func refuseUninvited() *Refusal {
	return refuse(RuleSidebar, "you are not invited to this sidebar; its owner or a moderator can invite you")
}

// refuseBusyAside is about somebody who is in a sidebar already, or in the lobby.
func refuseBusyAside(who string) *Refusal {
	return refuse(RuleSidebar, "%s is in another sidebar, or not in the conference yet", who)
}

func refuseGain() *Refusal {
	return refuse(RuleInvalid, "the gain with which a sidebar hears the conference is 0 to 1")
}
