package webrtc

import (
	"net"
	"sync"
)

// gathered is several listeners as one: a connection keeps the concrete local address that it was made to, which the ICE-TCP mux
// needs, and a single mux serves them all.
// Connections are counted, for a stranger can open them without a word.
type gathered struct {
	limit  int // connections of one source; allSources times as many in all
	port   int // of all listeners; set before the first Addr
	conns  chan net.Conn
	done   chan struct{}
	once   sync.Once
	accept sync.WaitGroup

	mu      sync.Mutex     // guards the fields below
	sources map[string]int // by host
	all     int
}

func gather(limit int) *gathered {
	return &gathered{limit: limit, sources: make(map[string]int), conns: make(chan net.Conn), done: make(chan struct{})}
}

// add accepts from another listener until that is closed. Not to be called after Close.
func (g *gathered) add(l net.Listener) {
	g.accept.Go(func() { g.serve(l) })
}

func (g *gathered) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed, or out of descriptors: UDP goes on
		}
		c := &countedConn{Conn: conn, listener: g, source: subscriber(host(conn.RemoteAddr().String()))}
		if !g.enter(c.source) {
			conn.Close()
			continue
		}
		select {
		case g.conns <- c:
		case <-g.done:
			c.Close()
			return
		}
	}
}

func (g *gathered) enter(source string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sources[source] >= g.limit || g.all >= allSources*g.limit {
		return false
	}
	g.sources[source]++
	g.all++
	return true
}

// countedConn is counted out when it is closed.
type countedConn struct {
	net.Conn
	listener *gathered
	source   string
	once     sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.listener.mu.Lock()
		defer c.listener.mu.Unlock()
		decrement(c.listener.sources, c.source)
		c.listener.all--
	})
	return c.Conn.Close()
}

func (g *gathered) Accept() (net.Conn, error) {
	select {
	case conn := <-g.conns:
		return conn, nil
	case <-g.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. The listeners have to be closed before.
func (g *gathered) Close() error {
	g.once.Do(func() {
		close(g.done)
		g.accept.Wait()
	})
	return nil
}

// Addr is the unspecified address: pion then offers each that the IP filter lets through.
func (g *gathered) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv6unspecified, Port: g.port} }
