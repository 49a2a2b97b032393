package video

import (
	"slices"
	"strings"
	"sync/atomic"

	"tutti/codec"
	"tutti/mixer/plan"
)

// ViewerEncoding is what a viewer is sent. Viewers of one scene whose encodings are equal in all but the wording of
// the fmtp share one encoder.
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
	// It must not block; one goroutine calls it at a time.
	WriteFrame(payloads [][]byte, timestamp uint32, contributors []plan.LegID)
}

// Viewer is one stream of composed pictures.
type Viewer struct {
	engine   *Engine
	leg      plan.LegID
	encoding ViewerEncoding
	key      encodingKey
	sink     Sink
	wantKey  atomic.Bool
	closed   atomic.Bool
	primed   atomic.Uint64 // the class of which it was sent a key frame
	class    *class        // guarded by engine.mu
}

// AddViewer makes a viewer known: from the next frame on it is sent the scene that names leg, beginning with a key frame.
func (e *Engine) AddViewer(leg plan.LegID, enc ViewerEncoding, sink Sink) *Viewer {
	enc = enc.withDefaults(e.cfg)
	v := &Viewer{engine: e, leg: leg, encoding: enc, key: enc.key(), sink: sink}
	v.wantKey.Store(true)
	e.touch(func() { e.viewers[v] = struct{}{} })
	return v
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

// write hands a frame of class id to the viewer, if it can make use of it.
func (v *Viewer) write(id uint64, isKey bool, payloads [][]byte, timestamp uint32, contributors []plan.LegID) {
	if v.closed.Load() {
		return
	}
	if isKey {
		v.primed.Store(id)
	} else if v.primed.Load() != id {
		return // it has no key frame to build upon yet
	}
	v.sink.WriteFrame(payloads, timestamp, contributors)
}
