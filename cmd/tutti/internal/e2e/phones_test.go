package e2e

import (
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// window is how much sound is judged at once, seconds.
const window = 2

// hears waits until the last seconds of what somebody heard have each tone at its level, dBFS ± 3, without a gap, and not the
// own one. A machine that is busy with other processes may tear a hole now and then: one clean window in 20 s is enough, for what
// is broken never has one.
func hears(t *testing.T, who string, heard func() sound, want map[float64]float64, not float64) {
	t.Helper()
	eventually(t, 20*time.Second, who+"'s sound", func() bool {
		s := heard()
		return s.seconds() >= window && wrong(s.last(window), want, not) == ""
	}, func() { t.Errorf("%s %s", who, wrong(heard().last(window), want, not)) })
}

// wrong says what is wrong with a sound of steady tones, "" for nothing.
func wrong(s sound, want map[float64]float64, not float64) string {
	for hz := range want {
		if gaps := s.gaps(hz); gaps > 0 {
			return fmt.Sprintf("hears %.0f Hz with %d gaps of 20 ms in %.1f s", hz, gaps, s.seconds())
		}
	}
	return unlike(s, want, not)
}

// unlike says which tone of a sound has another level than wanted, "" for none.
func unlike(s sound, want map[float64]float64, not float64) string {
	for hz, level := range want {
		if got := s.level(hz); math.Abs(got-level) > 3 {
			return fmt.Sprintf("hears %.0f Hz at %.1f dBFS, want %.0f", hz, got, level)
		}
	}
	if own := s.level(not); own > -55 {
		return fmt.Sprintf("hears its own %.0f Hz at %.1f dBFS", not, own)
	}
	return ""
}

// misses waits until a tone is not in what somebody hears any more.
func misses(t *testing.T, who string, heard func() sound, hz float64) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprintf("%s without %.0f Hz", who, hz), func() bool { return heard().last(1).level(hz) < -55 })
}

// settle waits until phones have recorded so many seconds more.
func settle(t *testing.T, seconds float64, phones ...*phone) {
	t.Helper()
	for _, p := range phones {
		start := p.heard().seconds()
		eventually(t, 30*time.Second, "recorded sound", func() bool { return p.heard().seconds() >= start+seconds })
	}
}

// Every way that a phone can speak: each meets a plain PCMU phone, and both hear each other and not themselves.
func TestPhonesHearEachOther(t *testing.T) {
	tests := map[string]phoneOptions{
		"PCMU":           {codec: "PCMU"},
		"PCMA over TCP":  {codec: "PCMA", transport: "tcp"},
		"G722":           {codec: "G722"},
		"Opus":           {codec: "opus"},
		"SDES":           {codec: "PCMU", encrypt: "srtp-mand"},
		"SDES, optional": {codec: "G722", encrypt: "srtp"},
		"DTLS":           {codec: "PCMA", encrypt: "dtls_srtp"},
		"Opus over SDES": {codec: "opus", encrypt: "srtp-mand"},
		"Opus over DTLS": {codec: "opus", encrypt: "dtls_srtp"},
	}
	b := newBridge(t, "")
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMU", tone: 1000})
	bob.dial(b.uri("8001"))
	for name, o := range tests {
		t.Run(name, func(t *testing.T) {
			o.name, o.tone = "alice", 440
			alice := newPhone(t, b, o)
			alice.dial(b.uri("8001"))
			hears(t, "alice", alice.heard, map[float64]float64{1000: -20}, 440)
			hears(t, "bob", bob.heard, map[float64]float64{440: -20}, 1000)
			alice.do("hangup", "")
			b.waitFor("8001", 1)
		})
	}
}

func TestPhonesWithPicturesSeeTheConference(t *testing.T) {
	for _, codec := range []string{"H264", "VP8"} {
		t.Run(codec, func(t *testing.T) {
			b := newBridge(t, "")
			alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440, video: codec, colour: "red"})
			bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMA", tone: 1000, video: codec, colour: "blue"})
			alice.dial(b.uri("8001"))
			bob.dial(b.uri("8001"))
			for _, p := range []*phone{alice, bob} {
				sees(t, p.name, 0.15, p.picture, "red", "blue")
				lives(t, p.name, p.picture, "red")
				lives(t, p.name, p.picture, "blue")
			}
			bob.do("hangup", "")
			sees(t, "alice", 0.15, alice.picture, "red")
		})
	}
}

// picture is what the phone is shown now; nil before the first picture.
func (p *phone) picture() image.Image {
	p.t.Helper()
	p.shots++
	file := filepath.Join(p.dir, "shot-"+strconv.Itoa(p.shots)+".png")
	p.do("snapshot_recv", file)
	var img image.Image
	ready := func() bool {
		f, err := os.Open(file)
		if err != nil {
			return false
		}
		defer f.Close()
		img, err = png.Decode(f) // fails while baresip still writes
		return err == nil
	}
	deadline := time.Now().Add(2 * time.Second)
	for !ready() && time.Now().Before(deadline) {
		pause()
	}
	os.Remove(file)
	return img
}
