package resample

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"tutti/codec/internal/sound"
)

var rates = []int{8000, 16000, 24000, 32000, 48000}

func run(t *testing.T, from, to int, in []int16) []int16 {
	t.Helper()
	r, err := New(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return r.Process(nil, in)
}

func pairs(f func(from, to int)) {
	for _, from := range rates {
		for _, to := range rates {
			f(from, to)
		}
	}
}

func TestFramesKeepTheirTime(t *testing.T) {
	pairs(func(from, to int) {
		r, err := New(from, to)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			if got := len(r.Process(nil, make([]int16, from/50))); got != to/50 {
				t.Errorf("%d to %d: frame %d has %d samples, want %d", from, to, i, got, to/50)
			}
		}
	})
}

// The passband: tones up to 3.4 kHz of 8 keep their level within 0.1 dB, and so in proportion elsewhere.
func TestPassband(t *testing.T) {
	pairs(func(from, to int) {
		lower := float64(min(from, to))
		for _, part := range []float64{0.0375, 0.1, 0.25, 0.4, 0.425} {
			f := part * lower
			in := sound.Tone(from/2, f, float64(from), 10000)
			out := run(t, from, to, in)[to/20:]
			if d := sound.ToneLevel(out, f, float64(to)) - sound.Level(in); math.Abs(d) > 0.1 {
				t.Errorf("%d to %d: %.0f Hz changes by %.3f dB", from, to, f, d)
			}
		}
	})
}

// What is not the tone is 60 dB below it: images when the rate grows, rounding always.
func TestNothingBesideTheTone(t *testing.T) {
	pairs(func(from, to int) {
		lower := float64(min(from, to))
		for _, part := range []float64{0.1, 0.3, 0.425, 0.47} {
			f := part * lower
			out := run(t, from, to, sound.Tone(from/2, f, float64(from), 20000))[to/20:]
			if rest := residue(out, f, float64(to)); rest > -60 {
				t.Errorf("%d to %d: beside %.0f Hz there is %.1f dB", from, to, f, rest)
			}
		}
	})
}

// residue is the power beside the tone, relative to it, in dB.
func residue(pcm []int16, f, rate float64) float64 {
	var ss, sc, cc, xs, xc float64
	for i, v := range pcm {
		s, c := math.Sincos(2 * math.Pi * f * float64(i) / rate)
		ss, sc, cc = ss+s*s, sc+s*c, cc+c*c
		xs, xc = xs+float64(v)*s, xc+float64(v)*c
	}
	det := ss*cc - sc*sc
	a, b := (xs*cc-xc*sc)/det, (xc*ss-xs*sc)/det
	var tone, rest float64
	for i, v := range pcm {
		s, c := math.Sincos(2 * math.Pi * f * float64(i) / rate)
		fit := a*s + b*c
		tone += fit * fit
		rest += (float64(v) - fit) * (float64(v) - fit)
	}
	return 10 * math.Log10(rest/tone)
}

// Tones that the new rate cannot carry vanish.
func TestAliases(t *testing.T) {
	pairs(func(from, to int) {
		if from <= to {
			return
		}
		for f := 0.525 * float64(to); f < float64(from)/2; f += float64(to) / 9 {
			in := sound.Tone(from/2, f, float64(from), 20000)
			out := run(t, from, to, in)[to/20:]
			if d := sound.Level(out) - sound.Level(in); d > -60 {
				t.Errorf("%d to %d: %.0f Hz comes through at %.1f dB", from, to, f, d)
			}
		}
	})
}

// However the signal is cut, the result is the same.
func TestStreaming(t *testing.T) {
	pairs(func(from, to int) {
		in := sound.Tone(from/5, 440, float64(from), 9000)
		want := run(t, from, to, in)
		r, _ := New(from, to)
		var got []int16
		for i, n := 0, 1; i < len(in); n = n*3%101 + 1 {
			end := min(i+n, len(in))
			got = r.Process(got, in[i:end])
			i = end
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d to %d: pieces give another signal than the whole", from, to)
		}
	})
}

func TestFullScaleDoesNotWrap(t *testing.T) {
	in := make([]int16, 4800)
	for i := range in {
		in[i] = math.MaxInt16
		if i/60%2 == 1 {
			in[i] = math.MinInt16
		}
	}
	out := run(t, 48000, 8000, in)[100:]
	for i := range out[1:] { // a wrap would jump from one rail to the other, at a square wave's flat top
		if a, b := int(out[i]), int(out[i+1]); a > 32000 && b < -32000 {
			t.Fatalf("samples %d and %d: %d, %d", i, i+1, a, b)
		}
	}
}

func TestRefusesOtherRates(t *testing.T) {
	for _, bad := range [][2]int{{0, 8000}, {8000, 44100}, {-8000, 8000}} {
		if _, err := New(bad[0], bad[1]); err == nil {
			t.Errorf("New(%d, %d) is accepted", bad[0], bad[1])
		}
	}
}

func BenchmarkProcess(b *testing.B) {
	for _, c := range [][2]int{{8000, 48000}, {48000, 8000}, {16000, 48000}, {48000, 16000}} {
		b.Run(fmt.Sprintf("%d-%d", c[0], c[1]), func(b *testing.B) {
			r, _ := New(c[0], c[1])
			in, out := sound.Tone(c[0]/50, 440, float64(c[0]), 9000), make([]int16, 0, c[1]/50)
			b.ReportAllocs()
			for b.Loop() {
				r.Process(out, in)
			}
		})
	}
}
