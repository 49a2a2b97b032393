package media

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"go.uber.org/goleak"

	"tutti/codec"
	"tutti/codec/g711"
	"tutti/mixer"
	"tutti/sip/offer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

func testConfig(t testing.TB, first, last uint16) Config {
	t.Helper()
	ports, err := NewPorts(first, last)
	if err != nil {
		t.Fatal(err)
	}
	vp8 := codec.Video{Format: codec.Format{Name: "VP8", ClockRate: 90000}, PayloadType: 96}
	return Config{
		Ports: ports, Bind: loopback, Audio: []codec.Audio{g711.PCMU(), g711.PCMA()}, Video: []codec.Video{vp8},
	}
}

// inlet passes on copies of what arrives.
type inlet struct{ rtp, rtcp chan []byte }

func newInlet() *inlet { return &inlet{make(chan []byte, 100), make(chan []byte, 100)} }

func (i *inlet) ReceiveRTP(p mixer.Packet)  { i.rtp <- bytes.Clone(p.Data) }
func (i *inlet) ReceiveRTCP(p mixer.Packet) { i.rtcp <- bytes.Clone(p.Data) }

func expect(t *testing.T, c <-chan []byte) []byte {
	t.Helper()
	select {
	case p := <-c:
		return p
	case <-time.After(5 * time.Second):
		t.Fatal("nothing arrived")
		return nil
	}
}

// end is a leg with its first stream and an inlet for it.
type end struct {
	*Leg
	stream mixer.Stream
	inlet  *inlet
	seq    uint16
}

func attach(t *testing.T, l *Leg) *end {
	t.Helper()
	s := l.Streams()
	if len(s) == 0 {
		t.Fatal("no streams")
	}
	e := &end{Leg: l, stream: s[0], inlet: newInlet()}
	var inlets []mixer.Inlet
	for range s {
		inlets = append(inlets, e.inlet)
	}
	l.Connect(inlets)
	poll(t, s)
	return e
}

// poll drains the streams every now and then, as a mixer does, until the test ends.
func poll(t *testing.T, streams []mixer.Stream) {
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.NewTicker(time.Millisecond); ; {
			for _, s := range streams {
				if s.Source != nil {
					s.Source.Poll(time.Now())
				}
			}
			select {
			case <-tick.C:
			case <-end:
				tick.Stop()
				return
			}
		}
	})
	t.Cleanup(func() { close(end); wg.Wait() })
}

