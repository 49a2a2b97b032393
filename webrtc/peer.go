package webrtc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	pion "github.com/pion/webrtc/v4"

	"tutti/bridge"
	"tutti/codec"
	"tutti/mixer"
)

// closeTime bounds how long pion may take to close a PeerConnection before we stop waiting.
const closeTime = 5 * time.Second

// Peer is one PeerConnection whose far end makes the offers: a browser, or a WebRTC client over SIP. Its methods may be
// called from any goroutine; one offer is answered at a time.
type Peer struct {
	endpoint  *Endpoint
	source    string
	began     time.Time
	log       *slog.Logger
	pc        *pion.PeerConnection
	formats   formats
	connected chan struct{}
	done      chan struct{}
	gone      chan struct{} // closed when every goroutine has ended
	once      struct{ connect, settle, close sync.Once }
	setUp     *time.Timer
	stop      func() bool // forgets the endpoint's end
	readers   sync.WaitGroup
	audio     *track
	video     *track

	negotiating sync.Mutex // held from an offer to its answer

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
	p, err := e.newPeer(source, nil)
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

// newPeer makes a PeerConnection without an m-line. candidate is told our candidates, nil at their end; it may be nil and must not block.
func (e *Endpoint) newPeer(source string, candidate func(*pion.ICECandidate)) (*Peer, error) {
	p := &Peer{
		endpoint:  e,
		source:    host(source),
		began:     time.Now(),
		log:       e.log.With("source", source),
		formats:   formats{e.cfg.Audio, e.cfg.Video},
		connected: make(chan struct{}),
		done:      make(chan struct{}),
		gone:      make(chan struct{}),
		lines:     make(map[string]*line),
	}
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
		p.settle(true)
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
		p.settle(false)
		go p.finish() // pion calls us back from goroutines that its close waits for
	})
}

func (p *Peer) settle(connected bool) {
	p.once.settle.Do(func() { p.endpoint.settle(p, connected) })
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

// wanted is the payload type that the first sending m-line of a kind has agreed to.
func (p *Peer) wanted(k mixer.Kind) (uint8, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.agreed {
		if a.stream.Kind == k && a.stream.Send != nil {
			return a.stream.Send.PayloadType, true
		}
	}
	return 0, false
}

// Renegotiate answers a later offer of the same far end: a new m-line, a hold, an ICE restart. The caller then attaches and connects the
// streams anew. After an *OfferError what was agreed before is still in force, unless Done is closed.
func (p *Peer) Renegotiate(ctx context.Context, text string, pref bridge.Preferences) (string, error) {
	o, err := parseOffer(text, p.endpoint.cfg.Limits)
	if err != nil {
		return "", err
	}
	return p.answer(ctx, o, pref, whole)
}

// completeness says what an answer waits for.
type completeness uint8

const (
	trickled completeness = iota // nothing: candidates follow by themselves
	whole                        // our candidates
)

// answer negotiates: pion sees the m-lines that we take, the far end gets an answer to all.
func (p *Peer) answer(ctx context.Context, o *offer, pref bridge.Preferences, c completeness) (string, error) {
	p.negotiating.Lock()
	defer p.negotiating.Unlock()
	if err := p.Err(); err != nil {
		return "", err
	}
	if err := p.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: o.pruned}); err != nil {
		p.giveUp()
		return "", badOffer("the offer is refused: %v", err)
	}
	before := p.agreedNow()
	prefer := slices.Concat(pref.Audio, pref.Video)
	gathered := pion.GatheringCompletePromise(p.pc)
	if err := p.accept(o, prefer); err != nil {
		p.restore(before)
		p.giveUp()
		return "", err
	}
	if c == whole {
		select {
		case <-gathered:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-p.done:
			return "", p.Err()
		}
	}
	full, err := o.complete(p.pc.LocalDescription().SDP)
	if err != nil {
		return "", err
	}
	text, err := full.Marshal()
	if err != nil {
		return "", fmt.Errorf("webrtc: own answer: %w", err)
	}
	p.describe(o)
	return string(text), nil
}

