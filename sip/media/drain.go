package media

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tutti/mixer"
)

const (
	batchSize = 8 // datagrams taken by one system call
	// drainAtMost bounds the datagrams of one socket in one tick: a flood costs the conference 0.1 ms, and its own leg
	// what the kernel's buffer cannot hold.
	drainAtMost = 8 * batchSize
	// staleAtMost bounds what is thrown away at the start: more than a socket's buffer usually holds.
	staleAtMost = 1024
	// controlEvery is how many ticks lie between two looks at the RTCP socket. The kernel says when a report came.
	controlEvery = 8
	// clockStep is how far an arrival may lie from now before we believe that the wall clock was set meanwhile.
	clockStep = time.Second
)

// drained are the sockets of a Transport that nobody waits for: the mixer's clock reads them (Poll). A Transport whose
// datagrams cannot wait for a tick, or for somebody to listen, has goroutines instead: pictures, and DTLS, whose handshake
// comes first.
type drained struct {
	mu      sync.Mutex    // guards the fields below; held while they are read, so that no descriptor is closed meanwhile
	sockets [2]*udpSocket // by component; nil where goroutines read, and after Close
	turn    int           // ticks
	closed  bool
}

var _ mixer.Source = (*Transport)(nil)

// Poll takes what has come since the last tick (mixer.Source). It never blocks, takes a bounded number of packets, and does
// nothing once a goroutine reads or the transport is closed.
func (t *Transport) Poll(now time.Time) {
	d := &t.drained
	if !d.mu.TryLock() {
		return // two mixers, while a leg moves; or it is being closed
	}
	defer d.mu.Unlock()
	if d.sockets[mediaComponent] == nil {
		return
	}
	t.drainLocked(mediaComponent, drainAtMost, now)
	if d.turn++; d.turn%controlEvery == 0 {
		t.drainLocked(controlComponent, drainAtMost, now)
	}
}

// start throws away what came while nobody listened, but learns from it where the far end is.
func (t *Transport) start(now time.Time) {
	t.drained.mu.Lock()
	defer t.drained.mu.Unlock()
	t.drainLocked(mediaComponent, staleAtMost, now)
	t.drainLocked(controlComponent, staleAtMost, now)
}

// await lets goroutines read from now on, if they do not yet. It must not be called with in.mu held.
func (t *Transport) await() error {
	d := &t.drained
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	if d.sockets[mediaComponent] == nil {
		return nil
	}
	for _, s := range d.sockets {
		if err := s.park(); err != nil {
			return err
		}
	}
	d.sockets = [2]*udpSocket{}
	t.readAll()
	return nil
}

// abandon lets nobody read any more: the descriptors may be closed.
func (d *drained) abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sockets, d.closed = [2]*udpSocket{}, true
}

// drainLocked reads the socket of a component until it is empty or has given limit datagrams.
func (t *Transport) drainLocked(part component, limit int, now time.Time) {
	s := t.drained.sockets[part]
	if s == nil {
		return
	}
	b := s.batches.Get().(*batch)
	defer s.batches.Put(b)
	wall := now.UnixNano()
	for n := batchSize; n == batchSize && limit > 0; limit -= n {
		n = b.receive(s.fd)
		for i := range n {
			at := now
			if d := time.Duration(b.arrival(i) - wall); d > -clockStep && d < clockStep {
				at = now.Add(d)
			}
			b.buffers.wire = b.wire[i][:]
			t.receive(&b.buffers, int(b.messages[i].length), b.names[i].address(), part == controlComponent, at)
		}
	}
}

// batch is memory for what one system call receives. Its pointers lead to its own fields.
type batch struct {
	buffers  buffers
	used     int // messages that the last call filled
	messages [batchSize]message
	vectors  [batchSize]unix.Iovec
	names    [batchSize]sockaddr
	extras   [batchSize][4]uint64 // control messages: one struct timespec
	wire     [batchSize][maxPacket]byte
}

// message is struct mmsghdr of recvmmsg(2).
type message struct {
	header unix.Msghdr
	length uint32
}

func newBatch() any {
	b := &batch{}
	b.buffers.clear = make([]byte, 0, maxPacket)
	for i := range b.messages {
		b.vectors[i].Base = &b.wire[i][0]
		b.vectors[i].SetLen(maxPacket)
		h := &b.messages[i].header
		h.Name, h.Iov, h.Control = &b.names[i][0], &b.vectors[i], (*byte)(unsafe.Pointer(&b.extras[i]))
		h.SetIovlen(1)
		b.wipe(i)
	}
	return b
}

// wipe makes ready what the kernel overwrites.
func (b *batch) wipe(i int) {
	h := &b.messages[i].header
	h.Namelen = uint32(len(b.names[i]))
	h.SetControllen(int(unsafe.Sizeof(b.extras[i])))
}

// receive takes what waits, without waiting, and returns how many datagrams that is. An error is as good as nothing: it
// comes again, or was about something that we sent.
func (b *batch) receive(fd int) int {
	for i := range b.used {
		b.wipe(i)
	}
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.messages)), batchSize, unix.MSG_DONTWAIT, 0, 0)
	b.used = int(n)
	if e != 0 {
		b.used = 0
	}
	return b.used
}

// arrival is when the kernel got datagram i, ns of the wall clock; 0 where it does not say.
func (b *batch) arrival(i int) int64 {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b.extras[i]))
	size := unix.CmsgLen(int(unsafe.Sizeof(unix.Timespec{})))
	if int(b.messages[i].header.Controllen) < size || h.Level != unix.SOL_SOCKET || h.Type != unix.SO_TIMESTAMPNS {
		return 0
	}
	ts := (*unix.Timespec)(unsafe.Add(unsafe.Pointer(h), unix.CmsgLen(0)))
	return ts.Nano()
}

// sockaddr is struct sockaddr_in (RFC 3493) or sockaddr_in6 (§3.3), as the kernel lays it out:
//
//	family (2, ours) | port (2, network) | IPv4 address (4)
//	family (2, ours) | port (2, network) | flow (4) | IPv6 address (16) | scope (4)
type sockaddr [unix.SizeofSockaddrInet6]byte

// set writes a, and returns how long it is.
func (s *sockaddr) set(a netip.AddrPort) int {
	*s = sockaddr{}
	binary.BigEndian.PutUint16(s[2:], a.Port())
	if a.Addr().Is4() {
		binary.NativeEndian.PutUint16(s[:], unix.AF_INET)
		four := a.Addr().As4()
		copy(s[4:], four[:])
		return unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(s[:], unix.AF_INET6)
	sixteen := a.Addr().As16()
	copy(s[8:], sixteen[:])
	return unix.SizeofSockaddrInet6
}

// address is what the kernel wrote, without a zone.
func (s *sockaddr) address() netip.AddrPort {
	port := binary.BigEndian.Uint16(s[2:])
	switch binary.NativeEndian.Uint16(s[:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(s[4:8])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(s[8:24])).Unmap(), port)
	}
	return netip.AddrPort{}
}
