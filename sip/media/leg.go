package media

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"

	"tutti/codec"
	"tutti/mixer"
	"tutti/sip/offer"
)

// Config is what legs have in common. It is not changed after the first NewLeg.
type Config struct {
	Ports     *Ports
	Bind      netip.Addr    // sockets' own address; invalid is any
	Advertise netip.Addr    // in our descriptions; invalid, or of another family than the far end's, is the one the kernel would use to reach it
	Audio     []codec.Audio // in our order of preference
	Video     []codec.Video // empty: no picture
	Slides    bool          // a second picture is taken
	// Encryption is for what we offer and refuse. A trunk's own rule goes into a copy of the Config.
	Encryption  offer.Encryption
	Certificate *Certificate // of DTLS-SRTP; nil refuses it
	Logger      *slog.Logger // may be nil
}

// Leg is the media side of one SIP dialog. Its methods may be called from any goroutine; none waits for the far end but Run.
//
// An INVITE with an offer: Answer, send the answer, after the ACK hand Streams to the mixer and Connect what it returns. One
// without: Offer, and Complete with what the ACK brings. A re-INVITE is the same again on the same Leg; when it fails,
// Rollback restores what was.
type Leg struct {
	cfg     Config
	peer    netip.Addr
	address netip.Addr // that we advertise
	id      uint64     // of o=
	ended   chan struct{}
	failed  chan error // of a DTLS handshake; holds the first

	mu      sync.Mutex // guards the fields below
	closed  bool
	current terms
	before  *terms       // what Rollback restores
	open    *offer.State // an offer of ours that waits for its answer
}

// ErrClosed says that the leg has ended.
var ErrClosed = errors.New("media: the leg is closed")

// ErrNoOffer says that an answer came without an open offer of ours.
var ErrNoOffer = errors.New("media: an answer without an offer")

// NewLeg returns a leg without sockets. peer is the address that the far end signals from: it chooses our own address, and
// stands in where the far end's description has a name instead of an address.
func NewLeg(cfg Config, peer netip.Addr) *Leg {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	peer = peer.Unmap()
	l := &Leg{cfg: cfg, peer: peer, id: rand.Uint64() >> 2, ended: make(chan struct{}), failed: make(chan error, 1)}
	l.address = cfg.Advertise
	if !l.address.IsValid() || peer.IsValid() && l.address.Is4() != peer.Is4() {
		l.address = route(cfg.Bind, peer)
	}
	return l
}

// route is the local address that the kernel would use to reach peer. Nothing is sent.
func route(bind, peer netip.Addr) netip.Addr {
	if bind.IsValid() && !bind.IsUnspecified() && bind.Is4() == peer.Is4() {
		return bind
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if peer.Is6() {
		loopback = netip.IPv6Loopback()
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer, 9)))
	if err != nil {
		return loopback
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// Preferences are what the conference already encodes.
type Preferences = offer.Preferences

// Answer answers the far end's offer and puts what was agreed in force: media is received from now on. The error is a
// *offer.SyntaxError (400), a *offer.Rejection (488), or one of our own means (500, 503); nothing has changed then.
func (l *Leg) Answer(sdp []byte, pref Preferences) ([]byte, error) {
	session, err := offer.Parse(sdp)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	next := l.beginLocked()
	state, err := offer.Answer(session, l.capabilities(pref, &next), l.current.state)
	if err == nil {
		next.state = state
		err = l.applyLocked(&next)
	}
	if err != nil {
		l.abandonLocked(&next)
		return nil, errors.Join(err, l.applyLocked(&l.current))
	}
	l.commitLocked(next)
	return state.Local.Bytes(), nil
}

// Offer makes an offer of ours, which Complete then puts in force. What was agreed before stays in force until then.
func (l *Leg) Offer(pref Preferences) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	next := l.beginLocked()
	state, err := offer.Offer(l.capabilities(pref, &next), l.current.state)
	if err != nil {
		l.abandonLocked(&next)
		return nil, err
	}
	l.commitLocked(terms{state: l.current.state, transports: next.transports})
	l.open = state
	return state.Local.Bytes(), nil
}

// Complete takes the answer to our offer and puts it in force. The error is a *offer.SyntaxError or a *offer.Rejection when
// the answer is of no use: the offer stays open until Rollback or Close. After success Rollback has nothing to restore.
func (l *Leg) Complete(answer []byte) error {
	session, err := offer.Parse(answer)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if l.open == nil {
		return ErrNoOffer
	}
	state, err := offer.Complete(l.open, session, l.capabilities(Preferences{}, nil))
	if err != nil {
		return err
	}
	next := terms{state: state, transports: l.current.transports}
	if err := l.applyLocked(&next); err != nil {
		return err
	}
	l.current, l.open = next, nil
	l.confirmLocked()
	return nil
}

