package h264

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"testing"
	"time"

	"tutti/codec"
	"tutti/codec/internal/picture"
)

const (
	fps   = 25
	mode1 = "packetization-mode=1"
)

func params(w, h int) codec.VideoParams {
	return codec.VideoParams{Width: w, Height: h, FrameRate: fps, Bitrate: 800_000, Fmtp: mode1, MaxPayload: 1200}
}

func open(t testing.TB, p codec.VideoParams) (codec.VideoEncoder, codec.VideoDecoder) {
	t.Helper()
	e, err := H264().NewEncoder(p)
	if err != nil {
		t.Fatal(err)
	}
	d, err := H264().NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(); d.Close() })
	return e, d
}

func at(n int) time.Duration { return time.Duration(n) * time.Second / fps }

func TestPicturesComeThrough(t *testing.T) {
	const w, h = 640, 360
	for mode := range 2 {
		p := params(w, h)
		p.Fmtp = fmt.Sprintf("packetization-mode=%d", mode)
		e, d := open(t, p)
		pack, join := H264().NewPacketizer(p.Fmtp, 1200), H264().NewAssembler()
		total, shown := 0, 0
		for n := range 50 {
			img := picture.Moving(w, h, n)
			frame, key, err := e.Encode(img, at(n), false)
			if err != nil {
				t.Fatal(err)
			}
			if key != (n == 0) {
				t.Errorf("mode %d, frame %d: key = %t", mode, n, key)
			}
			if len(frame) == 0 {
				continue // skipped
			}
			total += len(frame)
			out, err := d.Decode(send(t, pack, join, frame, uint32(n)*3600, mode))
			if err != nil || out == nil {
				t.Fatalf("mode %d, frame %d: Decode() = %v, %v", mode, n, out, err)
			}
			shown++
			if psnr := picture.PSNR(img, out); psnr < 30 {
				t.Errorf("mode %d, frame %d: %.1f dB", mode, n, psnr)
			}
		}
		if rate := total * 8 * fps / 50; rate > 1_000_000 || shown < 45 {
			t.Errorf("mode %d: %d bit/s, want about 800000; %d of 50 pictures", mode, rate, shown)
		}
	}
}

// send carries a frame through packets that all fit.
func send(t *testing.T, p codec.Packetizer, a codec.Assembler, frame []byte, timestamp uint32, mode int) []byte {
	t.Helper()
	payloads := p.Packetize(frame)
	for i, payload := range payloads {
		if len(payload) > 1200 {
			t.Fatalf("mode %d: a payload of %d bytes", mode, len(payload))
		}
		if nalType := typeOf(payload); mode == 0 && nalType > nalLast {
			t.Fatalf("mode 0: a packet of type %d", nalType)
		}
		last := i == len(payloads)-1
		got, _, ok := a.Push(payload, timestamp, last, false)
		if ok != last {
			t.Fatalf("payload %d of %d: ok = %t", i, len(payloads), ok)
		}
		if ok {
			return got
		}
	}
	t.Fatal("no payloads")
	return nil
}

