package media

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"tutti/mixer"
	"tutti/sip/offer"
)

// maxPacket bounds a datagram that is read, bytes; what is longer is cut by the kernel and then refused.
const maxPacket = 2048

// maxSend bounds a packet that is sent, bytes: what an Ethernet carries, with room for SRTP and IPv6.
const maxSend = 1452

// Transport carries one m-line: two sockets, the far end's addresses, its keys. It is the stream's mixer.Wire.
// Its methods may be called from any goroutine.
type Transport struct {
	place   offer.Place
	ssrc    uint32 // of what we send, for the life of the transport
	logger  *slog.Logger
	release func()
	rtp     Socket
	rtcp    Socket
	inlet   atomic.Pointer[mixer.Inlet]
	in      receiver
	out     sender
	drained drained
	readers sync.WaitGroup
	closing sync.Once
	counts  Counts

	certificate *Certificate // of DTLS; nil refuses it
	fail        func(error)  // told when a handshake fails; never blocks
}

// Counts are the packets that a Transport did not deliver, by reason.
type Counts struct {
	Foreign atomic.Uint64 // from a stranger's address
	Invalid atomic.Uint64 // not RTP, not RTCP, or a payload type that was not agreed
	Unsafe  atomic.Uint64 // SRTP that failed authentication or was replayed, or before there were keys
	Unsent  atomic.Uint64 // packets of ours that the kernel did not take
}

// open opens a transport. It takes and delivers nothing before apply.
func open(cfg *Config, bind netip.Addr, fail func(error)) (*Transport, error) {
	media, control, release, err := cfg.Ports.open(bind)
	if err != nil {
		return nil, err
	}
	place, err := placeOf(media, control)
	if err != nil {
		err = errors.Join(err, media.Close(), control.Close())
		release()
		return nil, err
	}
	t := newTransport(media, control, place, release, cfg, fail)
	t.drained.sockets = [2]*udpSocket{media, control}
	return t, nil
}

func placeOf(media, control *udpSocket) (offer.Place, error) {
	a, err := media.port()
	if err != nil {
		return offer.Place{}, err
	}
	b, err := control.port()
	return offer.Place{RTP: a, RTCP: b}, err
}

func newTransport(rtpSocket, rtcpSocket Socket, place offer.Place, release func(), cfg *Config, fail func(error)) *Transport {
	t := &Transport{
		place: place, ssrc: rand.Uint32(), logger: cfg.Logger, release: release, rtp: rtpSocket, rtcp: rtcpSocket,
		certificate: cfg.Certificate, fail: fail,
	}
	t.in.keys = [2]*opener{{}, {}}
	t.out.init()
	return t
}

// readAll starts the goroutines that read.
func (t *Transport) readAll() {
	t.readers.Go(func() { t.read(t.rtp, false) })
	t.readers.Go(func() { t.read(t.rtcp, true) })
}

// connect hands what arrives from now on to inlet; nil drops it.
func (t *Transport) connect(inlet mixer.Inlet) {
	if inlet == nil {
		t.inlet.Store(nil)
		return
	}
	if t.inlet.Load() == nil {
		t.start(time.Now())
	}
	t.inlet.Store(&inlet)
}

// Close ends the goroutines if there are any, closes the sockets and gives the ports back. Only the first call does something; it returns when all is done.
func (t *Transport) Close() {
	t.closing.Do(func() {
		t.connect(nil)
		t.in.mu.Lock()
		links := t.in.links
		t.in.links = [2]*association{}
		t.in.mu.Unlock()
		for _, a := range links {
			a.stop() // says goodbye while it still can
		}
		t.out.close()
		t.drained.abandon()
		if err := errors.Join(t.rtp.Close(), t.rtcp.Close()); err != nil {
			t.logger.Warn("closing media sockets", "error", err)
		}
		t.readers.Wait()
		t.release()
	})
}

// apply puts what was agreed in force. peer stands in for an address that the far end gave by name.
func (t *Transport) apply(m *offer.Media, peer netip.Addr) error {
	if m.Kind == mixer.Video || m.Security.Kind == offer.DTLS {
		if err := t.await(); err != nil {
			return fmt.Errorf("media: sockets: %w", err)
		}
	}
	old, err := t.applyHolding(m, peer)
	for _, a := range old {
		a.stop()
	}
	return err
}

func (t *Transport) applyHolding(m *offer.Media, peer netip.Addr) (old []*association, err error) {
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	if old, err = t.rekeyLocked(m, peer); err != nil {
		return old, err
	}
	t.in.mux = m.Mux
	t.in.receiving = m.Direction.Receives()
	t.in.repair = m.Kind == mixer.Video && m.Feedback.NACK
	t.in.reduced = m.Reduced
	t.in.accepts = [128]bool{}
	for _, p := range m.Accepted {
		t.in.accepts[p.Type&127] = true
	}
	t.in.media.describe(reachable(m.RTP, peer))
	t.in.control.describe(reachable(m.RTCP, peer))
	t.aimLocked()
	t.out.allow(m.Send != nil, t.in.repair)
	return old, nil
}

// handshakes are the DTLS associations that run or ran.
func (t *Transport) handshakes() []*association {
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	var as []*association
	for _, a := range t.in.links {
		if a != nil {
			as = append(as, a)
		}
	}
	return as
}

// reachable is where to send; invalid for nowhere: no port, or 0.0.0.0 of a far end on hold.
func reachable(a netip.AddrPort, peer netip.Addr) netip.AddrPort {
	if !a.Addr().IsValid() {
		a = netip.AddrPortFrom(peer, a.Port())
	}
	if a.Port() == 0 || a.Addr().IsUnspecified() {
		return netip.AddrPort{}
	}
	return a
}

