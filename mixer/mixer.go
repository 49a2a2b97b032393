// Package mixer is the media plane of a conference: packets in, packets out. It knows RTP, gains and scenes, and
// nothing of SIP, SDP, PeerConnections, HTTP or people.
//
// One goroutine, that of Run, steps the sound every 20 ms: it takes what Attach, Detach and Apply left for it, reads
// each jitter buffer, mixes, encodes, sends, and writes RTCP. Pictures are made by package video in goroutines of its
// own, which Run waits for. Inlets may be fed from any goroutine: a stream's mutex is held for as long as it takes to copy
// a packet.
//
// Locks nest in this order only: Mixer.mu, stream.mu, then that of a jitter.Buffer or a video.Source. None of them is held
// while a Wire or Events are called.
package mixer

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tutti/codec"
	"tutti/mixer/audio"
	"tutti/mixer/jitter"
	"tutti/mixer/plan"
	"tutti/mixer/video"
)

// Config is what a Mixer needs to know.
type Config struct {
	Name      string        // of the conference, for logs
	CNAME     string        // of our own RTCP SDES (RFC 3550 §6.5.1)
	Events    Events        // may be nil
	Logger    *slog.Logger  // may be nil
	Width     int           // canvas, pixels; 0 is 1280
	Height    int           // canvas, pixels; 0 is 720
	FrameRate int           // canvas, frames/s; 0 is 25
	Silence   time.Duration // Quiet is reported when a stream sent nothing for so long; 0 is never
}

// Mixer is the media plane of one conference (an RFC 3550 §7.1 mixer). Its methods may be called from any goroutine.
type Mixer struct {
	cfg      Config
	own      sync.Map // SSRCs that we send, to how many streams do
	pictures sync.Map // the SSRC of each leg's camera
	video    *video.Engine

	mu           sync.Mutex // guards what follows, up to the next comment
	legs         map[plan.LegID]*leg
	order        []plan.LegID
	pending      []func() // what the next tick is to do first
	plan         *plan.Plan
	audioFormats []codec.Format
	videoFormats []codec.Format
	stats        Stats
	ended        bool

	// Run's goroutine owns the rest.
	now     time.Time // of the tick
	clock   uint64    // ticks since the beginning, the skipped ones included
	audio   *audio.Mixer
	streams []*stream
	doing   []func()
	events  []Event
	applied plan.Plan
}

// New returns a mixer without legs. It moves no media until Run.
func New(cfg Config) *Mixer {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.CNAME = cmp.Or(cfg.CNAME, "tutti")
	engine := video.New(video.Config{Width: cfg.Width, Height: cfg.Height, FrameRate: cfg.FrameRate, Logger: cfg.Logger})
	return &Mixer{cfg: cfg, legs: map[plan.LegID]*leg{}, audio: audio.New(), video: engine, now: time.Now()}
}

// Attach makes the streams of a leg known, or replaces them after a renegotiation: a stream whose ID stays keeps its
// Inlet, sequence numbers, clocks and statistics. The inlets are in the order of streams. On an error nothing has changed.
//
// What is sent changes with the next tick, what may come at once.
func (m *Mixer) Attach(id plan.LegID, streams []Stream) ([]Inlet, error) {
	if err := check(streams); err != nil {
		return nil, fmt.Errorf("mixer: leg %s: %w", id, err)
	}
	made := make([][]jitter.Decoder, len(streams))
	for i, c := range streams {
		var err error
		if made[i], err = decoders(c); err != nil {
			return nil, fmt.Errorf("mixer: leg %s: %w", id, err)
		}
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.legs[id]
	if l == nil {
		l = &leg{id: id}
		m.legs[id] = l
		m.order = append(m.order, id)
	}
	before := l.streams
	l.streams = nil
	var inlets []Inlet
	for i, c := range streams {
		s := find(before, c)
		if s == nil {
			s = newStream(m, l, c, now)
			m.laterLocked(func() { m.join(s) })
		}
		s.negotiated(c, now)
		m.laterLocked(func() { m.configure(s, c, made[i]) })
		l.streams = append(l.streams, s)
		inlets = append(inlets, s)
	}
	for _, s := range before {
		if !slices.Contains(l.streams, s) {
			m.leaveLocked(s)
		}
	}
	return inlets, nil
}

// find is the stream that c goes on with.
func find(streams []*stream, c Stream) *stream {
	i := slices.IndexFunc(streams, func(s *stream) bool { return s.id == c.ID && s.kind == c.Kind })
	if i < 0 {
		return nil
	}
	return streams[i]
}

// Detach forgets a leg, after a BYE on each of its streams (RFC 3550 §6.6), which leaves with the next tick: a wire
// that is closed before loses it, and nothing else. A leg that is unknown is no error.
func (m *Mixer) Detach(id plan.LegID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.legs[id]
	if l == nil {
		return
	}
	delete(m.legs, id)
	m.order = slices.DeleteFunc(m.order, func(o plan.LegID) bool { return o == id })
	for _, s := range l.streams {
		m.leaveLocked(s)
	}
}

// Apply takes the plan that is in force from the next tick and the next frame on.
func (m *Mixer) Apply(p *plan.Plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plan = p
}

// RequestKeyFrame is a viewer's wish for a key frame on one of its video streams that came by other ways than RTCP (RFC 5168).
func (m *Mixer) RequestKeyFrame(id plan.LegID, stream string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.legs[id]; l != nil {
		for _, s := range l.streams {
			if s.id == stream {
				m.laterLocked(s.askEncoder)
			}
		}
	}
}

// Encodings are the formats that streams are sent now, most used first: who answers with one of them costs no encoder.
func (m *Mixer) Encodings() (audio, video []codec.Format) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.audioFormats, m.videoFormats
}

// owns says whether ssrc is one of ours.
func (m *Mixer) owns(ssrc uint32) bool {
	_, ok := m.own.Load(ssrc)
	return ok
}

// laterLocked lets the next tick do f first.
func (m *Mixer) laterLocked(f func()) {
	if !m.ended {
		m.pending = append(m.pending, f)
	}
}

func (m *Mixer) leaveLocked(s *stream) {
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
	m.laterLocked(func() { m.leave(s) })
}
