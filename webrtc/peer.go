package webrtc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	pion "github.com/pion/webrtc/v4"

	"tutti/bridge"
	"tutti/mixer"
)

// closeTime bounds how long pion may take to close a PeerConnection before we stop waiting.
const closeTime = 5 * time.Second

// Peer is one PeerConnection with a browser, or with a WebRTC client over SIP. The far end makes the offers, except the first
// where we call. Its methods may be called from any goroutine; one offer is answered at a time.
type Peer struct {
	endpoint  *Endpoint
	source    string
	offers    bool // we make the first offer
	log       *slog.Logger
	pc        *pion.PeerConnection
	formats   formats
	connected chan struct{}
	done      chan struct{}
	gone      chan struct{} // closed when every goroutine has ended
	once      struct{ connect, close sync.Once }
	setUp     *time.Timer
	stop      func() bool // forgets the endpoint's end
	readers   sync.WaitGroup
	audio     *track
	video     *track

	began   time.Time // of the set-up; zero while our offer waits for its answer; guarded by Endpoint.mu
	settled bool      // the set-up has come to an end; guarded by Endpoint.mu

	negotiating sync.Mutex // held from an offer to its answer, unless the offer is ours
	offered     *proposal  // ours that waits for its answer; guarded by negotiating
	setup       string     // our DTLS role where we called, which stays (RFC 8842 §5.3); guarded by negotiating

	mu          sync.Mutex // guards the fields below
	closing     bool
	cause       error
	fingerprint string
	agreed      []agreed
	lines       map[string]*line // by mid; none is ever taken out
	early       []pion.ICECandidateInit
	described   bool // an offer is in force, so candidates have a place
}

// line is where the packets of one m-line go.
type line struct {
	inlet   atomic.Pointer[mixer.Inlet]
	remotes sync.Map // SSRCs (uint32) that we read SR of
}

// earlyCandidates bounds the candidates that wait for the first offer.
const earlyCandidates = 64

// Answer makes a Peer for the offer of a WebRTC client over SIP. The answer has all our candidates (no trickle). The error is an
// *OfferError when the offer is at fault, a *bridge.Refusal when a limit is reached. The caller must Close the Peer.
func (e *Endpoint) Answer(ctx context.Context, offer string, pref bridge.Preferences) (*Peer, string, error) {
	return e.AnswerFrom(ctx, "", offer, pref)
}

// AnswerFrom is Answer for a far end whose address is known, so that limits per source hold.
func (e *Endpoint) AnswerFrom(ctx context.Context, source, offer string, pref bridge.Preferences) (*Peer, string, error) {
	o, err := parseOffer(offer, e.cfg.Limits)
	if err != nil {
		return nil, "", err
	}
	p, err := e.newPeer(&Peer{source: host(source)}, nil)
	if err != nil {
		return nil, "", err
	}
	answer, err := p.answer(ctx, o, pref, whole)
	if err != nil {
		p.Close()
		return nil, "", err
	}
	return p, answer, nil
}

// newPeer gives p, which has a source, its PeerConnection, without an m-line. candidate is told our candidates, nil at their end;
// it may be nil and must not block.
func (e *Endpoint) newPeer(p *Peer, candidate func(*pion.ICECandidate)) (*Peer, error) {
	p.endpoint = e
	p.log = e.log.With("source", p.source)
	p.formats = formats{e.cfg.Audio, e.cfg.Video}
	p.connected, p.done, p.gone = make(chan struct{}), make(chan struct{}), make(chan struct{})
	p.lines = make(map[string]*line)
	if err := e.enter(p); err != nil {
		return nil, err
	}
	engine := e.far
	if a, err := netip.ParseAddr(p.source); err == nil && a.IsLoopback() || p.source == "" {
		engine = e.near
	}
	pc, err := engine.connection(e.certs, &buffers{full: func() { p.fail(errStreams) }})
	if err != nil {
		e.settle(p, false)
		e.exit(p)
		return nil, fmt.Errorf("webrtc: new PeerConnection: %w", err)
	}
	p.pc = pc
	p.audio = &track{kind: pion.RTPCodecTypeAudio, name: "audio", want: func() (uint8, bool) { return p.wanted(mixer.Audio) }}
	p.video = &track{kind: pion.RTPCodecTypeVideo, name: "video", want: func() (uint8, bool) { return p.wanted(mixer.Video) }}
	pc.OnConnectionStateChange(p.stateChanged)
	pc.OnTrack(p.receive)
	if candidate != nil {
		pc.OnICECandidate(candidate)
	}
	p.setUp = time.AfterFunc(e.cfg.Limits.SetUp, func() { p.fail(errSetUp) })
	if p.offers { // it may ring for long: Complete starts the timer
		p.setUp.Stop()
	}
	p.stop = context.AfterFunc(e.ctx, func() { p.fail(errShutdown) })
	return p, nil
}

