package webrtc

import (
	"net"
	"sync"
)

// gathered is several listeners as one: a connection keeps the concrete local address that it was made to, which the ICE-TCP mux
// needs, and a single mux serves them all.
type gathered struct {
	parts  []net.Listener
	addr   *net.TCPAddr
	conns  chan net.Conn
	done   chan struct{}
	once   sync.Once
	accept sync.WaitGroup
}

// gather takes the listeners, which have one port number. Close closes them all.
func gather(parts []net.Listener, port int) *gathered {
	g := &gathered{
		parts: parts,
		addr:  &net.TCPAddr{IP: net.IPv6unspecified, Port: port},
		conns: make(chan net.Conn),
		done:  make(chan struct{}),
	}
	for _, l := range parts {
		g.accept.Go(func() { g.serve(l) })
	}
	return g
}

func (g *gathered) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed, or out of descriptors: UDP goes on
		}
		select {
		case g.conns <- conn:
		case <-g.done:
			conn.Close()
			return
		}
	}
}

func (g *gathered) Accept() (net.Conn, error) {
	select {
	case conn := <-g.conns:
		return conn, nil
	case <-g.done:
		return nil, net.ErrClosed
	}
}

func (g *gathered) Close() error {
	g.once.Do(func() {
		close(g.done)
		for _, l := range g.parts {
			l.Close()
		}
		g.accept.Wait()
	})
	return nil
}

func (g *gathered) Addr() net.Addr { return g.addr }
