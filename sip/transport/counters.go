package transport

import (
	"sync"
	"sync/atomic"
	"time"
)

// Counters is a snapshot of what a layer did, for metrics. All but
// Connections, ServerTransactions and ClientTransactions only grow.
type Counters struct {
	Received   map[Network]uint64 // messages understood
	Sent       map[Network]uint64 // messages written
	Malformed  uint64             // not understood at all, dropped
	Refused    uint64             // requests answered by the layer itself (400, 420, 482, 503, …)
	Dropped    uint64             // stray responses, refused connections, queues that ran over
	Repeated   uint64             // retransmitted requests absorbed
	KeepAlives uint64             // CRLF and STUN

	Connections        int
	ServerTransactions int
	ClientTransactions int
}

type counters struct {
	in, out                                           [5]atomic.Uint64 // by index of networks
	malformed, refused, dropped, repeated, keepAlives atomic.Uint64

	mu       sync.Mutex // guards the fields below
	armed    bool
	reported uint64
}

func networks() [5]Network { return [5]Network{UDP, TCP, TLS, WS, WSS} }

func (n Network) index() int {
	for i, m := range networks() {
		if n == m {
			return i
		}
	}
	return 0
}

// Counters takes a snapshot.
func (l *Layer) Counters() Counters {
	c := &l.counters
	s := Counters{
		Received: map[Network]uint64{}, Sent: map[Network]uint64{},
		Malformed: c.malformed.Load(), Refused: c.refused.Load(), Dropped: c.dropped.Load(),
		Repeated: c.repeated.Load(), KeepAlives: c.keepAlives.Load(),
	}
	for i, n := range networks() {
		s.Received[n], s.Sent[n] = c.in[i].Load(), c.out[i].Load()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Connections, s.ServerTransactions, s.ClientTransactions = len(l.streams), len(l.servers), len(l.clients)
	return s
}

// spoiled counts a message that nobody understands. The log gets at most one
// line a second, whatever arrives.
func (l *Layer) spoiled() {
	c := &l.counters
	c.malformed.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed {
		return
	}
	c.armed = true
	time.AfterFunc(time.Second, l.reportSpoiled)
}

func (l *Layer) reportSpoiled() {
	c := &l.counters
	c.mu.Lock()
	total := c.malformed.Load()
	n := total - c.reported
	c.armed, c.reported = false, total
	c.mu.Unlock()
	l.log.Warn("malformed messages dropped", "in_last_second", n, "total", total)
}
