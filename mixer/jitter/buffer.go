package jitter

import (
	"slices"
	"sync"
	"time"
)

// Bounds of one Buffer.
const (
	slots      = 128                    // packets held at most
	maxPayload = 1500                   // octets of one payload; longer ones are refused
	maxDelay   = 300 * time.Millisecond // sound held at most; when it is more, what is older than keptDelay is dropped
	keptDelay  = 60 * time.Millisecond
	maxPause   = 400 * time.Millisecond // a packet that wants to wait longer has a new clock
	maxStep    = 200 * time.Millisecond // a larger step of the clock is a jump of the source
	maxFrame   = 120 * time.Millisecond // sound in one packet
	tick       = 20 * time.Millisecond
)

// NoLevel is the Level of a packet that tells none.
const NoLevel = 255

// Kind is what a packet holds.
type Kind uint8

const (
	Sound Kind = iota
	Noise      // comfort noise (RFC 3389): the pause after it is no loss
	Event      // telephone-event: no sound, but its sequence number is not lost
)

// Packet is one packet of the source.
type Packet struct {
	Seq       uint16
	Timestamp uint32
	Type      uint8 // payload type
	Kind      Kind
	Level     uint8 // −dBov (RFC 6464), or NoLevel
	Payload   []byte
}

// Stats counts what became of the packets.
type Stats struct {
	Pushed    uint64
	Duplicate uint64 // dropped
	Late      uint64 // came after their turn, dropped
	Overflow  uint64 // dropped because too much was held, or too long a payload
	Lost      uint64 // never came in time
	Concealed uint64 // ticks of guessed sound
	Recovered uint64 // lost packets restored from the one after (FEC)
	Grown     uint64 // times that the delay grew
	Shrunk    uint64 // times that a tick of delay was taken back
	Undecoded uint64 // packets that no decoder took
	Delay     time.Duration
	Restarts  uint64
}

type slot struct {
	Packet
	seq     int64 // extended
	ts      int64 // extended
	present bool
}

// Buffer orders packets by their sequence numbers. Push may be called from any goroutine.
type Buffer struct {
	mu   sync.Mutex // guards the fields below; held for a copy of one packet at most
	rate int64      // RTP clock, Hz

	slot    [slots]slot
	spare   [][]byte // memory of payloads; no slot has it
	started bool     // a packet has been taken since the last reset
	any     bool     // a packet has been pushed since the last reset
	next    int64    // sequence number to be taken next
	newest  int64    // highest sequence number pushed
	newTS   int64    // its timestamp
	clock   int64    // timestamp of the next sound to be taken
	frame   int64    // timestamp units of the last packet whose length is known

	leads  leads
	excess int64 // timestamp units of delay that nobody needs; negative: of delay that is missing
	fec    bool  // a packet restores the one before it, when both are held
	loss   float64
	ahead  int64 // timestamp units by which packets are to come early, for fec
	stats  Stats
}

// NewBuffer makes a buffer for packets of an RTP clock of rate Hz.
func NewBuffer(rate int) *Buffer {
	b := &Buffer{}
	b.ResetLocked(rate)
	return b
}

// Reset forgets all packets: another source, or another clock, follows. The counters stay.
func (b *Buffer) Reset(rate int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ResetLocked(rate)
	b.stats.Restarts++
}

// ResetLocked is Reset for a caller that knows nobody else has b yet.
func (b *Buffer) ResetLocked(rate int) {
	b.rate = int64(max(rate, 1000))
	for i := range b.slot {
		b.freeLocked(&b.slot[i])
	}
	b.started, b.any, b.excess = false, false, 0
	b.frame = b.units(tick)
	b.leads.reset()
}

func (b *Buffer) units(d time.Duration) int64 { return int64(d) * b.rate / int64(time.Second) }

func (b *Buffer) duration(units int64) time.Duration {
	return time.Duration(units * int64(time.Second) / b.rate)
}

// Stats is a snapshot.
func (b *Buffer) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	if b.any && b.started {
		s.Delay = max(0, b.duration(b.newTS+b.frame-b.clock))
	}
	return s
}

// Push copies p into the buffer, or drops and counts it.
func (b *Buffer) Push(p *Packet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Pushed++
	if len(p.Payload) > maxPayload {
		b.stats.Overflow++
		return
	}
	if !b.any {
		b.beginLocked(p)
	}
	seq := b.newest + int64(int16(p.Seq-uint16(b.newest)))
	ts := b.newTS + int64(int32(p.Timestamp-uint32(b.newTS)))
	switch {
	case b.started && seq < b.next:
		b.stats.Late++
		b.leadLocked(p.Kind, ts)
		return
	case !b.started && seq < b.next && seq > b.newest-slots:
		b.next = seq // overtaken before anything was played
	case !b.started && seq < b.next:
		b.stats.Late++
		return
	case seq >= b.next+slots:
		b.roomLocked(seq)
	}
	s := &b.slot[index(seq)]
	if s.present && s.seq == seq {
		b.stats.Duplicate++
		return
	}
	payload := append(b.memoryLocked(s), p.Payload...)
	*s = slot{Packet: *p, seq: seq, ts: ts, present: true}
	s.Payload = payload
	b.leadLocked(p.Kind, ts)
	if seq > b.newest || seq == b.newest && seq == b.next {
		b.newest = seq
		if p.Kind != Event { // an event keeps the timestamp of its start
			b.newTS = ts
		}
	}
}

