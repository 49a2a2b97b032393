package video

import (
	"context"
	"image"
	"sync"
	"time"

	"github.com/pion/rtp"

	"tutti/codec"
	"tutti/mixer/plan"
	"tutti/mixer/video/canvas"
)

// SourceOptions is what was negotiated for a source.
type SourceOptions struct {
	Payloads        map[uint8]*codec.Video // by RTP payload type; not changed after
	RequestKeyFrame func(ssrc uint32)      // asks the sender of ssrc; never blocks; may be nil
}

// Source is one stream of pictures that comes in: a camera or slides, in one or several layers.
type Source struct {
	engine  *Engine
	key     sourceKey
	options SourceOptions
	wake    chan struct{} // there is something to do
	ended   chan struct{}
	closing sync.Once

	mu       sync.Mutex // guards the fields below
	queue    queue
	overflow bool // the queue was emptied because it was full
	debut    bool // it was not shown yet: what it sends is kept for that, its first key frame above all
	layers   []layer
	need     size // the largest tile it is shown in; 0 when it is not shown

	pictures exchange
	picture  canvas.Picture // belongs to the step
}

// AddSource makes a source known. A source of the same leg and content that is still open is replaced.
func (e *Engine) AddSource(leg plan.LegID, content plan.Content, o SourceOptions) *Source {
	s := &Source{
		engine: e, key: keyOf(leg, content), options: o,
		wake: make(chan struct{}, 1), ended: make(chan struct{}), debut: true,
	}
	var before *Source
	e.touch(func() {
		before = e.sources[s.key]
		e.sources[s.key] = s
		e.starts = append(e.starts, s)
	})
	if before != nil {
		before.end()
	}
	return s
}

// Close forgets the source. What is received after is ignored.
func (s *Source) Close() {
	s.end()
	s.engine.touch(func() {
		if s.engine.sources[s.key] == s {
			delete(s.engine.sources, s.key)
		}
	})
}

func (s *Source) end() { s.closing.Do(func() { close(s.ended) }) }

// Receive takes one packet, which it borrows; rid names its simulcast layer, "" where there is none. It never blocks:
// when the decoder is behind, all that waits is dropped and a key frame asked for.
func (s *Source) Receive(p *rtp.Packet, rid string, at time.Time) {
	n := &s.engine.count
	n.received.Add(1)
	if len(p.Payload) > maxPayload {
		n.discarded.Add(1)
		return
	}
	s.mu.Lock()
	used := s.noteLayerLocked(p.SSRC, rid, at)
	if used {
		copied := packet{
			ssrc: p.SSRC, timestamp: p.Timestamp, sequence: p.SequenceNumber, kind: p.PayloadType, marker: p.Marker,
			at: at, payload: p.Payload,
		}
		if s.debut {
			s.queue.since = at
		}
		if !s.queue.push(copied) {
			n.discarded.Add(uint64(s.queue.size))
			s.queue.clear()
			s.overflow, s.debut = true, false
			s.queue.push(copied)
		}
	}
	s.mu.Unlock()
	if !used {
		n.discarded.Add(1)
		return
	}
	s.poke()
}

// noteLayerLocked says whether packets of ssrc are wanted now.
func (s *Source) noteLayerLocked(ssrc uint32, rid string, at time.Time) bool {
	l := s.layerLocked(ssrc)
	if l == nil {
		if l = s.newLayerLocked(ssrc, at); l == nil {
			return false
		}
		l.used = !s.anyUsedLocked()
	}
	if l.last = at; l.rank < 0 {
		l.rank = rank(rid)
	}
	return l.used && (s.need.area() > 0 || s.debut)
}

func (s *Source) layerLocked(ssrc uint32) *layer {
	for i := range s.layers {
		if s.layers[i].ssrc == ssrc {
			return &s.layers[i]
		}
	}
	return nil
}

// newLayerLocked makes room for an SSRC: a place that is free, or that of the one that has been silent the longest.
func (s *Source) newLayerLocked(ssrc uint32, at time.Time) *layer {
	l := layer{ssrc: ssrc, rank: -1}
	if len(s.layers) < maxLayers {
		s.layers = append(s.layers, l)
		return &s.layers[len(s.layers)-1]
	}
	oldest := &s.layers[0]
	for i := range s.layers {
		if s.layers[i].last.Before(oldest.last) {
			oldest = &s.layers[i]
		}
	}
	if at.Sub(oldest.last) < layerStale {
		return nil
	}
	*oldest = l
	return oldest
}

