package g722

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"tutti/codec"
	"tutti/codec/internal/sound"
)

const frame = 320 // 20 ms

var update = flag.Bool("update", false, "make the goldens anew, with ffmpeg")

// sweep is a tone that climbs from 100 Hz to 7 kHz while its level swells, with a rattle in between: all of the coder's
// range, up to full scale.
func sweep() []int16 {
	pcm := make([]int16, sampleRate/2)
	phase, noise := 0.0, uint32(1)
	for i := range pcm {
		at := float64(i) / float64(len(pcm))
		phase += 2 * math.Pi * (100 + 6900*at) / sampleRate
		pcm[i] = int16(32000 * at * math.Sin(phase))
		if i/400%5 == 4 {
			noise = noise*1664525 + 1013904223
			pcm[i] = int16(noise >> 16)
		}
	}
	return pcm
}

func littleEndian(pcm []int16) []byte {
	var b []byte
	for _, s := range pcm {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

func ffmpeg(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", append([]string{"-v", "error"}, args...)...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func golden(name string) string { return filepath.Join("..", "..", "testdata", "sound", name) }

// The goldens are what ffmpeg makes of the sweep, and of what it made. Both directions agree to the bit.
func TestGoldens(t *testing.T) {
	if *update {
		encoded := ffmpeg(t, littleEndian(sweep()), "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", "-f", "g722", "-")
		decoded := ffmpeg(t, encoded, "-f", "g722", "-i", "-", "-f", "s16le", "-")
		if err := errors.Join(os.WriteFile(golden("sweep.g722"), encoded, 0o644), os.WriteFile(golden("sweep.s16"), decoded, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	encoded, err := os.ReadFile(golden("sweep.g722"))
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := os.ReadFile(golden("sweep.s16"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := newEncoder().Encode(nil, sweep())
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "encoded", got, encoded)
	pcm := make([]int16, 2*len(encoded))
	if _, err := newDecoder().Decode(pcm, encoded); err != nil {
		t.Fatal(err)
	}
	compare(t, "decoded", littleEndian(pcm), decoded)
}

func compare(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d bytes, want %d", what, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: byte %d of %d is %#x, want %#x", what, i, len(got), got[i], want[i])
		}
	}
}

// The same against the ffmpeg of this machine, with the sound of a voice.
func TestAgainstFFmpeg(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("ffmpeg is not installed; make peers installs it")
		}
		t.Skip("ffmpeg is not installed")
	}
	in := sound.Add(sound.Tone(sampleRate, 150, sampleRate, 9000), sound.Tone(sampleRate, 1200, sampleRate, 4000), sound.Tone(sampleRate, 5100, sampleRate, 1000))
	ours, err := newEncoder().Encode(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	theirs := ffmpeg(t, littleEndian(in), "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", "-f", "g722", "-")
	compare(t, "encoded", ours, theirs)
	pcm := make([]int16, 2*len(ours))
	if _, err := newDecoder().Decode(pcm, theirs); err != nil {
		t.Fatal(err)
	}
	compare(t, "decoded", littleEndian(pcm), ffmpeg(t, ours, "-f", "g722", "-i", "-", "-f", "s16le", "-"))
}

func TestTone(t *testing.T) {
	for _, f := range []float64{200, 1000, 3000, 6000} {
		in := sound.Tone(sampleRate, f, sampleRate, 8000)
		payload, err := newEncoder().Encode(nil, in)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]int16, len(in))
		if n, err := newDecoder().Decode(out, payload); err != nil || n != len(out) {
			t.Fatalf("Decode() = %d, %v", n, err)
		}
		in, out = in[1000:], out[1000:]
		if d := sound.ToneLevel(out, f, sampleRate) - sound.Level(in); math.Abs(d) > 0.5 {
			t.Errorf("%.0f Hz changes by %.2f dB", f, d)
		}
		if snr, delay := sound.BestSNR(in[:8000], out, 40); snr < 20 || f == 200 && delay != 22 {
			t.Errorf("%.0f Hz: %.1f dB of signal over noise, %d samples late", f, snr, delay)
		}
	}
}

func TestConceal(t *testing.T) {
	in := sound.Tone(10*frame, 200, sampleRate, 8000)
	payload, _ := newEncoder().Encode(nil, in)
	d := newDecoder()
	pcm := make([]int16, len(in))
	if _, err := d.Decode(pcm, payload); err != nil {
		t.Fatal(err)
	}
	gap := make([]int16, 4*frame)
	if err := d.Conceal(gap); err != nil {
		t.Fatal(err)
	}
	if diff := sound.Level(gap[:frame/2]) - sound.Level(in); math.Abs(diff) > 1 {
		t.Errorf("the first 10 ms of a gap are %.1f dB off", diff)
	}
	if level := sound.Level(gap[3*frame:]); !math.IsInf(level, -1) {
		t.Errorf("after 60 ms: %.1f dB", level)
	}
}

func TestRefuses(t *testing.T) {
	if _, err := newEncoder().Encode(nil, make([]int16, 3)); err == nil {
		t.Error("an odd frame is encoded")
	}
	d := newDecoder()
	if _, err := d.Decode(make([]int16, frame), nil); !errors.Is(err, codec.ErrEmpty) {
		t.Errorf("Decode of nothing: %v", err)
	}
	if _, err := d.Decode(make([]int16, frame), make([]byte, frame/2+1)); !errors.Is(err, codec.ErrSpace) {
		t.Errorf("Decode of too much: %v", err)
	}
	if _, err := G722().NewEncoder(codec.AudioParams{Channels: 2}); !errors.Is(err, codec.ErrChannels) {
		t.Errorf("stereo: %v", err)
	}
}

// Whatever comes, the state stays in the ranges that G.722 gives it.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0, 255, 128, 64, 63})
	f.Fuzz(func(t *testing.T, payload []byte) {
		d := newDecoder()
		pcm := make([]int16, 2*len(payload))
		if _, err := d.Decode(pcm, payload); (err == nil) != (len(payload) > 0) {
			t.Fatal(err)
		}
		for _, b := range []band{d.low, d.high} {
			if b.det <= 0 || b.det > 1<<15 || b.nb < 0 || b.s != saturate(b.s) || b.a[2] > 12288 || b.a[2] < -12288 {
				t.Fatalf("%+v", b)
			}
		}
	})
}

func BenchmarkG722(b *testing.B) {
	pcm := sound.Tone(frame, 440, sampleRate, 8000)
	e, d := newEncoder(), newDecoder()
	payload, _ := e.Encode(nil, pcm)
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
