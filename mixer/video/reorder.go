package video

import "time"

const (
	window     = 256                    // packets that may be held back
	holeTime   = 100 * time.Millisecond // how long a missing packet is waited for: a NACK and its answer
	maxDropout = 3000                   // a larger step of the sequence is a new beginning (RFC 3550 A.1)
)

// reorder puts the packets of one SSRC in order, and waits a while for missing ones. The zero value is ready to use.
// Not safe for concurrent use.
type reorder struct {
	slots   []packet // by sequence number modulo window; window of them once there is something to hold
	next    uint16   // the sequence number to deliver
	held    int      // packets in slots
	started bool
	lost    bool // packets are missing before next
	badSeq  uint16
	bad     bool // badSeq is set: a packet from far off came, and its successor would be a new beginning
}

// push takes p in; its memory is swapped with an old one. It says whether the packet is of use.
func (r *reorder) push(p *packet) bool {
	if r.slots == nil {
		r.slots = make([]packet, window)
	}
	if !r.started {
		r.started, r.next = true, p.sequence
	}
	ahead := int(int16(p.sequence - r.next))
	switch {
	case ahead <= -maxDropout || ahead >= maxDropout:
		if !r.bad || p.sequence != r.badSeq {
			r.bad, r.badSeq = true, p.sequence+1
			return false
		}
		r.restart(p.sequence)
	case ahead < 0:
		return false // late, or twice
	case ahead >= window:
		r.restart(p.sequence) // more missing than could be held
	}
	r.bad = false
	slot := &r.slots[p.sequence%window]
	if slot.present {
		return false
	}
	*slot, *p = *p, *slot
	slot.present, p.present = true, false
	r.held++
	return true
}

// restart forgets what is held and goes on at sequence.
func (r *reorder) restart(sequence uint16) {
	for i := range r.slots {
		r.slots[i].present = false
	}
	r.held, r.next, r.lost = 0, sequence, true
}

// reset forgets everything but the memory.
func (r *reorder) reset() {
	r.restart(0)
	r.started, r.lost, r.bad = false, false, false
}

// pop lends the next packet in order until the next call of push; lost says that packets before it are missing. It
// goes past a hole once the packet behind it has waited for holeTime.
func (r *reorder) pop(now time.Time) (p *packet, lost, ok bool) {
	if r.held == 0 {
		return nil, false, false
	}
	slot := &r.slots[r.next%window]
	if !slot.present {
		if due, _ := r.due(); now.Before(due) {
			return nil, false, false
		}
		for !slot.present {
			r.next++
			slot = &r.slots[r.next%window]
		}
		r.lost = true
	}
	lost, r.lost = r.lost, false
	slot.present = false
	r.held--
	r.next++
	return slot, lost, true
}

// due is when a hole will have been waited for long enough; false when there is none.
func (r *reorder) due() (time.Time, bool) {
	if r.held == 0 {
		return time.Time{}, false
	}
	for i := range uint16(window) {
		if s := &r.slots[(r.next+i)%window]; s.present {
			return s.at.Add(holeTime), true
		}
	}
	return time.Time{}, false
}
