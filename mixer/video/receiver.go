package video

import (
	"image"
	"time"

	"tutti/codec"
)

const (
	housekeeping = 100 * time.Millisecond // while shown
	askInterval  = 500 * time.Millisecond // between two requests for a key frame
	firstKey     = 150 * time.Millisecond // a new stream begins with a key frame by itself: time for it to come
	maxBadFrames = 5                      // in a row, before a decoder is made anew
	patientAsks  = 20                     // requests after which they become rarer
	patientTimes = 4                      // by how much
)

// track is one SSRC that is being received.
type track struct {
	ssrc      uint32
	reorder   reorder
	video     *codec.Video
	assembler codec.Assembler
	lost      bool // to be told to the assembler with the next packet
	suspect   bool // there was a loss since the last frame
	misses    int  // ends of frames in a row that gave none
}

// note keeps account of what the assembler made of a packet: whether a key frame has to be asked for is seen at the
// end of a frame, as not every loss is one of the picture.
func (t *track) note(lost, marker, ok bool) {
	switch {
	case ok:
		t.suspect, t.misses = false, 0
	case lost:
		t.suspect = true
		fallthrough
	default:
		if marker {
			t.misses++
		}
	}
}

// broken says that the assembler waits for a key frame. A frame or two may be parameter sets only.
func (t *track) broken() bool {
	const some = 3
	return t.misses >= some || t.suspect && t.misses > 0
}

// receiver turns the packets of a source into pictures. It belongs to the goroutine of the source.
//
// While it changes to another layer it receives two tracks: the present one goes on until the other has a key frame.
type receiver struct {
	source  *Source
	engine  *Engine
	shown   bool
	present *track // decoded
	coming  *track // assembled up to its first key frame; nil when there is no change going on

	decoder  codec.VideoDecoder
	video    *codec.Video // that decoder is for
	wantKey  bool         // nothing can be decoded before a key frame
	bad      int          // frames in a row that did not decode
	asked    time.Time
	asks     int       // without an answer
	switched time.Time // when the layer last changed
	scratch  packet
}

func newReceiver(s *Source) *receiver { return &receiver{source: s, engine: s.engine, wantKey: true} }

// pause is how long the receiver may sleep when no packet comes.
func (r *receiver) pause(now time.Time) time.Duration {
	if !r.shown {
		return time.Hour
	}
	wait := housekeeping
	for _, t := range [2]*track{r.present, r.coming} {
		if t == nil {
			continue
		}
		if due, ok := t.reorder.due(); ok {
			wait = min(wait, max(due.Sub(now), time.Millisecond))
		}
	}
	return wait
}

// work does all that is to do now.
func (r *receiver) work() {
	r.follow()
	for r.shown && r.nextPacket() {
		now := time.Now()
		if t := r.trackOf(r.scratch.ssrc); t != nil {
			if !t.reorder.push(&r.scratch) {
				r.engine.count.discarded.Add(1)
			}
			r.deliver(t, now)
		}
	}
	now := time.Now()
	for _, t := range [2]*track{r.present, r.coming} {
		if t != nil {
			r.deliver(t, now)
		}
	}
	if r.shown {
		r.selectLayer(now)
		r.ask(now)
	}
}

// follow starts and stops with the source being shown.
func (r *receiver) follow() {
	r.source.mu.Lock()
	shown := r.source.need.area() > 0
	if !shown && !r.source.debut {
		r.source.queue.clear()
	}
	r.source.mu.Unlock()
	if shown == r.shown {
		return
	}
	r.shown = shown
	r.closeDecoder()
	if !shown {
		r.source.pictures.drop()
	}
	if r.coming != nil {
		r.source.useOnly(r.present.ssrc, r.coming.ssrc)
	}
	r.present, r.coming = nil, nil
	r.asks = 0
	r.wantKey = true
}

// nextPacket takes a packet from the queue to scratch.
func (r *receiver) nextPacket() bool {
	s := r.source
	s.mu.Lock()
	ok := s.queue.pop(&r.scratch)
	overflow := s.overflow
	s.overflow = false
	s.mu.Unlock()
	if overflow {
		r.wantKey = true
		for _, t := range [2]*track{r.present, r.coming} {
			if t != nil {
				t.reorder.reset()
				t.lost = true
			}
		}
	}
	return ok
}

// trackOf returns the track of an SSRC, or nil when it is not received.
func (r *receiver) trackOf(ssrc uint32) *track {
	switch {
	case r.present == nil:
		r.present = &track{ssrc: ssrc}
		if r.asked.IsZero() {
			r.asked = time.Now().Add(firstKey - askInterval)
		}
		return r.present
	case r.present.ssrc == ssrc:
		return r.present
	case r.coming != nil && r.coming.ssrc == ssrc:
		return r.coming
	}
	return nil
}

// deliver hands the packets that are in order to the assembler and its frames to the decoder.
func (r *receiver) deliver(t *track, now time.Time) {
	for t == r.present || t == r.coming {
		p, lost, ok := t.reorder.pop(now)
		if !ok {
			return
		}
		if lost {
			r.engine.count.lost.Add(1)
			t.lost = true
		}
		r.assemble(t, p, now)
	}
}

