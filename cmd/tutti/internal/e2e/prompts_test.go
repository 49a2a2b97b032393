package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// prompts is a folder in which each of these prompts is a second of its tone, so that a phone can tell what it is told.
func prompts(t *testing.T, tones map[string]float64) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "en"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, hz := range tones {
		tone(8000, hz, -12, 1).write(t, filepath.Join(dir, "en", name+".wav"), 1)
	}
	return dir
}

// press presses keys, as fast as a person does.
func (p *phone) press(keys string) {
	p.t.Helper()
	for _, k := range keys {
		p.do("sndcode", string(k))
		for range 5 {
			pause()
		}
	}
}

// asked dials a conference that asks for a PIN at once, when the recorder at the phone's loudspeaker runs, and waits until it has.
func (p *phone) asked(uri string, hz float64) {
	p.t.Helper()
	eventually(p.t, 15*time.Second, "the recorder", func() bool { return p.heard().seconds() > 0.2 })
	p.dial(uri)
	p.told("to enter the PIN", hz)
}

// told waits until the phone hears a tone loudly.
func (p *phone) told(what string, hz float64) {
	p.t.Helper()
	eventually(p.t, 15*time.Second, p.name+" is told "+what, func() bool { return p.heard().last(0.4).level(hz) > -20 }, func() {
		s := p.heard()
		for at := 0; at+s.rate/2 <= len(s.samples); at += s.rate / 2 {
			half := sound{s.rate, s.samples[at : at+s.rate/2]}
			p.t.Logf("%.1f s: %.1f dBFS, of it %.1f at %.0f Hz", float64(at)/float64(s.rate), half.power(), half.level(hz), hz)
		}
	})
}

// everHeard is the level of a tone in the loudest 400 ms of all.
func (p *phone) everHeard(hz float64) float64 {
	p.t.Helper()
	s, best := p.heard(), -120.0
	n := s.rate * 4 / 10
	for at := 0; at+n <= len(s.samples); at += n / 2 {
		best = max(best, sound{s.rate, s.samples[at : at+n]}.level(hz))
	}
	return best
}

// A phone is asked for the PIN, is outside until it is right, and is told what its keys did. Nobody else hears any of that.
func TestPhoneEntersPINAndUsesTheMenu(t *testing.T) {
	const pin, wrong, muted, unmuted, raised = 620.0, 830.0, 1130.0, 1370.0, 1610.0
	dir := prompts(t, map[string]float64{"pin": pin, "wrong-pin": wrong, "muted": muted, "unmuted": unmuted, "hand-up": raised})
	b := newBridge(t, fmt.Sprintf(`
prompts: {directory: %q, off: [welcome, alone, joined, left, recording]}
dtmf: {hand: "*3"}
conferences: [{name: "8001", pin: "4711"}]
`, dir))
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMU", tone: 2400})
	bob.asked(b.uri("8001"), pin)
	bob.press("4711#")
	inside := func(name string) func() bool {
		return func() bool {
			s := b.state("8001")
			return s != nil && s.user(name) != "" && !s.Users[s.user(name)].Waiting
		}
	}
	eventually(t, 5*time.Second, "bob in", inside("bob"))

	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440})
	alice.asked(b.uri("8001"), pin)
	settle(t, 1, alice, bob)
	misses(t, "bob", bob.heard, 440)
	misses(t, "alice", alice.heard, 2400)
	alice.press("4712#")
	alice.told("that this is wrong", wrong)
	alice.told("to enter it again", pin)
	if inside("alice")() {
		t.Fatal("alice is in with a wrong PIN")
	}
	alice.press("4711#")
	eventually(t, 5*time.Second, "alice in", inside("alice"))
	hears(t, "bob", bob.heard, map[float64]float64{440: -20}, 2400)
	hears(t, "alice", alice.heard, map[float64]float64{2400: -20}, 440)

	alice.press("*6")
	alice.told("that she is muted", muted)
	misses(t, "bob", bob.heard, 440)
	alice.press("*6")
	alice.told("that she is heard", unmuted)
	hears(t, "bob", bob.heard, map[float64]float64{440: -20}, 2400)
	alice.press("*3")
	eventually(t, time.Second, "alice's hand in the roster", func() bool { s := b.state("8001"); return s.Users[s.user("alice")].Hand != "" })
	alice.told("that her hand is up", raised)
	for what, hz := range map[string]float64{"wrong": wrong, "muted": muted, "unmuted": unmuted, "raised": raised} {
		if l := bob.everHeard(hz); l > -40 {
			t.Errorf("bob heard what alice was told, %s, at %.1f dBFS", what, l)
		}
	}
}

// Three wrong PINs end the call. What is said are words, with the shipped prompts.
func TestPhoneWithoutPINIsTurnedAway(t *testing.T) {
	b := newBridge(t, "prompts: {enabled: true}\nconferences: [{name: \"8001\", pin: \"4711\"}]\n")
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "opus", tone: 440})
	alice.dial(b.uri("8001"))
	said := func() float64 { return alice.heard().last(1).power() }
	eventually(t, 10*time.Second, "words", func() bool { return said() > -35 })
	for range 3 {
		alice.press("1#")
	}
	alice.wait("CALL_CLOSED")
	b.waitFor("8001", 0)
}

// Who comes before the moderator hears music and nobody; the moderator is known by their PIN and lets everybody in by coming.
func TestPhoneWaitsForTheModerator(t *testing.T) {
	const ask, waiting, joined, count = 620.0, 830.0, 1130.0, 1370.0
	dir := prompts(t, map[string]float64{"pin-moderator": ask, "waiting": waiting, "joined": joined, "there-are": count})
	b := newBridge(t, fmt.Sprintf(`
prompts: {directory: %q, off: [welcome, alone, left]}
conferences: [{name: "8001", moderator_pin: "4711", wait_for_moderator: true}]
`, dir))
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "G722", tone: 2400})
	bob.asked(b.uri("8001"), ask)
	bob.press("#")
	bob.told("to wait", waiting)
	settle(t, 4, bob)
	for at := range 3 { // each second of the last three
		s := bob.heard().last(float64(at) + 1)
		if l := (sound{s.rate, s.samples[:s.rate]}).power(); l < -45 {
			t.Errorf("the music is at %.1f dBFS, %d s ago", l, at+1)
		}
	}
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440})
	alice.asked(b.uri("8001"), ask)
	settle(t, 1, alice, bob)
	misses(t, "bob", bob.heard, 440)
	alice.press("4711#")
	eventually(t, 5*time.Second, "both in", func() bool {
		s := b.state("8001")
		return s != nil && !s.Users[s.user("alice")].Waiting && !s.Users[s.user("bob")].Waiting
	})
	hears(t, "bob", bob.heard, map[float64]float64{440: -20}, 2400)
	hears(t, "alice", alice.heard, map[float64]float64{2400: -20}, 440)
	if l := alice.everHeard(joined); l < -20 {
		t.Errorf("alice heard that somebody came at %.1f dBFS", l)
	}
	alice.press("*1")
	alice.told("how many are here", count)
	if l := bob.everHeard(count); l > -40 {
		t.Errorf("bob heard it too, at %.1f dBFS", l)
	}
	alice.press("*9")
	bob.wait("CALL_CLOSED")
	alice.wait("CALL_CLOSED")
	b.waitFor("8001", 0)
}
