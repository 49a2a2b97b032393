package video

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tutti/codec"
	"tutti/mixer/plan"
	"tutti/mixer/video/canvas"
)

const (
	keyInterval = 500 * time.Millisecond // between two key frames of a class, at least
	settle      = time.Second            // a picture that stands still is encoded at full rate for so long
	idle        = 200 * time.Millisecond // and then so often
	retryAfter  = 5 * time.Second        // when an encoder could not be made
	maxFailures = 10                     // in a row, before an encoder is made anew
)

// board is one composed picture: a scene in one size, for the classes that encode it.
type board struct {
	signature   string // of the scene
	arrangement string // of the scene: who is where, without marks
	scene       *plan.Scene
	canvas      *canvas.Canvas
	classes     []*class
	sheets      []*sheet
	changed     time.Time // when the picture last changed
	legs        []plan.LegID
}

// sheet is a picture that classes read while the next one is drawn.
type sheet struct {
	canvas.Sheet
	readers atomic.Int32
}

// freeSheet returns a sheet that nobody reads. A class reads one at a time, so there are never more than classes, and one.
func (b *board) freeSheet() *sheet {
	for _, s := range b.sheets {
		if s.readers.Load() == 0 {
			return s
		}
	}
	s := &sheet{Sheet: *b.canvas.NewSheet()}
	b.sheets = append(b.sheets, s)
	return s
}

// class is one encoder and the viewers that share it.
type class struct {
	id     uint64
	engine *Engine
	key    encodingKey
	enc    ViewerEncoding
	jobs   chan job
	stop   context.CancelFunc

	// The fields below belong to the step.
	board    *board
	arranged string    // the arrangement that its viewers were last shown
	members  []*Viewer // replaced, never changed: jobs hold it; the guests are the last
	guests   int       // viewers that go to another class, and follow this one until that has made a key frame
	wantKey  bool
	lastKey  time.Time
	lastSent time.Time
	next     time.Time

	busy      atomic.Bool // a job is queued or at work
	missedKey atomic.Bool // a key frame was asked for and none came
	stats     classCounters
}

// job is one frame for a class.
type job struct {
	sheet   *sheet
	pts     time.Duration
	key     bool
	members []*Viewer
	legs    []plan.LegID
}

// newClass starts the goroutine of a class.
func (e *Engine) newClass(ctx context.Context, wg *sync.WaitGroup, v *Viewer) *class {
	ctx, stop := context.WithCancel(ctx)
	c := &class{
		id: e.ids.Add(1), engine: e, key: v.key, enc: v.encoding,
		jobs: make(chan job, 1), stop: stop, wantKey: true,
	}
	wg.Go(func() { c.run(ctx) })
	return c
}

// due says whether the class wants the frame of now. A frame that it is too busy for is dropped and counted, so a
// slow encoder lowers its own rate.
func (c *class) due(now time.Time, moving bool) bool {
	if c.missedKey.Swap(false) {
		c.wantKey, c.lastKey = true, time.Time{}
	}
	for _, v := range c.members {
		if v.wantKey.Load() && v.wantKey.Swap(false) {
			c.wantKey = true
		}
	}
	urgent := c.wantKey && now.Sub(c.lastKey) >= keyInterval
	if !urgent && (moving && now.Before(c.next) || !moving && now.Sub(c.lastSent) < idle) {
		return false
	}
	if !c.busy.Load() {
		return true
	}
	c.stats.dropped.Add(1)
	c.advance(now)
	return false
}

// advance sets the time of the next frame.
func (c *class) advance(now time.Time) {
	interval := time.Second / time.Duration(c.enc.FrameRate)
	if c.next = c.next.Add(interval); c.next.Before(now.Add(-interval)) {
		c.next = now.Add(interval)
	}
}

