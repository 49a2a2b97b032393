package announce

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func defaultMenu(t testing.TB) Menu {
	t.Helper()
	m, err := NewMenu(DefaultKeys())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMenu(t *testing.T) {
	m := defaultMenu(t)
	tests := map[string]struct {
		keys string // a space lets four seconds pass
		want []Action
	}{
		"one action":             {"*6", []Action{ActMute}},
		"two actions":            {"*6*5", []Action{ActMute, ActHand}},
		"each of them":           {"*6*5*0*1*7*8*9", []Action{ActMute, ActHand, ActHelp, ActCount, ActLock, ActMuteAll, ActEnd}},
		"digits alone":           {"65", nil},
		"too slow":               {"* 6", nil},
		"slow between actions":   {"*6 *6", []Action{ActMute, ActMute}},
		"one star too many":      {"**6", []Action{ActMute}},
		"an unknown sequence":    {"*4", nil},
		"after an unknown one":   {"*4*6", []Action{ActMute}},
		"each key counts once":   {"*66", []Action{ActMute}},
		"no key of a telephone":  {"*é6", nil},
		"hash begins nothing":    {"#6", nil},
		"interrupted by another": {"*#*5", []Action{ActHand}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			now, keys := time.Unix(1000, 0), Keys{}
			var got []Action
			for _, k := range tt.keys {
				if k == ' ' {
					now = now.Add(4 * time.Second)
					continue
				}
				now = now.Add(300 * time.Millisecond)
				var a Action
				if keys, a = m.Press(keys, k, now); a != "" {
					got = append(got, a)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q asks for %v, want %v", tt.keys, got, tt.want)
			}
		})
	}
}

func TestMenuRefusesWhatIsAmbiguous(t *testing.T) {
	tests := map[string]struct {
		keys map[Action]string
		want string // in the error, "" for none
	}{
		"the default":      {DefaultKeys(), ""},
		"one without keys": {map[Action]string{ActMute: "*6", ActHand: ""}, ""},
		"long ones":        {map[Action]string{ActMute: "*12", ActHand: "*13", ActEnd: "##"}, ""},
		"twice":            {map[Action]string{ActMute: "*6", ActHand: "*6"}, "begin alike"},
		"one in another":   {map[Action]string{ActMute: "*6", ActHand: "*61"}, "begin alike"},
		"no key":           {map[Action]string{ActMute: "*x"}, "keys of"},
		"too long":         {map[Action]string{ActMute: "*123456"}, "keys of"},
		"unknown action":   {map[Action]string{"dance": "*6"}, "no action"},
	}
	for name, tt := range tests {
		_, err := NewMenu(tt.keys)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestHelpTellsOnlyWhatIsAllowed(t *testing.T) {
	m, err := NewMenu(map[Action]string{ActMute: "*6", ActHand: "", ActHelp: "*0", ActEnd: "##"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Help(false), []Word{"help-mute:*6", "help-help:*0"}; !slices.Equal(got, want) {
		t.Errorf("help = %q, want %q", got, want)
	}
	if got, want := m.Help(true), []Word{"help-mute:*6", "help-end:##", "help-help:*0"}; !slices.Equal(got, want) {
		t.Errorf("help of a moderator = %q, want %q", got, want)
	}
}

// Whatever is pressed, no more is remembered than what can still become an action, and each action has been pressed.
func FuzzMenu(f *testing.F) {
	f.Add("*6**5*#é")
	f.Fuzz(func(t *testing.T, pressed string) {
		m, now, keys := defaultMenu(t), time.Unix(0, 0), Keys{}
		for _, k := range pressed {
			var a Action
			if keys, a = m.Press(keys, k, now); a != "" && !strings.Contains(pressed, m.Sequence(a)) {
				t.Fatalf("%q: %s was never pressed", pressed, a)
			}
			if len(keys.pressed) >= 2 {
				t.Fatalf("%q is remembered", keys.pressed)
			}
		}
	})
}
