package e2e

import (
	"testing"
	"time"
)

// A phone that dies without a word is taken out after media.timeout, and not before; who still speaks stays.
func TestLegThatSendsNothingIsEnded(t *testing.T) {
	const timeout = 3 * time.Second
	t.Setenv("TUTTI_MEDIA_TIMEOUT", timeout.String())
	b := newBridge(t, "")
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440})
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMU", tone: 1000})
	alice.dial(b.uri("8001"))
	bob.dial(b.uri("8001"))
	hears(t, "bob", bob.heard, map[float64]float64{440: -20}, 1000)
	died := time.Now()
	alice.cmd.Process.Kill()
	misses(t, "bob", bob.heard, 440)
	s := b.waitFor("8001", 1)
	if took := time.Since(died); took < timeout-time.Second || took > timeout+4*time.Second {
		t.Errorf("the leg was ended after %v, want about %v", took, timeout)
	}
	if s.user("bob") == "" {
		t.Errorf("who is left is not bob: %+v", s.Users)
	}
	bob.cmd.Process.Kill()
	b.waitFor("8001", 0)
}
