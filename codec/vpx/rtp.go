package vpx

import (
	"encoding/binary"
	"math/rand/v2"

	"tutti/codec"
)

// The payload descriptor (RFC 7741 §4.2), as we write it with X, I and M set:
//
//	 0 1 2 3 4 5 6 7
//	+-+-+-+-+-+-+-+-+
//	|X|R|N|S|R| PID |  S: a partition begins here
//	+-+-+-+-+-+-+-+-+
//	|I|L|T|K| RSV   |
//	+-+-+-+-+-+-+-+-+
//	|M| PictureID   |
//	+-+-+-+-+-+-+-+-+
//	|   PictureID   |
//	+-+-+-+-+-+-+-+-+
const (
	extended  = 0x80 // X
	starts    = 0x10 // S
	partition = 0x07 // PID
	hasID     = 0x80 // I
	hasTL0    = 0x40 // L
	hasTID    = 0x20 // T
	hasKeyIdx = 0x10 // K
	longID    = 0x80 // M

	descriptorSize = 4
	idMask         = 0x7FFF
)

type packetizer struct {
	room     int    // bytes of a frame in one payload
	id       uint16 // PictureID of the next frame, 15 bits
	buffer   []byte
	payloads [][]byte // lent, parts of buffer
}

func newPacketizer(mtu int) *packetizer {
	return &packetizer{room: max(mtu-descriptorSize, 1), id: uint16(rand.N(idMask + 1))}
}

// Packetize cuts the frame into payloads of about equal size.
func (p *packetizer) Packetize(frame []byte) [][]byte {
	p.payloads, p.buffer = p.payloads[:0], p.buffer[:0]
	if len(frame) == 0 {
		return nil
	}
	n := (len(frame) + p.room - 1) / p.room
	if need := len(frame) + n*descriptorSize; cap(p.buffer) < need {
		p.buffer = make([]byte, 0, 2*need)
	}
	for i := range n {
		part := frame[i*len(frame)/n : (i+1)*len(frame)/n]
		begin := len(p.buffer)
		first := byte(extended)
		if i == 0 {
			first |= starts
		}
		p.buffer = append(p.buffer, first, hasID)
		p.buffer = binary.BigEndian.AppendUint16(p.buffer, longID<<8|p.id)
		p.buffer = append(p.buffer, part...)
		p.payloads = append(p.payloads, p.buffer[begin:len(p.buffer):len(p.buffer)])
	}
	p.id = (p.id + 1) & idMask
	return p.payloads
}

// descriptor is what an assembler needs of a payload's begin.
type descriptor struct {
	begins bool // the first packet of a frame: S, and partition 0
	id     int  // PictureID, −1 for none
	idMask int  // 0x7F or 0x7FFF
	size   int  // bytes up to the VP8 payload
}

// parseDescriptor reads any descriptor; ok is false when it is all there is, or less.
func parseDescriptor(p []byte) (d descriptor, ok bool) {
	if len(p) < 2 {
		return d, false
	}
	d = descriptor{begins: p[0]&starts != 0 && p[0]&partition == 0, id: -1, size: 1}
	if p[0]&extended == 0 {
		return d, true
	}
	flags := p[1]
	d.size = 2
	if flags&hasID != 0 {
		if len(p) < 4 {
			return d, false
		}
		d.id, d.idMask, d.size = int(p[2]), 0x7F, 3
		if p[2]&longID != 0 {
			d.id, d.idMask, d.size = int(binary.BigEndian.Uint16(p[2:])&idMask), idMask, 4
		}
	}
	if flags&hasTL0 != 0 {
		d.size++
	}
	if flags&(hasTID|hasKeyIdx) != 0 {
		d.size++
	}
	return d, len(p) > d.size
}

// An assembler starts with a key frame, and starts again with one after each loss. Its zero value is ready to use.
type assembler struct {
	frame     []byte // being gathered, then lent
	gathering bool
	key       bool
	timestamp uint32
	flowing   bool       // all since the last key frame came whole
	last      descriptor // of the last whole frame
}

// Push implements codec.Assembler.
func (a *assembler) Push(payload []byte, timestamp uint32, marker, lost bool) (frame []byte, key, ok bool) {
	d, valid := parseDescriptor(payload)
	if !valid {
		if lost {
			a.breakOff()
		}
		return nil, false, false // padding, or nonsense
	}
	if lost && !a.followsDirectly(d) || a.gathering && timestamp != a.timestamp {
		a.breakOff()
	}
	payload = payload[d.size:]
	if d.begins && !a.gathering {
		a.begin(payload, timestamp)
	}
	if !a.gathering {
		a.flowing = false
		return nil, false, false
	}
	if len(a.frame)+len(payload) > codec.MaxFrame {
		a.breakOff()
		return nil, false, false
	}
	a.frame = append(a.frame, payload...)
	if !marker {
		return nil, false, false
	}
	a.gathering, a.last = false, d
	return a.frame, a.key, true
}

// begin starts a frame, unless it refers to one that we have not.
func (a *assembler) begin(payload []byte, timestamp uint32) {
	a.key = payload[0]&1 == 0
	a.flowing = a.flowing || a.key
	a.gathering = a.flowing
	a.timestamp = timestamp
	a.frame = a.frame[:0]
}

func (a *assembler) breakOff() { a.gathering, a.flowing = false, false }

// followsDirectly says that what was lost before d was none of the picture, as its PictureID is the next: senders
// probe for bandwidth with packets of padding.
func (a *assembler) followsDirectly(d descriptor) bool {
	return a.flowing && !a.gathering && d.begins && d.id >= 0 && d.idMask == a.last.idMask && d.id == (a.last.id+1)&d.idMask
}
