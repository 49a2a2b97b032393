package video

import (
	"fmt"
	"image"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"tutti/codec"
	"tutti/codec/h264"
	"tutti/codec/vpx"
	"tutti/codec/yuv"
	"tutti/mixer/plan"
	"tutti/mixer/video/canvas"
)

// sender is a camera with a real encoder: a plane of one colour with a square that moves.
type sender struct {
	t       testing.TB
	source  *Source
	encoder codec.VideoEncoder
	packets codec.Packetizer
	picture *image.YCbCr
	colour  colour
	number  int
	kind    uint8
	ssrc    uint32
	seq     uint16
	wish    bool
}

func newSender(t testing.TB, e *Engine, leg plan.LegID, v codec.Video, w, h int, c colour) *sender {
	t.Helper()
	const mtu = 1200
	enc, err := v.NewEncoder(codec.VideoParams{Width: w, Height: h, FrameRate: 25, Bitrate: 400_000, MaxPayload: mtu})
	if err != nil {
		t.Fatal(err)
	}
	s := &sender{
		t: t, encoder: enc, packets: v.NewPacketizer("packetization-mode=1", mtu), colour: c, wish: true, kind: 96, ssrc: 9,
		picture: image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420),
	}
	s.source = e.AddSource(leg, plan.MainContent, SourceOptions{
		Payloads: map[uint8]*codec.Video{96: &v}, RequestKeyFrame: func(uint32) { s.wish = true },
	})
	return s
}

// frame is the next frame.
func (s *sender) frame() []byte {
	s.t.Helper()
	paint(s.picture, s.picture.Rect, s.colour)
	w, h := s.picture.Rect.Dx(), s.picture.Rect.Dy()
	x := (s.number * 4) % (w - 16) &^ 1
	paint(s.picture, image.Rect(x, h-16, x+16, h), colour{235, 128, 128})
	f, _, err := s.encoder.Encode(s.picture, time.Duration(s.number)*40*time.Millisecond, s.wish)
	if err != nil {
		s.t.Fatal(err)
	}
	s.wish = false
	s.number++
	return f
}

func (s *sender) send() {
	ps := s.packets.Packetize(s.frame())
	for i, p := range ps {
		s.source.Receive(&rtp.Packet{Header: rtp.Header{
			PayloadType: s.kind, SSRC: s.ssrc, SequenceNumber: s.seq, Timestamp: uint32(s.number * 3600), Marker: i == len(ps)-1,
		}, Payload: p}, "", time.Now())
		s.seq++
	}
}

func (s *sender) close() {
	if err := s.encoder.Close(); err != nil {
		s.t.Error(err)
	}
}

func paint(m *image.YCbCr, r image.Rectangle, c colour) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			m.Y[m.YOffset(x, y)], m.Cb[m.COffset(x, y)], m.Cr[m.COffset(x, y)] = c.y, c.cb, c.cr
		}
	}
}

// receiverOf is a Sink with a real decoder.
type receiverOf struct {
	t         testing.TB
	assembler codec.Assembler
	decoder   codec.VideoDecoder
	picture   *image.YCbCr // lent by the decoder
	pictures  int
	octets    int
}

func newReceiverOf(t testing.TB, v codec.Video) *receiverOf {
	t.Helper()
	d, err := v.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return &receiverOf{t: t, assembler: v.NewAssembler(), decoder: d}
}

func (r *receiverOf) WriteFrame(payloads [][]byte, timestamp uint32, _ []plan.LegID) {
	for i, p := range payloads {
		r.octets += len(p)
		frame, _, ok := r.assembler.Push(p, timestamp, i == len(payloads)-1, false)
		if !ok {
			continue
		}
		m, err := r.decoder.Decode(frame)
		if err != nil {
			r.t.Errorf("decoding what the engine sent: %v", err)
			continue
		}
		if m != nil {
			r.picture = m
			r.pictures++
		}
	}
}

// at is the colour at a place in parts of 1.
func (r *receiverOf) at(x, y float64) colour {
	if r.picture == nil {
		return colour{}
	}
	px, py := int(x*float64(r.picture.Rect.Dx())), int(y*float64(r.picture.Rect.Dy()))
	c := r.picture.COffset(px, py)
	return colour{r.picture.Y[r.picture.YOffset(px, py)], r.picture.Cb[c], r.picture.Cr[c]}
}

func alike(a, b colour, tolerance int) bool {
	d := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	return d(a.y, b.y) <= tolerance && d(a.cb, b.cb) <= tolerance && d(a.cr, b.cr) <= tolerance
}

// TestRealCodecsEndToEnd sends four cameras, two in VP8 and two in H.264, and looks at the composed picture as a VP8
// and as an H.264 viewer get it. Tolerance: 12 of 255, as both ways quantise.
func TestRealCodecsEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		formats := map[string]codec.Video{"VP8": vpx.VP8(), "H264": h264.H264()}
		colours := []colour{red, green, blue, grey}
		var cams []*sender
		var tiles []plan.Tile
		for i, name := range []string{"VP8", "H264", "VP8", "H264"} {
			leg := plan.LegID(fmt.Sprint(i))
			cams = append(cams, newSender(t, s.engine, leg, formats[name], 320, 180, colours[i]))
			tiles = append(tiles, tile(leg))
		}
		screens := map[string]*receiverOf{}
		for name, v := range formats {
			screens[name] = newReceiverOf(t, v)
			s.engine.AddViewer(plan.LegID(name), ViewerEncoding{Video: &v, Fmtp: v.Fmtp, Width: 640, Height: 360}, screens[name])
		}
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"VP8", "H264"}, tiles...))
		for range 50 {
			for _, c := range cams {
				c.send()
			}
			time.Sleep(40 * time.Millisecond)
			synctest.Wait()
		}
		st := s.engine.Stats()
		s.end()
		for name, r := range screens {
			if r.pictures < 45 {
				t.Errorf("%s: %d pictures in 2 s, want 50", name, r.pictures)
			}
			for i, want := range colours {
				if got := r.at(0.25+0.5*float64(i%2), 0.25+0.5*float64(i/2)); !alike(got, want, 12) {
					t.Errorf("%s: tile %d is %v, want %v", name, i, got, want)
				}
			}
			if err := r.decoder.Close(); err != nil {
				t.Error(err)
			}
		}
		if st.DecodeErrors+st.EncodeErrors+st.Lost != 0 || st.KeyFramesAsked > 4 {
			t.Errorf("stats %+v", st)
		}
		for _, c := range cams {
			c.close()
		}
	})
}

