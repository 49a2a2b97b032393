package e2e

import (
	"math"
	"testing"
	"time"
)

// levels checks that a sound has each tone at its level, dBFS ± 3, and that the other is at least 30 dB below.
func hears(t *testing.T, who string, s sound, want map[float64]float64, not float64) {
	t.Helper()
	for hz, level := range want {
		if got := s.level(hz); math.Abs(got-level) > 3 {
			t.Errorf("%s hears %.0f Hz at %.1f dBFS, want %.0f", who, hz, got, level)
		}
		if gaps := s.gaps(hz); gaps > 0 && len(want) == 1 {
			t.Errorf("%s hears %.0f Hz with %d gaps of 20 ms in %.1f s", who, hz, gaps, s.seconds())
		}
	}
	if own := s.level(not); own > -50 {
		t.Errorf("%s hears its own %.0f Hz at %.1f dBFS", who, not, own)
	}
}

// settle waits until a phone has recorded so many seconds more.
func settle(t *testing.T, seconds float64, phones ...*phone) {
	t.Helper()
	for _, p := range phones {
		start := p.heard().seconds()
		eventually(t, 30*time.Second, "recorded sound", func() bool { return p.heard().seconds() >= start+seconds })
	}
}

func TestTwoPhonesHearEachOther(t *testing.T) {
	b := newBridge(t, "")
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440})
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMA", tone: 1000})
	alice.dial(b.uri("8001"))
	bob.dial(b.uri("8001"))
	settle(t, 5, alice, bob)
	hears(t, "alice", alice.heard().last(3), map[float64]float64{1000: -20}, 440)
	hears(t, "bob", bob.heard().last(3), map[float64]float64{440: -20}, 1000)
}