func (r *receiver) assemble(t *track, p *packet, now time.Time) {
	if len(p.payload) == 0 {
		return // padding: it fills a place in the sequence
	}
	v := r.source.options.Payloads[p.kind]
	if v == nil || v.NewAssembler == nil || v.NewDecoder == nil {
		r.engine.count.discarded.Add(1)
		return
	}
	if t.video != v {
		t.video, t.assembler, t.lost, t.misses = v, v.NewAssembler(), false, 0
		if t == r.present {
			r.wantKey = true
		}
	}
	lost := t.lost
	t.lost = false
	frame, key, ok := t.assembler.Push(p.payload, p.timestamp, p.marker, lost)
	t.note(lost, p.marker, ok)
	if !ok {
		return
	}
	if t == r.coming {
		if !key {
			return
		}
		r.change(now)
	}
	r.decode(t, frame, key, now)
}

// change makes the coming track the present one. The picture that is shown stays until the first of the new track.
func (r *receiver) change(now time.Time) {
	old := r.present
	r.present, r.coming, r.switched = r.coming, nil, now
	r.wantKey = true
	r.source.useOnly(r.present.ssrc, old.ssrc)
}

// decode decodes a frame of the present track and publishes the picture.
func (r *receiver) decode(t *track, frame []byte, key bool, now time.Time) {
	if r.wantKey && !key {
		return
	}
	if err := r.openDecoder(t.video); err != nil {
		r.failed(err)
		return
	}
	img, err := r.decoder.Decode(frame)
	if err != nil {
		r.failed(err)
		return
	}
	if key {
		r.wantKey, r.asks = false, 0
	}
	r.bad = 0
	if img == nil {
		return
	}
	if !acceptable(img) {
		r.failed(errPicture)
		return
	}
	r.engine.count.decoded.Add(1)
	r.source.setSize(t.ssrc, size{img.Rect.Dx(), img.Rect.Dy()})
	r.source.pictures.put(img, now)
}

// acceptable says whether a picture can be composed.
func acceptable(img *image.YCbCr) bool {
	return img.SubsampleRatio == image.YCbCrSubsampleRatio420 && codec.CheckSize(img.Rect.Dx(), img.Rect.Dy()) == nil
}

// failed counts a frame that did not decode.
func (r *receiver) failed(err error) {
	r.engine.count.decodeErrors.Add(1)
	r.wantKey = true
	if r.bad++; r.bad == 1 {
		r.engine.log.Debug("picture not decoded", "leg", string(r.source.key.leg), "error", err)
	}
	if r.bad%maxBadFrames == 0 {
		r.closeDecoder()
	}
}

// openDecoder makes the decoder one for v.
func (r *receiver) openDecoder(v *codec.Video) error {
	if r.decoder != nil && r.video == v {
		return nil
	}
	r.closeDecoder()
	d, err := v.NewDecoder()
	if err != nil {
		return err
	}
	r.decoder, r.video = d, v
	return nil
}

func (r *receiver) closeDecoder() {
	if r.decoder == nil {
		return
	}
	if err := r.decoder.Close(); err != nil {
		r.engine.log.Warn("decoder not closed", "leg", string(r.source.key.leg), "error", err)
	}
	r.decoder = nil
}

func (r *receiver) close() { r.closeDecoder() }

// ask asks for a key frame while one is wanted, at most twice a second, and ever more rarely when none comes.
func (r *receiver) ask(now time.Time) {
	ssrc, ok := r.keyFrameOf()
	if !ok {
		return
	}
	interval := askInterval
	if r.asks >= patientAsks {
		interval *= patientTimes
	}
	if now.Sub(r.asked) < interval {
		return
	}
	r.asked = now
	r.asks++
	r.engine.count.asked.Add(1)
	if f := r.source.options.RequestKeyFrame; f != nil {
		f(ssrc)
	}
}

// keyFrameOf is the SSRC that has to send a key frame; not ok when none has to. When both have to, they take turns.
func (r *receiver) keyFrameOf() (ssrc uint32, ok bool) {
	if r.present == nil {
		return r.source.anySSRC()
	}
	needed := r.wantKey || r.present.broken()
	if r.coming != nil && (!needed || r.asks%2 == 0) {
		return r.coming.ssrc, true
	}
	return r.present.ssrc, needed
}

// selectLayer begins a change when another layer suits better.
func (r *receiver) selectLayer(now time.Time) {
	if r.present == nil || now.Sub(r.switched) < switchRest {
		return
	}
	best, ok := r.source.bestLayer(now)
	switch {
	case !ok:
	case best == r.present.ssrc:
		if r.coming != nil {
			r.source.useOnly(r.present.ssrc, r.coming.ssrc)
			r.coming = nil
		}
	case r.coming == nil || r.coming.ssrc != best:
		if r.coming != nil {
			r.source.useOnly(r.present.ssrc, r.coming.ssrc)
		}
		r.coming, r.asks = &track{ssrc: best}, 0
		r.source.use(best)
	}
}
