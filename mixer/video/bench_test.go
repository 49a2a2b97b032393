package video

import (
	"fmt"
	"image"
	"runtime"
	"sync"
	"testing"
	"time"

	"tutti/codec"
	"tutti/codec/vpx"
	"tutti/codec/yuv"
	"tutti/mixer/plan"
	"tutti/mixer/video/canvas"
)

// BenchmarkComposite is one 720p frame of 4 and 9 senders of 360p VP8: decode, compose, encode. "x-bare" is its time
// over that of decoding, scaling and encoding the same frames without names, borders, corners and a second copy;
// "compose-%" is the part of it that is neither decoding nor encoding.
func BenchmarkComposite(b *testing.B) {
	for _, n := range []int{4, 9} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			full, bare := newComposite(b, n), newBare(b, n)
			frames := recording(b)
			var whole, naked, compose time.Duration
			i := 0
			round := func() {
				f := frames[i%len(frames)]
				begin := time.Now()
				compose += full.frame(f, i)
				middle := time.Now()
				bare.frame(f, i)
				whole, naked = whole+middle.Sub(begin), naked+time.Since(middle)
				i++
			}
			for range 5 {
				round()
			}
			whole, naked, compose = 0, 0, 0
			b.ReportAllocs()
			for b.Loop() {
				round()
			}
			b.ReportMetric(0, "ns/op") // of both
			b.ReportMetric(float64(whole)/float64(naked), "x-bare")
			b.ReportMetric(100*float64(compose)/float64(whole), "compose-%")
			b.ReportMetric(float64(whole.Microseconds())/float64(max(b.N, 1)), "µs/frame")
			full.close()
			bare.close()
		})
	}
}

// recording is two seconds of a moving picture, in VP8: a key frame, and a circle of frames after it.
func recording(b *testing.B) [][]byte {
	s := newSender(b, New(Config{}), "x", vpx.VP8(), 640, 360, green)
	defer s.close()
	var frames [][]byte
	for range 50 {
		frames = append(frames, append([]byte(nil), s.frame()...))
	}
	return frames
}

func openCodecs(b *testing.B, n int) ([]codec.VideoDecoder, codec.VideoEncoder) {
	b.Helper()
	v := vpx.VP8()
	enc, err := v.NewEncoder(codec.VideoParams{Width: 1280, Height: 720, FrameRate: 25, Bitrate: DefaultBitrate(1280, 720)})
	if err != nil {
		b.Fatal(err)
	}
	var decs []codec.VideoDecoder
	for range n {
		d, err := v.NewDecoder()
		if err != nil {
			b.Fatal(err)
		}
		decs = append(decs, d)
	}
	return decs, enc
}

// bare decodes, scales into place and encodes.
type bare struct {
	b        *testing.B
	decoders []codec.VideoDecoder
	encoder  codec.VideoEncoder
	out      *image.YCbCr
	parts    []*image.YCbCr
}

func newBare(b *testing.B, n int) *bare {
	decs, enc := openCodecs(b, n)
	r := &bare{b: b, decoders: decs, encoder: enc, out: image.NewYCbCr(image.Rect(0, 0, 1280, 720), image.YCbCrSubsampleRatio420)}
	for _, p := range canvas.Arrange(nil, plan.Grid, make([]plan.Tile, n), 1280, 720) {
		r.parts = append(r.parts, r.out.SubImage(p.Rect).(*image.YCbCr))
	}
	return r
}

func (r *bare) frame(f []byte, i int) {
	for k, d := range r.decoders {
		m, err := d.Decode(f)
		if err != nil {
			r.b.Fatal(err)
		}
		if err := yuv.Scale(r.parts[k], m); err != nil {
			r.b.Fatal(err)
		}
	}
	if _, _, err := r.encoder.Encode(r.out, time.Duration(i)*40*time.Millisecond, i == 0); err != nil {
		r.b.Fatal(err)
	}
}

func (r *bare) close() {
	for _, d := range r.decoders {
		_ = d.Close()
	}
	_ = r.encoder.Close()
}

// composite is an engine whose steps the benchmark makes itself.
type composite struct {
	b        *testing.B
	engine   *Engine
	wg       sync.WaitGroup
	decoders []codec.VideoDecoder
	sources  []*Source
	done     chan struct{}
	start    time.Time
}

// WriteFrame is the end of a frame.
func (c *composite) WriteFrame([][]byte, uint32, []plan.LegID) { c.done <- struct{}{} }

