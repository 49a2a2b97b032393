package video

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tutti/codec"
	"tutti/mixer/plan"
	"tutti/mixer/video/canvas"
)

// Config is what an Engine needs to know.
type Config struct {
	Width, Height int          // of the canvas, pixels; 0 is 1280 × 720
	FrameRate     int          // frames/s; 0 is 25
	Rungs         int          // of one encoding that live at a time in one scene; 0 is 3, with 1 nobody is moved
	Logger        *slog.Logger // may be nil
}

func (c Config) withDefaults() Config {
	if !composable(c.Width, c.Height) {
		c.Width, c.Height = 1280, 720
	}
	c.Width, c.Height = c.Width&^1, c.Height&^1
	if c.FrameRate <= 0 {
		c.FrameRate = 25
	}
	c.FrameRate = min(c.FrameRate, maxFrameRate)
	if c.Rungs <= 0 {
		c.Rungs = defaultRungs
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

const (
	maxFrameRate = 60
	defaultRungs = 3
	minSide      = 16 // of a composed picture, pixels
)

// composable says whether a picture of w × h pixels can be composed and encoded.
func composable(w, h int) bool {
	return w >= minSide && h >= minSide && codec.CheckSize(w, h) == nil
}

// Engine composes and encodes the pictures of one conference.
type Engine struct {
	cfg   Config
	log   *slog.Logger
	count counters
	ids   atomic.Uint64 // of classes
	wake  chan struct{} // something changed; heard while nobody looks

	mu      sync.Mutex // guards the fields below
	sources map[sourceKey]*Source
	viewers map[*Viewer]struct{}
	scenes  []plan.Scene
	dirty   bool // the step has to look at them again
	starts  []*Source
	plan    view // written by the step; Stats reads it

	// The fields below belong to the goroutine of Run.
	art   *canvas.Art
	shown map[sourceKey]*Source
	order []*Source // the values of shown
	due   []*class
}

// view is what the step works from.
type view struct {
	boards  []*board
	classes []*class
}

type sourceKey struct {
	leg     plan.LegID
	content plan.Content
}

// keyOf names a source; no content means the main one.
func keyOf(leg plan.LegID, content plan.Content) sourceKey {
	if content == "" {
		content = plan.MainContent
	}
	return sourceKey{leg, content}
}

// New returns an engine without sources and viewers. It makes no picture until Run.
func New(cfg Config) *Engine {
	cfg = cfg.withDefaults()
	return &Engine{
		cfg: cfg, log: cfg.Logger, wake: make(chan struct{}, 1),
		sources: map[sourceKey]*Source{}, viewers: map[*Viewer]struct{}{}, shown: map[sourceKey]*Source{},
	}
}

// SetScenes says who sees what from the next frame on. The scenes must not be changed after. A viewer that no scene
// names is sent nothing; one that several name sees the first.
func (e *Engine) SetScenes(scenes []plan.Scene) {
	e.touch(func() { e.scenes = scenes })
}

// Run composes and encodes until ctx ends, then returns its cause. It returns after all goroutines of the engine, and
// with them every call to a Sink, have ended. It may be called once.
func (e *Engine) Run(ctx context.Context) error {
	var err error
	if e.art, err = canvas.NewArt(); err != nil {
		return fmt.Errorf("video: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	period := time.Second / time.Duration(e.cfg.FrameRate)
	epoch := time.Now()
	next := epoch
	timer := time.NewTimer(0)
	defer timer.Stop()
	var wake <-chan struct{} // nil while the frame clock runs
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-wake:
			next = time.Now()
		case <-timer.C:
		}
		e.step(ctx, &wg, next, next.Sub(epoch))
		if len(e.plan.classes) == 0 {
			wake = e.wake // nobody looks: the clock stands still
			continue
		}
		wake = nil
		next = e.nextFrame(next, period)
		timer.Reset(time.Until(next))
	}
}

// nextFrame is when the frame after the one of last is due. One that is late is left out, never made up for in a burst.
func (e *Engine) nextFrame(last time.Time, period time.Duration) time.Time {
	next := last.Add(period)
	if behind := time.Since(next); behind > 0 {
		skip := int64(behind/period) + 1
		e.count.late.Add(uint64(skip))
		next = next.Add(time.Duration(skip) * period)
	}
	return next
}

// step makes the frame of now; pts is its time since Run began.
func (e *Engine) step(ctx context.Context, wg *sync.WaitGroup, now time.Time, pts time.Duration) {
	e.mu.Lock()
	if e.dirty {
		e.rebuildLocked(ctx, wg)
	}
	e.mu.Unlock()
	for _, s := range e.order {
		s.takePicture()
	}
	for _, b := range e.plan.boards {
		e.stepBoard(b, now, pts)
	}
	e.count.frames.Add(1)
}

// stepBoard composes one board when a class wants it now, and hands it to those that do.
func (e *Engine) stepBoard(b *board, now time.Time, pts time.Duration) {
	if b.canvas.Step(b.scene, e, now) {
		b.changed = now
	}
	e.due = e.due[:0]
	for _, c := range b.classes {
		if c.due(now, now.Sub(b.changed) < settle) {
			e.due = append(e.due, c)
		}
	}
	if len(e.due) == 0 {
		return
	}
	sheet := b.freeSheet()
	b.canvas.Draw(&sheet.Sheet)
	e.count.composed.Add(1)
	sheet.readers.Store(int32(len(e.due)))
	for _, c := range e.due {
		c.start(sheet, now, pts)
	}
}

// Picture is how the canvases find the sources (canvas.Pictures). Only the goroutine of Run calls it.
func (e *Engine) Picture(leg plan.LegID, content plan.Content) *canvas.Picture {
	if s := e.shown[keyOf(leg, content)]; s != nil {
		return &s.picture
	}
	return nil
}

// touch tells the step that something changed.
func (e *Engine) touch(change func()) {
	e.mu.Lock()
	change()
	e.dirty = true
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default: // it is told already
	}
}
