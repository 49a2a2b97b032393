package transport

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// A wsPipe is one WebSocket connection; a frame is a message (RFC 7118 §5).
type wsPipe struct {
	stream *stream
	conn   atomic.Pointer[websocket.Conn] // nil before the upgrade
}

// A dead peer is found by an unanswered Ping; a NAT is kept open by it.
const pingInterval = 25 * time.Second

// ServeHTTP upgrades to SIP over WebSocket (RFC 7118) and serves the
// connection until it ends. Mount it where clients expect it, as "/sip".
func (l *Layer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		http.Error(w, "no remote address", http.StatusBadRequest)
		return
	}
	local := netip.AddrPort{}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		local = addrPort(a)
	}
	network := WS
	if r.TLS != nil {
		network = WSS
	}
	s := l.newStream(network, local, netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()), true)
	p := &wsPipe{stream: s}
	s.pipe = p
	if !l.enter() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	defer l.wg.Done()
	if !l.register(s) {
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{"sip"}, OriginPatterns: l.cfg.AcceptWS,
	})
	if err != nil { // Accept has answered
		s.close()
		return
	}
	p.conn.Store(conn)
	select {
	case <-s.done: // evicted meanwhile
		p.close()
		return
	default:
	}
	if conn.Subprotocol() != "sip" { // RFC 7118 §4.1
		_ = conn.Close(websocket.StatusPolicyViolation, "subprotocol sip is required")
		s.close()
		return
	}
	conn.SetReadLimit(int64(l.cfg.Limits.Message))
	s.run()
}

func (p *wsPipe) open() error {
	p.stream.layer.background(p.ping)
	return nil
}

func (p *wsPipe) ping() {
	t := time.NewTicker(pingInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-p.stream.done:
			return
		}
		if p.expired() {
			p.stream.drain()
			return
		}
		ctx, cancel := p.patience()
		err := p.conn.Load().Ping(ctx)
		cancel()
		if err != nil {
			p.stream.close()
			return
		}
	}
}

func (p *wsPipe) expired() bool {
	return time.Now().After(p.stream.idleUntil()) && p.stream.flow.retained.Load() <= 0
}

func (p *wsPipe) next() ([]byte, *Problem, error) {
	ctx := context.WithoutCancel(p.stream.layer.ctx) // close ends the wait, once the writer has finished
	for {
		_, r, err := p.conn.Load().Reader(ctx)
		if err != nil {
			return nil, nil, err
		}
		// The context of Reader also ends the wait for a frame, which may be
		// long; the rest of a message, in however many frames, must come soon.
		slow := time.AfterFunc(p.stream.layer.cfg.Limits.Partial, p.stream.close)
		msg, err := io.ReadAll(r)
		slow.Stop()
		if err != nil {
			return nil, nil, err
		}
		if isKeepAlive(msg) { // RFC 7118 §6 leaves it to WebSocket; clients send it all the same
			p.stream.touch()
			p.stream.layer.counters.keepAlives.Add(1)
			if len(msg) >= 4 {
				_ = p.stream.send(p.stream.flow.Remote, []byte("\r\n"))
			}
			continue
		}
		return msg, nil, nil
	}
}

func isKeepAlive(p []byte) bool {
	for _, c := range p {
		if c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

func (p *wsPipe) put(msg []byte) error {
	ctx, cancel := p.patience()
	defer cancel()
	return p.conn.Load().Write(ctx, websocket.MessageText, msg)
}

// patience is how long one write may take; the end of the layer does not cut it.
func (p *wsPipe) patience() (context.Context, context.CancelFunc) {
	l := p.stream.layer
	return context.WithTimeout(context.WithoutCancel(l.ctx), l.cfg.Limits.Write)
}

func (p *wsPipe) close() {
	if conn := p.conn.Load(); conn != nil {
		_ = conn.CloseNow()
	}
}
