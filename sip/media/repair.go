package media

import (
	"encoding/binary"
	"time"
)

// Lost pictures are repaired by retransmission (generic NACK, RFC 4585 §6.2.1) where both ends agreed to it: the history
// answers the far end's requests, the gaps make ours.

const (
	historyLength  = 256 // packets: some 300 ms of a picture of 1.5 Mbit/s and a key frame
	resendAtMost   = 3   // times for each packet
	resendPerNACK  = 64  // packets
	gapsAtMost     = 64  // packets; a greater hole wants a key frame
	askAgainAfter  = 40 * time.Millisecond
	askAtMost      = 3 // times for each packet
	transportFB    = 205
	genericNACK    = 1
	receiverReport = 201
)

// history keeps the packets that were sent last, in the clear. The zero value keeps nothing. It allocates while it fills for
// the first time.
type history struct {
	on    bool
	slots []slot
}

type slot struct {
	packet []byte
	resent int
}

func (h *history) enable(on bool) {
	h.on = on
	if !on {
		h.slots = nil
	} else if h.slots == nil {
		h.slots = make([]slot, historyLength)
	}
}

// keep borrows the packet with that sequence number.
func (h *history) keep(sequence uint16, packet []byte) {
	if h.on {
		s := &h.slots[sequence%historyLength]
		s.packet, s.resent = append(s.packet[:0], packet...), 0
	}
}

// find lends a packet that may be sent again.
func (h *history) find(sequence uint16, ssrc uint32) []byte {
	if !h.on {
		return nil
	}
	s := &h.slots[sequence%historyLength]
	if len(s.packet) < 12 || binary.BigEndian.Uint16(s.packet[2:]) != sequence ||
		binary.BigEndian.Uint32(s.packet[8:]) != ssrc || s.resent >= resendAtMost {
		return nil
	}
	s.resent++
	return s.packet
}

// resend answers the NACKs of a compound RTCP packet.
func (t *Transport) resend(p []byte) {
	s := &t.out
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.history.on || s.closed || !s.sends || !s.media.IsValid() {
		return
	}
	left := resendPerNACK
	eachNACK(p, func(ssrc uint32, sequence uint16) {
		packet := s.history.find(sequence, ssrc)
		if packet == nil || left == 0 {
			return
		}
		left--
		if sealed, err := s.keys[mediaComponent].sealRTP(s.sealed, packet); err == nil {
			_ = t.leave(t.rtp, sealed, s.media) // a loss more; the far end asks again
		}
	})
}

// eachNACK visits the sequence numbers that generic NACKs in a compound packet ask for.
//
//	|V=2|P| FMT=1 |    PT=205     |             length            |
//	|                    SSRC of packet sender                    |
//	|                     SSRC of media source                    |
//	|              PID             |              BLP             |
func eachNACK(p []byte, visit func(ssrc uint32, sequence uint16)) {
	for len(p) >= 4 {
		length := 4 * (int(binary.BigEndian.Uint16(p[2:])) + 1)
		if p[0]>>6 != 2 || length > len(p) {
			return
		}
		if p[1] == transportFB && p[0]&0x1f == genericNACK && length >= 16 {
			ssrc := binary.BigEndian.Uint32(p[8:])
			for item := p[12:length]; len(item) >= 4; item = item[4:] {
				pid, blp := binary.BigEndian.Uint16(item), binary.BigEndian.Uint16(item[2:])
				visit(ssrc, pid)
				for i := range uint16(16) {
					if blp>>i&1 != 0 {
						visit(ssrc, pid+1+i)
					}
				}
			}
		}
		p = p[length:]
	}
}

// gaps finds what is missing of one source. The zero value is ready. Not safe for concurrent use.
type gaps struct {
	primed  bool
	ssrc    uint32
	highest uint16
	missing []gap
	ask     []uint16
}

type gap struct {
	sequence uint16
	asked    int
	at       time.Time // when it was last asked for
}

// see takes the number of a packet that came and lends, until the next call, those to ask for now.
func (g *gaps) see(ssrc uint32, sequence uint16, now time.Time) []uint16 {
	if !g.primed || ssrc != g.ssrc {
		*g = gaps{primed: true, ssrc: ssrc, highest: sequence, missing: g.missing[:0], ask: g.ask[:0]}
		return nil
	}
	step := sequence - g.highest
	switch {
	case step == 0:
	case step < 1<<15:
		if step > gapsAtMost {
			g.missing = g.missing[:0] // a restart, or more than can be repaired
		} else {
			for n := g.highest + 1; n != sequence; n++ {
				g.missing = append(g.missing, gap{sequence: n})
			}
		}
		g.highest = sequence
	}
	return g.due(sequence, now)
}

// due forgets what came or is too old, and collects what is to be asked for.
func (g *gaps) due(came uint16, now time.Time) []uint16 {
	g.ask = g.ask[:0]
	kept := g.missing[:0]
	for _, m := range g.missing {
		if m.sequence == came || m.asked >= askAtMost || g.highest-m.sequence > gapsAtMost {
			continue
		}
		if m.asked == 0 || now.Sub(m.at) >= askAgainAfter {
			m.asked, m.at = m.asked+1, now
			g.ask = append(g.ask, m.sequence)
		}
		kept = append(kept, m)
	}
	g.missing = kept
	return g.ask
}

// appendNACK appends a request for the sequence numbers, which rise, to dst. Where reduced-size RTCP was not agreed (RFC
// 5506) an empty receiver report comes first, as RFC 3550 §6.1 wants.
func appendNACK(dst []byte, reduced bool, from, source uint32, sequences []uint16) []byte {
	if !reduced {
		dst = binary.BigEndian.AppendUint32(append(dst, 0x80, receiverReport, 0, 1), from)
	}
	head := len(dst)
	dst = append(dst, 0x80|genericNACK, transportFB, 0, 0)
	dst = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(dst, from), source)
	for i := 0; i < len(sequences); {
		pid, blp := sequences[i], uint16(0)
		for i++; i < len(sequences) && sequences[i]-pid <= 16; i++ {
			blp |= 1 << (sequences[i] - pid - 1)
		}
		dst = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(dst, pid), blp)
	}
	binary.BigEndian.PutUint16(dst[head+2:], uint16((len(dst)-head)/4-1))
	return dst
}