// accept makes pion's answer, with what we want to send, and puts it in force.
func (p *Peer) accept(o *offer, prefer []codec.Format) error {
	if err := p.addTracks(o); err != nil {
		return err
	}
	p.order(prefer)
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return badOffer("the offer cannot be answered: %v", err)
	}
	full, err := o.complete(answer.SDP)
	if err != nil {
		return err
	}
	agreed := p.formats.agree(o, full, prefer)
	if !p.isDescribed() && !slices.ContainsFunc(agreed, useful) {
		return badOffer("the offer has no format in common with us")
	}
	p.restore(agreed) // Bind asks for it
	if err := p.pc.SetLocalDescription(answer); err != nil {
		return badOffer("the offer cannot be answered: %v", err)
	}
	return nil
}

// useful says whether anything could pass on an m-line, now or after a hold.
func useful(a agreed) bool { return a.accepted }

// addTracks gives pion something to send on the first audio and the first video m-line whose far end listens. What was added stays.
func (p *Peer) addTracks(o *offer) error {
	for _, t := range []*track{p.audio, p.video} {
		if t.added || !o.listens(t.kind.String()) {
			continue
		}
		sender, err := p.pc.AddTrack(t)
		if err != nil {
			return fmt.Errorf("webrtc: add %s: %w", t.name, err)
		}
		t.added = true
		p.read(func() { p.receiveReports(t, sender) })
	}
	return nil
}

// order puts the formats that the conference encodes already in front of the others.
func (p *Peer) order(prefer []codec.Format) {
	for _, t := range p.pc.GetTransceivers() {
		if t.Receiver() == nil || len(prefer) == 0 {
			continue
		}
		all := t.Receiver().GetParameters().Codecs
		slices.SortStableFunc(all, func(a, b pion.RTPCodecParameters) int { return rank(a, prefer) - rank(b, prefer) })
		if err := t.SetCodecPreferences(all); err != nil {
			p.log.Debug("webrtc: order of formats", "error", err)
		}
	}
}

// rank is the place of a format among those preferred.
func rank(c pion.RTPCodecParameters, prefer []codec.Format) int {
	for i, f := range prefer {
		if sameFormat(c.RTPCodecCapability, f) {
			return i
		}
	}
	return len(prefer)
}

// giveUp ends a Peer whose later offer got stuck inside pion, which knows no way back. parseOffer keeps out what is known
// to get so far. Where it was the first offer, the caller closes.
func (p *Peer) giveUp() {
	if p.isDescribed() && p.pc.SignalingState() != pion.SignalingStateStable {
		p.fail(errFailed)
	}
}

func (p *Peer) agreedNow() []agreed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.agreed
}

func (p *Peer) restore(a []agreed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.agreed = a
}

func (p *Peer) isDescribed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.described
}

// describe says that an offer is in force: the candidates that came too early can be used.
func (p *Peer) describe(o *offer) {
	p.mu.Lock()
	p.described, p.fingerprint = true, o.fingerprint()
	early := p.early
	p.early = nil
	p.mu.Unlock()
	for _, c := range early {
		p.addCandidate(c)
	}
}

// continues says whether an offer is of the same far end's PeerConnection, not of another that replaces it.
func (p *Peer) continues(o *offer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.described && !p.closing && p.fingerprint != "" && p.fingerprint == o.fingerprint()
}

// Candidate takes a candidate of the far end (RFC 8838).
func (p *Peer) Candidate(c pion.ICECandidateInit) {
	p.mu.Lock()
	if !p.described {
		if len(p.early) < earlyCandidates {
			p.early = append(p.early, c)
		}
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.addCandidate(c)
}

func (p *Peer) addCandidate(c pion.ICECandidateInit) {
	if err := p.pc.AddICECandidate(c); err != nil { // of an older generation, or of a kind that we cannot use
		p.log.Debug("webrtc: candidate", "error", err)
	}
}

// host is the address without the port, which is what limits count by.
func host(source string) string {
	if h, _, err := net.SplitHostPort(source); err == nil {
		return h
	}
	return source
}