// TestRealCodecsChange: one source goes through formats and sizes, as a phone does that is turned, or put through.
func TestRealCodecsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		vp8, avc := vpx.VP8(), h264.H264()
		screen := newReceiverOf(t, vp8)
		s.engine.AddViewer("v", ViewerEncoding{Video: &vp8}, screen)
		s.engine.SetScenes(scene(plan.Single, []plan.LegID{"v"}, tile("a")))
		source := s.engine.AddSource("a", plan.MainContent, SourceOptions{Payloads: map[uint8]*codec.Video{96: &vp8, 97: &avc}})
		time.Sleep(50 * time.Millisecond) // the next frame: the source is shown
		synctest.Wait()
		seq := uint16(0)
		for i, step := range []struct {
			kind   uint8
			w, h   int
			colour colour
		}{
			{96, 320, 180, red}, {97, 320, 180, green}, {97, 640, 480, blue}, {96, 180, 320, grey}, {96, 1280, 720, red}, {97, 176, 144, green},
		} {
			v := map[uint8]codec.Video{96: vp8, 97: avc}[step.kind]
			cam := newSender(t, New(Config{}), "x", v, step.w, step.h, step.colour)
			cam.source, cam.kind, cam.seq, cam.ssrc = source, step.kind, seq, 5
			for range 15 {
				cam.send()
				time.Sleep(40 * time.Millisecond)
				synctest.Wait()
			}
			seq = cam.seq
			cam.close()
			if got := screen.at(0.5, 0.5); !alike(got, step.colour, 12) {
				t.Errorf("step %d: shows %v, want %v", i, got, step.colour)
			}
		}
		s.end()
		if err := screen.decoder.Close(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzReceive gives a source packets that nobody made with care, each of them: payload type, sequence number,
// timestamp, marker and length in its first bytes. Nothing panics, nothing grows, and no picture is too large.
func FuzzReceive(f *testing.F) {
	vp8, avc := vpx.VP8(), h264.H264()
	f.Add([]byte{96, 0, 1, 3, 0x10, 0x00, 0x9d, 97, 1, 1, 5, 0x67, 0x42, 0xe0, 0x1f, 0x00})
	f.Fuzz(func(t *testing.T, in []byte) {
		e := New(Config{})
		s := e.AddSource("a", plan.MainContent, SourceOptions{Payloads: map[uint8]*codec.Video{96: &vp8, 97: &avc}})
		s.show(size{320, 180})
		r := newReceiver(s)
		defer r.close()
		now := time.Now()
		for len(in) >= 4 {
			n := min(int(in[3]), len(in)-4)
			s.Receive(&rtp.Packet{Header: rtp.Header{
				PayloadType: in[0], SequenceNumber: uint16(in[1]), Timestamp: uint32(in[2]) * 90, Marker: in[2]&1 != 0, SSRC: uint32(in[1] >> 6),
			}, Payload: in[4 : 4+n]}, "", now)
			in = in[4+n:]
			r.work()
		}
		s.takePicture()
		if m := s.picture.Image; m != nil && !acceptable(m) {
			t.Errorf("picture of %v", m.Rect)
		}
	})
}

// TestScalersAgree compares libyuv with the plain scaler. Tolerance: 3 of 255 on average, as their filters differ.
func TestScalersAgree(t *testing.T) {
	src := image.NewYCbCr(image.Rect(0, 0, 642, 362), image.YCbCrSubsampleRatio420)
	for y := range 362 {
		for x := range 642 {
			src.Y[src.YOffset(x, y)] = uint8(16 + (x*y/7)%64 + y/3)
			src.Cb[src.COffset(x, y)], src.Cr[src.COffset(x, y)] = uint8(x/3), uint8(y/2)
		}
	}
	for _, size := range []image.Point{{320, 180}, {212, 120}, {160, 90}, {642, 362}} {
		fast := image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420)
		slow := image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420)
		if err := yuv.Scale(fast, src); err != nil {
			t.Fatal(err)
		}
		canvas.ScalePlain(slow, src)
		for name, d := range map[string]float64{"Y": apart(fast.Y, slow.Y), "Cb": apart(fast.Cb, slow.Cb), "Cr": apart(fast.Cr, slow.Cr)} {
			if d > 3 {
				t.Errorf("to %v: %s is %.1f apart on average", size, name, d)
			}
		}
	}
}

// apart is the mean difference.
func apart(a, b []uint8) float64 {
	sum := 0
	for i := range a {
		sum += max(int(a[i])-int(b[i]), int(b[i])-int(a[i]))
	}
	return float64(sum) / float64(len(a))
}