func (s *Source) anyUsedLocked() bool {
	for i := range s.layers {
		if s.layers[i].used {
			return true
		}
	}
	return false
}

// use says that packets of ssrc are wanted too.
func (s *Source) use(ssrc uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.layerLocked(ssrc); l != nil {
		l.used = true
	}
}

// useOnly says that packets of ssrc are wanted, and those of the other are not.
func (s *Source) useOnly(ssrc, other uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.layers {
		switch s.layers[i].ssrc {
		case ssrc:
			s.layers[i].used = true
		case other:
			s.layers[i].used = false
		}
	}
}

// setSize notes how large the pictures of a layer are.
func (s *Source) setSize(ssrc uint32, n size) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.layerLocked(ssrc); l != nil {
		l.size = n
	}
}

// bestLayer is the SSRC of the layer that suits best how large the source is shown.
func (s *Source) bestLayer(now time.Time) (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := choose(s.layers, s.need, now)
	if i < 0 {
		return 0, false
	}
	return s.layers[i].ssrc, true
}

// anySSRC is the SSRC to ask for a key frame when no packet was received yet.
func (s *Source) anySSRC() (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.layers {
		if s.layers[i].used {
			return s.layers[i].ssrc, true
		}
	}
	return 0, false
}

// poke wakes the source's goroutine.
func (s *Source) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// show says how large the source is shown; a size of nothing means not at all.
func (s *Source) show(need size) {
	s.mu.Lock()
	changed := s.need != need
	s.need = need
	if s.debut && need.area() > 0 {
		s.debut, s.queue.since = false, time.Now()
	}
	s.mu.Unlock()
	if changed {
		s.poke()
	}
}

// run decodes until ctx or the source ends.
func (s *Source) run(ctx context.Context) {
	r := newReceiver(s)
	defer r.close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(r.pause(time.Now()))
		select {
		case <-ctx.Done():
			return
		case <-s.ended:
			return
		case <-s.wake:
		case <-timer.C:
		}
		r.work()
	}
}

// takePicture makes the newest picture the one that is shown. Only the step calls it.
func (s *Source) takePicture() {
	if img, at, ok := s.pictures.take(); ok {
		s.picture.Image, s.picture.At = img, at
		s.picture.Serial++
	}
}

// inherit shows the picture of the source that s takes the place of, a renegotiation say, until it has its own. Only
// the step calls it.
func (s *Source) inherit(before *Source) {
	if s != nil && s.picture.Image == nil {
		s.picture.Image, s.picture.At, s.picture.Serial = before.picture.Image, before.picture.At, before.picture.Serial
	}
}

// forgetPicture gives up what was shown. Only the step calls it.
func (s *Source) forgetPicture() {
	s.picture.Forget()
	s.pictures.mu.Lock()
	defer s.pictures.mu.Unlock()
	s.pictures.reading = nil
}

// exchange hands pictures from the decoder to the step: one is written, one is ready, one is read, so neither waits
// and none is torn.
type exchange struct {
	writing *image.YCbCr // belongs to the decoder
	reading *image.YCbCr // belongs to the step

	mu    sync.Mutex // guards the fields below
	ready *image.YCbCr
	at    time.Time
	fresh bool
}

// put copies img, which it borrows.
func (x *exchange) put(img *image.YCbCr, at time.Time) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if x.writing == nil || x.writing.Rect.Dx() != w || x.writing.Rect.Dy() != h {
		x.writing = image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	}
	copyPlane(x.writing.Y, x.writing.YStride, img.Y, img.YStride, w, h)
	copyPlane(x.writing.Cb, x.writing.CStride, img.Cb, img.CStride, (w+1)/2, (h+1)/2)
	copyPlane(x.writing.Cr, x.writing.CStride, img.Cr, img.CStride, (w+1)/2, (h+1)/2)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.writing, x.ready = x.ready, x.writing
	x.at, x.fresh = at, true
}

// take lends the newest picture until the next call that is ok; not ok when there is no newer one.
func (x *exchange) take() (img *image.YCbCr, at time.Time, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.fresh {
		return nil, time.Time{}, false
	}
	x.reading, x.ready = x.ready, x.reading
	x.fresh = false
	return x.reading, x.at, true
}

// drop gives up what was not taken. Only the decoder calls it.
func (x *exchange) drop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.writing, x.ready, x.fresh = nil, nil, false
}

func copyPlane(dst []byte, dstStride int, src []byte, srcStride, w, h int) {
	for y := range h {
		copy(dst[y*dstStride:y*dstStride+w], src[y*srcStride:y*srcStride+w])
	}
}
