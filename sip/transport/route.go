package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// A Target is where a request goes: RFC 3263 has been done, or a flow is known.
type Target struct {
	Flow       *Flow          // first choice while it is alive
	Network    Network        // "" is UDP
	Addr       netip.AddrPort // used where Flow cannot be
	ServerName string         // whom a TLS certificate must name; "" checks Addr
	Fixed      bool           // Network was asked for by URI or DNS: large requests stay on UDP
}

const (
	large       = 1300            // bytes; above it a request prefers TCP (RFC 3261 §18.1.1)
	dialTimeout = 5 * time.Second // a phone that is there answers sooner
	tryTimeout  = 2 * time.Second // of TCP instead of UDP
)

var errNoRoute = errors.New("transport: no socket reaches the target")

// direct finds a flow that is open already; nil means that one must be dialled.
func (l *Layer) direct(t Target, size int) *Flow {
	if t.Flow.Alive() {
		return t.Flow
	}
	network := t.network()
	if network == UDP && size > large && !t.Fixed {
		return l.connection(TCP, t.Addr)
	}
	if network == UDP {
		return l.datagram(t.Addr)
	}
	return l.connection(network, t.Addr)
}

func (t Target) network() Network {
	if t.Network == "" {
		return UDP
	}
	return t.Network
}

// dial opens a flow; it blocks.
func (l *Layer) dial(ctx context.Context, t Target, size int) (*Flow, error) {
	switch network := t.network(); network {
	case UDP:
		if size > large && !t.Fixed {
			if f, err := l.connect(ctx, TCP, t, tryTimeout); err == nil {
				return f, nil
			}
		}
		if f := l.datagram(t.Addr); f != nil {
			return f, nil
		}
		return nil, errNoRoute
	case TCP, TLS:
		return l.connect(ctx, network, t, dialTimeout)
	}
	return nil, errNoRoute // a WebSocket client cannot be dialled
}

func (l *Layer) datagram(to netip.AddrPort) *Flow {
	if !to.IsValid() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.packets {
		if s.serves(to.Addr()) {
			return &Flow{Network: UDP, Local: s.local, Remote: to, wire: s}
		}
	}
	return nil
}

func (l *Layer) connection(network Network, to netip.AddrPort) *Flow {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.streams {
		if s.flow.Network == network && s.flow.Remote == to && s.alive() {
			return s.flow
		}
	}
	return nil
}

func (l *Layer) connect(ctx context.Context, network Network, t Target, timeout time.Duration) (*Flow, error) {
	if !t.Addr.IsValid() {
		return nil, errNoRoute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", t.Addr.String())
	if err != nil {
		return nil, fmt.Errorf("transport: %s %s: %w", network, t.Addr, err)
	}
	if network == TLS {
		cfg := &tls.Config{}
		if l.cfg.TLS != nil {
			cfg = l.cfg.TLS.Clone()
		}
		if cfg.ServerName = t.ServerName; cfg.ServerName == "" {
			cfg.ServerName = t.Addr.Addr().String()
		}
		secure := tls.Client(c, cfg)
		if err := secure.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, fmt.Errorf("transport: tls %s: %w", t.Addr, err)
		}
		c = secure
	}
	s := l.addStream(network, c, false)
	if s == nil {
		return nil, errClosed
	}
	l.goRun(s)
	return s.flow, nil
}

// goRun starts the reader of s, unless the layer is closing.
func (l *Layer) goRun(s *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		go s.close()
		return
	}
	l.wg.Go(s.run)
}

// fallback answers on a new connection when the one of the request is gone.
func (l *Layer) fallback(old *Flow, via *sipmsg.ViaHeader, p []byte) {
	port := via.Port
	if port == 0 {
		port = old.Network.Port()
	}
	t := Target{Network: old.Network, Addr: netip.AddrPortFrom(old.Remote.Addr(), uint16(port)), ServerName: via.Host}
	l.background(func() {
		f := l.direct(t, len(p))
		if f == nil {
			var err error
			if f, err = l.dial(l.ctx, t, len(p)); err != nil {
				l.counters.dropped.Add(1)
				return
			}
		}
		_ = l.write(f, f.Remote, p)
	})
}

// enter counts the calling goroutine, for which Close then waits until wg.Done.
func (l *Layer) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.wg.Add(1)
	}
	return !l.closed
}

// background runs f unless the layer is closed; Close waits for it.
func (l *Layer) background(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.wg.Go(f)
	}
}

// LocalAddr is how peers on the way to t reach us: the host for Via and
// Contact, and the port of our listener (0 where we do not listen on the network).
func (l *Layer) LocalAddr(t Target) (host string, port int) {
	network, local := t.network(), netip.AddrPort{}
	if t.Flow.Alive() {
		network, local = t.Flow.Network, t.Flow.Local
	}
	l.mu.Lock()
	for _, s := range l.packets {
		if network == UDP && (local == s.local || !local.IsValid() && s.serves(t.Addr.Addr())) {
			local, port = s.local, int(s.local.Port())
			break
		}
	}
	for _, ln := range l.listeners {
		if ln.network == network && port == 0 {
			port = int(addrPort(ln.Addr()).Port())
		}
	}
	l.mu.Unlock()
	switch {
	case l.cfg.Advertise != "":
		return l.cfg.Advertise, port
	case local.IsValid() && !local.Addr().IsUnspecified():
		return local.Addr().String(), port
	case t.Flow.Alive():
		return towards(t.Flow.Remote), port
	}
	return towards(t.Addr), port
}

// towards is our address on the way to a peer; nothing is sent to find it.
func towards(to netip.AddrPort) string {
	if !to.IsValid() {
		return "127.0.0.1"
	}
	c, err := net.Dial("udp", to.String())
	if err != nil {
		return "127.0.0.1"
	}
	defer c.Close()
	return addrPort(c.LocalAddr()).Addr().String()
}
