package media

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/pion/rtp"
)

// Why a packet did not leave.
var (
	errHeld     = errors.New("media: nothing may be sent now")
	errTooLong  = errors.New("media: packet too long")
	errInsecure = errors.New("media: no keys yet")
)

// sender is where our packets go and how.
type sender struct {
	mu      sync.Mutex // guards the fields below
	closed  bool
	sends   bool // RTP may be sent: not on hold
	media   netip.AddrPort
	control netip.AddrPort
	mux     bool       // RTCP leaves by the RTP socket
	keys    [2]*sealer // by component; never nil
	history history
	plain   []byte
	sealed  []byte
}

func (s *sender) init() {
	s.keys = [2]*sealer{{}, {}}
	s.plain = make([]byte, maxPacket)
	s.sealed = make([]byte, 0, maxPacket)
}

func (s *sender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// aim says where RTP and RTCP go; an invalid address is nowhere. With mux, RTCP leaves by the RTP socket.
func (s *sender) aim(media, control netip.AddrPort, mux bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.media, s.control, s.mux = media, control, mux
}

// allow says whether RTP may be sent, and whether it is kept for retransmission.
func (s *sender) allow(sends, repair bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sends = sends
	s.history.enable(repair)
}

// WriteRTP sends one packet to the far end (mixer.Wire). It borrows both, never blocks and allocates nothing.
func (t *Transport) WriteRTP(h *rtp.Header, payload []byte) error {
	s := &t.out
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.sends || !s.media.IsValid() {
		return errHeld
	}
	n, err := h.MarshalTo(s.plain)
	if err != nil {
		return err
	}
	if n+len(payload) > maxSend {
		return errTooLong
	}
	n += copy(s.plain[n:], payload)
	s.history.keep(h.SequenceNumber, s.plain[:n])
	p, err := s.keys[mediaComponent].sealRTP(s.sealed, s.plain[:n])
	if err != nil {
		return err
	}
	return t.leave(t.rtp, p, s.media)
}

// WriteRTCP sends one compound packet to the far end (mixer.Wire). It borrows p and never blocks.
func (t *Transport) WriteRTCP(p []byte) error {
	s := &t.out
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.control.IsValid() {
		return errHeld
	}
	if len(p) > maxSend {
		return errTooLong
	}
	socket, keys := t.rtcp, s.keys[controlComponent]
	if s.mux {
		socket, keys = t.rtp, s.keys[mediaComponent]
	}
	p, err := keys.sealRTCP(s.sealed, p)
	if err != nil {
		return err
	}
	return t.leave(socket, p, s.control)
}

func (t *Transport) leave(s Socket, p []byte, to netip.AddrPort) error {
	err := s.Send(p, to)
	if err != nil {
		t.counts.Unsent.Add(1)
	}
	return err
}
