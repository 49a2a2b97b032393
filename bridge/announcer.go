package bridge

import (
	"slices"

	"tutti/mixer"
	"tutti/mixer/plan"
)

// Prompt names a thing that can be played: one of the constants, "count:N" for a number of participants, or "file:NAME".
type Prompt string

// The prompts that the conference asks for.
const (
	PromptWelcome       Prompt = "welcome"
	PromptPIN           Prompt = "pin" // enter the PIN, then the hash key
	PromptWrongPIN      Prompt = "wrong-pin"
	PromptWaiting       Prompt = "waiting"       // in the lobby, for a moderator; looped
	PromptAlone         Prompt = "alone"         // the only one here
	PromptJoined        Prompt = "joined"        // a sound: somebody came
	PromptLeft          Prompt = "left"          // a sound: somebody left
	PromptMuted         Prompt = "muted"         // you are
	PromptUnmuted       Prompt = "unmuted"       // you are
	PromptHardMuted     Prompt = "muted-by"      // you were, by a moderator
	PromptAskUnmute     Prompt = "please-unmute" // a moderator asks you to
	PromptHandUp        Prompt = "hand-up"
	PromptHandDown      Prompt = "hand-down"
	PromptLocked        Prompt = "locked"
	PromptUnlocked      Prompt = "unlocked"
	PromptFull          Prompt = "full"
	PromptHelp          Prompt = "help" // the keys that one may press
	PromptAdmitted      Prompt = "admitted"
	PromptDenied        Prompt = "denied"
	PromptRecordingOn   Prompt = "recording"
	PromptRecordingOff  Prompt = "recording-off"
	PromptEnding        Prompt = "ending"
	PromptGoodbye       Prompt = "goodbye"
	PromptAllMuted      Prompt = "all-muted"
	PromptHelpModerator Prompt = "help-moderator"
	PromptNotAllowed    Prompt = "not-allowed" // what a key asked for
)

// Announcer plays prompts into conferences.
type Announcer interface {
	// Play plays the prompts of r one after the other. It takes r and returns at once. Whatever happens, r.Done is called
	// exactly once, and nothing is fed to the inlet after it. A prompt that the announcer does not have is left out.
	Play(r PlayRequest)
}

// PlayRequest asks for prompts. Only its audience hears the source.
type PlayRequest struct {
	Conference string
	Source     plan.LegID // a leg of its own that is no participant; never reused in its conference
	Leg        plan.LegID // the leg that hears it; "" is everybody
	Prompts    []Prompt
	Language   string // BCP 47, "" is the announcer's
	Loop       bool   // over and over until Stop
	// Attach connects the source to the mixer of the conference: streams that only send, of which the inlets are to be fed at
	// the pace of time, as if from the network.
	Attach func(streams []mixer.Stream) ([]mixer.Inlet, error)
	// Stop is closed when nobody is to hear it any more.
	Stop <-chan struct{}
	// Done says that the end was reached or, with an error, that it could not be played. It disconnects the source. It never blocks.
	Done func(error)
}

// Play is one order to an announcer that is not done yet.
type Play struct {
	Source  plan.LegID // names the order, too
	Leg     plan.LegID // that hears it; "" is everybody who is not in the lobby
	Prompts []Prompt
	Loop    bool
	By      UserID // who asked, "" for an operator or the conference itself
	Asked   bool   // somebody asked: a file
	Until   bool   // Leg leaves when it is over: somebody who is turned away hears why
}

// bus is what the audience of p hears in addition.
func (p Play) bus() plan.BusID { return plan.BusID(p.Source) }

// SetAnnouncer says who plays prompts; without one, nothing is played. To be called before Run and the first conference.
func (b *Bridge) SetAnnouncer(a Announcer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.announcer = a
}

// What an announcer has to do.
type (
	// Announce asks for a Play.
	Announce struct{ Play Play }
	// Hush ends one that nobody is to hear any more.
	Hush struct{ Source plan.LegID }
)

func (Announce) effect() {}
func (Hush) effect()     {}

// announced says that a Play is over.
type announced struct {
	source plan.LegID
	failed bool
}

func (announced) command() {}

const maxPlaying = 64 // Plays at once in one conference; what comes on top is not heard

// say lets one leg, or with "" everybody, hear prompts. Without an announcer, or with too much to say, it does nothing.
func (c *change) say(leg plan.LegID, prompts ...Prompt) { c.play(Play{Leg: leg, Prompts: prompts}) }

// tellUser lets all devices of u hear prompts.
func (c *change) tellUser(u *User, prompts ...Prompt) {
	for _, e := range u.Endpoints {
		if e.Status.connected() && e.Kind == SIP { // pages show it
			c.say(e.Leg, prompts...)
		}
	}
}

// play starts p and says whether it could be started.
func (c *change) play(p Play) bool {
	if !c.speaker || len(c.Playing) >= maxPlaying || len(p.Prompts) == 0 {
		return false
	}
	c.played++
	p.Source = plan.LegID("play:" + itoa(c.played))
	c.Playing = append(slices.Clip(c.Playing), p)
	c.effects = append(c.effects, Announce{p})
	c.touched |= touchedHearing
	return true
}

// hush ends the Plays that f says.
func (c *change) hush(f func(Play) bool) {
	if !slices.ContainsFunc(c.Playing, f) {
		return
	}
	var kept []Play
	for _, p := range c.Playing {
		if f(p) {
			c.effects = append(c.effects, Hush{p.Source})
		} else {
			kept = append(kept, p)
		}
	}
	c.Playing = kept
	c.touched |= touchedHearing
}

// announced forgets a Play that is over.
func (c *change) announced(a announced) {
	i := slices.IndexFunc(c.Playing, func(p Play) bool { return p.Source == a.source })
	if i < 0 {
		return
	}
	p := c.Playing[i]
	c.Playing = slices.Delete(slices.Clone(c.Playing), i, i+1)
	c.touched |= touchedHearing
	if u, _ := c.Owner(p.Leg); u != nil && p.Until {
		c.dismiss(u, Reason{Method: Booted, Text: "not let in"})
	}
}

// hushOrphans ends what is played to legs that are no longer there.
func (c *change) hushOrphans() {
	c.hush(func(p Play) bool {
		if p.Leg == "" {
			return false
		}
		_, e := c.Owner(p.Leg)
		return e == nil || !e.Status.connected()
	})
}

// playFile plays a file to one or to all.
func (c *change) playFile(p PlayFile) error {
	if err := c.may(playFiles); err != nil {
		return err
	}
	if !ValidName(p.File) || p.File[0] == '.' {
		return refuseInvalid("%q cannot be the name of a file to play: no folders", p.File)
	}
	order := Play{Prompts: []Prompt{"file:" + Prompt(p.File)}, By: c.by.User, Asked: true}
	legs := []plan.LegID{""}
	if p.User != "" {
		u, err := c.subject(p.User)
		if err != nil {
			return err
		}
		legs = legsOf(u)
	}
	for _, leg := range legs {
		order.Leg = leg
		if !c.play(order) {
			return refuseSilence(c.speaker)
		}
	}
	return nil
}

func (c *change) stopPlaying() error {
	if err := c.may(playFiles); err != nil {
		return err
	}
	c.hush(func(p Play) bool { return p.Asked })
	return nil
}
