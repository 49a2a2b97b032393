package media

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"golang.org/x/sys/unix"

	"tutti/mixer"
	"tutti/sip/offer"
)

// line is a transport with real sockets and a phone that it was described.
type line struct {
	*Transport
	phone *net.UDPConn
	to    *net.UDPAddr
	seq   uint16
}

func newLine(t testing.TB, ports *Ports) *line {
	t.Helper()
	phone, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { phone.Close() })
	transport, err := open(&Config{Ports: ports, Logger: slog.New(slog.DiscardHandler)}, loopback, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.Close)
	l := &line{Transport: transport, phone: phone}
	l.to = net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, transport.place.RTP))
	m := sound(offer.Security{})
	m.RTP = phone.LocalAddr().(*net.UDPAddr).AddrPort()
	m.RTCP = m.RTP
	if err := transport.apply(&m, loopback); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *line) say(t testing.TB, text string) {
	t.Helper()
	l.seq++
	if _, err := l.phone.WriteToUDP(packet(t, l.seq, text), l.to); err != nil {
		t.Fatal(err)
	}
}

// arrive returns when a datagram lies in the socket of a component.
func (l *line) arrive(t testing.TB, part component) {
	t.Helper()
	waiting := []unix.PollFd{{Fd: int32(l.drained.sockets[part].fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(waiting, 5000)
		if n == 1 {
			return
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatalf("nothing arrived: %v", err)
		}
	}
}

// notes remembers what arrives.
type notes struct {
	texts []string
	at    []time.Time
	rtcp  int
}

func (n *notes) ReceiveRTP(p mixer.Packet) {
	var packet rtp.Packet
	_ = packet.Unmarshal(p.Data)
	n.texts, n.at = append(n.texts, string(packet.Payload)), append(n.at, p.At)
}
func (n *notes) ReceiveRTCP(mixer.Packet) { n.rtcp++ }

func testPorts(t testing.TB, first, last uint16) *Ports {
	t.Helper()
	ports, err := NewPorts(first, last)
	if err != nil {
		t.Fatal(err)
	}
	return ports
}

func TestPollTakesWhatCameSinceTheLast(t *testing.T) {
	l := newLine(t, testPorts(t, 43000, 43009))
	n := &notes{}
	l.connect(n)
	l.Poll(time.Now())
	for i, text := range []string{"a", "b", "c"} {
		before := time.Now()
		l.say(t, text)
		l.arrive(t, mediaComponent)
		after := time.Now()
		l.Poll(after.Add(300 * time.Millisecond))
		l.Poll(time.Now())
		if len(n.texts) != i+1 || n.texts[i] != text {
			t.Fatalf("received %q", n.texts)
		}
		const clocks = time.Millisecond // between the kernel's and ours
		if at := n.at[i]; at.Before(before.Add(-clocks)) || at.After(after.Add(clocks)) {
			t.Errorf("packet %d came at %v, not between %v and %v", i, at, before, after)
		}
	}
}

// The wall clock is set while a packet waits: it came now.
func TestArrivalBeyondBeliefIsNow(t *testing.T) {
	l := newLine(t, testPorts(t, 43010, 43019))
	n := &notes{}
	l.connect(n)
	l.say(t, "a")
	l.arrive(t, mediaComponent)
	tomorrow := time.Now().Add(24 * time.Hour)
	l.Poll(tomorrow)
	if len(n.at) != 1 || !n.at[0].Equal(tomorrow) {
		t.Errorf("arrivals %v, want %v", n.at, tomorrow)
	}
}

func TestPollIsBounded(t *testing.T) {
	l := newLine(t, testPorts(t, 43020, 43029))
	n := &notes{}
	l.connect(n)
	for range drainAtMost + 3 {
		l.say(t, "flood")
	}
	for got := 0; got < drainAtMost+3; got = len(n.texts) {
		l.arrive(t, mediaComponent)
		l.Poll(time.Now())
		if took := len(n.texts) - got; took > drainAtMost {
			t.Errorf("one poll took %d packets, at most %d", took, drainAtMost)
		}
	}
}

// What comes before the leg is attached is never heard, but tells where the far end is.
func TestWhatCameBeforeTheInletIsDropped(t *testing.T) {
	l := newLine(t, testPorts(t, 43030, 43039))
	if err := l.apply(&offer.Media{
		Kind: mixer.Audio, Direction: offer.SendRecv, RTP: address(far), RTCP: address(farControl),
		Accepted: []mixer.Payload{{Type: 8}}, Send: &mixer.Encoding{PayloadType: 8},
	}, loopback); err != nil { // behind a NAT: described is another address
		t.Fatal(err)
	}
	l.say(t, "too")
	l.arrive(t, mediaComponent)
	l.Poll(time.Now()) // the mixer has the stream already, we do not have its inlet
	l.say(t, "early")
	l.arrive(t, mediaComponent)
	n := &notes{}
	l.connect(n)
	l.say(t, "now")
	l.arrive(t, mediaComponent)
	l.connect(n) // a renegotiation
	l.Poll(time.Now())
	if !slices.Equal(n.texts, []string{"now"}) {
		t.Errorf("received %q, want now", n.texts)
	}
	if at := l.in.media.target(); at != l.phone.LocalAddr().(*net.UDPAddr).AddrPort() {
		t.Errorf("we send to %v, not to where the far end sends from", at)
	}
}

func TestRTCPIsPolledNowAndThen(t *testing.T) {
	l := newLine(t, testPorts(t, 43040, 43049))
	n := &notes{}
	l.connect(n)
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, l.place.RTCP))
	if _, err := l.phone.WriteToUDP(report, to); err != nil {
		t.Fatal(err)
	}
	l.arrive(t, controlComponent)
	for range controlEvery {
		l.Poll(time.Now())
	}
	if n.rtcp != 1 {
		t.Errorf("%d reports in %d ticks, want 1", n.rtcp, controlEvery)
	}
}

func TestPollAllocatesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip()
	}
	l := newLine(t, testPorts(t, 43050, 43059))
	l.connect(deaf{})
	p := packet(t, 1, "x")
	to := l.to.AddrPort()
	h := &rtp.Header{Version: 2, PayloadType: 8}
	allocations := testing.AllocsPerRun(200, func() {
		_, _ = l.phone.WriteToUDPAddrPort(p, to)
		l.Poll(time.Now())
		_ = l.WriteRTP(h, p)
	})
	if allocations >= 1 {
		t.Errorf("%v allocations for a packet in and one out", allocations)
	}
}

type deaf struct{}

func (deaf) ReceiveRTP(mixer.Packet)  {}
func (deaf) ReceiveRTCP(mixer.Packet) {}

// A leg that goes over to DTLS gets goroutines, and Poll leaves its sockets to them.
func TestAwaitTakesTheSocketsFromPoll(t *testing.T) {
	l := newLine(t, testPorts(t, 43060, 43069))
	in := newInlet()
	l.connect(in)
	for range 2 {
		if err := l.await(); err != nil {
			t.Fatal(err)
		}
	}
	l.say(t, "x")
	if got := payload(t, expect(t, in.rtp)); got != "x" {
		t.Errorf("received %q, want x", got)
	}
	l.Close()
	if err := l.await(); err == nil {
		t.Error("a closed transport awaits")
	}
}

// A thousand legs come and go while a mixer polls and sends on those that are there and those that are gone. The number of a
// closed descriptor belongs to the next socket that is opened: nobody but its owner may ever read from it or send by it.
func TestClosedDescriptorsAreLeftAlone(t *testing.T) {
	ports := testPorts(t, 43100, 43199)
	var legs [16]atomic.Pointer[line]
	end := make(chan struct{})
	var clock sync.WaitGroup
	defer func() { close(end); clock.Wait() }()
	for range 2 { // a leg that moves has two mixers for a moment
		clock.Go(func() {
			h, text := &rtp.Header{Version: 2, PayloadType: 8}, []byte("to the phone")
			for {
				for i := range legs {
					if l := legs[i].Load(); l != nil {
						l.Poll(time.Now())
						_ = l.WriteRTP(h, text)
					}
				}
				select {
				case <-end:
					return
				default:
				}
			}
		})
	}
	for i := range 1000 {
		l := openLine(t, ports)
		l.connect(deaf{})
		legs[i%len(legs)].Store(l)
		if i%3 == 0 {
			if err := l.await(); err != nil {
				t.Fatal(err)
			}
		}
		l.Close()
		bystander(t, i)
	}
	if free := ports.Free(); free != 50 {
		t.Errorf("free pairs = %d, want 50", free)
	}
}

// openLine is newLine without an end of its own.
func openLine(t testing.TB, ports *Ports) *line {
	t.Helper()
	transport, err := open(&Config{Ports: ports, Logger: slog.New(slog.DiscardHandler)}, loopback, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	m := sound(offer.Security{})
	m.RTP = netip.AddrPortFrom(loopback, 9)
	if err := transport.apply(&m, loopback); err != nil {
		t.Fatal(err)
	}
	return &line{Transport: transport}
}

// bystander opens two sockets, which get the numbers that were just closed, and fails the test when the datagram that waits in
// each is taken by somebody else.
func bystander(t testing.TB, i int) {
	t.Helper()
	var others [2]*udpSocket
	for k := range others {
		s, err := listen(netip.AddrPortFrom(loopback, 0), &sync.Pool{New: newBatch})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		port, err := s.port()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(fmt.Append(nil, i), netip.AddrPortFrom(loopback, port)); err != nil {
			t.Fatal(err)
		}
		others[k] = s
	}
	for _, s := range others {
		(&line{Transport: &Transport{drained: drained{sockets: [2]*udpSocket{s}}}}).arrive(t, mediaComponent)
		b := s.batches.Get().(*batch)
		if n := b.receive(s.fd); n != 1 || string(b.wire[0][:b.messages[0].length]) != fmt.Sprint(i) {
			t.Fatalf("leg %d: a bystander's socket held %d datagrams, want its own", i, n)
		}
	}
}
