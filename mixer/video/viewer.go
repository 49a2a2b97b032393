package video

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tutti/codec"
	"tutti/mixer/plan"
)

// ViewerEncoding is what a viewer is sent at best. Viewers of one scene whose encodings are equal in all but the wording
// of the fmtp share one encoder, and another one for each rung that a poor link brought some of them down to.
type ViewerEncoding struct {
	Video         *codec.Video
	Fmtp          string // the far end's, which limits what the encoder may do
	Width, Height int    // pixels; what cannot be encoded (0, say) is the canvas
	FrameRate     int    // frames/s; 0 is that of the canvas
	Bitrate       int    // bit/s; 0 follows from the size
	MaxPayload    int    // octets of RTP payload; 0 is 1200
}

func (v ViewerEncoding) withDefaults(cfg Config) ViewerEncoding {
	if !composable(v.Width, v.Height) {
		v.Width, v.Height = cfg.Width, cfg.Height
	}
	v.Width, v.Height = v.Width&^1, v.Height&^1
	if v.FrameRate <= 0 || v.FrameRate > cfg.FrameRate {
		v.FrameRate = cfg.FrameRate
	}
	if v.Bitrate <= 0 {
		v.Bitrate = DefaultBitrate(v.Width, v.Height)
	}
	if v.MaxPayload <= 0 {
		v.MaxPayload = 1200
	}
	return v
}

// DefaultBitrate is the rate, in bit/s, that a composed picture of w × h pixels looks good at.
func DefaultBitrate(w, h int) int {
	switch n := w * h; {
	case n >= 1920*1080:
		return 3_000_000
	case n >= 1280*720:
		return 1_500_000
	case n >= 640*480:
		return 800_000
	case n >= 640*360:
		return 600_000
	case n >= 352*288:
		return 384_000
	}
	return 192_000
}

// encodingKey is the comparable part of a ViewerEncoding.
type encodingKey struct {
	name, ours, fmtp         string
	width, height, frameRate int
	bitrate, maxPayload      int
}

func (v ViewerEncoding) key() encodingKey {
	k := encodingKey{
		width: v.Width, height: v.Height, frameRate: v.FrameRate, bitrate: v.Bitrate, maxPayload: v.MaxPayload,
		fmtp: normalFmtp(v.Fmtp),
	}
	if v.Video != nil {
		k.name, k.ours = strings.ToLower(v.Video.Name), v.Video.Fmtp
	}
	return k
}

// normalFmtp orders the parameters of an a=fmtp and leaves out those that say nothing about what an encoder may do,
// so that two wordings of one meaning are one class.
func normalFmtp(fmtp string) string {
	var kept []string
	for p := range strings.SplitSeq(fmtp, ";") {
		p = strings.ToLower(strings.TrimSpace(p))
		name, _, _ := strings.Cut(p, "=")
		switch strings.TrimSpace(name) {
		case "", "level-asymmetry-allowed", "sprop-parameter-sets", "x-google-start-bitrate", "x-google-min-bitrate",
			"x-google-max-bitrate":
			continue
		}
		kept = append(kept, p)
	}
	slices.Sort(kept)
	return strings.Join(kept, ";")
}

// Sink takes the frames for one viewer.
type Sink interface {
	// WriteFrame borrows one frame, cut into RTP payloads of which the last carries the marker bit. The timestamp runs
	// at 90 kHz and is common to all viewers of an engine. contributors are the legs whose picture is in the frame.
	// It must not block; one goroutine calls it at a time. Timestamps of one viewer grow with every frame.
	WriteFrame(payloads [][]byte, timestamp uint32, contributors []plan.LegID)
}