func TestKeyOnRequest(t *testing.T) {
	e, d := open(t, params(320, 180))
	for n := range 20 {
		frame, key, err := e.Encode(picture.Moving(320, 180, n), at(n), n == 7)
		if err != nil {
			t.Fatal(err)
		}
		if want := n == 0 || n == 7; key != want {
			t.Errorf("frame %d: key = %t", n, key)
		}
		var types []byte
		for nal, rest := nextNAL(frame); nal != nil; nal, rest = nextNAL(rest) {
			types = append(types, typeOf(nal))
		}
		if want := []byte{nalSPS, nalPPS, nalIDR}; key && !bytes.Equal(types, want) {
			t.Errorf("frame %d has NAL units of %v, want %v", n, types, want)
		}
	}
	frame, _, err := e.Encode(picture.Moving(320, 180, 20), at(20), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(frame); !errors.Is(err, codec.ErrNoKey) {
		t.Errorf("a decoder starts in the middle: %v", err)
	}
}

// What the stream says of itself is what the SDP says.
func TestStreamIsConstrainedBaseline(t *testing.T) {
	for fmtp, level := range map[string]byte{
		mode1: 31, mode1 + ";profile-level-id=42e01e": 30, mode1 + ";profile-level-id=42e034": 31, mode1 + ";profile-level-id=42000a": 30,
	} {
		size := image.Pt(640, 360) // too large for 2.1 and below, whatever the far end says
		p := params(size.X, size.Y)
		p.Fmtp = fmtp
		e, _ := open(t, p)
		frame, _, err := e.Encode(picture.Moving(size.X, size.Y, 0), 0, true)
		if err != nil {
			t.Fatal(err)
		}
		nal, _ := nextNAL(frame)
		id := ProfileLevelID{nal[1], nal[2], nal[3]}
		if id.Profile() != ConstrainedBaseline || id.Level != level {
			t.Errorf("%v: the stream is %v, %v; want level %d", fmtp, id, id.Profile(), level)
		}
	}
}

func TestSizeChanges(t *testing.T) {
	e, d := open(t, params(320, 180))
	for n, size := range []image.Point{{320, 180}, {640, 360}, {640, 360}, {180, 320}, {162, 90}, {1280, 720}} {
		img := picture.Moving(size.X, size.Y, n)
		frame, key, err := e.Encode(img, at(n), false)
		if err != nil {
			t.Fatalf("%v: %v", size, err)
		}
		if want := n != 2; key != want {
			t.Errorf("%v: key = %t", size, key)
		}
		out, err := d.Decode(frame)
		if err != nil || out == nil || out.Rect.Size() != size {
			t.Fatalf("%v: Decode() = %v, %v", size, out, err)
		}
		if psnr := picture.PSNR(img, out); psnr < 25 {
			t.Errorf("%v: %.1f dB", size, psnr)
		}
	}
}

func TestBitrateFollows(t *testing.T) {
	e, _ := open(t, params(640, 360))
	rate := func(from int) int {
		total := 0
		for n := from; n < from+75; n++ {
			frame, _, err := e.Encode(picture.Moving(640, 360, n), at(n), false)
			if err != nil {
				t.Fatal(err)
			}
			if n >= from+25 {
				total += len(frame)
			}
		}
		return total * 8 / 2
	}
	high := rate(0)
	if err := e.SetBitrate(200_000); err != nil {
		t.Fatal(err)
	}
	if low := rate(75); low > 260_000 || low >= high {
		t.Errorf("after SetBitrate(200000) %d bit/s, before %d", low, high)
	}
}

// Parameter sets may come in a frame of their own.
func TestSetsAlone(t *testing.T) {
	e, d := open(t, params(320, 180))
	frame, _, err := e.Encode(picture.Moving(320, 180, 0), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	sets := bytes.LastIndex(frame, []byte{0, 0, 0, 1})
	if out, err := d.Decode(frame[:sets]); out != nil || err != nil {
		t.Fatalf("sets alone: %v, %v", out, err)
	}
	if out, err := d.Decode(frame[sets:]); out == nil || err != nil {
		t.Fatalf("then the IDR slice: %v, %v", out, err)
	}
}

func TestRefuses(t *testing.T) {
	for _, p := range []codec.VideoParams{{}, params(0, 0), params(1922, 1080), params(1920, 1090), params(8, 8), params(321, 181)} {
		if _, err := H264().NewEncoder(p); err == nil {
			t.Errorf("encoder for %+v", p)
		}
	}
	e, d := open(t, params(64, 64))
	frame, _, err := e.Encode(picture.Moving(64, 64, 0), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Encode(image.NewYCbCr(image.Rect(0, 0, 64, 64), image.YCbCrSubsampleRatio444), time.Second, false); err == nil {
		t.Error("4:4:4 is encoded")
	}
	frame = append([]byte(nil), frame...)
	e.Close()
	d.Close()
	if _, _, err := e.Encode(picture.Moving(64, 64, 1), time.Second, false); !errors.Is(err, codec.ErrClosed) {
		t.Errorf("Encode after Close: %v", err)
	}
	if _, err := d.Decode(frame); !errors.Is(err, codec.ErrClosed) {
		t.Errorf("Decode after Close: %v", err)
	}
	if err := errors.Join(e.Close(), d.Close(), e.Close()); err != nil {
		t.Error(err)
	}
}

// After garbage a key frame is all it takes.
func TestRecoversFromGarbage(t *testing.T) {
	e, d := open(t, params(320, 180))
	var frames [][]byte
	for n := range 10 {
		frame, _, err := e.Encode(picture.Moving(320, 180, n), at(n), n == 9)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, append([]byte(nil), frame...))
	}
	for _, bad := range [][]byte{nil, {0}, make([]byte, 500), frames[0][:60], frames[3][:9], {0, 0, 1, 0x67}, {0, 0, 1, 0x65, 0x88, 1, 2, 3, 4}} {
		_, _ = d.Decode(bad)
	}
	if out, err := d.Decode(frames[9]); err != nil || out == nil || picture.PSNR(picture.Moving(320, 180, 9), out) < 28 {
		t.Errorf("after garbage a key frame gives %v, %v", out, err)
	}
}

// Streams of x264, in each profile that we answer to, are decoded.
func TestAgainstFFmpeg(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("ffmpeg is not installed; make peers installs it")
		}
		t.Skip("ffmpeg is not installed")
	}
	const w, h, frames = 320, 180, 12
	var raw []byte
	for n := range frames {
		img := picture.Moving(w, h, n)
		raw = append(append(append(raw, img.Y...), img.Cb...), img.Cr...)
	}
	for _, profile := range []string{"baseline", "main", "high"} {
		cmd := exec.Command("ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "320x180", "-r", "25", "-i", "-",
			"-c:v", "libx264", "-profile:v", profile, "-tune", "zerolatency", "-x264-params", "aud=1:threads=1", "-f", "h264", "-")
		cmd.Stdin = bytes.NewReader(raw)
		stream, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		_, d := open(t, params(w, h))
		pictures := bytes.Split(stream, []byte{0, 0, 0, 1, 9}) // access unit delimiters
		if len(pictures) != frames+1 {
			t.Fatalf("%s: %d pictures", profile, len(pictures)-1)
		}
		for n, p := range pictures[1:] {
			out, err := d.Decode(append([]byte{0, 0, 0, 1, 9}, p...))
			if err != nil || out == nil {
				t.Fatalf("%s: picture %d: %v, %v", profile, n, out, err)
			}
			if psnr := picture.PSNR(picture.Moving(w, h, n), out); psnr < 30 {
				t.Errorf("%s: picture %d: %.1f dB", profile, n, psnr)
			}
		}
	}
}

