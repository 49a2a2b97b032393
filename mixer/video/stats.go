package video

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

var (
	errRetryLater = errors.New("video: no encoder, trying again later")
	errPicture    = errors.New("video: picture too large, too small or not 4:2:0")
	errNoEncoder  = errors.New("video: the encoding has no encoder")
)

// counters count for an engine.
type counters struct {
	frames, late, composed, keyAsked  atomic.Uint64
	moves                             atomic.Uint64
	decoded, decodeErrors             atomic.Uint64
	received, discarded, lost, asked  atomic.Uint64
	retiredEncoded, retiredKeys       atomic.Uint64 // of classes that ended
	retiredDropped, retiredEncodeFail atomic.Uint64
}

// classCounters count for a class.
type classCounters struct {
	encoded, keys, bytes, dropped, skipped, failed atomic.Uint64
}

// Stats says what an engine did since it was made. Counters only grow.
type Stats struct {
	Sources, Viewers int
	Frames           uint64 // steps of the frame clock
	Late             uint64 // frames left out because the step came late
	Composed         uint64 // sheets drawn or found unchanged, for one or more classes
	Encoded          uint64 // frames encoded, all classes
	KeyFrames        uint64 // of these
	Dropped          uint64 // frames that a class was too busy for
	EncodeErrors     uint64
	KeyFrameRequests uint64 // of viewers
	Moves            uint64 // of viewers, between rungs
	Packets          uint64 // received
	Discarded        uint64 // packets not used: source not shown, unknown payload type, queue full, too late
	Lost             uint64 // holes that were not filled in time
	Decoded          uint64 // pictures
	DecodeErrors     uint64
	KeyFramesAsked   uint64 // of sources
	Classes          []ClassStats
}

// ClassStats is one class that lives.
type ClassStats struct {
	Codec         string
	Fmtp          string
	Width, Height int
	FrameRate     int
	Bitrate       int // bit/s, the aim
	Viewers       int
	Encoded       uint64
	KeyFrames     uint64
	Bytes         uint64
	Dropped       uint64 // the encoder was busy
	Skipped       uint64 // the encoder left the picture out to hold its rate
	Errors        uint64
}

// Stats returns the counters.
func (e *Engine) Stats() Stats {
	n := &e.count
	s := Stats{
		Frames: n.frames.Load(), Late: n.late.Load(), Composed: n.composed.Load(), KeyFrameRequests: n.keyAsked.Load(),
		Moves:   n.moves.Load(),
		Packets: n.received.Load(), Discarded: n.discarded.Load(), Lost: n.lost.Load(),
		Decoded: n.decoded.Load(), DecodeErrors: n.decodeErrors.Load(), KeyFramesAsked: n.asked.Load(),
		Encoded: n.retiredEncoded.Load(), KeyFrames: n.retiredKeys.Load(), Dropped: n.retiredDropped.Load(),
		EncodeErrors: n.retiredEncodeFail.Load(),
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Sources, s.Viewers = len(e.sources), len(e.viewers)
	for _, c := range e.plan.classes {
		cs := c.snapshot()
		s.Classes = append(s.Classes, cs)
		s.Encoded += cs.Encoded
		s.KeyFrames += cs.KeyFrames
		s.Dropped += cs.Dropped
		s.EncodeErrors += cs.Errors
	}
	return s
}

func (c *class) snapshot() ClassStats {
	n := &c.stats
	return ClassStats{
		Codec: c.key.name, Fmtp: c.key.fmtp, Width: c.enc.Width, Height: c.enc.Height, FrameRate: c.enc.FrameRate,
		Bitrate: c.enc.Bitrate, Viewers: len(c.members) - c.guests, Encoded: n.encoded.Load(), KeyFrames: n.keys.Load(),
		Bytes: n.bytes.Load(), Dropped: n.dropped.Load(), Skipped: n.skipped.Load(), Errors: n.failed.Load(),
	}
}

// retire adds the counters of a class that ended to those of the engine.
func (n *counters) retire(c *class) {
	n.retiredEncoded.Add(c.stats.encoded.Load())
	n.retiredKeys.Add(c.stats.keys.Load())
	n.retiredDropped.Add(c.stats.dropped.Load())
	n.retiredEncodeFail.Add(c.stats.failed.Load())
}

// String is for a person: one line, and one for each class.
func (s Stats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d sources (%d packets, %d discarded, %d holes, %d pictures, %d errors, %d key frames asked), "+
		"%d viewers (%d moves), %d frames (%d late)", s.Sources, s.Packets, s.Discarded, s.Lost, s.Decoded, s.DecodeErrors, s.KeyFramesAsked,
		s.Viewers, s.Moves, s.Frames, s.Late)
	for _, c := range s.Classes {
		fmt.Fprintf(&b, "\n%v", c)
	}
	return b.String()
}

// String is for a person: one line.
func (c ClassStats) String() string {
	return fmt.Sprintf("%s %d×%d at %d/s, %d kbit/s: %d viewers, %d frames (%d key, %d dropped, %d skipped, %d errors)",
		c.Codec, c.Width, c.Height, c.FrameRate, c.Bitrate/1000, c.Viewers, c.Encoded, c.KeyFrames, c.Dropped, c.Skipped, c.Errors)
}