// start hands the class a frame. It is not busy, so this does not block.
func (c *class) start(s *sheet, now time.Time, pts time.Duration) {
	j := job{sheet: s, pts: pts, members: c.members, legs: c.board.legs}
	if c.wantKey && now.Sub(c.lastKey) >= keyInterval {
		j.key, c.wantKey, c.lastKey = true, false, now
	}
	c.lastSent = now
	c.advance(now)
	c.busy.Store(true)
	c.jobs <- j
}

// run encodes until ctx ends.
func (c *class) run(ctx context.Context) {
	w := worker{class: c}
	defer w.close()
	defer c.drain()
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-c.jobs:
			w.encode(j)
			c.busy.Store(false)
		}
	}
}

// drain gives back the sheet of a job that nobody will do. The step hands out none after stop.
func (c *class) drain() {
	select {
	case j := <-c.jobs:
		j.sheet.readers.Add(-1)
	default:
	}
}

// worker is what the goroutine of a class owns.
type worker struct {
	class      *class
	encoder    codec.VideoEncoder
	packetizer codec.Packetizer
	failures   int
	retry      time.Duration // pts before which no new encoder is tried
}

func (w *worker) encode(j job) {
	c := w.class
	frame, isKey, err := w.frame(j)
	j.sheet.readers.Add(-1) // the frame is the encoder's memory, the picture no longer needed
	if err != nil {
		w.failed(j, err)
		return
	}
	w.failures = 0
	if j.key && !isKey {
		c.missedKey.Store(true)
	}
	if len(frame) == 0 {
		c.stats.skipped.Add(1)
		return
	}
	c.stats.encoded.Add(1)
	c.stats.bytes.Add(uint64(len(frame)))
	if isKey {
		c.stats.keys.Add(1)
	}
	payloads := w.packetizer.Packetize(frame)
	at := ticks(j.pts)
	for _, v := range j.members {
		v.write(c.id, isKey, payloads, at, j.legs)
	}
}

// frame encodes the picture of a job, with an encoder made at first use.
func (w *worker) frame(j job) (frame []byte, isKey bool, err error) {
	if w.encoder == nil {
		if j.pts < w.retry {
			return nil, false, errRetryLater
		}
		if err := w.open(); err != nil {
			w.retry = j.pts + retryAfter
			return nil, false, err
		}
		j.key = true
	}
	return w.encoder.Encode(j.sheet.Image, j.pts, j.key)
}

func (w *worker) open() error {
	e := w.class.enc
	if e.Video == nil || e.Video.NewEncoder == nil || e.Video.NewPacketizer == nil {
		return errNoEncoder
	}
	enc, err := e.Video.NewEncoder(codec.VideoParams{
		Width: e.Width, Height: e.Height, FrameRate: e.FrameRate, Bitrate: e.Bitrate, Fmtp: e.Fmtp, MaxPayload: e.MaxPayload,
	})
	if err != nil {
		return fmt.Errorf("video: encoder of %s: %w", e.Video.Name, err)
	}
	w.encoder, w.packetizer = enc, e.Video.NewPacketizer(e.Fmtp, e.MaxPayload)
	return nil
}

// failed counts a failure; the first of a row is logged, and too many make a new encoder.
func (w *worker) failed(j job, err error) {
	c := w.class
	c.stats.failed.Add(1)
	if j.key {
		c.missedKey.Store(true)
	}
	if w.failures++; w.failures == 1 {
		c.engine.log.Warn("picture not encoded", "codec", c.key.name, "error", err)
	}
	if w.encoder != nil && w.failures%maxFailures == 0 {
		w.close()
	}
}

func (w *worker) close() {
	if w.encoder == nil {
		return
	}
	if err := w.encoder.Close(); err != nil {
		w.class.engine.log.Warn("encoder not closed", "codec", w.class.key.name, "error", err)
	}
	w.encoder = nil
}

// ticks is a time in units of the RTP clock of video, 90 kHz.
func ticks(t time.Duration) uint64 { return uint64(t) * 9 / 100_000 }
