package g711

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"os/exec"
	"testing"

	"tutti/codec"
	"tutti/codec/internal/sound"
)

// The corners of the tables of ITU-T G.711, in the 16-bit scale of G.191.
func TestCodeWords(t *testing.T) {
	tests := map[string]struct {
		law  *law
		code byte
		want int16
	}{
		"µ, positive zero":     {mu, 0xFF, 0},
		"µ, negative zero":     {mu, 0x7F, 0},
		"µ, smallest step":     {mu, 0xFE, 8},
		"µ, largest":           {mu, 0x80, 32124},
		"µ, lowest":            {mu, 0x00, -32124},
		"µ, a segment's begin": {mu, 0xEF, 132},
		"A, smallest":          {a, 0xD5, 8},
		"A, smallest negative": {a, 0x55, -8},
		"A, largest":           {a, 0xAA, 32256},
		"A, lowest":            {a, 0x2A, -32256},
		"A, a segment's begin": {a, 0xD5 ^ 0x20, 528},
	}
	for name, tt := range tests {
		if got := tt.law.linear[tt.code]; got != tt.want {
			t.Errorf("%s: %#x is %d, want %d", name, tt.code, got, tt.want)
		}
	}
}

// Every sample lies within half a step of the value its code word stands for. 8 units are for the bits that the laws
// cut off; the last step of the µ law ends before the 16-bit range does.
func TestEncodeChoosesTheStep(t *testing.T) {
	for name, l := range map[string]*law{"µ": mu, "A": a} {
		for s := -32635; s <= 32635; s++ {
			c := l.encode(int16(s))
			exp := c >> 4 & 7
			step := 16 << max(int(exp^5)-1, 0)
			if l == mu {
				step = 8 << (7 - exp)
			}
			if got := distance(int(l.linear[c]), s); got > step/2+8 {
				t.Fatalf("%s: %d is encoded %d away, the step is %d", name, s, got, step)
			}
		}
		if l.encode(math.MaxInt16) != l.encode(32600) || l.encode(math.MinInt16) != l.encode(-32600) {
			t.Errorf("%s: full scale is not the last code word", name)
		}
	}
}

func distance(a, b int) int { return max(a-b, b-a) }

func TestCodeWordsSurvive(t *testing.T) {
	for name, l := range map[string]*law{"µ": mu, "A": a} {
		for c := range 256 {
			want := byte(c)
			if l == mu && want == 0x7F {
				want = 0xFF // the µ law has two zeros
			}
			if got := l.encode(l.linear[c]); got != want {
				t.Errorf("%s: %#x decodes to %d, which encodes to %#x", name, c, l.linear[c], got)
			}
		}
	}
}

func TestTone(t *testing.T) {
	for _, format := range []codec.Audio{PCMU(), PCMA()} {
		for _, amplitude := range []float64{200, 3000, 30000} {
			in := sound.Tone(1600, 440, 8000, amplitude)
			out := roundTrip(t, format, in)
			if d := sound.Level(out) - sound.Level(in); math.Abs(d) > 0.5 {
				t.Errorf("%v: amplitude %.0f changes by %.2f dB", format, amplitude, d)
			}
			if snr := sound.SNR(in, out); snr < 24 {
				t.Errorf("%v: amplitude %.0f has %.1f dB of signal over noise", format, amplitude, snr)
			}
		}
	}
}

func roundTrip(t *testing.T, format codec.Audio, in []int16) []int16 {
	t.Helper()
	e, d := open(t, format)
	out := make([]int16, len(in))
	var payload []byte
	for i := 0; i < len(in); i += 160 {
		var err error
		if payload, err = e.Encode(payload[:0], in[i:i+160]); err != nil {
			t.Fatal(err)
		}
		if n, err := d.Decode(out[i:i+160], payload); err != nil || n != 160 {
			t.Fatalf("Decode() = %d, %v", n, err)
		}
	}
	return out
}

func open(t testing.TB, format codec.Audio) (codec.AudioEncoder, codec.AudioDecoder) {
	t.Helper()
	e, err := format.NewEncoder(codec.AudioParams{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := format.NewDecoder(codec.AudioParams{})
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

// ffmpeg expands all code words to the same samples.
func TestAgainstFFmpeg(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("ffmpeg is not installed; make peers installs it")
		}
		t.Skip("ffmpeg is not installed")
	}
	words := make([]byte, 256)
	for i := range words {
		words[i] = byte(i)
	}
	for format, l := range map[string]*law{"mulaw": mu, "alaw": a} {
		cmd := exec.Command("ffmpeg", "-v", "error", "-f", format, "-ar", "8000", "-i", "-", "-f", "s16le", "-")
		cmd.Stdin = bytes.NewReader(words)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for i := range words {
			if want := int16(binary.LittleEndian.Uint16(out[2*i:])); l.linear[i] != want {
				t.Errorf("%s: %#x is %d, ffmpeg says %d", format, i, l.linear[i], want)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	_, d := open(t, PCMU())
	if _, err := d.Decode(make([]int16, 160), nil); !errors.Is(err, codec.ErrEmpty) {
		t.Errorf("Decode of nothing: %v", err)
	}
	if _, err := d.Decode(make([]int16, 160), make([]byte, 161)); !errors.Is(err, codec.ErrSpace) {
		t.Errorf("Decode of too much: %v", err)
	}
	if _, err := PCMU().NewDecoder(codec.AudioParams{Channels: 2}); !errors.Is(err, codec.ErrChannels) {
		t.Errorf("stereo: %v", err)
	}
}

func TestConceal(t *testing.T) {
	in := sound.Tone(1600, 200, 8000, 8000)
	_, d := open(t, PCMA())
	e, _ := open(t, PCMA())
	payload, _ := e.Encode(nil, in[:800])
	pcm := make([]int16, 800)
	if _, err := d.Decode(pcm, payload); err != nil {
		t.Fatal(err)
	}
	if err := d.Conceal(pcm[:160]); err != nil {
		t.Fatal(err)
	}
	if snr := sound.SNR(in[800:880], pcm[:80]); snr < 20 {
		t.Errorf("10 ms of a tone are continued with %.1f dB of signal over noise", snr)
	}
}

func BenchmarkG711(b *testing.B) {
	e, d := open(b, PCMU())
	pcm := sound.Tone(160, 440, 8000, 8000)
	payload := make([]byte, 0, 160)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			payload, _ = e.Encode(payload[:0], pcm)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = d.Decode(pcm, payload)
		}
	})
}
