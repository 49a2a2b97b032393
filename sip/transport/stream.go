package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A stream is one connection: TCP, TLS or WebSocket. Two goroutines serve it,
// one that reads (run) and one that writes.
type stream struct {
	layer   *Layer
	flow    *Flow
	pipe    pipe
	inbound bool
	opened  time.Time
	proven  atomic.Bool  // a message was understood
	used    atomic.Int64 // unix nanoseconds of the last message or keep-alive

	queue    chan []byte
	room     chan struct{} // the writer took something from queue
	draining chan struct{} // closed: write what waits, then end
	done     chan struct{} // closed: over
	drainOne sync.Once
	closeOne sync.Once
}

// A pipe moves whole messages over one connection.
type pipe interface {
	open() error                               // handshake
	next() (p []byte, why *Problem, err error) // lends a message
	put(p []byte) error                        // borrows p; blocks at most Limits.Write
	close()
}

// addStream registers an open connection, or closes it where a limit is reached.
func (l *Layer) addStream(network Network, c net.Conn, inbound bool) *stream {
	s := l.newStream(network, addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()), inbound)
	s.pipe = &bytePipe{stream: s, conn: c, framer: framer{limit: l.cfg.Limits.Message}}
	if !l.register(s) {
		c.Close()
		return nil
	}
	return s
}

func (l *Layer) newStream(network Network, local, remote netip.AddrPort, inbound bool) *stream {
	s := &stream{
		layer: l, inbound: inbound, opened: time.Now(),
		queue: make(chan []byte, l.cfg.Limits.Queue), room: make(chan struct{}, 1), draining: make(chan struct{}), done: make(chan struct{}),
	}
	s.flow = &Flow{Network: network, Local: local, Remote: remote, wire: s}
	s.touch()
	return s
}

func (l *Layer) register(s *stream) bool {
	l.mu.Lock()
	full := len(l.streams) >= l.cfg.Limits.Connections
	l.mu.Unlock()
	if full {
		l.evict()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	src := l.sourceLocked(s.flow.Remote.Addr())
	if l.closed || len(l.streams) >= l.cfg.Limits.Connections ||
		s.inbound && src.streams >= l.cfg.Limits.ConnectionsPerSource {
		l.forgetLocked(s.flow.Remote.Addr())
		l.counters.dropped.Add(1)
		return false
	}
	src.streams++
	l.streams[s] = struct{}{}
	return true
}

func (l *Layer) unregister(s *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, s)
	remote := s.flow.Remote.Addr()
	l.sourceLocked(remote).streams--
	l.forgetLocked(remote)
}

// evict closes the connection that was idle for longest, so that idle ones
// cannot lock out new ones.
func (l *Layer) evict() {
	l.mu.Lock()
	var oldest *stream
	for s := range l.streams {
		if s.flow.retained.Load() > 0 || time.Since(s.lastUsed()) < time.Second {
			continue
		}
		if oldest == nil || s.used.Load() < oldest.used.Load() {
			oldest = s
		}
	}
	l.mu.Unlock()
	if oldest != nil {
		oldest.close()
	}
}

func (l *Layer) sourceLocked(a netip.Addr) *source {
	src := l.sources[a]
	if src == nil {
		src = &source{}
		l.sources[a] = src
	}
	return src
}

func (l *Layer) forgetLocked(a netip.Addr) {
	if src := l.sources[a]; src != nil && src.streams <= 0 && src.transactions <= 0 {
		delete(l.sources, a)
	}
}

// run reads until the connection ends.
func (s *stream) run() {
	defer s.close()
	if s.pipe.open() != nil {
		return
	}
	s.layer.wg.Go(s.write)
	for s.waitForRoom() {
		p, why, err := s.pipe.next()
		if err != nil {
			return
		}
		understood := s.layer.receive(s.flow, p, why)
		if understood {
			s.touch()
			s.proven.Store(true)
		}
		if !understood || why != nil { // where the next message starts is anybody's guess
			s.drain()
			<-s.done
			return
		}
	}
}

