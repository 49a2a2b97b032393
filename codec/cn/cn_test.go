package cn

import (
	"errors"
	"math"
	"testing"

	"tutti/codec"
	"tutti/codec/internal/sound"
)

func noise(t *testing.T, payload []byte) []int16 {
	t.Helper()
	d := NewDecoder()
	pcm := make([]int16, 16000)
	if n, err := d.Decode(pcm[:160], payload); err != nil || n != 160 {
		t.Fatalf("Decode() = %d, %v", n, err)
	}
	if err := d.Conceal(pcm); err != nil {
		t.Fatal(err)
	}
	return pcm[2000:] // the level is approached softly
}

func TestLevel(t *testing.T) {
	for _, payload := range [][]byte{{30}, {50}, {70}, {40, 200}, {40, 60, 140}, {45, 127, 127, 190}, {0x80 | 30}} {
		want := -float64(payload[0] & levelBits)
		if got := sound.Level(noise(t, payload)); math.Abs(got-want) > 1.5 {
			t.Errorf("%v: %.1f dBov, want %.1f", payload, got, want)
		}
	}
	if got := sound.Level(noise(t, []byte{127})); got > -90 {
		t.Errorf("silence is at %.1f dBov", got)
	}
}

// A negative first coefficient makes a low-pass: neighbours resemble each other; a positive one the contrary.
func TestColour(t *testing.T) {
	likeness := func(payload []byte) float64 {
		pcm := noise(t, payload)
		var product, power float64
		for i := range pcm[1:] {
			product += float64(pcm[i]) * float64(pcm[i+1])
			power += float64(pcm[i]) * float64(pcm[i])
		}
		return product / power
	}
	for payload, want := range map[[2]byte]float64{{40, 64}: 0.5, {40, 127}: 0, {40, 190}: -0.5} {
		if got := likeness(payload[:]); math.Abs(got-want) > 0.1 {
			t.Errorf("%v: neighbours are alike by %.2f, want %.2f", payload, got, want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	in := sound.Tone(1600, 440, 8000, 300)
	e, err := CN().NewEncoder(codec.AudioParams{})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := e.Encode(nil, in)
	if err != nil || len(payload) != 1 {
		t.Fatalf("Encode() = %v, %v", payload, err)
	}
	if d := sound.Level(noise(t, payload)) - sound.Level(in); math.Abs(d) > 1.5 {
		t.Errorf("the noise is %.1f dB off", d)
	}
	if got := Level(make([]int16, 160)); got != 127 {
		t.Errorf("silence has level %d", got)
	}
	if _, err := NewDecoder().Decode(make([]int16, 160), nil); !errors.Is(err, codec.ErrEmpty) {
		t.Errorf("Decode of nothing: %v", err)
	}
}

// Whatever the colour, the noise stays about as loud as it says.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{40, 255, 0, 255, 0, 127})
	f.Add([]byte{60, 64})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 {
			return
		}
		payload[0] |= 30 // so that clipping does not decide
		d := NewDecoder()
		pcm := make([]int16, 8000)
		if _, err := d.Decode(pcm, payload); err != nil {
			t.Fatal(err)
		}
		if got, want := sound.Level(pcm), -float64(payload[0]&levelBits); got > want+15 {
			t.Fatalf("%v: %.1f dBov", payload, got)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	d, pcm, payload := NewDecoder(), make([]int16, 160), []byte{50, 60, 140, 130}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = d.Decode(pcm, payload)
	}
}
