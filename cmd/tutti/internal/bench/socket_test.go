package bench

import (
	"errors"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a UDP socket outside Go's poller. The kernel notes when each datagram arrives, so that it matters little when
// we come to read it.
type socket struct {
	fd      int
	port    int
	closing sync.Once
}

func loopback(port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

// openSocket binds a port of the loopback address; 0 is any.
func openSocket(port int) (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &socket{fd: fd}
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1), unix.Bind(fd, loopback(port)))
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	s.port = name.(*unix.SockaddrInet4).Port
	return s, nil
}

func mustOpen(t testing.TB) *socket {
	t.Helper()
	s, err := openSocket(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// openPair opens an even port for RTP and the odd one after it for RTCP (RFC 3550 §11).
func openPair(t testing.TB) (rtp, rtcp *socket) {
	t.Helper()
	for range 1000 {
		a, err := openSocket(0)
		if err != nil {
			t.Fatal(err)
		}
		if a.port%2 == 0 {
			if b, err := openSocket(a.port + 1); err == nil {
				t.Cleanup(a.close)
				t.Cleanup(b.close)
				return a, b
			}
		}
		a.close()
	}
	t.Fatal("no pair of free ports")
	return nil, nil
}

func (s *socket) close() { s.closing.Do(func() { unix.Close(s.fd) }) }

// receive takes one datagram and when it arrived; n is 0 where none waits.
func (s *socket) receive(p, oob []byte) (n int, at time.Time, err error) {
	n, oobn, _, _, err := unix.Recvmsg(s.fd, p, oob, unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) {
		return 0, time.Time{}, nil
	}
	if err != nil {
		return 0, time.Time{}, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return 0, time.Time{}, err
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			ts := (*unix.Timespec)(unsafe.Pointer(&m.Data[0]))
			return n, time.Unix(ts.Unix()), nil
		}
	}
	return 0, time.Time{}, errors.New("the kernel did not say when a datagram came")
}
