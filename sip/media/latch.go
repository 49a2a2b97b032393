package media

import (
	"net/netip"
	"time"
)

// relatchAfter is how long a source must have been silent before packets from another one may replace it.
const relatchAfter = 2 * time.Second

// latch decides whose packets are taken and where ours go: symmetric RTP (RFC 4961). Until the far end's packets are seen we
// send to the address in its description, then to where its packets come from, which is how phones behind a NAT hear us.
//
// What it holds against a stranger who guesses the port of a plain RTP leg: a source that is not the described one needs two
// packets in sequence, and one that is in use is not replaced while it sends. Authentic (SRTP) packets need neither.
// The zero value takes packets from anybody and sends nowhere. Not safe for concurrent use.
type latch struct {
	described netip.AddrPort // by SDP; may be invalid
	source    netip.AddrPort // of the packets taken; invalid before the first
	seen      time.Time      // when source last sent

	candidate netip.AddrPort // may become source with its next packet
	ssrc      uint32         // of candidate
	sequence  uint16         // expected from candidate
}

// describe takes the far end's description. When it names another address, what was learnt is forgotten.
func (l *latch) describe(address netip.AddrPort) {
	if l.described != address {
		*l = latch{described: address}
	}
}

// target is where to send; invalid for nowhere.
func (l *latch) target() netip.AddrPort {
	if l.source.IsValid() {
		return l.source
	}
	return l.described
}

// admit says whether a valid RTP packet is of our far end.
func (l *latch) admit(from netip.AddrPort, ssrc uint32, sequence uint16, authentic bool, now time.Time) bool {
	switch {
	case from == l.source:
		l.seen = now
		return true
	case authentic, from == l.described:
		l.follow(from, now)
		return true
	case l.source.IsValid() && now.Sub(l.seen) < relatchAfter:
		return false
	}
	if from == l.candidate && ssrc == l.ssrc && sequence == l.sequence {
		l.follow(from, now)
		return true
	}
	l.candidate, l.ssrc, l.sequence = from, ssrc, sequence+1
	return false
}

func (l *latch) follow(from netip.AddrPort, now time.Time) {
	l.source, l.seen, l.candidate = from, now, netip.AddrPort{}
}

// admitControl says whether an RTCP packet that came to the RTCP port is of our far end: it comes from the host of the
// described address or of the RTP that we take. rtp may be l itself (RFC 5761).
func (l *latch) admitControl(from netip.AddrPort, authentic bool, rtp *latch, now time.Time) bool {
	if !authentic && from.Addr() != l.described.Addr() && from.Addr() != rtp.source.Addr() {
		return false
	}
	if l != rtp {
		l.follow(from, now)
	}
	return true
}
