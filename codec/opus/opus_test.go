package opus

import (
	"errors"
	"math"
	"testing"
	"time"

	"tutti/codec"
	"tutti/codec/internal/sound"
)

const frame = 960 // 20 ms

func open(t testing.TB, p codec.AudioParams) (*encoder, *decoder) {
	t.Helper()
	e, err := newEncoder(p)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDecoder(p)
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

func encodeAll(t testing.TB, e codec.AudioEncoder, pcm []int16) [][]byte {
	t.Helper()
	var packets [][]byte
	for ; len(pcm) >= frame; pcm = pcm[frame:] {
		p, err := e.Encode(nil, pcm[:frame])
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, p)
	}
	return packets
}

func TestTone(t *testing.T) {
	in := sound.Tone(50*frame, 440, sampleRate, 8000)
	e, d := open(t, codec.AudioParams{})
	out := make([]int16, 0, len(in))
	for _, p := range encodeAll(t, e, in) {
		var pcm [frame]int16
		if n, err := d.Decode(pcm[:], p); err != nil || n != frame {
			t.Fatalf("Decode() = %d, %v", n, err)
		}
		out = append(out, pcm[:]...)
	}
	in, out = in[10*frame:], out[10*frame:]
	if got := sound.ToneLevel(out, 440, sampleRate) - sound.Level(in); math.Abs(got) > 0.5 {
		t.Errorf("the tone's level changes by %.2f dB", got)
	}
	if rest := sound.Level(out) - sound.ToneLevel(out, 440, sampleRate); rest > 0.1 {
		t.Errorf("beside the tone there is %.2f dB", rest)
	}
}

// speech is a stand-in for a voice that SILK believes in: a pulsing pitch with harmonics.
func speech(n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		x := float64(i) / sampleRate
		swell := 0.6 + 0.4*math.Sin(2*math.Pi*3*x)
		for h := 1.0; h <= 12; h++ {
			pcm[i] += int16(2500 / h * swell * math.Sin(2*math.Pi*150*h*x+h*h))
		}
	}
	return pcm
}

// A lost packet comes back from its successor, better than by concealment alone.
func TestRecover(t *testing.T) {
	in := speech(60 * frame)
	e, _ := open(t, codec.AudioParams{Fmtp: "useinbandfec=1"})
	packets := encodeAll(t, e, in)
	played := func(fill func(d *decoder, pcm []int16, next []byte) error) []int16 {
		_, d := open(t, codec.AudioParams{})
		var out []int16
		for i, p := range packets {
			pcm := make([]int16, frame)
			if i%10 == 9 && i+1 < len(packets) {
				if err := fill(d, pcm, packets[i+1]); err != nil {
					t.Fatal(err)
				}
			} else if _, err := d.Decode(pcm, p); err != nil {
				t.Fatal(err)
			}
			out = append(out, pcm...)
		}
		return out
	}
	whole := played(func(d *decoder, pcm []int16, _ []byte) error { return d.Conceal(pcm) })
	recovered := played(func(d *decoder, pcm []int16, next []byte) error { return d.Recover(pcm, next) })
	_, clean := open(t, codec.AudioParams{})
	var want []int16
	for _, p := range packets {
		pcm := make([]int16, frame)
		if _, err := clean.Decode(pcm, p); err != nil {
			t.Fatal(err)
		}
		want = append(want, pcm...)
	}
	// Judged over the lost frames only.
	concealedSNR, recoveredSNR := lostSNR(want, whole), lostSNR(want, recovered)
	if recoveredSNR < concealedSNR+1 {
		t.Errorf("recovered frames have an SNR of %.1f dB, concealed ones %.1f", recoveredSNR, concealedSNR)
	}
	for i := 9; i < 59; i += 10 {
		was, is := sound.Level(want[i*frame:(i+1)*frame]), sound.Level(whole[i*frame:(i+1)*frame])
		if math.Abs(was-is) > 6 {
			t.Errorf("frame %d: concealed at %.1f dB, was %.1f", i, is, was)
		}
	}
}

func lostSNR(want, got []int16) float64 {
	var w, g []int16
	for i := 9; i < 59; i += 10 {
		w = append(w, want[i*frame:(i+1)*frame]...)
		g = append(g, got[i*frame:(i+1)*frame]...)
	}
	return sound.SNR(w, g)
}

func TestObeysTheFarEnd(t *testing.T) {
	size := func(p codec.AudioParams) int {
		e, _ := open(t, p)
		pcm := speech(50 * frame * max(p.Channels, 1))
		total := 0
		for ; len(pcm) > 0; pcm = pcm[frame*max(p.Channels, 1):] {
			b, err := e.Encode(nil, pcm[:frame*max(p.Channels, 1)])
			if err != nil {
				t.Fatal(err)
			}
			total += len(b)
			if got, want := b[0]&4 != 0, p.Channels == 2 && codec.FmtpInt(p.Fmtp, "stereo", 0) == 1; got != want {
				t.Fatalf("%q: stereo packet = %t", p.Fmtp, got)
			}
		}
		return total * 8 // bit/s, as it was a second
	}
	if got := size(codec.AudioParams{}); got > 40000 || got < 20000 {
		t.Errorf("by default %d bit/s, want about %d", got, defaultBitrate)
	}
	if got := size(codec.AudioParams{Fmtp: "maxaveragebitrate=12000;useinbandfec=1"}); got > 15000 {
		t.Errorf("%d bit/s, though the far end wants 12000", got)
	}
	size(codec.AudioParams{Channels: 2, Fmtp: "stereo=1"})
	size(codec.AudioParams{Channels: 2, Fmtp: "stereo=0"})

	e, _ := open(t, codec.AudioParams{Fmtp: "cbr=1"})
	for i, p := range encodeAll(t, e, speech(10*frame)) {
		if len(p) != defaultBitrate/8/50 {
			t.Errorf("cbr: packet %d has %d bytes", i, len(p))
		}
	}
	e, _ = open(t, codec.AudioParams{Fmtp: "maxplaybackrate=8000"})
	for _, p := range encodeAll(t, e, speech(10*frame)) {
		if config := p[0] >> 3; config >= 4 && config < 16 {
			t.Errorf("configuration %d is wider than narrowband", config)
		}
	}
}