func newComposite(b *testing.B, n int) *composite {
	c := &composite{b: b, engine: New(Config{}), done: make(chan struct{}, 1), start: time.Now()}
	var err error
	if c.engine.art, err = canvas.NewArt(); err != nil {
		b.Fatal(err)
	}
	var enc codec.VideoEncoder
	c.decoders, enc = openCodecs(b, n)
	v := vpx.VP8()
	v.NewEncoder = func(codec.VideoParams) (codec.VideoEncoder, error) { return enc, nil }
	c.engine.AddViewer("v", ViewerEncoding{Video: &v}, c)
	var tiles []plan.Tile
	for i := range n {
		leg := plan.LegID(fmt.Sprint(i))
		c.sources = append(c.sources, c.engine.AddSource(leg, plan.MainContent, SourceOptions{}))
		tiles = append(tiles, plan.Tile{Leg: leg, Label: "Ada Lovelace", Video: true, Speaking: i == 0, Muted: i == 1})
	}
	c.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v"}, tiles...))
	return c
}

// frame makes one frame and returns how long composing took.
func (c *composite) frame(f []byte, i int) time.Duration {
	now := c.start.Add(time.Duration(i) * 40 * time.Millisecond)
	var put time.Duration
	for k, d := range c.decoders {
		m, err := d.Decode(f)
		if err != nil {
			c.b.Fatal(err)
		}
		begin := time.Now()
		c.sources[k].pictures.put(m, now)
		put += time.Since(begin)
	}
	begin := time.Now()
	c.engine.step(c.b.Context(), &c.wg, now, now.Sub(c.start))
	put += time.Since(begin)
	<-c.done
	awaitIdle(c.engine)
	return put
}

func (c *composite) close() {
	c.engine.SetScenes(nil)
	for _, s := range c.sources {
		s.Close()
	}
	c.engine.step(c.b.Context(), &c.wg, time.Now(), time.Hour)
	c.wg.Wait()
	for _, d := range c.decoders {
		_ = d.Close()
	}
}

// TestStepAllocatesNothing: a frame of 9 sources, composed, encoded by fakes and written to two viewers on two rungs.
func TestStepAllocatesNothing(t *testing.T) {
	e := New(Config{})
	var err error
	if e.art, err = canvas.NewArt(); err != nil {
		t.Fatal(err)
	}
	v := (&fake{}).video("VP8")
	done := make(chan struct{}, 2)
	for _, leg := range []plan.LegID{"v", "w"} {
		e.AddViewer(leg, ViewerEncoding{Video: v}, sinkFunc(func() { done <- struct{}{} }))
	}
	for v := range e.viewers {
		if v.leg == "w" {
			v.Report(Report{HasLoss: true, Limit: 900_000})
		}
	}
	var tiles []plan.Tile
	var sources []*Source
	for i := range 9 {
		leg := plan.LegID(fmt.Sprint(i))
		sources = append(sources, e.AddSource(leg, plan.MainContent, SourceOptions{}))
		tiles = append(tiles, plan.Tile{Leg: leg, Label: "Ada", Video: true, Speaking: i == 0})
	}
	e.SetScenes(scene(plan.Grid, []plan.LegID{"v", "w"}, tiles...))
	img := image.NewYCbCr(image.Rect(0, 0, 640, 360), image.YCbCrSubsampleRatio420)
	var wg sync.WaitGroup
	start, n := time.Now(), 0
	frame := func() {
		now := start.Add(time.Duration(n) * 40 * time.Millisecond)
		n++
		for _, s := range sources {
			s.pictures.put(img, now)
		}
		e.step(t.Context(), &wg, now, now.Sub(start))
		<-done
		<-done
		awaitIdle(e)
	}
	for range 5 {
		frame()
	}
	if n := len(e.plan.classes); n != 2 {
		t.Errorf("%d classes, want 2", n)
	}
	if n := testing.AllocsPerRun(20, frame); n != 0 {
		t.Errorf("%v allocations a frame, want 0", n)
	}
	for _, s := range sources {
		s.end()
	}
	e.SetScenes(nil)
	e.step(t.Context(), &wg, start, time.Hour)
	wg.Wait()
}

// awaitIdle waits for the last steps of the classes, after they wrote to their sinks.
func awaitIdle(e *Engine) {
	for _, c := range e.plan.classes {
		for c.busy.Load() {
			runtime.Gosched()
		}
	}
}

type sinkFunc func()

func (f sinkFunc) WriteFrame([][]byte, uint32, []plan.LegID) { f() }
