package jitter

// verdict is what take found.
type verdict uint8

const (
	empty verdict = iota // nothing is there
	play                 // a packet
	lost                 // packets are missing before the next one that is there
	pause                // the source was silent until the next packet
	hold                 // the delay is to grow: one tick of guessed sound, for which the clock stands still
)

// taken is what the Reader got. Its Payload is the Reader's until the next take.
type taken struct {
	Packet
	ts        int64
	gap       int64  // timestamp units until the next packet, of lost and pause
	following []byte // of lost: a copy of the packet right after the only missing one, nil if there is none such
	kind      uint8  // its payload type
	rate      int64  // of the RTP clock, Hz
}

// take moves on by at most one packet.
func (b *Buffer) take(t *taken) verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.rate = b.rate
	if !b.any {
		return empty
	}
	b.trimLocked()
	for b.next <= b.newest {
		s := &b.slot[index(b.next)]
		if !s.present || s.seq != b.next {
			if v := b.missingLocked(t); v != empty {
				return v
			}
			continue
		}
		if s.Kind == Event {
			b.freeLocked(s)
			b.next++
			t.Packet.Kind = Event
			return pauseOf(t)
		}
		return b.presentLocked(s, t)
	}
	return empty
}

// pauseOf is a pause of no length: it tells that what follows is no loss.
func pauseOf(t *taken) verdict {
	t.gap = 0
	return pause
}

func (b *Buffer) presentLocked(s *slot, t *taken) verdict {
	if !b.started {
		b.started, b.clock = true, s.ts
	}
	d := s.ts - b.clock
	switch {
	case d > b.units(maxPause): // a jump
		b.moveLocked(s.ts)
	case d > 0:
		t.gap, t.Packet.Kind = d, s.Kind
		return pause
	case d < 0: // it came after its turn, but nothing after it was played: the delay grows
		b.moveLocked(s.ts)
		b.stats.Grown++
	case b.excess < 0:
		b.stats.Grown++
		b.moveLocked(b.clock - b.units(tick))
		return hold
	}
	t.Payload, s.Payload = s.Payload, t.Payload[:0]
	payload := t.Payload
	t.Packet, t.ts = s.Packet, s.ts
	t.Payload = payload
	b.freeLocked(s)
	b.next++
	b.lossLocked(0)
	return play
}

// missingLocked looks at the gap before the nearest packet. It returns empty when the gap is behind the clock.
func (b *Buffer) missingLocked(t *taken) verdict {
	s := b.frontLocked()
	if s == nil { // all of it was dropped
		b.next = b.newest + 1
		return empty
	}
	m := s.seq
	d := s.ts - b.clock
	if !b.started || s.Kind == Event || d <= 0 || d > b.units(maxPause) {
		b.lossLocked(m - b.next)
		b.next = m
		return empty
	}
	t.gap, t.following = d, t.following[:0]
	if m == b.next+1 && s.Kind == Sound {
		t.following, t.kind = append(t.following, s.Payload...), s.Type
	}
	return lost
}

// trimLocked drops what is too old: after a stall of the network fresh sound is worth more. One cut down to keptDelay is
// heard less than a packet dropped now and again. A source begins with its newest packet.
func (b *Buffer) trimLocked() {
	limit := b.units(maxDelay)
	if !b.started {
		limit = 0
	}
	trimmed := false
	for {
		s := b.frontLocked()
		if s == nil || s.seq >= b.newest || s.Kind == Event || b.newTS-s.ts <= limit {
			if trimmed && s != nil && b.started {
				b.moveLocked(s.ts)
			}
			return
		}
		b.lossLocked(s.seq - b.next)
		b.stats.Overflow++
		b.freeLocked(s)
		b.next = s.seq + 1
		trimmed = true
		limit = min(limit, b.units(keptDelay))
	}
}

// frontLocked is the first packet that is there, nil if there is none.
func (b *Buffer) frontLocked() *slot {
	for n := b.next; n <= b.newest; n++ {
		if s := &b.slot[index(n)]; s.present && s.seq == n {
			return s
		}
	}
	return nil
}

// advance moves the clock over what was played or guessed.
func (b *Buffer) advance(units int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started {
		b.clock += units
	}
}

// played moves the clock over a packet of so many units.
func (b *Buffer) played(units int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.started {
		return
	}
	b.clock += units
	b.frame = units
}

// recovered says that the gap has been restored: the packet after it is next.
func (b *Buffer) recovered(units int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.started {
		return
	}
	b.clock += units
	b.stats.Recovered++
	b.lossLocked(1)
	b.next++
}

// useFEC says that packets can restore the ones before them.
func (b *Buffer) useFEC(yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fec = yes
}

// front is the payload type of the first packet with sound.
func (b *Buffer) front() (kind uint8, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.any {
		return 0, false
	}
	for n := b.next; n <= b.newest; n++ {
		if s := &b.slot[index(n)]; s.present && s.seq == n && s.Kind == Sound {
			return s.Type, true
		}
	}
	return 0, false
}

// length is how long a packet at ts is, as far as one can tell without decoding it.
func (b *Buffer) length(ts int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := &b.slot[index(b.next)]; s.present && s.seq == b.next && s.Kind != Event {
		if d := s.ts - ts; d > 0 && d <= b.units(maxFrame) {
			b.frame = d
		}
	}
	return b.frame
}

// surplus is how many ticks of delay nobody needs.
func (b *Buffer) surplus() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int(max(b.excess, 0) / b.units(tick))
}

// shrunk says that a tick was taken back.
func (b *Buffer) shrunk() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Shrunk++
	b.excess -= b.units(tick)
	b.leads.shift(-b.units(tick))
}

func (b *Buffer) guessed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Concealed++
}

func (b *Buffer) undecoded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Undecoded++
}
