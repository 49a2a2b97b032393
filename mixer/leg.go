package mixer

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"tutti/codec"
	"tutti/mixer/audio"
	"tutti/mixer/jitter"
	"tutti/mixer/plan"
	"tutti/mixer/rfc3550"
)

const maxStreams = 32 // of one leg

// leg is one endpoint and its streams.
type leg struct {
	id       plan.LegID
	streams  []*stream // guarded by Mixer.mu
	speaking atomic.Bool
}

// stream is one m-line of a leg, and the Inlet of it.
//
// Its locks nest nowhere, and none is held while a Wire or Events are called.
type stream struct {
	mixer *Mixer
	leg   *leg
	id    string
	kind  Kind
	epoch time.Time // arrival 0

	mu         sync.Mutex // guards what follows, up to the next comment
	gone       bool
	packet     rtp.Packet
	payloads   [128]*Payload
	receives   bool
	audioLevel uint8
	rate       int // RTP clock of the sound that arrives, Hz
	buffer     *jitter.Buffer
	layers     []*layer
	event      keyEvent
	digits     []rune
	heardAt    time.Time
	quiet      bool // reported as such
	received   ReceivedStats
	far        farEnd
	out        sender
	main       bool // of video: the camera
	pic        picture

	frames sync.Mutex // held while the packets of a frame are written: it orders the writers of video, and guards nothing

	// The mixer's goroutine owns the rest.
	config   Stream
	reader   *jitter.Reader
	input    *audio.Input
	output   *audio.Output
	reports  reporter
	brake    brake
	speaking bool // as reported
}

func newStream(m *Mixer, l *leg, c Stream, now time.Time) *stream {
	s := &stream{mixer: m, leg: l, id: c.ID, kind: c.Kind, epoch: now, heardAt: now, rate: 8000}
	if c.Kind == Audio {
		s.buffer = jitter.NewBuffer(s.rate)
	}
	s.out.seq = uint16(rand.Uint32())
	s.out.base = rand.Uint32()
	s.reports.ssrc = rand.Uint32()
	return s
}

// check refuses what cannot work, before anything is changed.
func check(streams []Stream) error {
	if len(streams) > maxStreams {
		return fmt.Errorf("%d streams, at most %d", len(streams), maxStreams)
	}
	seen := map[string]bool{}
	for _, c := range streams {
		switch {
		case seen[c.ID]:
			return fmt.Errorf("stream %q twice", c.ID)
		case c.Kind != Audio && c.Kind != Video:
			return fmt.Errorf("stream %q: kind %s", c.ID, c.Kind)
		case c.Wire == nil:
			return fmt.Errorf("stream %q: no wire", c.ID)
		}
		seen[c.ID] = true
		if c.Send == nil {
			continue
		}
		if c.Kind == Audio && c.Send.Audio == nil || c.Kind == Video && c.Send.Video == nil {
			return fmt.Errorf("stream %q: an encoding of no format", c.ID)
		}
		if c.Kind == Video {
			continue
		}
		if err := encodingOf(c.Send).Check(); err != nil {
			return fmt.Errorf("stream %q: %w", c.ID, err)
		}
	}
	return nil
}

func encodingOf(e *Encoding) audio.Encoding {
	return audio.Encoding{Audio: *e.Audio, Fmtp: e.Fmtp, PTime: e.PTime, Bitrate: e.Bitrate}
}

// decoders makes one decoder for each format of sound that may come.
func decoders(c Stream) ([]jitter.Decoder, error) {
	var all []jitter.Decoder
	for _, p := range c.Receive {
		if p.Audio == nil {
			continue
		}
		d, err := p.Audio.NewDecoder(codec.AudioParams{Fmtp: p.Fmtp})
		if err != nil {
			return nil, fmt.Errorf("stream %q: %s: %w", c.ID, p.Audio.Format, err)
		}
		all = append(all, jitter.Decoder{Type: p.Type, Decoder: d, Rate: p.Audio.SampleRate})
	}
	return all, nil
}

// negotiated takes what arrives from now on as c says.
func (s *stream) negotiated(c Stream, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.payloads = [128]*Payload{}
	for i := range c.Receive {
		p := c.Receive[i]
		if p.ClockRate <= 0 {
			p.ClockRate = clockRate(p)
		}
		s.payloads[p.Type&127] = &p
	}
	s.receives = len(c.Receive) > 0
	s.audioLevel = c.AudioLevel
	s.main = c.Content == "" || c.Content == plan.MainContent
	s.heardLocked(now)
}

func clockRate(p Payload) int {
	switch {
	case p.Audio != nil:
		return p.Audio.ClockRate
	case p.Video != nil:
		return p.Video.ClockRate
	}
	return 8000
}

// equalReceive says whether decoders may stay as they are.
func equalReceive(a, b []Payload) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if x.Type != y.Type || x.Fmtp != y.Fmtp || (x.Audio == nil) != (y.Audio == nil) {
			return false
		}
		if x.Audio != nil && !x.Audio.Format.Equal(y.Audio.Format) {
			return false
		}
		if (x.Video == nil) != (y.Video == nil) || x.Video != nil && !x.Video.Format.Equal(y.Video.Format) {
			return false
		}
	}
	return true
}

func equalSend(a, b *Encoding) bool {
	if a == nil || b == nil {
		return a == b
	}
	if (a.Audio == nil) != (b.Audio == nil) || (a.Video == nil) != (b.Video == nil) {
		return false
	}
	if a.Audio != nil && !a.Audio.Format.Equal(b.Audio.Format) || a.Video != nil && !a.Video.Format.Equal(b.Video.Format) {
		return false
	}
	x, y := *a, *b
	x.Audio, y.Audio, x.Video, y.Video = nil, nil, nil, nil
	return x == y
}

// farEnd is what the other side reports about us.
type farEnd struct {
	rtt      time.Duration
	lost     int32
	fraction uint8
	jitter   uint32
	firSeq   map[uint32]uint8
}

// reception lists the sources that are believed, for reports.
func (s *stream) receptionLocked() []*rfc3550.Reception {
	var all []*rfc3550.Reception
	for _, l := range s.layers {
		if l.current != nil {
			all = append(all, l.current)
		}
	}
	return all
}
