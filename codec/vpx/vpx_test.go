package vpx

import (
	"errors"
	"image"
	"testing"
	"time"

	"tutti/codec"
	"tutti/codec/internal/picture"
)

const fps = 25

func params(w, h int) codec.VideoParams {
	return codec.VideoParams{Width: w, Height: h, FrameRate: fps, Bitrate: 800_000}
}

func open(t testing.TB, w, h int) (codec.VideoEncoder, codec.VideoDecoder) {
	t.Helper()
	e, err := VP8().NewEncoder(params(w, h))
	if err != nil {
		t.Fatal(err)
	}
	d, err := VP8().NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(); d.Close() })
	return e, d
}

func at(n int) time.Duration { return time.Duration(n) * time.Second / fps }

func TestPicturesComeThrough(t *testing.T) {
	const w, h = 640, 360
	e, d := open(t, w, h)
	p, a := VP8().NewPacketizer("", 1200), VP8().NewAssembler()
	bytes := 0
	for n := range 50 {
		img := picture.Moving(w, h, n)
		frame, key, err := e.Encode(img, at(n), false)
		if err != nil {
			t.Fatal(err)
		}
		if key != (n == 0) {
			t.Errorf("frame %d: key = %t", n, key)
		}
		bytes += len(frame)
		got := send(t, p, a, frame, uint32(n)*3600)
		out, err := d.Decode(got)
		if err != nil || out == nil {
			t.Fatalf("frame %d: Decode() = %v, %v", n, out, err)
		}
		if psnr := picture.PSNR(img, out); psnr < 30 {
			t.Errorf("frame %d: %.1f dB", n, psnr)
		}
	}
	if rate := bytes * 8 * fps / 50; rate > 1_000_000 {
		t.Errorf("%d bit/s, want about 800000", rate)
	}
}

// send carries a frame through packets that all fit.
func send(t *testing.T, p codec.Packetizer, a codec.Assembler, frame []byte, timestamp uint32) []byte {
	t.Helper()
	payloads := p.Packetize(frame)
	for i, payload := range payloads {
		if len(payload) > 1200 {
			t.Fatalf("a payload of %d bytes", len(payload))
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
	e, d := open(t, 320, 180)
	for n := range 20 {
		_, key, err := e.Encode(picture.Moving(320, 180, n), at(n), n == 7)
		if err != nil {
			t.Fatal(err)
		}
		if want := n == 0 || n == 7; key != want {
			t.Errorf("frame %d: key = %t", n, key)
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

func TestSizeChanges(t *testing.T) {
	e, d := open(t, 320, 180)
	for n, size := range []image.Point{{320, 180}, {640, 360}, {640, 360}, {180, 320}, {161, 91}} {
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

func TestPartOfAPicture(t *testing.T) {
	e, d := open(t, 320, 180)
	img := picture.Moving(640, 360, 3).SubImage(image.Rect(100, 60, 420, 240)).(*image.YCbCr)
	frame, _, err := e.Encode(img, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Decode(frame)
	if err != nil {
		t.Fatal(err)
	}
	if psnr := picture.PSNR(img, out); psnr < 30 {
		t.Errorf("%.1f dB", psnr)
	}
}

func TestBitrateFollows(t *testing.T) {
	e, _ := open(t, 640, 360)
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

func TestRefuses(t *testing.T) {
	for _, p := range []codec.VideoParams{{}, params(0, 0), params(1922, 1080), params(1920, 1090), {Width: 64, Height: 64, Bitrate: 1e5}} {
		if _, err := VP8().NewEncoder(p); err == nil {
			t.Errorf("encoder for %+v", p)
		}
	}
	e, d := open(t, 64, 64)
	frame, _, err := e.Encode(picture.Moving(64, 64, 0), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	huge := append([]byte(nil), frame...)
	huge[6], huge[7] = 0xFF, 0x3F
	if _, err := d.Decode(huge); !errors.Is(err, codec.ErrSize) {
		t.Errorf("a picture of 16383 pixels: %v", err)
	}
	short := image.NewYCbCr(image.Rect(0, 0, 64, 64), image.YCbCrSubsampleRatio420)
	short.Cr = short.Cr[:100]
	if _, _, err := e.Encode(short, time.Second, false); err == nil {
		t.Error("a picture without memory is encoded")
	}
	if _, _, err := e.Encode(image.NewYCbCr(image.Rect(0, 0, 64, 64), image.YCbCrSubsampleRatio444), time.Second, false); err == nil {
		t.Error("4:4:4 is encoded")
	}
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
	e, d := open(t, 320, 180)
	var frames [][]byte
	for n := range 10 {
		frame, _, err := e.Encode(picture.Moving(320, 180, n), at(n), n == 9)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, append([]byte(nil), frame...))
	}
	for _, bad := range [][]byte{nil, {0}, make([]byte, 9), make([]byte, 500), frames[0][:40], frames[3][:5]} {
		_, _ = d.Decode(bad)
	}
	if out, err := d.Decode(frames[9]); err != nil || out == nil || picture.PSNR(picture.Moving(320, 180, 9), out) < 28 {
		t.Errorf("after garbage a key frame gives %v, %v", out, err)
	}
}

// A stream with damage in every third frame: whatever the decoder makes of it, pictures keep their size's bounds, and the
// next sound key frame comes through. Run with -asan, it watches what crosses to the library.
func TestSurvivesDamage(t *testing.T) {
	e, d := open(t, 320, 180)
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
	e, _ := open(f, 64, 48)
	for n := range 3 {
		frame, _, err := e.Encode(picture.Moving(64, 48, n), at(n), false)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte(nil), frame...), uint16(n))
	}
	key, _, _ := e.Encode(picture.Moving(64, 48, 3), at(3), true)
	key = append([]byte(nil), key...)
	f.Fuzz(func(t *testing.T, frame []byte, _ uint16) {
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
		if img, err := d.Decode(key); err != nil || img == nil {
			t.Fatalf("a key frame after it: %v, %v", img, err)
		}
	})
}

func BenchmarkVP8(b *testing.B) {
	const w, h = 640, 360
	var imgs []*image.YCbCr
	for n := range 25 {
		imgs = append(imgs, picture.Moving(w, h, n))
	}
	e, d := open(b, w, h)
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
