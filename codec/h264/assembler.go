package h264

import (
	"encoding/binary"

	"tutti/codec"
)

// maxSets bounds parameter sets that wait for their picture, in bytes.
const maxSets = 16 << 10

// An assembler makes Annex B byte streams of payloads in modes 0 and 1. It starts with an IDR picture, and starts again
// with one after each loss. Parameter sets that come alone, with a timestamp and a marker of their own, wait for the next
// picture and lead it. Its zero value is ready to use.
type assembler struct {
	gathered  []byte // what waits, and the frame at work
	waiting   int    // bytes of gathered that wait
	lent      []byte // the frame before it
	timestamp uint32
	gathering bool // a packet of the frame at work has come
	ended     bool // so has its marker, but another frame was due first
	broken    bool // it has a hole, or makes no sense
	inside    bool // a fragment has begun and not ended
	slices    bool
	idr       bool
	flowing   bool // all since the last IDR picture came whole
}

// Push implements codec.Assembler. The marker ends a frame; where a sender sets none, the next timestamp does, and the
// frame comes one packet later.
func (a *assembler) Push(payload []byte, timestamp uint32, marker, lost bool) (frame []byte, key, ok bool) {
	if a.gathering && timestamp != a.timestamp {
		a.broken = a.broken || lost && !a.ended
		frame, key, ok = a.finish()
	}
	if lost {
		a.flowing = false
		a.broken = a.broken || a.gathering
	}
	if !a.gathering {
		a.begin(timestamp)
	}
	a.add(payload)
	if marker {
		if ok { // only where markers come and go: this frame leaves with the next packet
			a.ended = true
			return frame, key, ok
		}
		return a.finish()
	}
	return frame, key, ok
}

func (a *assembler) begin(timestamp uint32) {
	*a = assembler{
		gathered: a.gathered[:a.waiting], waiting: a.waiting, lent: a.lent, timestamp: timestamp, gathering: true, flowing: a.flowing,
	}
}

// finish lends the frame, if it is whole and refers to nothing that is missing.
func (a *assembler) finish() (frame []byte, key, ok bool) {
	a.gathering = false
	if a.broken || a.inside {
		a.flowing = false
		return nil, false, false
	}
	if !a.slices {
		a.wait()
		return nil, false, false
	}
	a.flowing = a.flowing || a.idr
	if !a.flowing {
		return nil, false, false
	}
	a.gathered, a.lent, a.waiting = a.lent, a.gathered, 0
	return a.lent, a.idr, true
}

// wait keeps the frame at work, which holds no picture, for the next one. The oldest sets go when there are too many.
func (a *assembler) wait() {
	if len(a.gathered) > maxSets {
		a.gathered = append(a.gathered[:0], a.gathered[a.waiting:]...)
	}
	if a.waiting = len(a.gathered); a.waiting > maxSets {
		a.waiting = 0
	}
}

func (a *assembler) add(payload []byte) {
	if len(payload) == 0 || a.broken { // nothing, padding, or too late
		return
	}
	t := typeOf(payload)
	switch {
	case payload[0]&forbiddenBit != 0, a.inside && t != nalFUA:
		a.broken = true
	case t >= nalSlice && t <= nalLast:
		a.unit(payload)
	case t == nalSTAPA:
		a.split(payload[1:])
	case t == nalFUA:
		a.fragment(payload)
	default: // what only the interleaved mode has (RFC 6184 §5.4), or nobody
		a.broken = true
	}
}

// unit adds a whole NAL unit, or the begin of one.
func (a *assembler) unit(nal []byte) {
	if t := typeOf(nal); isSlice(t) {
		// A picture's first slice begins with macroblock 0, which is written as a single bit of 1 (H.264 §7.3.3).
		if !a.slices && (len(nal) < 2 || nal[1]&0x80 == 0) {
			a.broken = true
			return
		}
		a.slices = true
		a.idr = a.idr || t == nalIDR
	}
	a.bytes(0, 0, 0, 1)
	a.bytes(nal...)
}

func (a *assembler) bytes(b ...byte) {
	if len(a.gathered)+len(b) > codec.MaxFrame {
		a.broken = true
		return
	}
	a.gathered = append(a.gathered, b...)
}

func (a *assembler) split(units []byte) {
	for len(units) > 0 {
		if len(units) < 3 {
			a.broken = true
			return
		}
		n := int(binary.BigEndian.Uint16(units))
		if units = units[2:]; n == 0 || n > len(units) || typeOf(units) == 0 || typeOf(units) > nalLast {
			a.broken = true
			return
		}
		a.unit(units[:n])
		units = units[n:]
	}
}

func (a *assembler) fragment(payload []byte) {
	if len(payload) <= fuSize {
		a.broken = true
		return
	}
	header, body := payload[1], payload[fuSize:]
	start, end := header&fuStart != 0, header&fuEnd != 0
	if start == a.inside || start && end { // RFC 6184 §5.8: never both in one
		a.broken = true
		return
	}
	if !start {
		a.bytes(body...)
		a.inside = !end
		return
	}
	first := [2]byte{payload[0]&^typeBits | header&typeBits, body[0]}
	if t := typeOf(first[:]); t == 0 || t > nalLast {
		a.broken = true
		return
	}
	a.inside = true
	a.unit(first[:])
	a.bytes(body[1:]...)
}
