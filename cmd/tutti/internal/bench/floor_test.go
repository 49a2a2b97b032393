package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Floors are processes that move the same packets as the bridge and do nothing else. Each is this test's binary, which
// prints its ports and works until its standard input ends.
const (
	echoFloor   = "echo"   // sends back what comes, at once
	polledFloor = "polled" // a goroutine for each socket on Go's poller; sends to all every 20 ms
	looseFloor  = "loose"  // one bare loop: every 20 ms it drains and sends on each socket
)

const (
	floorKind  = "TUTTI_BENCH_FLOOR"
	floorPorts = "TUTTI_BENCH_PORTS"
)

// floor is a running floor.
type floor struct {
	*process
	ports []int
}

func newFloor(t testing.TB, kind string, ports int) *floor {
	t.Helper()
	cmd := favoured(os.Args[0])
	cmd.Env = append(os.Environ(), floorKind+"="+kind, floorPorts+"="+strconv.Itoa(ports))
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // closes with us
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	f := &floor{process: start(t, cmd)}
	text, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for field := range strings.FieldsSeq(text) {
		port, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		f.ports = append(f.ports, port)
	}
	return f
}

// runFloor is the life of a floor's process.
func runFloor(kind string) error {
	n, err := strconv.Atoi(os.Getenv(floorPorts))
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	switch kind {
	case echoFloor:
		return echo()
	case polledFloor:
		return polled(n)
	case looseFloor:
		return loose(n)
	}
	return fmt.Errorf("no floor %q", kind)
}

func listen() (*net.UDPConn, error) {
	return net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
}

func portOf(c *net.UDPConn) int { return c.LocalAddr().(*net.UDPAddr).Port }

func echo() error {
	c, err := listen()
	if err != nil {
		return err
	}
	fmt.Println(portOf(c))
	p := make([]byte, 2048)
	for {
		n, from, err := c.ReadFromUDPAddrPort(p)
		if err != nil {
			return err
		}
		if _, err := c.WriteToUDPAddrPort(p[:n], from); err != nil {
			return err
		}
	}
}

// polled is how Go programs do it: sockets on Go's poller; sends past it, which is cheaper.
func polled(n int) error {
	type leg struct {
		fd   int
		peer atomic.Pointer[unix.SockaddrInet4]
	}
	legs := make([]*leg, n)
	var ports []string
	for i := range legs {
		c, err := listen()
		if err != nil {
			return err
		}
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		l := &leg{}
		if err := raw.Control(func(fd uintptr) { l.fd = int(fd) }); err != nil {
			return err
		}
		legs[i] = l
		ports = append(ports, strconv.Itoa(portOf(c)))
		go func() {
			p := make([]byte, 2048)
			var known netip.AddrPort
			for {
				_, from, err := c.ReadFromUDPAddrPort(p)
				if err != nil {
					return
				}
				if from != known {
					known = from
					l.peer.Store(loopback(int(from.Port())))
				}
			}
		}()
	}
	fmt.Println(strings.Join(ports, " "))
	packet := make([]byte, 12+samples)
	for range time.Tick(frame) {
		for _, l := range legs {
			if to := l.peer.Load(); to != nil {
				_ = unix.Sendto(l.fd, packet, unix.MSG_DONTWAIT, to)
			}
		}
	}
	return nil
}

func loose(n int) error {
	sockets, peers := make([]*socket, n), make([]unix.Sockaddr, n)
	var ports []string
	for i := range sockets {
		s, err := openSocket(0)
		if err != nil {
			return err
		}
		sockets[i] = s
		ports = append(ports, strconv.Itoa(s.port))
	}
	fmt.Println(strings.Join(ports, " "))
	packet, p := make([]byte, 12+samples), make([]byte, 2048)
	for next := time.Now(); ; next = next.Add(frame) {
		nap(time.Until(next))
		for i, s := range sockets {
			for peers[i] == nil {
				_, from, err := unix.Recvfrom(s.fd, p, unix.MSG_DONTWAIT)
				if err != nil {
					break
				}
				peers[i] = from
			}
			for {
				if _, err := unix.Read(s.fd, p); err != nil {
					break
				}
			}
			if peers[i] != nil {
				_ = unix.Sendto(s.fd, packet, unix.MSG_DONTWAIT, peers[i])
			}
		}
	}
}
