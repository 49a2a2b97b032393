package video

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"tutti/codec"
	"tutti/mixer/plan"
)

var errEnded = errors.New("ended")

var (
	red   = colour{81, 90, 240}
	green = colour{145, 54, 34}
	blue  = colour{41, 240, 110}
	grey  = colour{150, 128, 128}
)

// stage is an engine that runs, and what a test plays with.
type stage struct {
	t      *testing.T
	engine *Engine
	fake   *fake
	vp8    *codec.Video
	h264   *codec.Video
	cancel context.CancelCauseFunc
	done   chan error
}

func newStage(t *testing.T) *stage { return newStageOf(t, Config{Width: 320, Height: 180}) }

func newStageOf(t *testing.T, cfg Config) *stage {
	s := &stage{t: t, engine: New(cfg), fake: &fake{}, done: make(chan error, 1)}
	s.vp8, s.h264 = s.fake.video("VP8"), s.fake.video("H264")
	ctx, cancel := context.WithCancelCause(t.Context())
	s.cancel = cancel
	go func() { s.done <- s.engine.Run(ctx) }()
	return s
}

// end stops the engine; nothing of it may be left.
func (s *stage) end() {
	s.t.Helper()
	s.cancel(errEnded)
	if err := <-s.done; !errors.Is(err, errEnded) {
		s.t.Errorf("Run() = %v, want %v", err, errEnded)
	}
	if n := s.fake.get(&s.fake.encoders); n != 0 {
		s.t.Errorf("%d encoders left open", n)
	}
	if n := s.fake.get(&s.fake.decoders); n != 0 {
		s.t.Errorf("%d decoders left open", n)
	}
}

// camera sends frames of one colour to a source.
type camera struct {
	source *Source
	ssrc   uint32
	rid    string
	kind   uint8
	size   size
	colour colour
	seq    uint16
	time   uint32
	sent   int
	deaf   bool // makes no key frame when asked

	mu    sync.Mutex // guards the fields below, where the engine runs beside the test
	asked int        // key frames
	wish  bool       // the next frame is a key frame
}

// ask is the engine's wish for a key frame.
func (c *camera) ask(uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	c.wish = !c.deaf
}

// wished takes the wish.
func (c *camera) wished() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.wish
	c.wish = false
	return w
}

func (s *stage) camera(leg plan.LegID, c colour) *camera {
	cam := &camera{ssrc: 100, kind: 96, size: size{160, 90}, colour: c, seq: 65500, wish: true}
	cam.source = s.engine.AddSource(leg, plan.MainContent, SourceOptions{
		Payloads:        map[uint8]*codec.Video{96: s.vp8, 97: s.h264},
		RequestKeyFrame: cam.ask,
	})
	return cam
}

// packets are those of the next frame.
func (c *camera) packets() []*rtp.Packet {
	f := fakeFrame(c.wished(), c.size.w, c.size.h, c.colour)
	c.time += 3600
	var out []*rtp.Packet
	const part = 200
	for len(f) > 0 {
		n := min(part, len(f))
		out = append(out, &rtp.Packet{
			Header:  rtp.Header{SSRC: c.ssrc, PayloadType: c.kind, SequenceNumber: c.seq, Timestamp: c.time, Marker: n == len(f)},
			Payload: f[:n],
		})
		c.seq++
		f = f[n:]
	}
	return out
}

// send sends one frame.
func (c *camera) send() {
	for _, p := range c.packets() {
		c.source.Receive(p, c.rid, time.Now())
	}
	c.sent++
}

// play lets time pass while cameras send 25 frames/s.
func play(d time.Duration, cameras ...*camera) {
	for range int(d / (40 * time.Millisecond)) {
		for _, c := range cameras {
			c.send()
		}
		time.Sleep(40 * time.Millisecond)
		synctest.Wait()
	}
}

func tile(leg plan.LegID) plan.Tile {
	return plan.Tile{Leg: leg, Content: plan.MainContent, Video: true}
}

func scene(layout plan.Layout, viewers []plan.LegID, tiles ...plan.Tile) []plan.Scene {
	return []plan.Scene{{Layout: layout, Tiles: tiles, Viewers: viewers}}
}

func TestTilesShowTheirSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cams := []*camera{s.camera("a", red), s.camera("b", green), s.camera("c", blue), s.camera("d", grey)}
		var see screen
		s.engine.AddViewer("v", ViewerEncoding{Video: s.vp8}, &see)
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v"}, tile("a"), tile("b"), tile("c"), tile("d")))
		play(time.Second, cams...)
		for i, want := range []colour{red, green, blue, grey} {
			x, y := 0.25+0.5*float64(i%2), 0.25+0.5*float64(i/2)
			if got := see.at(x, y); got != want {
				t.Errorf("tile %d is %v, want %v", i, got, want)
			}
		}
		if frames, keys := see.count(); frames < 24 || keys != 1 || !see.firstKey {
			t.Errorf("%d frames, %d key frames, key first %v; want 25, 1, true", frames, keys, see.firstKey)
		}
		if got, want := fmt.Sprint(see.legs), "[a b c d]"; got != want {
			t.Errorf("contributors %v, want %v", got, want)
		}
		for i := range see.timestamps[1:] {
			if d := see.timestamps[i+1] - see.timestamps[i]; d != 3600 {
				t.Errorf("timestamp grows by %d, want 3600", d)
			}
		}
		s.end()
	})
}

