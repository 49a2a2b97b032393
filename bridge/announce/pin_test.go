package announce

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// caller goes through a dialogue: keys are pressed, a dot lets a second pass. right is the PIN.
type caller struct {
	now     time.Time
	d       PINDialogue
	story   []string // what happened, in order
	hangup  bool
	checked int
}

func newCaller(optional bool) *caller {
	c := &caller{now: time.Unix(5000, 0)}
	d, s := StartPIN(c.now, optional)
	c.d = d
	c.do(s, "")
	return c
}

func (c *caller) do(s PINStep, right string) {
	for _, w := range s.Say {
		c.story = append(c.story, string(w))
	}
	c.hangup = c.hangup || s.Bye
	if s.Skip {
		c.story = append(c.story, "guest")
	}
	if s.Check == "" {
		return
	}
	c.checked++
	if s.Check == right {
		c.d = c.d.Right()
		c.story = append(c.story, "in")
		return
	}
	c.d, s = c.d.Wrong(c.now)
	c.do(s, right)
}

func (c *caller) press(keys, right string) {
	for _, k := range keys {
		var s PINStep
		if k == '.' {
			c.now = c.now.Add(time.Second)
			c.d, s = c.d.Tick(c.now)
		} else {
			c.d, s = c.d.Press(k, c.now)
		}
		c.do(s, right)
	}
}

func TestPINDialogue(t *testing.T) {
	wait := strings.Repeat(".", 15)
	tests := map[string]struct {
		keys string
		want string // what is said, and "in"
		over bool
	}{
		"right at once":            {"1234#", "pin in", true},
		"begun anew":               {"9*1234#", "pin in", true},
		"keys of letters":          {"A#", "pin wrong-pin pin", false},
		"wrong, then right":        {"1235#1234#", "pin wrong-pin pin in", true},
		"three times wrong":        {"1#2#3#", "pin wrong-pin pin wrong-pin pin wrong-pin goodbye", true},
		"nothing after the end":    {"1#2#3#1234#", "pin wrong-pin pin wrong-pin pin wrong-pin goodbye", true},
		"a hash alone":             {"##1234#", "pin in", true},
		"silence":                  {wait + wait + wait, "pin pin pin goodbye", true},
		"almost too slow":          {strings.Repeat("1"+wait[1:], 1) + "#", "pin wrong-pin pin", false},
		"a pause forgets keys":     {"99" + wait + "1234#", "pin pin in", true},
		"a minute is all":          {strings.Repeat(wait[2:]+"1", 4) + wait[2:], "pin goodbye", true},
		"too long is wrong":        {strings.Repeat("1", 100) + "#", "pin wrong-pin pin", false},
		"what is no key is nought": {"1x2é34#", "pin in", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCaller(false)
			c.press(tt.keys, "1234")
			if got := strings.Join(c.story, " "); got != tt.want {
				t.Errorf("%q: %s; want %s", tt.keys, got, tt.want)
			}
			if c.d.Active() == tt.over {
				t.Errorf("active = %t", c.d.Active())
			}
			if c.hangup != slices.Contains(c.story, "goodbye") {
				t.Errorf("hung up = %t", c.hangup)
			}
			if tt.over && !c.d.Deadline().IsZero() {
				t.Errorf("a deadline at %v of a dialogue that is over", c.d.Deadline())
			}
		})
	}
}

// Where only moderators have a PIN, others come in with # alone, or by waiting.
func TestOptionalPIN(t *testing.T) {
	wait := strings.Repeat(".", 15)
	for keys, want := range map[string]string{
		"#":             "pin-moderator guest",
		wait:            "pin-moderator guest",
		"1234#":         "pin-moderator in",
		"9#1234#":       "pin-moderator wrong-pin pin-moderator in",
		"9##":           "pin-moderator wrong-pin pin-moderator guest",
		"9" + wait:      "pin-moderator guest",
		"1#2#3#":        "pin-moderator wrong-pin pin-moderator wrong-pin pin-moderator wrong-pin goodbye",
		"#1234#" + wait: "pin-moderator guest",
	} {
		c := newCaller(true)
		c.press(keys, "1234")
		if got := strings.Join(c.story, " "); got != want || c.d.Active() {
			t.Errorf("%q: %s, active %t; want %s", keys, got, c.d.Active(), want)
		}
	}
}

// While a PIN is checked, keys count for nothing, and a late answer to a dialogue that is over changes nothing.
func TestPINIsCheckedOnce(t *testing.T) {
	now := time.Unix(5000, 0)
	d, _ := StartPIN(now, false)
	d, _ = d.Press('1', now)
	d, s := d.Press('#', now)
	if s.Check != "1" || !s.Hush {
		t.Fatalf("step = %+v", s)
	}
	if next, s := d.Press('#', now); s.Check != "" || next != d {
		t.Errorf("a second check: %+v", s)
	}
	if !d.Deadline().IsZero() {
		t.Error("time runs while the PIN is checked")
	}
	d = d.Right()
	if next, s := d.Wrong(now); next != d || s.Bye || s.Say != nil {
		t.Errorf("wrong after right: %+v", s)
	}
	if (PINDialogue{}).Active() {
		t.Error("the zero dialogue asks somebody")
	}
}

// Nobody is asked for ever, and nobody tries more often than three times.
func FuzzPINDialogue(f *testing.F) {
	f.Add("12#...3*4#......#.")
	f.Fuzz(func(t *testing.T, keys string) {
		if len(keys) > 300 {
			return
		}
		c := newCaller(false)
		c.press(keys, "1234")
		if c.checked > PINTries {
			t.Fatalf("%d checks", c.checked)
		}
		c.press(strings.Repeat(".", 61), "1234")
		if c.d.Active() {
			t.Fatalf("%q: still asked after a minute: %+v", keys, c.d)
		}
	})
}
