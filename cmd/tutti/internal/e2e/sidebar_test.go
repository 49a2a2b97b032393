package e2e

import (
	"strings"
	"testing"
)

// Phones are moved into a sidebar without dialling again: its members hear each other and nobody else hears them; at the end all
// hear all. The state is the same on every screen.
func TestPhonesShareASidebar(t *testing.T) {
	b := newBridge(t, "")
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440})
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "G722", tone: 700})
	carol := newPhone(t, b, phoneOptions{name: "carol", codec: "opus", tone: 1000})
	for _, p := range []*phone{alice, bob, carol} {
		p.dial(b.uri("8001"))
	}
	b.waitFor("8001", 3)
	hears(t, "carol", carol.heard, map[float64]float64{440: -20, 700: -20}, 1000)

	b.cli("sidebar", "create", "8001", "aside", "alice", "bob")
	if out := b.cli("sidebar", "list", "8001"); !strings.Contains(out, "alice") || !strings.Contains(out, "bob") || strings.Contains(out, "carol") {
		t.Errorf("sidebar list: %s", out)
	}
	misses(t, "carol", carol.heard, 440)
	misses(t, "carol", carol.heard, 700)
	misses(t, "alice", alice.heard, 1000)
	hears(t, "alice", alice.heard, map[float64]float64{700: -20}, 440)
	hears(t, "bob", bob.heard, map[float64]float64{440: -20}, 700)

	// The main room softly behind it.
	b.cli("sidebar", "set", "8001", "aside", "--main-gain", "0.125")
	hears(t, "alice", alice.heard, map[float64]float64{700: -20, 1000: -38}, 440)
	misses(t, "carol", carol.heard, 440)

	b.cli("sidebar", "leave", "8001", "bob")
	hears(t, "carol", carol.heard, map[float64]float64{700: -20}, 1000)
	b.cli("sidebar", "end", "8001", "aside")
	hears(t, "carol", carol.heard, map[float64]float64{440: -20, 700: -20}, 1000)
	hears(t, "alice", alice.heard, map[float64]float64{700: -20, 1000: -20}, 440)
}

// Who is deaf hears nobody and is heard; who is made quieter is quieter for all others.
func TestDeafAndGain(t *testing.T) {
	b := newBridge(t, "")
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440})
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMA", tone: 1000})
	alice.dial(b.uri("8001"))
	bob.dial(b.uri("8001"))
	b.waitFor("8001", 2)
	b.cli("participant", "deafen", "8001", "alice")
	misses(t, "alice", alice.heard, 1000)
	hears(t, "bob", bob.heard, map[float64]float64{440: -20}, 1000)
	b.cli("participant", "undeafen", "8001", "alice")
	b.cli("participant", "gain", "8001", "bob", "0.5")
	hears(t, "alice", alice.heard, map[float64]float64{1000: -26}, 440)
	if out, err := b.try("participant", "gain", "8001", "bob", "loud"); exitCode(err) != 2 {
		t.Errorf("a gain that is no number: %v %s", err, out)
	}
}