// waitForRoom keeps a peer from asking faster than it takes our answers: it
// reads on only when half of the queue is free. It is false at the end.
func (s *stream) waitForRoom() bool {
	for len(s.queue) > cap(s.queue)/2 {
		select {
		case <-s.room:
		case <-s.done:
			return false
		}
	}
	return true
}

func (s *stream) write() {
	defer s.close()
	for {
		select {
		case p := <-s.queue:
			if s.pipe.put(p) != nil {
				return
			}
			select {
			case s.room <- struct{}{}:
			default:
			}
		case <-s.done:
			return
		case <-s.draining:
			for {
				select {
				case p := <-s.queue:
					if s.pipe.put(p) != nil {
						return
					}
				default:
					return
				}
			}
		}
	}
}

// send borrows p. A peer that lets its queue run over loses the connection.
func (s *stream) send(_ netip.AddrPort, p []byte) error {
	select {
	case <-s.done:
		return errClosed
	case <-s.draining:
		return errClosed
	default:
	}
	select {
	case s.queue <- append([]byte(nil), p...):
		return nil
	default:
		s.layer.counters.dropped.Add(1)
		s.close()
		return errTooSlow
	}
}

func (s *stream) alive() bool {
	select {
	case <-s.done:
		return false
	case <-s.draining:
		return false
	default:
		return true
	}
}

func (s *stream) over() <-chan struct{} { return s.done }

func (s *stream) touch()              { s.used.Store(time.Now().UnixNano()) }
func (s *stream) lastUsed() time.Time { return time.Unix(0, s.used.Load()) }

// drain lets the writer finish and then closes.
func (s *stream) drain() { s.drainOne.Do(func() { close(s.draining) }) }

func (s *stream) close() {
	s.closeOne.Do(func() {
		close(s.done)
		s.layer.unregister(s) // before the peer can notice
		s.pipe.close()
		s.layer.broken(s.flow)
	})
}

// idleUntil is when the connection may be closed for silence.
func (s *stream) idleUntil() time.Time {
	lim := s.layer.cfg.Limits
	if s.inbound && !s.proven.Load() {
		return s.opened.Add(lim.Handshake)
	}
	return s.lastUsed().Add(lim.Idle)
}

// A bytePipe is a TCP or TLS connection. Only the reading goroutine uses it, but for put and close.
type bytePipe struct {
	stream *stream
	conn   net.Conn
	framer framer
	began  time.Time // when the unfinished message began
	buf    [4096]byte
}

func (b *bytePipe) open() error {
	t, ok := b.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(b.stream.layer.ctx, b.stream.layer.cfg.Limits.Partial)
	defer cancel()
	return t.HandshakeContext(ctx)
}

func (b *bytePipe) next() ([]byte, *Problem, error) {
	for {
		p, ping, why := b.framer.next()
		if ping {
			b.stream.touch()
			b.stream.layer.counters.keepAlives.Add(1)
			_ = b.stream.send(b.stream.flow.Remote, []byte("\r\n"))
			continue
		}
		if p != nil {
			b.began = time.Time{}
			return p, why, nil
		}
		if err := b.fill(); err != nil {
			return nil, nil, err
		}
	}
}

// fill reads once, with the deadline that the state of the framer deserves.
func (b *bytePipe) fill() error {
	for {
		deadline := b.stream.idleUntil()
		if b.framer.partial() {
			if b.began.IsZero() {
				b.began = time.Now()
			}
			deadline = b.began.Add(b.stream.layer.cfg.Limits.Partial)
		}
		_ = b.conn.SetReadDeadline(deadline)
		n, err := b.conn.Read(b.buf[:])
		b.framer.feed(b.buf[:n])
		if n > 0 {
			return nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !b.framer.partial() && b.stream.flow.retained.Load() > 0 {
			b.stream.touch()
			continue
		}
		if err != nil {
			return err
		}
	}
}

func (b *bytePipe) put(p []byte) error {
	_ = b.conn.SetWriteDeadline(time.Now().Add(b.stream.layer.cfg.Limits.Write))
	_, err := b.conn.Write(p)
	return err
}

func (b *bytePipe) close() { b.conn.Close() }