func TestEqualViewersShareOneEncoder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cam := s.camera("a", red)
		screens := make([]screen, 10)
		var legs []plan.LegID
		for i := range screens {
			leg := plan.LegID(fmt.Sprint("v", i))
			legs = append(legs, leg)
			enc := ViewerEncoding{Video: s.vp8, Fmtp: "max-fr=30; max-fs=3600"}
			if i%2 == 1 {
				enc.Fmtp = "max-fs=3600;max-fr=30" // other words, same meaning
			}
			s.engine.AddViewer(leg, enc, &screens[i])
		}
		s.engine.SetScenes(scene(plan.Grid, legs, tile("a")))
		play(time.Second, cam)
		if n := s.fake.get(&s.fake.made); n != 1 {
			t.Errorf("%d encoders for 10 equal viewers, want 1", n)
		}
		const want = "\nvp8 320×180 at 25/s, 192 kbit/s: 10 viewers, "
		if got := s.engine.Stats().String(); !strings.Contains(got, want) || !strings.HasSuffix(got, "(1 key, 0 dropped, 0 skipped, 0 errors)") {
			t.Errorf("stats %q, want %q in them", got, want)
		}
		for i := range screens {
			if got := screens[i].at(0.5, 0.5); got != red {
				t.Errorf("viewer %d sees %v, want %v", i, got, red)
			}
		}
		s.end()
	})
}

func TestViewerInNoSceneGetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cam := s.camera("a", red)
		var see, left screen
		s.engine.AddViewer("v", ViewerEncoding{Video: s.vp8}, &see)
		s.engine.AddViewer("w", ViewerEncoding{Video: s.vp8}, &left)
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v"}, tile("a")))
		play(time.Second, cam)
		if frames, _ := left.count(); frames != 0 {
			t.Errorf("%d frames without a scene", frames)
		}
		s.engine.SetScenes(nil)
		play(100*time.Millisecond, cam)
		before, _ := see.count()
		decoded := s.fake.get(&s.fake.decoded)
		play(time.Second, cam)
		if after, _ := see.count(); after != before {
			t.Errorf("%d frames after the scene ended", after-before)
		}
		if n := s.fake.get(&s.fake.decoded); n != decoded {
			t.Errorf("%d pictures decoded that nobody sees", n-decoded)
		}
		if n := s.fake.get(&s.fake.encoders); n != 0 {
			t.Errorf("%d encoders open that nobody sees", n)
		}
		s.end()
	})
}

func TestKeyFramesAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cam := s.camera("a", red)
		var see screen
		v := s.engine.AddViewer("v", ViewerEncoding{Video: s.vp8}, &see)
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v"}, tile("a")))
		play(time.Second, cam)
		_, before := see.count()
		for range 125 { // five seconds of a viewer that asks with every frame
			for range 8 {
				v.RequestKeyFrame()
			}
			play(40*time.Millisecond, cam)
		}
		_, after := see.count()
		if n := after - before; n < 8 || n > 10 {
			t.Errorf("%d key frames in 5 s, want 8 to 10", n)
		}
		s.end()
	})
}

// TestClockStandsStillWhileNobodyLooks: a conference of phones without video costs no frame.
func TestClockStandsStillWhileNobodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cam := s.camera("a", red)
		play(time.Minute, cam)
		if st := s.engine.Stats(); st.Frames > 5 || st.Late != 0 {
			t.Errorf("%d frames, %d late while nobody looked", st.Frames, st.Late)
		}
		see := s.watch(tile("a"))
		play(time.Second, cam)
		s.engine.SetScenes(nil)
		play(time.Minute, cam)
		before, _ := see.count()
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v"}, tile("a")))
		play(time.Second, cam)
		if after, _ := see.count(); after-before < 24 {
			t.Errorf("%d frames in the second after it looked away, want 25", after-before)
		}
		if st := s.engine.Stats(); st.Frames > 65 || st.Late != 0 {
			t.Errorf("%d frames, %d late for 2 s of looking", st.Frames, st.Late)
		}
		if d := see.timestamps[len(see.timestamps)-1] - see.timestamps[0]; d < 62*90000-7200 || d > 63*90000 {
			t.Errorf("timestamps cover %d ticks of 62 s", d)
		}
		s.end()
	})
}
