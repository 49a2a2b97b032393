// Package announce speaks to people in a conference who only hear: it plays prompts, and understands the keys of a telephone.
//
// What is said is a Word, which a Library turns into sound: a folder for each language with one WAV file for each part of a
// sentence, and a file sentences.txt that says how parts make sentences ("there are", "three", "participants"). A Player brings
// the sound into the media plane as an ordinary source, one for each listener or group of listeners; who hears that source is
// said by the plan, as of any other. Menu and PINDialogue are pure: keys and time in, wishes out.
package announce

import "strconv"

// Word is one thing that can be said: the name of a sentence and, after a space, what is filled into it, a number or
// keys of a telephone: "muted", "count 3", "help-mute *6".
type Word string

// What a bridge says. Each is a sentence of every language.
const (
	Welcome      Word = "welcome"
	EnterPIN     Word = "enter-pin"
	WrongPIN     Word = "wrong-pin"
	Goodbye      Word = "goodbye"
	Waiting      Word = "waiting" // for the moderator; Music follows
	Alone        Word = "alone"
	Muted        Word = "muted"
	Unmuted      Word = "unmuted"
	AskUnmute    Word = "ask-unmute"
	HandUp       Word = "hand-up"
	HandDown     Word = "hand-down"
	Locked       Word = "locked"
	Unlocked     Word = "unlocked"
	Full         Word = "full"
	AllMuted     Word = "all-muted"
	RecordingOn  Word = "recording-on"
	RecordingOff Word = "recording-off"
	NotAllowed   Word = "not-allowed"
	Ended        Word = "ended"
)

// Sounds that the code makes where a folder has no file of that name.
const (
	JoinedSound Word = "joined"
	LeftSound   Word = "left"
	Music       Word = "music" // goes on until it is stopped
)

// MaxNumber is the highest number that is spoken exactly; what is higher is said as it.
const MaxNumber = 999_999

// Count says how many participants are here.
func Count(n int) Word { return Word("count " + strconv.Itoa(min(max(n, 0), MaxNumber))) }

// Help says the menu: each action that has keys, those of moderators only to them.
func (m Menu) Help(moderator bool) []Word {
	var all []Word
	for _, a := range Actions() {
		if sequence := m.Sequence(a); sequence != "" && (moderator || !a.Moderators()) {
			all = append(all, Word("help-"+string(a)+" "+sequence))
		}
	}
	return all
}

// Moderators says whether the action is for moderators only, which is why others are not told of it.
func (a Action) Moderators() bool { return a == ActLock || a == ActMuteAll || a == ActEnd }

// sentences are the names of all sentences that a language must have.
func sentences() []string {
	names := []string{"count"}
	for _, w := range []Word{
		Welcome, EnterPIN, WrongPIN, Goodbye, Waiting, Alone, Muted, Unmuted, AskUnmute, HandUp, HandDown, Locked, Unlocked, Full,
		AllMuted, RecordingOn, RecordingOff, NotAllowed, Ended,
	} {
		names = append(names, string(w))
	}
	for _, a := range Actions() {
		names = append(names, "help-"+string(a))
	}
	return names
}