// memoryLocked is what a payload is copied to: memory of packets that were taken, so that a buffer has as much as was ever
// held at a time, and that is in the processor's cache.
func (b *Buffer) memoryLocked(s *slot) []byte {
	if n := len(b.spare); s.Payload == nil && n > 0 {
		s.Payload, b.spare = b.spare[n-1], b.spare[:n-1]
	}
	return s.Payload[:0]
}

// freeLocked empties a slot.
func (b *Buffer) freeLocked(s *slot) {
	s.present = false
	if s.Payload != nil {
		b.spare = append(b.spare, s.Payload)
		s.Payload = nil
	}
}

// beginLocked takes the first packet's numbers; they stand high above 0, so that none before it is negative.
func (b *Buffer) beginLocked(p *Packet) {
	b.any = true
	b.newest = 1<<32 + int64(p.Seq)
	b.newTS = 1<<40 + int64(p.Timestamp)
	b.next = b.newest
}

func index(seq int64) int { return int(seq & (slots - 1)) }

// roomLocked drops the oldest packets so that seq fits.
func (b *Buffer) roomLocked(seq int64) {
	for n := b.next; n <= min(seq-slots, b.newest); n++ {
		if s := &b.slot[index(n)]; s.present && s.seq == n {
			b.freeLocked(s)
			b.stats.Overflow++
		}
	}
	b.next = seq - slots + 1
}

// leadLocked notes how early a packet came. Its turn is when the clock reaches its timestamp.
func (b *Buffer) leadLocked(k Kind, ts int64) {
	if !b.started || k == Event {
		return
	}
	if b.leads.add(ts-b.clock, b.ahead) {
		b.excess = max(0, b.leads.low()-b.ahead)
		if b.leads.below(b.ahead) >= tooLate {
			b.excess = -b.units(tick)
		}
	}
}

// Shares of packets lost, from which on and up to which a tick is held so that FEC has something to work with.
const (
	lossy    = 0.03
	lossless = 0.005
	lossSpan = 128 // packets that the average is over
)

// lossLocked notes how many packets were lost before one that came.
func (b *Buffer) lossLocked(lost int64) {
	b.stats.Lost += uint64(lost)
	for range min(lost, lossSpan) {
		b.loss += (1 - b.loss) / lossSpan
	}
	b.loss -= b.loss / lossSpan
	switch {
	case b.fec && b.loss > lossy:
		b.ahead = b.units(tick)
	case b.loss < lossless || !b.fec:
		b.ahead = 0
	}
}

// moveLocked sets the clock by another way than playing. What the leads said is said about the new clock, unless the
// source has jumped: then they say nothing.
func (b *Buffer) moveLocked(clock int64) {
	d := b.clock - clock
	if limit := b.units(maxStep); d > limit || -d > limit {
		b.leads.reset()
	}
	b.leads.shift(d)
	b.excess = 0
	b.clock = clock
}

// leads is how early the last packets came, in timestamp units.
type leads struct {
	ring  [window]int64
	n, at int
	sort  [window]int64
}

const (
	window  = 128 // packets: 2.5 s of 20 ms
	judged  = 32  // packets between two looks
	spare   = 1   // packets of the window that may come too late: under 1 %
	tooLate = 4   // packets of the window that came after their turn: the delay must grow
)

func (l *leads) reset() { l.n, l.at = 0, 0 }

// add says whether it is time to look at low and below.
func (l *leads) add(lead, need int64) bool {
	l.ring[l.at] = lead
	l.at = (l.at + 1) % window
	l.n = min(l.n+1, window)
	return l.n == window && l.at%judged == 0 || lead < need && l.n >= judged
}

// low is the lead that almost all packets have.
func (l *leads) low() int64 {
	if l.n < window {
		return 0
	}
	l.sort = l.ring
	slices.Sort(l.sort[:])
	return l.sort[spare]
}

// below counts the packets that came later than they should.
func (l *leads) below(need int64) int {
	n := 0
	for _, lead := range l.ring[:l.n] {
		if lead < need {
			n++
		}
	}
	return n
}

func (l *leads) shift(d int64) {
	for i := range l.ring[:l.n] {
		l.ring[i] += d
	}
}
