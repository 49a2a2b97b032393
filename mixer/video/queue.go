package video

import "time"

// packet is one RTP packet of a source, or the hole of one.
type packet struct {
	ssrc      uint32
	timestamp uint32
	sequence  uint16
	kind      uint8 // payload type
	marker    bool
	present   bool
	at        time.Time
	payload   []byte // owned; its memory is used again
}

const (
	maxPayload = 2048                   // octets; no video packet of a path with Ethernet in it is longer
	maxQueue   = 512                    // packets: a large key frame and what follows while it is decoded
	maxWait    = 700 * time.Millisecond // of a packet for the decoder: a picture that is older is not worth decoding
)

// queue is a ring of packets. Its memory grows with use up to maxQueue packets. Not safe for concurrent use.
type queue struct {
	ring        []packet
	first, size int
	since       time.Time // from when on waiting counts
}

// push copies p to the end; false when the queue is full, or its first packet waited too long.
func (q *queue) push(p packet) bool {
	if q.size > 0 && p.at.Sub(q.ring[q.first].at) > maxWait && p.at.Sub(q.since) > maxWait {
		return false
	}
	if q.size == len(q.ring) {
		if q.size == maxQueue {
			return false
		}
		q.grow()
	}
	slot := &q.ring[(q.first+q.size)%len(q.ring)]
	memory := slot.payload
	*slot = p
	slot.payload = append(memory[:0], p.payload...)
	q.size++
	return true
}

// grow makes the ring larger and its first packet the first slot.
func (q *queue) grow() {
	larger := make([]packet, min(max(2*len(q.ring), 32), maxQueue))
	n := copy(larger, q.ring[q.first:])
	copy(larger[n:], q.ring[:q.first])
	q.ring, q.first = larger, 0
}

// pop swaps the first packet for *p, whose memory the queue uses again; false when there is none.
func (q *queue) pop(p *packet) bool {
	if q.size == 0 {
		return false
	}
	slot := &q.ring[q.first]
	*p, *slot = *slot, *p
	q.first = (q.first + 1) % len(q.ring)
	q.size--
	return true
}

func (q *queue) clear() { q.first, q.size = 0, 0 }