func TestPacketDuration(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string]struct {
		packet []byte
		want   time.Duration // 0 for an error
	}{
		"empty":                         {nil, 0},
		"SILK narrowband 10 ms":         {[]byte{0 << 3}, 10 * ms},
		"SILK wideband 60 ms":           {[]byte{11 << 3}, 60 * ms},
		"two of them":                   {[]byte{11<<3 | 1}, 120 * ms},
		"hybrid 10 ms":                  {[]byte{12 << 3}, 10 * ms},
		"hybrid 20 ms":                  {[]byte{15 << 3}, 20 * ms},
		"CELT 2.5 ms":                   {[]byte{16 << 3}, 5 * ms / 2},
		"CELT 20 ms, two of two sizes":  {[]byte{31<<3 | 2}, 40 * ms},
		"count byte missing":            {[]byte{31<<3 | 3}, 0},
		"no frame":                      {[]byte{31<<3 | 3, 0xC0}, 0},
		"48 of 2.5 ms":                  {[]byte{16<<3 | 3, 48}, 120 * ms},
		"63 of 2.5 ms are too long":     {[]byte{16<<3 | 3, 63}, 0},
		"three of 60 ms are too long":   {[]byte{3<<3 | 3, 3}, 0},
		"padding and VBR bits no count": {[]byte{31<<3 | 3, 0xC2}, 40 * ms},
	}
	for name, tt := range tests {
		if got, err := PacketDuration(tt.packet); got != tt.want || (err == nil) != (tt.want != 0) {
			t.Errorf("%s: PacketDuration() = %v, %v; want %v", name, got, err, tt.want)
		}
	}
}

// The library fills to the capacity; our neighbours must not feel it.
func TestNeighboursAreLeftAlone(t *testing.T) {
	e, d := open(t, codec.AudioParams{})
	packet, err := e.Encode(nil, speech(frame))
	if err != nil {
		t.Fatal(err)
	}
	pool := make([]int16, 3*frame)
	for i := range pool {
		pool[i] = 77
	}
	pcm := pool[:frame]
	for name, call := range map[string]func() error{
		"Decode":  func() error { _, err := d.Decode(pcm, packet); return err },
		"Conceal": func() error { return d.Conceal(pcm) },
		"Recover": func() error { return d.Recover(pcm, packet) },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, s := range pool[frame:] {
			if s != 77 {
				t.Fatalf("%s wrote %d samples too far", name, i)
			}
		}
	}
	dst := append(make([]byte, 0, 4096), "before"...)
	if dst, err = e.Encode(dst, speech(frame)); err != nil || string(dst[:6]) != "before" {
		t.Errorf("Encode does not append: %q, %v", dst[:6], err)
	}
}

func TestRefuses(t *testing.T) {
	_, d := open(t, codec.AudioParams{})
	if _, err := d.Decode(make([]int16, frame), nil); !errors.Is(err, codec.ErrEmpty) {
		t.Errorf("Decode of nothing: %v", err)
	}
	if _, err := d.Decode(make([]int16, frame), []byte{11 << 3, 0}); !errors.Is(err, codec.ErrSpace) {
		t.Errorf("Decode of 60 ms into 20: %v", err)
	}
	for _, n := range []int{0, 100, maxSamples + step} {
		if err := d.Conceal(make([]int16, n)); err == nil {
			t.Errorf("Conceal of %d samples is accepted", n)
		}
	}
	if err := d.Recover(make([]int16, frame), nil); err == nil {
		t.Error("Recover from nothing is accepted")
	}
}

func FuzzDecode(f *testing.F) {
	e, _ := open(f, codec.AudioParams{})
	for _, p := range encodeAll(f, e, speech(3*frame)) {
		f.Add(p)
	}
	f.Add([]byte{16<<3 | 3, 48, 1, 2, 3})
	f.Fuzz(func(t *testing.T, packet []byte) {
		_, d := open(t, codec.AudioParams{})
		pcm := make([]int16, maxSamples)
		want, sizeErr := Samples(packet)
		got, err := d.Decode(pcm, packet)
		if err == nil && (sizeErr != nil || got != want) {
			t.Fatalf("Decode() gives %d samples, Samples() says %d, %v", got, want, sizeErr)
		}
		if err := d.Recover(pcm[:frame], packet); err != nil && sizeErr == nil && err.Error() == "" {
			t.Fatal("an error without words")
		}
		if err := d.Conceal(pcm[:frame]); err != nil {
			t.Fatalf("after a bad packet Conceal fails: %v", err)
		}
	})
}

func BenchmarkOpus(b *testing.B) {
	e, d := open(b, codec.AudioParams{})
	pcm := speech(frame)
	packet, _ := e.Encode(nil, pcm)
	room := make([]byte, 0, 1500)
	out := make([]int16, frame)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = e.Encode(room, pcm)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = d.Decode(out, packet)
		}
	})
}
