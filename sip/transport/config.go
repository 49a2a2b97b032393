package transport

import (
	"crypto/tls"
	"log/slog"
	"time"
)

// Config is what a Layer needs to know; everything may be left out. Without a
// Handler requests are answered 501.
type Config struct {
	Handler    Handler
	Log        *slog.Logger // nil discards
	Timers     Timers       // zero fields take the values of RFC 3261
	Limits     Limits       // zero fields take the values of DefaultLimits
	TLS        *tls.Config  // server certificate for Listen("tls"); also the base for dialling
	Advertise  string       // host for Via and Contact; "" means the local address towards each peer
	UserAgent  string       // Server and User-Agent header fields; "" leaves them out
	Extensions []string     // option tags that Require may name (RFC 3261 §8.2.2.3); others are answered 420
	// Trace, where set, sees every message on its way; it borrows p.
	Trace    func(sent bool, f *Flow, p []byte)
	AcceptWS []string // Origin patterns of SIP over WebSocket besides the same host; "*" accepts all
}

// Timers are those of RFC 3261 §17 (table 4), of one Layer.
type Timers struct {
	T1 time.Duration // estimate of the round trip, 500 ms
	T2 time.Duration // longest interval between retransmissions, 4 s
	T4 time.Duration // longest life of a message in the network, 5 s
	// Trying is how long the handler may take before an INVITE is answered
	// 100 for it (RFC 3261 §17.2.1), 200 ms.
	Trying time.Duration
}

func (t Timers) withDefaults() Timers {
	defaultTo(&t.T1, 500*time.Millisecond)
	defaultTo(&t.T2, 4*time.Second)
	defaultTo(&t.T4, 5*time.Second)
	defaultTo(&t.Trying, 200*time.Millisecond)
	return t
}

// giveUp is 64·T1, the life of timers B, D, F, H, J, L and M.
func (t Timers) giveUp() time.Duration { return 64 * t.T1 }

// Limits bound what peers can make a Layer hold.
type Limits struct {
	Message               int           // longest message, bytes
	Connections           int           // TCP, TLS and WebSocket connections in all
	ConnectionsPerSource  int           // … of one remote address
	Transactions          int           // server transactions in all; above it requests are answered 503
	TransactionsPerSource int           // … of one remote address
	Handshake             time.Duration // from accept to the first message that we understand
	Partial               time.Duration // from the first to the last byte of one message
	Idle                  time.Duration // without a message or keep-alive, unless the flow is retained
	Write                 time.Duration // for the socket to take one message
	Ringing               time.Duration // an INVITE may wait for its final answer; then it is answered 408
	Queue                 int           // messages waiting to be written on one connection
}

// DefaultLimits suit one bridge with some hundred phones.
func DefaultLimits() Limits {
	return Limits{
		Message:               65535,
		Connections:           2048,
		ConnectionsPerSource:  256,
		Transactions:          16384,
		TransactionsPerSource: 4096,
		Handshake:             30 * time.Second,
		Partial:               10 * time.Second,
		Idle:                  10 * time.Minute,
		Write:                 10 * time.Second,
		Ringing:               10 * time.Minute,
		Queue:                 256,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	defaultTo(&l.Message, d.Message)
	defaultTo(&l.Connections, d.Connections)
	defaultTo(&l.ConnectionsPerSource, d.ConnectionsPerSource)
	defaultTo(&l.Transactions, d.Transactions)
	defaultTo(&l.TransactionsPerSource, d.TransactionsPerSource)
	defaultTo(&l.Handshake, d.Handshake)
	defaultTo(&l.Partial, d.Partial)
	defaultTo(&l.Idle, d.Idle)
	defaultTo(&l.Write, d.Write)
	defaultTo(&l.Ringing, d.Ringing)
	defaultTo(&l.Queue, d.Queue)
	return l
}

func defaultTo[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