// Viewer is one stream of composed pictures.
type Viewer struct {
	engine  *Engine
	leg     plan.LegID
	rungs   []ViewerEncoding // best first
	keys    []encodingKey    // of the rungs
	sink    Sink
	wantKey atomic.Bool
	closed  atomic.Bool
	sent    atomic.Uint64 // octets
	moves   atomic.Uint64 // between rungs
	onRung  atomic.Int32  // for Rung
	target  atomic.Uint64 // the class whose next key frame it waits for, or follows
	primed  atomic.Uint64 // the class of which it was sent a key frame: it follows that one

	// Guarded by engine.mu.
	wanted   int // rung
	rung     int
	encoding ViewerEncoding // of the rung
	key      encodingKey
	class    *class
	guest    bool // it still follows the class that it had

	judging sync.Mutex // guards ladder
	ladder  ladder

	writing sync.Mutex // held while a frame is written: it orders the class that it leaves and the one that it joins
	lastAt  uint64     // of the last frame, 90 kHz; guarded by writing
}

// AddViewer makes a viewer known: from the next frame on it is sent the scene that names leg, beginning with a key frame.
func (e *Engine) AddViewer(leg plan.LegID, enc ViewerEncoding, sink Sink) *Viewer {
	v := &Viewer{engine: e, leg: leg, rungs: []ViewerEncoding{enc.withDefaults(e.cfg)}, sink: sink}
	if e.cfg.Rungs > 1 {
		v.rungs = rungsOf(v.rungs[0])
	}
	var rates []int
	for _, r := range v.rungs {
		v.keys, rates = append(v.keys, r.key()), append(rates, r.Bitrate)
	}
	v.ladder = newLadder(rates...)
	v.setRung(0)
	v.wantKey.Store(true)
	e.touch(func() { e.viewers[v] = struct{}{} })
	return v
}

// setRung is called with engine.mu held, or before anybody knows v.
func (v *Viewer) setRung(rung int) {
	v.rung, v.encoding, v.key = rung, v.rungs[rung], v.keys[rung]
	v.onRung.Store(int32(rung))
}

// Report takes what the far end says about the stream, which may move it to another rung; nobody else's picture changes
// by that. It may be called from any goroutine.
func (v *Viewer) Report(r Report) {
	v.judging.Lock()
	before := v.ladder.rung
	rung := v.ladder.report(time.Now(), r, v.sent.Load())
	v.judging.Unlock()
	if rung != before {
		v.engine.touch(func() { v.wanted = rung })
	}
}

// ViewerStats is how a viewer fares.
type ViewerStats struct {
	Rung    int    // 0 is the negotiated encoding, more is less
	Bitrate int    // bit/s, the aim of its encoder
	Moves   uint64 // between rungs
}

// Stats returns the rung that the viewer is on, or goes to.
func (v *Viewer) Stats() ViewerStats {
	rung := int(v.onRung.Load())
	return ViewerStats{Rung: rung, Bitrate: v.rungs[rung].Bitrate, Moves: v.moves.Load()}
}

// RequestKeyFrame asks for a key frame (PLI, FIR, INFO). Requests of all viewers of a class are one, and it makes at
// most two key frames a second.
func (v *Viewer) RequestKeyFrame() {
	v.engine.count.keyAsked.Add(1)
	v.wantKey.Store(true)
}

// Close ends the stream. A frame that is on its way may still be written while Close returns.
func (v *Viewer) Close() {
	v.closed.Store(true)
	v.engine.touch(func() { delete(v.engine.viewers, v) })
}

// write hands a frame of class id to the viewer, if it can make use of it: from the class that it waits for it takes a
// key frame, and from then on all; until then it follows the one that it had.
func (v *Viewer) write(id uint64, isKey bool, payloads [][]byte, at uint64, contributors []plan.LegID) {
	v.writing.Lock()
	defer v.writing.Unlock()
	if v.closed.Load() {
		return
	}
	arrived := false
	if isKey && id == v.target.Load() {
		arrived = v.primed.Swap(id) != id
	} else if v.primed.Load() != id {
		return // it has no key frame to build upon yet
	}
	// Two classes may be at work on one picture, or one of them behind the other.
	if v.lastAt > 0 && at <= v.lastAt {
		at = v.lastAt + 1
	}
	v.lastAt = at
	octets := 0
	for _, p := range payloads {
		octets += len(p)
	}
	v.sent.Add(uint64(octets))
	v.sink.WriteFrame(payloads, uint32(at), contributors)
	if arrived {
		v.engine.touch(func() {}) // the class that it left need not go on for it
	}
}