// Rollback restores what was in force before the last Answer or Offer (RFC 3261 §14.1: a re-INVITE that fails changes
// nothing). Without one it does nothing.
func (l *Leg) Rollback() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.before == nil {
		return
	}
	failed := l.current
	l.current, l.before, l.open = *l.before, nil, nil
	l.abandonLocked(&failed)
	if err := l.applyLocked(&l.current); err != nil {
		l.cfg.Logger.Warn("restoring media", "error", err)
	}
}

// Confirm forgets what Rollback would restore, and gives back the ports of m-lines that have ended. To be called when the
// transaction is complete (ACK); the next negotiation does it otherwise.
func (l *Leg) Confirm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.confirmLocked()
	}
}

// capabilities are what the negotiation is told; it opens transports in t.
func (l *Leg) capabilities(pref Preferences, t *terms) offer.Capabilities {
	return offer.Capabilities{
		Audio: l.cfg.Audio, Video: l.cfg.Video, Slides: l.cfg.Slides, Prefer: pref,
		Address: l.address, SessionID: l.id, Encryption: l.cfg.Encryption,
		Fingerprint: l.cfg.Certificate.Fingerprint(),
		Place:       func(i int) (offer.Place, error) { return l.place(t, i) },
	}
}

// place opens the transport of m-line i, or finds it again.
func (l *Leg) place(t *terms, i int) (offer.Place, error) {
	for len(t.transports) <= i {
		t.transports = append(t.transports, nil)
	}
	if t.transports[i] == nil {
		transport, err := open(&l.cfg, l.bind(), l.fail)
		if err != nil {
			return offer.Place{}, err
		}
		t.transports[i] = transport
	}
	return t.transports[i].place, nil
}

// bind is the sockets' address: the configured one where it is of the family that we advertise, else any.
func (l *Leg) bind() netip.Addr {
	if l.cfg.Bind.IsValid() && l.cfg.Bind.Is4() == l.address.Is4() {
		return l.cfg.Bind
	}
	if l.address.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// Streams are what was agreed, for the mixer, in the order of m-lines; those that are refused are left out.
func (l *Leg) Streams() []mixer.Stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	var streams []mixer.Stream
	l.eachLocked(func(m *offer.Media, t *Transport) {
		s := m.Stream()
		s.Wire = t
		if m.Kind == mixer.Audio {
			s.Source = t
		}
		if s.Send != nil {
			s.Send.SSRC = t.ssrc
		}
		streams = append(streams, s)
	})
	return streams
}

// Connect hands what arrives to inlets, which are in the order of Streams. Before it, and for streams beyond it, what
// arrives is dropped.
func (l *Leg) Connect(inlets []mixer.Inlet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := 0
	l.eachLocked(func(_ *offer.Media, t *Transport) {
		var inlet mixer.Inlet
		if i < len(inlets) {
			inlet = inlets[i]
		}
		t.connect(inlet)
		i++
	})
}

// eachLocked visits the m-lines that are in force.
func (l *Leg) eachLocked(visit func(*offer.Media, *Transport)) {
	if l.current.state == nil || l.closed {
		return
	}
	for i := range l.current.state.Media {
		m := &l.current.state.Media[i]
		if !m.Rejected && i < len(l.current.transports) && l.current.transports[i] != nil {
			visit(m, l.current.transports[i])
		}
	}
}

// Held says whether the far end has put us on hold: it takes no sound.
func (l *Leg) Held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := false
	l.eachLocked(func(m *offer.Media, _ *Transport) {
		held = held || m.Kind == mixer.Audio && m.Send == nil
	})
	return held
}

// fail keeps the first failure for Run. It never blocks.
func (l *Leg) fail(err error) {
	select {
	case l.failed <- err:
	default:
	}
}

// Ready waits until every DTLS handshake that is needed now is done; without DTLS it returns at once. The error says that
// one failed, or is the end of ctx. Until then no media passes.
func (l *Leg) Ready(ctx context.Context) error {
	var all []*association
	l.mu.Lock()
	l.eachLocked(func(_ *offer.Media, t *Transport) { all = append(all, t.handshakes()...) })
	l.mu.Unlock()
	for _, a := range all {
		select {
		case <-a.done:
			if a.err != nil {
				return a.err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.ended:
			return ErrClosed
		}
	}
	return nil
}

// Run waits until ctx ends, the leg is closed or a DTLS handshake fails, closes the leg, and returns why.
func (l *Leg) Run(ctx context.Context) error {
	defer l.Close()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-l.failed:
		return err
	case <-l.ended:
		return ErrClosed
	}
}

// Wait waits until the leg is closed, which is ErrClosed, or a DTLS handshake fails, and returns why. It closes nothing.
func (l *Leg) Wait() error {
	select {
	case err := <-l.failed:
		return err
	case <-l.ended:
		return ErrClosed
	}
}

// Close ends the goroutines and gives back the ports. It returns when that is done; only the first call does something.
func (l *Leg) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	close(l.ended)
	all := l.current
	before := l.before
	l.current, l.before, l.open = terms{}, nil, nil
	l.dropLocked(&all)
	if before != nil {
		l.dropLocked(before)
	}
}
