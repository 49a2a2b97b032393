package announce

import (
	"strings"
	"time"
)

const (
	// PINTries is how often a caller may try.
	PINTries = 3
	// PINTime is how long a caller may take for one try, from the last key on.
	PINTime = 15 * time.Second
	// OptionalPINTime is the same where the PIN is optional: then silence means that there is none.
	OptionalPINTime = 10 * time.Second
	// PINLimit is how long all tries may take together.
	PINLimit = time.Minute

	maxPIN = 32 // keys; who presses more has not the right PIN
)

// PINStep is what the dialogue wants next. Its parts are carried out in the order of the fields.
type PINStep struct {
	Hush  bool   // what is being said to the caller stops
	Say   []Word // said one after another
	Check string // the PIN to be checked, "" for none; answer with Right or Wrong
	Skip  bool   // the caller comes in without a PIN; the dialogue is over
	Bye   bool   // the caller is hung up, when all has been said
}

// PINDialogue asks a caller for a PIN by telephone keys. It is a value: each method returns the next one, and a State may hold it.
// The zero value asks nobody; StartPIN begins.
type PINDialogue struct {
	optional bool // who has no PIN may come in, too
	entered  string
	tries    int // that failed
	checking bool
	over     bool
	began    time.Time
	last     time.Time // a key, or a new try
}

// StartPIN begins to ask. Where the PIN is optional, as for moderators only, # alone and silence mean that the caller has none.
func StartPIN(now time.Time, optional bool) (PINDialogue, PINStep) {
	d := PINDialogue{optional: optional, began: now, last: now}
	return d, PINStep{Say: []Word{d.question()}}
}

func (d PINDialogue) question() Word {
	if d.optional {
		return ModeratorPIN
	}
	return EnterPIN
}

// Active says whether the caller is still asked.
func (d PINDialogue) Active() bool { return !d.began.IsZero() && !d.over }

// Press takes a key: # ends the PIN, * begins anew.
func (d PINDialogue) Press(key rune, now time.Time) (PINDialogue, PINStep) {
	if !d.Active() || d.checking || !strings.ContainsRune(telephone, key) {
		return d, PINStep{}
	}
	d.last = now
	switch {
	case key == '*':
		d.entered = ""
	case key != '#' && len(d.entered) <= maxPIN:
		d.entered += string(key)
	case key == '#' && len(d.entered) > maxPIN:
		return d.failed(now)
	case key == '#' && d.entered != "":
		d.checking = true
		return d, PINStep{Hush: true, Check: d.entered}
	case key == '#' && d.optional:
		return d.Right(), PINStep{Hush: true, Skip: true}
	}
	return d, PINStep{Hush: true}
}

// Right says that the PIN which was to be checked is right. The dialogue is over.
func (d PINDialogue) Right() PINDialogue {
	return PINDialogue{began: d.began, over: true}
}

// Wrong says that it is not.
func (d PINDialogue) Wrong(now time.Time) (PINDialogue, PINStep) {
	if !d.Active() {
		return d, PINStep{}
	}
	return d.failed(now)
}

func (d PINDialogue) failed(now time.Time) (PINDialogue, PINStep) {
	d.tries++
	d.entered, d.checking, d.last = "", false, now
	if d.tries >= PINTries {
		d.over = true
		return d, PINStep{Hush: true, Say: []Word{WrongPIN, Goodbye}, Bye: true}
	}
	return d, PINStep{Hush: true, Say: []Word{WrongPIN, d.question()}}
}

// Deadline is when Tick is due; zero is never.
func (d PINDialogue) Deadline() time.Time {
	if !d.Active() || d.checking {
		return time.Time{}
	}
	patience := PINTime
	if d.optional {
		patience = OptionalPINTime
	}
	try, all := d.last.Add(patience), d.began.Add(PINLimit)
	if all.Before(try) {
		return all
	}
	return try
}

// Tick lets time pass. A try that took too long has failed, and what was pressed is forgotten; when all have taken too long together,
// the caller is told goodbye.
func (d PINDialogue) Tick(now time.Time) (PINDialogue, PINStep) {
	due := d.Deadline()
	if due.IsZero() || now.Before(due) {
		return d, PINStep{}
	}
	if d.optional {
		return d.Right(), PINStep{Hush: true, Skip: true}
	}
	d.tries++
	d.entered, d.last = "", now
	if d.tries >= PINTries || !now.Before(d.began.Add(PINLimit)) {
		d.over = true
		return d, PINStep{Hush: true, Say: []Word{Goodbye}, Bye: true}
	}
	return d, PINStep{Hush: true, Say: []Word{d.question()}}
}
