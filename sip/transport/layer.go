package transport

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// A Handler is the core above the transactions (the UAS core and the dialogs).
type Handler interface {
	// Request takes r. It is called on the goroutine that read the request, in
	// order of arrival on each connection, and must not block.
	//
	// Retransmissions, CANCEL, the ACK to a final response that refused, and
	// whatever a Problem answers never arrive here. An ACK to a 2xx does, with
	// a nil Tx.
	Request(r *Request)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(*Request)

// Request calls f.
func (f HandlerFunc) Request(r *Request) { f(r) }

// A Request is a sound request and where it came from.
type Request struct {
	*sipmsg.Request
	Tx   *ServerTx // nil for an ACK
	Flow *Flow     // the way it came; keep it to reach the peer again

	raw *raw
}

// Source is the address the request was sent from.
func (r *Request) Source() netip.AddrPort { return r.Flow.Remote }

// A Layer is the transport and transaction layer of one user agent.
// Every method is safe for concurrent use.
type Layer struct {
	cfg      Config
	log      *slog.Logger
	handler  Handler
	counters counters
	secret   [16]byte // keys the tags of stateless answers

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu        sync.Mutex // guards the fields below
	closed    bool
	packets   []*packetSocket
	listeners []listener
	streams   map[*stream]struct{}
	sources   map[netip.Addr]*source
	servers   map[string]*ServerTx
	merging   map[string]*ServerTx // by merge key (RFC 3261 §8.2.2.2)
	clients   map[string]*ClientTx
}

type listener struct {
	network Network
	net.Listener
}

// A source counts what one remote address makes us hold. It exists only while something is held.
type source struct{ streams, transactions int }

// New makes a layer; it listens nowhere yet.
func New(cfg Config) *Layer {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Handler == nil {
		cfg.Handler = HandlerFunc(notImplemented)
	}
	cfg.Timers = cfg.Timers.withDefaults()
	cfg.Limits = cfg.Limits.withDefaults()
	l := &Layer{
		cfg: cfg, log: cfg.Log, handler: cfg.Handler,
		streams: map[*stream]struct{}{}, sources: map[netip.Addr]*source{},
		servers: map[string]*ServerTx{}, merging: map[string]*ServerTx{}, clients: map[string]*ClientTx{},
	}
	rand.Read(l.secret[:])
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

func notImplemented(r *Request) {
	if r.Tx != nil {
		_ = r.Tx.Respond(r.Response(501, "Not Implemented"))
	}
}

// Listen opens a socket on addr ("host:port"; port 0 takes a free one) and
// serves it until Close. It returns the bound address.
func (l *Layer) Listen(network Network, addr string) (netip.AddrPort, error) {
	switch network {
	case UDP:
		pc, err := net.ListenPacket("udp", addr)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("transport: udp %s: %w", addr, err)
		}
		if c, ok := pc.(*net.UDPConn); ok {
			_ = c.SetReadBuffer(1 << 20) // a burst; what the system allows will do
		}
		return addrPort(pc.LocalAddr()), l.ServePacket(pc)
	case TCP, TLS:
		if network == TLS && l.cfg.TLS == nil {
			return netip.AddrPort{}, errors.New("transport: tls: no certificate configured")
		}
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("transport: %s %s: %w", network, addr, err)
		}
		return addrPort(ln.Addr()), l.ServeListener(network, ln)
	}
	return netip.AddrPort{}, fmt.Errorf("transport: cannot listen on %q", network)
}

// ServePacket takes pc and serves SIP over UDP on it until Close.
func (l *Layer) ServePacket(pc net.PacketConn) error {
	s := &packetSocket{layer: l, pc: pc, local: addrPort(pc.LocalAddr())}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		pc.Close()
		return errClosed
	}
	l.packets = append(l.packets, s)
	l.wg.Go(s.run)
	return nil
}

// ServeListener takes ln and serves SIP over TCP, or over TLS with the
// configured certificate, until Close.
func (l *Layer) ServeListener(network Network, ln net.Listener) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		ln.Close()
		return errClosed
	}
	l.listeners = append(l.listeners, listener{network, ln})
	l.wg.Go(func() { l.accept(network, ln) })
	return nil
}

func (l *Layer) accept(network Network, ln net.Listener) {
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || l.ctx.Err() != nil {
			return
		}
		if err != nil { // out of files: wait for some to close
			l.counters.dropped.Add(1)
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-l.ctx.Done():
				return
			}
		}
		if network == TLS {
			c = tls.Server(c, l.cfg.TLS)
		}
		if s := l.addStream(network, c, true); s != nil {
			l.wg.Go(s.run)
		}
	}
}

// Addrs lists the bound addresses of a network.
func (l *Layer) Addrs(network Network) []netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	var addrs []netip.AddrPort
	if network == UDP {
		for _, s := range l.packets {
			addrs = append(addrs, s.local)
		}
	}
	for _, ln := range l.listeners {
		if ln.network == network {
			addrs = append(addrs, addrPort(ln.Addr()))
		}
	}
	return addrs
}

// Close ends every socket, connection and transaction and waits for their
// goroutines, at most until ctx ends. Say BYE before.
func (l *Layer) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	packets, listeners := l.packets, l.listeners
	var streams []*stream
	for s := range l.streams {
		streams = append(streams, s)
	}
	var end []func()
	for _, tx := range l.servers {
		end = append(end, tx.terminate)
	}
	for _, tx := range l.clients {
		end = append(end, func() { tx.terminate(errClosed) })
	}
	l.mu.Unlock()
	l.stop()
	for _, f := range end {
		f()
	}
	for _, s := range packets {
		s.pc.Close()
	}
	for _, ln := range listeners {
		ln.Close()
	}
	for _, s := range streams {
		s.drain()
	}
	done := make(chan struct{})
	go func() { l.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		for _, s := range streams {
			s.close()
		}
		return ctx.Err()
	}
}
