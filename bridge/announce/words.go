// Package announce speaks to people in a conference who only hear: it plays prompts, and understands the keys of a telephone.
//
// What is said is a Word, which a Library turns into sound: a folder for each language with one WAV file for each part of a
// sentence, and a file sentences.txt that says how parts make sentences ("there are", "three", "participants"). A Player brings
// the sound into the media plane as an ordinary source, paced as if it came from the network; who hears that source is said by the
// plan, as of any other. Menu and PINDialogue are pure: keys and time in, wishes out.
package announce

import "strconv"

// Word is one thing that can be said: the name of a sentence and, after a colon, what is filled into it, a number or
// keys of a telephone: "muted", "count:3", "help-mute:*6". "file:NAME" is a file of the operator's.
type Word string

// What a bridge says. Each is a sentence of every language.
const (
	Welcome       Word = "welcome"
	EnterPIN      Word = "pin"
	ModeratorPIN  Word = "pin-moderator" // where others need none
	WrongPIN      Word = "wrong-pin"
	Goodbye       Word = "goodbye"
	Waiting       Word = "waiting" // to be let in; with music
	Admitted      Word = "admitted"
	Denied        Word = "denied"
	Alone         Word = "alone"
	Muted         Word = "muted"
	MutedBy       Word = "muted-by" // a moderator
	Unmuted       Word = "unmuted"
	PleaseUnmute  Word = "please-unmute"
	HandUp        Word = "hand-up"
	HandDown      Word = "hand-down"
	Locked        Word = "locked"
	Unlocked      Word = "unlocked"
	Full          Word = "full"
	AllMuted      Word = "all-muted"
	RecordingOn   Word = "recording"
	RecordingOff  Word = "recording-off"
	NotAllowed    Word = "not-allowed"
	Ending        Word = "ending"
	Help          Word = "help"           // the keys of the menu
	HelpModerator Word = "help-moderator" // and those of moderators
)

// Sounds that the code makes where a folder has no file of that name.
const (
	JoinedSound Word = "joined"
	LeftSound   Word = "left"
	Music       Word = "music"
)

// MaxNumber is the highest number that is spoken exactly; what is higher is said as it.
const MaxNumber = 999_999

// Count says how many participants are here.
func Count(n int) Word { return Word("count:" + strconv.Itoa(min(max(n, 0), MaxNumber))) }

// Words are all that can be switched off: the sentences and sounds that have a moment of their own.
func Words() []Word {
	return []Word{
		Welcome, EnterPIN, ModeratorPIN, WrongPIN, Goodbye, Waiting, Admitted, Denied, Alone, JoinedSound, LeftSound, Muted, MutedBy, Unmuted,
		PleaseUnmute, HandUp, HandDown, Locked, Unlocked, Full, AllMuted, RecordingOn, RecordingOff, NotAllowed, Ending, Help,
		HelpModerator, "count",
	}
}

// Help says the menu: each action that has keys, those of moderators only to them.
func (m Menu) Help(moderator bool) []Word {
	var all []Word
	for _, a := range Actions() {
		if sequence := m.Sequence(a); sequence != "" && (moderator || !a.Moderators()) {
			all = append(all, Word("help-"+string(a)+":"+sequence))
		}
	}
	return all
}

// Moderators says whether the action is for moderators only, which is why others are not told of it.
func (a Action) Moderators() bool { return a == ActLock || a == ActMuteAll || a == ActEnd }
