package media

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"unsafe"

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

// udpSocket is a descriptor of its own: Go's poller does not know it, and would wake for every packet if it did. It is
// drained without waiting; where somebody must wait for packets, park gives the poller a second descriptor of the same
// socket.
//
// System calls are raw: all are non-blocking and short, so the scheduler need not be told of them.
type udpSocket struct {
	fd      int // −1 after Close
	batches *sync.Pool
	conn    *net.UDPConn // for Receive; nil before park

	// Send owns the rest.
	to     netip.AddrPort // of the last packet sent
	name   sockaddr       // the same
	length int            // of name
}

// listen opens a socket at address, which may be any of its family.
func listen(address netip.AddrPort, batches *sync.Pool) (*udpSocket, error) {
	family := unix.AF_INET
	if address.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := prepare(fd, address); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &udpSocket{fd: fd, batches: batches}, nil
}

func prepare(fd int, address netip.AddrPort) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	var name unix.Sockaddr
	if address.Addr().Is4() {
		name = &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}
	} else {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		name = &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
	}
	if err := unix.Bind(fd, name); err != nil {
		return os.NewSyscallError("bind", fmt.Errorf("%v: %w", address, err))
	}
	return nil
}

// port is what the kernel gave a socket.
func (s *udpSocket) port() (uint16, error) {
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return 0, err
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return uint16(name.Port), nil
	case *unix.SockaddrInet6:
		return uint16(name.Port), nil
	}
	return 0, errors.New("media: a socket without a port")
}

// park lets Receive wait on Go's poller. To be called before it.
func (s *udpSocket) park() error {
	if s.conn != nil {
		return nil
	}
	fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(fd), "")
	conn, err := net.FilePacketConn(f) // has a descriptor of its own
	err = errors.Join(err, f.Close())
	if err != nil {
		return err
	}
	s.conn = conn.(*net.UDPConn)
	return nil
}

func (s *udpSocket) Receive(p []byte) (int, netip.AddrPort, error) {
	n, from, err := s.conn.ReadFromUDPAddrPort(p)
	return n, netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port()), err
}

func (s *udpSocket) Send(p []byte, to netip.AddrPort) error {
	if len(p) == 0 {
		return nil
	}
	if to != s.to {
		s.aim(to)
	}
	_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&s.name)), uintptr(s.length))
	return failure(e)
}

// aim writes the address that Send is given as the kernel wants it.
func (s *udpSocket) aim(to netip.AddrPort) {
	s.to = to
	s.length = s.name.set(to)
}

func failure(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// Close ends Receive.
func (s *udpSocket) Close() error {
	var err error
	if s.conn != nil {
		err = s.conn.Close()
	}
	fd := s.fd
	s.fd = -1
	return errors.Join(err, os.NewSyscallError("close", unix.Close(fd)))
}
