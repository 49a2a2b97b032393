package announce

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Action is what a sequence of keys on a telephone asks for.
type Action string

// The actions of a menu. The last three are for moderators; who may do what is decided by the conference, not here.
const (
	ActMute    Action = "mute"     // oneself, or no longer
	ActHand    Action = "hand"     // up, or down
	ActHelp    Action = "help"     // says the menu
	ActCount   Action = "count"    // says how many are here
	ActLock    Action = "lock"     // the conference, or no longer
	ActMuteAll Action = "mute_all" // everybody but oneself
	ActEnd     Action = "end"      // the conference
)

// Actions are all of them, in the order in which help says them.
func Actions() []Action {
	return []Action{ActMute, ActHand, ActCount, ActLock, ActMuteAll, ActEnd, ActHelp}
}

// DefaultKeys is the menu of a bridge that was told nothing.
func DefaultKeys() map[Action]string {
	return map[Action]string{
		ActMute: "*6", ActHand: "*5", ActHelp: "*0", ActCount: "*1", ActLock: "*7", ActMuteAll: "*8", ActEnd: "*9",
	}
}

// DefaultMenu is the menu of DefaultKeys.
func DefaultMenu() Menu {
	m := Menu{map[string]Action{}}
	for action, sequence := range DefaultKeys() {
		m.actions[sequence] = action
	}
	return m
}

const (
	maxSequence = 6               // keys for one action
	keyGap      = 3 * time.Second // between the keys of one sequence
	telephone   = "0123456789*#ABCD"
)

// Menu says which keys mean what. It is a value that never changes; the zero value knows no keys.
type Menu struct{ actions map[string]Action }

// NewMenu makes a menu; an action with no keys cannot be asked for. No sequence may begin another: a telephone does not say that
// a sequence is over.
func NewMenu(keys map[Action]string) (Menu, error) {
	m := Menu{map[string]Action{}}
	for _, action := range slices.Sorted(maps.Keys(keys)) {
		sequence := keys[action]
		if sequence == "" {
			continue
		}
		if err := m.add(action, sequence); err != nil {
			return Menu{}, err
		}
	}
	return m, nil
}

func (m Menu) add(action Action, sequence string) error {
	switch {
	case !slices.Contains(Actions(), action):
		return fmt.Errorf("%s: no action; there are %v", action, Actions())
	case len(sequence) > maxSequence || strings.Trim(sequence, telephone) != "":
		return fmt.Errorf("%s: %q: 1 to %d keys of %s", action, sequence, maxSequence, telephone)
	}
	for other, taken := range m.actions {
		if strings.HasPrefix(other, sequence) || strings.HasPrefix(sequence, other) {
			return fmt.Errorf("%s: %q and %q of %s begin alike", action, sequence, other, taken)
		}
	}
	m.actions[sequence] = action
	return nil
}

// Keys are the keys that a person has pressed and that wait for more. The zero value is none.
type Keys struct {
	pressed string
	at      time.Time // of the last one
}

// Press adds a key, pressed at now, and returns the action that is complete with it, "" for none. A key that begins nothing is
// forgotten, and so are keys that were followed by nothing for three seconds.
func (m Menu) Press(k Keys, key rune, now time.Time) (Keys, Action) {
	pressed := k.pressed
	if now.Sub(k.at) > keyGap {
		pressed = ""
	}
	// Who began wrong begins again: in "**6" the first star is forgotten.
	for pressed += string(key); pressed != ""; pressed = pressed[1:] {
		if action, ok := m.actions[pressed]; ok {
			return Keys{}, action
		}
		if m.begins(pressed) {
			return Keys{pressed, now}, ""
		}
		if pressed[0] >= 0x80 { // no key of a telephone
			return Keys{}, ""
		}
	}
	return Keys{}, ""
}

func (m Menu) begins(pressed string) bool {
	for sequence := range m.actions {
		if strings.HasPrefix(sequence, pressed) {
			return true
		}
	}
	return false
}

// Sequence is the keys for an action, "" for none.
func (m Menu) Sequence(action Action) string {
	for sequence, a := range m.actions {
		if a == action {
			return sequence
		}
	}
	return ""
}
