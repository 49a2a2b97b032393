package plc

import (
	"math"
	"testing"

	"tutti/codec/internal/sound"
)

// A voice-like sound: harmonics of a pitch.
func voice(n int, pitch, rate float64) []int16 {
	return sound.Add(sound.Tone(n, pitch, rate, 6000), sound.Tone(n, 2*pitch, rate, 3000), sound.Tone(n, 5*pitch, rate, 1500))
}

func TestGap(t *testing.T) {
	for _, rate := range []int{8000, 16000} {
		for _, pitch := range []float64{80, 125, 210, 390} {
			frame := rate / 50
			in := voice(20*frame, pitch, float64(rate))
			c := New(rate)
			c.Received(in[:10*frame])
			gap := make([]int16, 5*frame)
			c.Conceal(gap[:frame])
			c.Conceal(gap[frame:])

			// The pitch is found to a sample, so the guess drifts slowly from the truth: over 5 ms it has to fit.
			quarter := frame / 4
			if snr := sound.SNR(in[10*frame:10*frame+quarter], gap[:quarter]); snr < 10 {
				t.Errorf("%d Hz, pitch %.0f: the first 5 ms have an SNR of %.1f dB", rate, pitch, snr)
			}
			if d := sound.Level(gap[:frame]) - sound.Level(in); math.Abs(d) > 2 {
				t.Errorf("%d Hz, pitch %.0f: the first frame's level is off by %.1f dB", rate, pitch, d)
			}
			if d := sound.Level(gap[2*frame:3*frame]) - sound.Level(in); d > -4 || d < -20 {
				t.Errorf("%d Hz, pitch %.0f: the third frame's level is off by %.1f dB, want a fade", rate, pitch, d)
			}
			if level := sound.Level(gap[3*frame:]); !math.IsInf(level, -1) {
				t.Errorf("%d Hz, pitch %.0f: after 60 ms %.1f dB, want silence", rate, pitch, level)
			}
		}
	}
}

// No step in the sound is larger than what the sound itself does, neither into the gap nor out of it.
func TestNoClicks(t *testing.T) {
	const rate, frame = 8000, 160
	in := voice(20*frame, 133, rate)
	c := New(rate)
	out := append([]int16(nil), in...)
	steepest := slope(in)
	for i := range 20 {
		part := out[i*frame : (i+1)*frame]
		if i == 9 || i == 10 || i == 14 {
			c.Conceal(part)
		} else {
			c.Received(part)
		}
	}
	if got := slope(out); got > steepest*13/10 {
		t.Errorf("steepest step %d, the sound's own is %d", got, steepest)
	}
}

func slope(pcm []int16) int {
	steepest := 0
	for i := range pcm[1:] {
		d := int(pcm[i+1]) - int(pcm[i])
		steepest = max(steepest, d, -d)
	}
	return steepest
}

func TestGapBeforeAnySound(t *testing.T) {
	c := New(8000)
	gap := make([]int16, 160)
	gap[7] = 99
	c.Conceal(gap)
	for i, s := range gap {
		if s != 0 {
			t.Fatalf("sample %d is %d, want silence", i, s)
		}
	}
}

func FuzzConceal(f *testing.F) {
	f.Add([]byte{0, 128, 255, 127, 3, 1}, uint8(3))
	f.Fuzz(func(t *testing.T, raw []byte, cut uint8) {
		c := New(8000)
		pcm := make([]int16, len(raw)/2)
		loudest := 0
		for i := range pcm {
			pcm[i] = int16(uint16(raw[2*i]) | uint16(raw[2*i+1])<<8)
			loudest = max(loudest, int(pcm[i]), -int(pcm[i]))
		}
		n := min(int(cut), len(pcm))
		c.Received(pcm[:n])
		gap := make([]int16, 500)
		c.Conceal(gap)
		c.Received(pcm[n:])
		for _, s := range gap { // a step of twice the loudest may be taken back, no more
			if v := int(s); v > 3*loudest || -v > 3*loudest+1 {
				t.Fatalf("a guess of %d from sound of at most %d", s, loudest)
			}
		}
	})
}

func BenchmarkConceal(b *testing.B) {
	b.ReportAllocs()
	c := New(8000)
	in, gap := voice(160, 133, 8000), make([]int16, 160)
	for b.Loop() {
		c.Received(in)
		c.Conceal(gap)
	}
}