func (e *end) say(t *testing.T, text string) {
	t.Helper()
	e.seq++
	h := &rtp.Header{Version: 2, PayloadType: e.stream.Send.PayloadType, SequenceNumber: e.seq, SSRC: e.stream.Send.SSRC}
	if err := e.stream.Wire.WriteRTP(h, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func payload(t *testing.T, p []byte) string {
	t.Helper()
	var packet rtp.Packet
	if err := packet.Unmarshal(p); err != nil {
		t.Fatal(err)
	}
	return string(packet.Payload)
}

// pair sets up a call between two legs: a offers, b answers.
func pair(t *testing.T, a, b Config) (caller, callee *end) {
	t.Helper()
	l, m := NewLeg(a, loopback), NewLeg(b, loopback)
	t.Cleanup(l.Close)
	t.Cleanup(m.Close)
	sdp, err := l.Offer(Preferences{})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := m.Answer(sdp, Preferences{})
	if err != nil {
		t.Fatalf("%v\n%s", err, sdp)
	}
	if err := l.Complete(answer); err != nil {
		t.Fatalf("%v\n%s", err, answer)
	}
	return attach(t, l), attach(t, m)
}

var report = []byte{0x80, 201, 0, 1, 1, 2, 3, 4}

func converse(t *testing.T, a, b *end) {
	t.Helper()
	for _, d := range []struct{ from, to *end }{{a, b}, {b, a}} {
		d.from.say(t, "hello")
		if got := payload(t, expect(t, d.to.inlet.rtp)); got != "hello" {
			t.Errorf("received %q, want hello", got)
		}
		if err := d.from.stream.Wire.WriteRTCP(report); err != nil {
			t.Fatal(err)
		}
		if got := expect(t, d.to.inlet.rtcp); !bytes.Equal(got, report) {
			t.Errorf("received RTCP % x", got)
		}
	}
}

func TestLegsTalk(t *testing.T) {
	cfg := testConfig(t, 42000, 42099)
	for name, e := range map[string]offer.Encryption{"plain": offer.Offered, "opportunistic": offer.Optional, "required": offer.Required} {
		t.Run(name, func(t *testing.T) {
			caller := cfg
			caller.Encryption = e
			a, b := pair(t, caller, cfg)
			converse(t, a, b)
		})
	}
}

const phone = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
	"m=audio 40000 RTP/AVP 8 0\r\n"

func TestHoldSendsNothingAndResumes(t *testing.T) {
	cfg := testConfig(t, 42100, 42199)
	l := NewLeg(cfg, loopback)
	t.Cleanup(l.Close)
	for _, step := range []struct {
		attribute string
		held      bool
		receives  bool
		answer    string
	}{
		{"", false, true, "a=sendrecv"},
		{"a=sendonly\r\n", true, true, "a=recvonly"},
		{"a=inactive\r\n", true, false, "a=inactive"},
		{"a=sendrecv\r\n", false, true, "a=sendrecv"},
		{"c=IN IP4 0.0.0.0\r\n", true, true, "a=recvonly"},
	} {
		answer, err := l.Answer([]byte(phone+step.attribute), Preferences{})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(answer), step.answer) {
			t.Errorf("%q answered without %s:\n%s", step.attribute, step.answer, answer)
		}
		s := l.Streams()[0]
		if (s.Send == nil) != step.held || l.Held() != step.held || (len(s.Receive) > 0) != step.receives {
			t.Errorf("%q: send %v, held %v, receive %v", step.attribute, s.Send, l.Held(), s.Receive)
		}
		err = s.Wire.WriteRTP(&rtp.Header{Version: 2}, nil)
		if (err != nil) != step.held {
			t.Errorf("%q: WriteRTP = %v", step.attribute, err)
		}
	}
	if free := cfg.Ports.Free(); free != 49 {
		t.Errorf("free pairs = %d, want 49: five answers on one port", free)
	}
}

func TestRollbackRestores(t *testing.T) {
	cfg := testConfig(t, 42200, 42299)
	l := NewLeg(cfg, loopback)
	t.Cleanup(l.Close)
	if _, err := l.Answer([]byte(phone), Preferences{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Answer([]byte(phone+"a=inactive\r\nm=video 40002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"), Preferences{}); err != nil {
		t.Fatal(err)
	}
	if n := len(l.Streams()); n != 2 || !l.Held() {
		t.Fatalf("streams = %d, held %v", n, l.Held())
	}
	l.Rollback()
	if n := len(l.Streams()); n != 1 || l.Held() {
		t.Errorf("after Rollback: streams = %d, held %v", n, l.Held())
	}
	if free := cfg.Ports.Free(); free != 49 {
		t.Errorf("free pairs = %d, want 49", free)
	}
	if _, err := l.Offer(Preferences{}); err != nil {
		t.Fatal(err)
	}
	l.Rollback()
	if n, free := len(l.Streams()), cfg.Ports.Free(); n != 1 || free != 49 {
		t.Errorf("after an offer rolled back: streams = %d, free pairs %d", n, free)
	}
}

func TestRefusalChangesNothing(t *testing.T) {
	cfg := testConfig(t, 42300, 42399)
	l := NewLeg(cfg, loopback)
	t.Cleanup(l.Close)
	_, err := l.Answer([]byte(strings.Replace(phone, "8 0", "18", 1)), Preferences{})
	var r *offer.Rejection
	if !errors.As(err, &r) || r.Code != 488 || r.Warning != 305 {
		t.Errorf("error = %v, want a rejection 488, warning 305", err)
	}
	_, err = l.Answer([]byte("v=0\r\no=x\r\n"), Preferences{})
	var s *offer.SyntaxError
	if !errors.As(err, &s) || s.Line != 2 {
		t.Errorf("error = %v, want a syntax error in line 2", err)
	}
	if free := cfg.Ports.Free(); free != 50 {
		t.Errorf("free pairs = %d, want 50", free)
	}
}

func TestThousandLegsLeaveNoPort(t *testing.T) {
	cfg := testConfig(t, 42400, 42499)
	for i := range 1000 {
		l := NewLeg(cfg, loopback)
		if _, err := l.Answer([]byte(phone), Preferences{}); err != nil {
			t.Fatalf("leg %d: %v", i, err)
		}
		l.Close()
		l.Close()
	}
	if free := cfg.Ports.Free(); free != 50 {
		t.Errorf("free pairs = %d, want 50", free)
	}
}

func TestPortsRunOut(t *testing.T) {
	cfg := testConfig(t, 42500, 42505)
	for range 3 {
		l := NewLeg(cfg, loopback)
		t.Cleanup(l.Close)
		if _, err := l.Answer([]byte(phone), Preferences{}); err != nil {
			t.Fatal(err)
		}
	}
	l := NewLeg(cfg, loopback)
	t.Cleanup(l.Close)
	if _, err := l.Answer([]byte(phone), Preferences{}); !errors.Is(err, ErrNoPorts) {
		t.Errorf("error = %v, want %v", err, ErrNoPorts)
	}
}

func TestAddressIsOfThePeersFamily(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for name, tt := range map[string]struct {
		cfg        Config
		peer, want netip.Addr
	}{
		"advertised":              {Config{Advertise: four}, loopback, four},
		"bound":                   {Config{Bind: loopback}, loopback, loopback},
		"routed":                  {Config{}, loopback, loopback},
		"mapped":                  {Config{}, netip.AddrFrom16(loopback.As16()), loopback},
		"advertised, other":       {Config{Advertise: six}, loopback, loopback},
		"bound, other":            {Config{Bind: loopback}, netip.IPv6Loopback(), netip.IPv6Loopback()},
		"routed over version six": {Config{}, netip.IPv6Loopback(), netip.IPv6Loopback()},
	} {
		if got := NewLeg(tt.cfg, tt.peer).address; got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestLegsTalkOverIPv6(t *testing.T) {
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here")
	} else if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(t, 42600, 42699)
	cfg.Bind = netip.Addr{}
	l, m := NewLeg(cfg, netip.IPv6Loopback()), NewLeg(cfg, netip.IPv6Loopback())
	t.Cleanup(l.Close)
	t.Cleanup(m.Close)
	sdp, err := l.Offer(Preferences{})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := m.Answer(sdp, Preferences{})
	if err != nil || !strings.Contains(string(answer), "c=IN IP6 ::1") {
		t.Fatalf("%v\n%s", err, answer)
	}
	if err := l.Complete(answer); err != nil {
		t.Fatal(err)
	}
	converse(t, attach(t, l), attach(t, m))
}

// Everything at once, for the race detector: media flows while the call is held, resumed, looked at and closed.
func TestLegIsSafeForConcurrentUse(t *testing.T) {
	caller := testConfig(t, 42700, 42749)
	caller.Video = nil
	a, b := pair(t, caller, testConfig(t, 42750, 42799))
	b.Connect([]mixer.Inlet{&lastOf{make(chan []byte, 1), make(chan []byte, 1)}})
	done := make(chan struct{})
	var all sync.WaitGroup
	forever := func(do func()) {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					do()
				}
			}
		})
	}
	h := &rtp.Header{Version: 2, PayloadType: a.stream.Send.PayloadType, SSRC: a.stream.Send.SSRC}
	forever(func() { h.SequenceNumber++; _ = a.stream.Wire.WriteRTP(h, make([]byte, 160)) })
	forever(func() { _ = a.stream.Wire.WriteRTCP(report) })
	forever(func() { _, _, _, _ = b.Streams(), b.String(), b.Totals(), b.Held() })
	for i := range 100 {
		hold := []string{"", "a=sendonly\r\n", "a=inactive\r\n"}[i%3]
		if _, err := b.Answer([]byte(phone+hold), Preferences{}); err != nil {
			t.Error(err)
		}
		if i%2 == 0 {
			b.Rollback()
		}
	}
	b.Close()
	close(done)
	all.Wait()
}
