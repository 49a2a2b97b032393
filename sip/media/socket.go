package media

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Socket is a UDP socket, or a test's.
type Socket interface {
	// Receive blocks for one datagram, and fails with net.ErrClosed after Close.
	Receive(p []byte) (n int, from netip.AddrPort, err error)
	// Send borrows p and never blocks: a full buffer is an error. It is not called after Close, nor twice at a time.
	Send(p []byte, to netip.AddrPort) error
	Close() error
}

// udpSocket sends past Go's poller, which would park the mixer's clock when the send buffer is full.
type udpSocket struct {
	conn *net.UDPConn
	fd   int // valid until Close; Transport sees to it that nothing is sent after
	in4  unix.SockaddrInet4
	in6  unix.SockaddrInet6
}

func newSocket(conn *net.UDPConn) (*udpSocket, error) {
	s := &udpSocket{conn: conn}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	err = raw.Control(func(fd uintptr) { s.fd = int(fd) })
	return s, err
}

func (s *udpSocket) Receive(p []byte) (int, netip.AddrPort, error) {
	n, from, err := s.conn.ReadFromUDPAddrPort(p)
	return n, netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port()), err
}

func (s *udpSocket) Send(p []byte, to netip.AddrPort) error {
	if to.Addr().Is4() {
		s.in4.Port, s.in4.Addr = int(to.Port()), to.Addr().As4()
		return unix.Sendto(s.fd, p, unix.MSG_DONTWAIT, &s.in4)
	}
	s.in6.Port, s.in6.Addr = int(to.Port()), to.Addr().As16()
	return unix.Sendto(s.fd, p, unix.MSG_DONTWAIT, &s.in6)
}

func (s *udpSocket) Close() error { return s.conn.Close() }