var (
	errSetUp  = errors.New("webrtc: the connection was not set up in time")
	errFailed = errors.New("webrtc: the connection failed")
	errClosed = errors.New("webrtc: the connection is closed")

	errStreams = errors.New("webrtc: the far end sends more streams than it may")
)

func (p *Peer) stateChanged(s pion.PeerConnectionState) {
	p.log.Debug("webrtc: connection", "state", s)
	switch s {
	case pion.PeerConnectionStateConnected:
		p.setUp.Stop()
		p.endpoint.settle(p, true)
		p.once.connect.Do(func() { close(p.connected) })
	case pion.PeerConnectionStateFailed:
		p.fail(errFailed)
	case pion.PeerConnectionStateClosed: // by us, or by the far end's DTLS alert
		p.fail(errClosed)
	}
}

// Connected is closed when ICE and DTLS have come to an end for the first time: media can flow.
func (p *Peer) Connected() <-chan struct{} { return p.connected }

// Done is closed when the Peer is over: failed, closed by the far end, or by Close.
func (p *Peer) Done() <-chan struct{} { return p.done }

// Err says why the Peer is over; nil before Done.
func (p *Peer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause
}

// Close ends the Peer and waits for its goroutines, but no longer than pion may take.
func (p *Peer) Close() {
	p.fail(errClosed)
	<-p.gone
}

// fail ends the Peer and returns at once. Only the first cause counts.
func (p *Peer) fail(cause error) {
	p.once.close.Do(func() {
		p.mu.Lock()
		p.closing, p.cause = true, cause
		p.mu.Unlock()
		close(p.done)
		p.setUp.Stop()
		p.stop()
		p.endpoint.settle(p, false)
		go p.finish() // pion calls us back from goroutines that its close waits for
	})
}

// finish closes the PeerConnection and counts the Peer out.
func (p *Peer) finish() {
	defer close(p.gone)
	defer p.endpoint.exit(p)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if err := p.pc.GracefulClose(); err != nil {
			p.log.Debug("webrtc: close", "error", err)
		}
		p.readers.Wait()
	}()
	select {
	case <-closed:
	case <-time.After(closeTime):
		p.log.Warn("webrtc: a PeerConnection takes too long to close")
	}
}

// Streams are the negotiated m-lines in their order, ready for bridge.Leg.Attach.
func (p *Peer) Streams() []mixer.Stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]mixer.Stream, len(p.agreed))
	tracks := map[mixer.Kind]*track{mixer.Audio: p.audio, mixer.Video: p.video}
	for i, a := range p.agreed {
		all[i] = a.stream
		w := &wire{pc: p.pc}
		if t := tracks[a.stream.Kind]; a.stream.Send != nil {
			send := *a.stream.Send
			if ssrc, ok := t.ssrc(); ok {
				send.SSRC = ssrc
				all[i].Send, w.track = &send, t
				delete(tracks, a.stream.Kind)
			} else {
				all[i].Send = nil
			}
		}
		all[i].Wire = w
	}
	return all
}

// Connect says where the packets of Streams go from now on, in the same order. A nil inlet drops them.
func (p *Peer) Connect(inlets []mixer.Inlet) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, a := range p.agreed {
		if i < len(inlets) && inlets[i] != nil {
			p.lineLocked(a.mid).inlet.Store(&inlets[i])
		} else {
			p.lineLocked(a.mid).inlet.Store(nil)
		}
	}
}

func (p *Peer) lineLocked(mid string) *line {
	l, ok := p.lines[mid]
	if !ok {
		l = &line{}
		p.lines[mid] = l
	}
	return l
}

// host is the address without the port, which is what limits count by.
func host(source string) string {
	if h, _, err := net.SplitHostPort(source); err == nil {
		return h
	}
	return source
}
