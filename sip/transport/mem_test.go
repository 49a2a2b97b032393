package transport

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// A memSocket is a net.PacketConn made of channels, for bubbles of synctest.
// The test plays its one peer: in puts a datagram, out has what was sent.
type memSocket struct {
	local, peer netip.AddrPort
	in          chan []byte
	done        chan struct{}

	mu   sync.Mutex
	sent []datagram
	once sync.Once
}

type datagram struct {
	at   time.Time
	text string
}

func newMemSocket() *memSocket {
	return &memSocket{
		local: netip.MustParseAddrPort("192.0.2.1:5060"), peer: netip.MustParseAddrPort("198.51.100.7:5062"),
		in: make(chan []byte, 100), done: make(chan struct{}),
	}
}

func (s *memSocket) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case d := <-s.in:
		return copy(p, d), net.UDPAddrFromAddrPort(s.peer), nil
	case <-s.done:
		return 0, nil, net.ErrClosed
	}
}

func (s *memSocket) WriteTo(p []byte, _ net.Addr) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, datagram{time.Now(), string(p)})
	return len(p), nil
}

// take returns what was sent since the last call.
func (s *memSocket) take() []datagram {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.sent
	s.sent = nil
	return d
}

func (s *memSocket) Close() error                     { s.once.Do(func() { close(s.done) }); return nil }
func (s *memSocket) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(s.local) }
func (s *memSocket) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (s *memSocket) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (s *memSocket) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// overMem makes a layer on a memSocket, closed with the test.
func overMem(t *testing.T, h Handler) (*Layer, *memSocket) {
	t.Helper()
	s := newMemSocket()
	l := New(Config{Handler: h})
	if err := l.ServePacket(s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l, s
}

// lines are the first lines of datagrams.
func lines(ds []datagram) string {
	var first []string
	for _, d := range ds {
		line, _, _ := strings.Cut(d.text, "\r\n")
		first = append(first, strings.TrimPrefix(line, "SIP/2.0 "))
	}
	return strings.Join(first, ", ")
}

// sip writes a message from lines; a last line "" is added.
func sip(lines ...string) []byte {
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}
