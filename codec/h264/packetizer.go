package h264

import (
	"encoding/binary"
)

// fu is the size of what a fragment adds: indicator and header (RFC 6184 §5.8).
const (
	fuSize  = 2
	fuStart = 0x80
	fuEnd   = 0x40
	minRoom = 64 // bytes; less is a mistake, and would only make packets
)

type packetizer struct {
	room     int  // bytes of a payload
	single   bool // mode 0: one NAL unit, one packet
	nals     [][]byte
	buffer   []byte
	payloads [][]byte // lent, parts of buffer
}

func newPacketizer(fmtp string, mtu int) *packetizer {
	return &packetizer{room: max(mtu, minRoom), single: packetizationMode(fmtp) == 0}
}

// Packetize takes an Annex B byte stream. In mode 1, parameter sets share a packet (STAP-A) and what is too long for one
// is cut (FU-A). In mode 0 a NAL unit that is too long goes as it is, and IP has to cut it: the encoder keeps them short.
func (p *packetizer) Packetize(frame []byte) [][]byte {
	p.payloads, p.buffer, p.nals = p.payloads[:0], p.buffer[:0], p.nals[:0]
	for nal, rest := nextNAL(frame); nal != nil; nal, rest = nextNAL(rest) {
		if t := typeOf(nal); t != nalDelimiter && t != nalFiller {
			p.nals = append(p.nals, nal)
		}
	}
	p.reserve(len(frame))
	for i := 0; i < len(p.nals); {
		n := p.together(p.nals[i:])
		switch {
		case n > 1:
			p.aggregate(p.nals[i : i+n])
		case p.single || len(p.nals[i]) <= p.room:
			p.add(0, p.nals[i])
		default:
			p.fragment(p.nals[i])
		}
		i += n
	}
	return p.payloads
}

// reserve makes the buffer large enough for all payloads, since they must not move any more.
func (p *packetizer) reserve(frame int) {
	need := frame + 4*(frame/(p.room-fuSize)+len(p.nals)+1)
	if cap(p.buffer) < need {
		p.buffer = make([]byte, 0, 2*need)
	}
}

// add ends a payload that began with what p.buffer has beyond the last one: header bytes.
func (p *packetizer) add(header int, tail []byte) {
	begin := len(p.buffer) - header
	p.buffer = append(p.buffer, tail...)
	p.payloads = append(p.payloads, p.buffer[begin:len(p.buffer):len(p.buffer)])
}

// together counts the NAL units that share a packet: parameter sets and SEI at the begin of nals; else it is 1.
func (p *packetizer) together(nals [][]byte) int {
	size, n := 1, 0
	for _, nal := range nals {
		size += 2 + len(nal)
		if t := typeOf(nal); p.single || t < nalSEI || t > nalPPS || size > p.room {
			break
		}
		n++
	}
	return max(n, 1)
}

// aggregate makes a STAP-A (RFC 6184 §5.7.1): a header with the highest importance of all, then each with its size.
func (p *packetizer) aggregate(nals [][]byte) {
	begin := len(p.buffer)
	importance := byte(0)
	p.buffer = append(p.buffer, 0)
	for _, nal := range nals {
		importance = max(importance, nal[0]&importanceBits)
		p.buffer = binary.BigEndian.AppendUint16(p.buffer, uint16(len(nal)))
		p.buffer = append(p.buffer, nal...)
	}
	p.buffer[begin] = importance | nalSTAPA
	p.add(len(p.buffer)-begin, nil)
}

// fragment makes FU-As of about equal size (RFC 6184 §5.8); the NAL unit's header travels in theirs.
//
//	+---------------+---------------+
//	|0|1|2|3|4|5|6|7|0|1|2|3|4|5|6|7|
//	|F|NRI|   28    |S|E|R|  type   |
//	+---------------+---------------+
func (p *packetizer) fragment(nal []byte) {
	header, body := nal[0], nal[1:]
	n := (len(body) + p.room - fuSize - 1) / (p.room - fuSize)
	for i := range n {
		second := header & typeBits
		if i == 0 {
			second |= fuStart
		}
		if i == n-1 {
			second |= fuEnd
		}
		p.buffer = append(p.buffer, header&^typeBits|nalFUA, second)
		p.add(fuSize, body[i*len(body)/n:(i+1)*len(body)/n])
	}
}
