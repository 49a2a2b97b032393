package bridge

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"tutti/mixer"
	"tutti/mixer/plan"
)

// A leg can be handed from the mixer of one conference to that of another without its adapter's doing. So what the adapter
// attached is kept, and stands between: inlets that lead to the mixer of now, and wires on which the sequence numbers and
// timestamps go on (RFC 3550 §5.1) although another mixer makes them.

// lines are the streams of one leg. Leg.mu guards it.
type lines []*line

type line struct {
	stream mixer.Stream // as the adapter gave it
	relay  *relay
	inlet  *turnout
}

// attach makes streams known to m. On an error nothing has changed.
func (l *lines) attach(m *mixer.Mixer, leg plan.LegID, streams []mixer.Stream) ([]mixer.Inlet, error) {
	next := make(lines, len(streams))
	for i, s := range streams {
		next[i] = &line{stream: s, relay: &relay{wire: s.Wire}, inlet: &turnout{}}
		if old := l.find(s); old != nil {
			next[i].relay, next[i].inlet = old.relay, old.inlet
		}
	}
	to, err := m.Attach(leg, next.through(0))
	if err != nil {
		return nil, err
	}
	out := make([]mixer.Inlet, len(next))
	for i, n := range next {
		n.relay.use(n.stream)
		n.inlet.to.Store(&to[i])
		out[i] = n.inlet
	}
	*l = next
	return out, nil
}

func (l *lines) find(s mixer.Stream) *line {
	i := slices.IndexFunc(*l, func(o *line) bool { return o.stream.ID == s.ID && o.stream.Kind == s.Kind })
	if i < 0 {
		return nil
	}
	return (*l)[i]
}

// handOver lets the mixer m take over. On an error nothing has changed.
func (l *lines) handOver(m *mixer.Mixer, leg plan.LegID) error {
	if len(*l) == 0 {
		return nil
	}
	to, err := m.Attach(leg, l.through(1))
	if err != nil {
		return err
	}
	for i, n := range *l {
		n.relay.handOver()
		n.inlet.to.Store(&to[i])
	}
	return nil
}

// through are the streams with wires of the mixer of now (0) or of the next one (1).
func (l *lines) through(step int) []mixer.Stream {
	var out []mixer.Stream
	for _, n := range *l {
		s := n.stream
		if s.Wire != nil {
			s.Wire = &port{n.relay, n.relay.generation() + step}
		}
		out = append(out, s)
	}
	return out
}

// turnout is an inlet that leads to the mixer of now.
type turnout struct{ to atomic.Pointer[mixer.Inlet] }

func (t *turnout) ReceiveRTP(p mixer.Packet) {
	if to := t.to.Load(); to != nil {
		(*to).ReceiveRTP(p)
	}
}

func (t *turnout) ReceiveRTCP(p mixer.Packet) {
	if to := t.to.Load(); to != nil {
		(*to).ReceiveRTCP(p)
	}
}

// relay is the wire of one stream, on which one mixer after the other sends.
//
// Its mutex is held while the wire is written: two mixers must not write at the same time. A wire never blocks, and nobody else
// waits for the mutex.
type relay struct {
	mu     sync.Mutex // guards the fields below
	wire   mixer.Wire
	number int // of the mixer that may send
	rate   int // of the RTP timestamps, Hz

	sent  bool // a packet has left
	seq   uint16
	stamp uint32
	at    time.Time

	joint      bool // the next packet is the first of another mixer
	seqShift   uint16
	stampShift uint32
	header     rtp.Header // lent to the wire
	report     []byte
}

// port is the end of a relay that one mixer has.
type port struct {
	relay  *relay
	number int
}

func (r *relay) generation() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.number
}

// use takes what was negotiated.
func (r *relay) use(s mixer.Stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wire = s.Wire
	switch {
	case s.Send == nil:
	case s.Send.Audio != nil:
		r.rate = s.Send.Audio.ClockRate
	case s.Send.Video != nil:
		r.rate = s.Send.Video.ClockRate
	}
}

// handOver lets the next mixer send, and none before it.
func (r *relay) handOver() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.number++
	r.joint = r.sent
}

// WriteRTP implements mixer.Wire. What a former mixer still sends is dropped, its BYE included.
func (p *port) WriteRTP(h *rtp.Header, payload []byte) error {
	r := p.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.number != r.number {
		return nil
	}
	now := time.Now()
	if r.joint {
		r.joint = false
		passed := uint32(now.Sub(r.at) * time.Duration(r.rate) / time.Second) // ticks; wraps as timestamps do
		r.seqShift, r.stampShift = r.seq+1-h.SequenceNumber, r.stamp+max(passed, 1)-h.Timestamp
	}
	r.sent, r.at, r.seq, r.stamp = true, now, h.SequenceNumber+r.seqShift, h.Timestamp+r.stampShift
	if p.number == 0 {
		return r.wire.WriteRTP(h, payload)
	}
	r.header = *h
	r.header.SequenceNumber, r.header.Timestamp = r.seq, r.stamp
	return r.wire.WriteRTP(&r.header, payload)
}

// WriteRTCP implements mixer.Wire.
func (p *port) WriteRTCP(packet []byte) error {
	r := p.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.number != r.number {
		return nil
	}
	const senderReport, stampAt = 200, 16 // RFC 3550 §6.4.1: the RTP timestamp is the fifth word
	if p.number == 0 || len(packet) < stampAt+4 || packet[1] != senderReport {
		return r.wire.WriteRTCP(packet)
	}
	r.report = append(r.report[:0], packet...)
	binary.BigEndian.PutUint32(r.report[stampAt:], binary.BigEndian.Uint32(packet[stampAt:])+r.stampShift)
	return r.wire.WriteRTCP(r.report)
}
