package transport

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
)

// A Network is a transport protocol of SIP.
type Network string

// The networks of RFC 3261 and RFC 7118.
const (
	UDP Network = "udp"
	TCP Network = "tcp"
	TLS Network = "tls"
	WS  Network = "ws"
	WSS Network = "wss"
)

// Token is how Via spells the network.
func (n Network) Token() string { return strings.ToUpper(string(n)) }

// Reliable networks repeat lost packets themselves.
func (n Network) Reliable() bool { return n != UDP }

// Port is the default port (RFC 3261 §19.1.2, RFC 7118 §5).
func (n Network) Port() int {
	switch n {
	case TLS:
		return 5061
	case WS:
		return 80
	case WSS:
		return 443
	}
	return 5060
}

// A Flow is the way between us and one peer: a connection, or a socket with
// the peer's address. Sending on a flow reaches the peer behind its NAT, which
// is why a registrar and a dialog keep the flow of the request that made them
// (RFC 5626 §3). Safe for concurrent use; a flow may be compared by pointer
// only for connections.
type Flow struct {
	Network Network
	Local   netip.AddrPort // our end
	Remote  netip.AddrPort // the peer's end

	wire     wire
	retained atomic.Int32
}

// A wire takes finished messages. send borrows p, does not block for the
// peer, and fails at once when the way is closed.
type wire interface {
	send(to netip.AddrPort, p []byte) error
	alive() bool
	over() <-chan struct{} // nil: never while the layer lives
}

var (
	errClosed   = errors.New("transport: connection is closed")
	errTooSlow  = errors.New("transport: peer does not read")
	errTooLarge = errors.New("transport: message too large")
)

// Alive says whether the flow can still carry a message.
func (f *Flow) Alive() bool { return f != nil && f.wire.alive() }

// Done is closed when the connection has ended; for UDP it is nil.
func (f *Flow) Done() <-chan struct{} { return f.wire.over() }

// Retain keeps an idle connection open until Release is called as often: for
// a dialog or a registration that needs it.
func (f *Flow) Retain() { f.retained.Add(1) }

// Release undoes one Retain.
func (f *Flow) Release() { f.retained.Add(-1) }

func addrPort(a net.Addr) netip.AddrPort {
	if p, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		ap := p.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	if a == nil {
		return netip.AddrPort{}
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