// aimLocked tells the sender where the latches point. It is called with in.mu held.
func (t *Transport) aimLocked() {
	control := t.in.control.target()
	if t.in.mux {
		control = t.in.media.target()
	}
	t.out.aim(t.in.media.target(), control, t.in.mux)
}

// read takes what one socket receives until it is closed.
func (t *Transport) read(s Socket, control bool) {
	b := buffers{wire: make([]byte, maxPacket), clear: make([]byte, 0, maxPacket)}
	for {
		n, from, err := s.Receive(b.wire)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.logger.Warn("reading media", "error", err)
			return
		}
		t.receive(&b, n, from, control, time.Now())
	}
}

// part is the component that a socket carries.
func part(control bool) component {
	if control {
		return controlComponent
	}
	return mediaComponent
}

// buffers belong to one reading goroutine.
type buffers struct {
	wire   []byte // what came
	clear  []byte // what it decrypts to
	header rtp.Header
	nack   []byte // RTCP that asks for what is missing
}

// receive takes one datagram: RTP, RTCP or something else, told apart as RFC 7983 §7 and RFC 5761 §4 say.
func (t *Transport) receive(b *buffers, n int, from netip.AddrPort, control bool, now time.Time) {
	p := b.wire[:n]
	switch {
	case n >= maxPacket || n < 4:
		t.counts.Invalid.Add(1)
	case p[0] >= 20 && p[0] <= 63:
		t.receiveDTLS(p, from, part(control))
	case p[0]>>6 != 2: // STUN and whatever else
		t.counts.Invalid.Add(1)
	case p[1] >= 192 && p[1] <= 223:
		t.receiveRTCP(b, p, from, control, now)
	case control:
		t.counts.Invalid.Add(1)
	default:
		t.receiveRTP(b, p, from, now)
	}
}

func (t *Transport) receiveRTP(b *buffers, p []byte, from netip.AddrPort, now time.Time) {
	data, ok := t.admitRTP(b, p, from, now)
	if len(b.nack) > 0 {
		_ = t.WriteRTCP(b.nack) // a request that is lost is made again
	}
	if !ok {
		return
	}
	if inlet := t.inlet.Load(); inlet != nil {
		(*inlet).ReceiveRTP(mixer.Packet{Data: data, At: now})
	}
}

// admitRTP returns the packet in the clear if it is of our far end and wanted; b.nack is what is to be sent for it.
func (t *Transport) admitRTP(b *buffers, p []byte, from netip.AddrPort, now time.Time) ([]byte, bool) {
	b.nack = b.nack[:0]
	if _, err := b.header.Unmarshal(p); err != nil || len(p) < 12 {
		t.counts.Invalid.Add(1)
		return nil, false
	}
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	if !t.in.accepts[b.header.PayloadType&127] {
		t.counts.Invalid.Add(1)
		return nil, false
	}
	data, authentic, err := t.in.keys[mediaComponent].openRTP(b, p)
	if err != nil {
		t.counts.Unsafe.Add(1)
		return nil, false
	}
	target := t.in.media.target()
	if !t.in.media.admit(from, b.header.SSRC, b.header.SequenceNumber, authentic, now) {
		t.counts.Foreign.Add(1)
		return nil, false
	}
	if target != t.in.media.target() {
		t.aimLocked()
	}
	if t.in.receiving && t.in.repair {
		if lost := t.in.gaps.see(b.header.SSRC, b.header.SequenceNumber, now); len(lost) > 0 {
			b.nack = appendNACK(b.nack, t.in.reduced, t.ssrc, b.header.SSRC, lost)
		}
	}
	return data, t.in.receiving
}

func (t *Transport) receiveRTCP(b *buffers, p []byte, from netip.AddrPort, control bool, now time.Time) {
	data, ok := t.admitRTCP(b, p, from, control, now)
	if !ok {
		return
	}
	t.resend(data)
	if inlet := t.inlet.Load(); inlet != nil {
		(*inlet).ReceiveRTCP(mixer.Packet{Data: data, At: now})
	}
}

func (t *Transport) admitRTCP(b *buffers, p []byte, from netip.AddrPort, control bool, now time.Time) ([]byte, bool) {
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	data, authentic, err := t.in.keys[part(control)].openRTCP(b, p)
	if err != nil {
		t.counts.Unsafe.Add(1)
		return nil, false
	}
	l := &t.in.media
	if control {
		l = &t.in.control
	}
	target := l.target()
	if !l.admitControl(from, authentic, &t.in.media, now) {
		t.counts.Foreign.Add(1)
		return nil, false
	}
	if target != l.target() {
		t.aimLocked()
	}
	return data, true
}

// receiver is the state that incoming packets are judged by.
type receiver struct {
	mu        sync.Mutex // guards the fields below
	mux       bool
	receiving bool
	accepts   [128]bool // payload types agreed
	media     latch
	control   latch
	repair    bool // NACK was agreed
	reduced   bool // RTCP may be reduced in size
	gaps      gaps
	keys      [2]*opener      // by component; never nil
	links     [2]*association // by component; nil where there is no DTLS
}

// pause lets nothing in and nothing out: the m-line has ended, or is refused.
func (t *Transport) pause() {
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	t.in.receiving = false
	t.in.accepts = [128]bool{}
	t.in.media, t.in.control = latch{}, latch{}
	t.aimLocked()
	t.out.allow(false, false)
}