// A stream with damage in every third frame: whatever the decoder makes of it, pictures keep their size's bounds, and the
// next sound key frame comes through. Run with -asan, it watches what crosses to the library.
func TestSurvivesDamage(t *testing.T) {
	e, d := open(t, params(320, 180))
	var stream [][]byte
	for n := range 12 {
		frame, _, err := e.Encode(picture.Moving(320, 180, n), at(n), n%4 == 0)
		if err != nil {
			t.Fatal(err)
		}
		stream = append(stream, append([]byte(nil), frame...))
	}
	refused := 0
	for seed := range uint64(8000) {
		frame := stream[seed%12]
		if seed%3 == 0 && len(frame) > 0 {
			frame = picture.Damage(frame, seed)
		}
		img, err := d.Decode(frame)
		if err != nil {
			refused++
		} else if img != nil && codec.CheckSize(img.Rect.Dx(), img.Rect.Dy()) != nil {
			t.Fatalf("a picture of %v", img.Rect)
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed")
	}
	_, _ = d.Decode(stream[0]) // it may have to find back to its size
	if img, err := d.Decode(stream[0]); err != nil || img == nil || picture.PSNR(picture.Moving(320, 180, 0), img) < 28 {
		t.Errorf("a key frame afterwards gives %v, %v", img, err)
	}
}

func FuzzDecode(f *testing.F) {
	e, _ := open(f, params(64, 48))
	var key []byte
	for n := range 3 {
		frame, _, err := e.Encode(picture.Moving(64, 48, n), at(n), false)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte(nil), frame...))
		if n == 0 {
			key = append(key, frame...)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		d, err := newDecoder()
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := d.Decode(key); err != nil {
			t.Fatal(err)
		}
		img, err := d.Decode(frame)
		if err == nil && img != nil && codec.CheckSize(img.Rect.Dx(), img.Rect.Dy()) != nil {
			t.Fatalf("a picture of %v", img.Rect)
		}
		_, _ = d.Decode(key)
		if img, err := d.Decode(key); err != nil || img == nil {
			t.Fatalf("key frames after it: %v, %v", img, err)
		}
	})
}

func BenchmarkH264(b *testing.B) {
	const w, h = 640, 360
	var imgs []*image.YCbCr
	for n := range 25 {
		imgs = append(imgs, picture.Moving(w, h, n))
	}
	e, d := open(b, params(w, h))
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			if _, _, err := e.Encode(imgs[n%25], at(n), false); err != nil {
				b.Fatal(err)
			}
			n++
		}
	})
	key, _, _ := e.Encode(imgs[0], time.Hour, true)
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Decode(key); err != nil {
				b.Fatal(err)
			}
		}
	})
}
