package media

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtp"

	"tutti/mixer"
	"tutti/sip/offer"
)

// datagram is one on the way.
type datagram struct {
	data []byte
	from netip.AddrPort
}

// memory is a Socket of channels.
type memory struct {
	in     chan datagram
	out    chan datagram // with the destination as from
	closed chan struct{}
}

func newMemory() *memory {
	return &memory{make(chan datagram, 100), make(chan datagram, 100), make(chan struct{})}
}

func (m *memory) Receive(p []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-m.in:
		return copy(p, d.data), d.from, nil
	case <-m.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (m *memory) Send(p []byte, to netip.AddrPort) error {
	m.out <- datagram{bytes.Clone(p), to}
	return nil
}

func (m *memory) Close() error { close(m.closed); return nil }

// bench is a transport between memory sockets.
type bench struct {
	*Transport
	rtp, rtcp *memory
	inlet     *inlet
	released  int
}

func newBench(t *testing.T, m offer.Media) *bench {
	t.Helper()
	b := &bench{rtp: newMemory(), rtcp: newMemory(), inlet: newInlet()}
	cfg := &Config{Logger: slog.New(slog.DiscardHandler)}
	b.Transport = newTransport(b.rtp, b.rtcp, offer.Place{RTP: 1, RTCP: 2}, func() { b.released++ }, cfg, func(error) {})
	b.readAll()
	t.Cleanup(b.Close)
	b.mustApply(t, m)
	b.connect(b.inlet)
	return b
}

func (b *bench) mustApply(t *testing.T, m offer.Media) {
	t.Helper()
	if err := b.apply(&m, loopback); err != nil {
		t.Fatal(err)
	}
}

// feed hands one datagram to the transport as its socket's goroutine does, and returns when it was judged.
func (b *bench) feed(p []byte, from string, control bool) {
	buf := &buffers{wire: make([]byte, maxPacket), clear: make([]byte, 0, maxPacket)}
	n := copy(buf.wire, p)
	b.receive(buf, n, address(from), control, time.Unix(0, 0))
}

const far, farControl = "192.0.2.1:4000", "192.0.2.1:4001"

func sound(secure offer.Security) offer.Media {
	return offer.Media{
		Kind: mixer.Audio, Direction: offer.SendRecv, RTP: address(far), RTCP: address(farControl), Security: secure,
		Accepted: []mixer.Payload{{Type: 8}}, Send: &mixer.Encoding{PayloadType: 8},
	}
}

func packet(t testing.TB, sequence uint16, text string) []byte {
	t.Helper()
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 8, SequenceNumber: sequence, SSRC: 99}, Payload: []byte(text)}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReceiveJudges(t *testing.T) {
	tests := map[string]struct {
		data    []byte
		from    string
		control bool
		rtp     int
		rtcp    int
	}{
		"RTP":                      {packet(t, 1, "x"), far, false, 1, 0},
		"RTP on the RTCP port":     {packet(t, 1, "x"), farControl, true, 0, 0},
		"RTP of a stranger":        {packet(t, 1, "x"), "203.0.113.66:4000", false, 0, 0},
		"payload type not agreed":  {append([]byte{0x80, 9}, packet(t, 1, "x")[2:]...), far, false, 0, 0},
		"RTCP":                     {report, farControl, true, 0, 1},
		"RTCP on the RTP port":     {report, far, false, 0, 1},
		"RTCP of a stranger":       {report, "203.0.113.66:4001", true, 0, 0},
		"STUN":                     {[]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, far, false, 0, 0},
		"DTLS that nobody awaits":  {[]byte{22, 254, 253, 0, 0, 0}, far, false, 0, 0},
		"version 1":                {[]byte{0x40, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, far, false, 0, 0},
		"short":                    {[]byte{0x80}, far, false, 0, 0},
		"header cut":               {packet(t, 1, "")[:11], far, false, 0, 0},
		"CSRC count beyond packet": {append([]byte{0x8f}, packet(t, 1, "")[1:]...), far, false, 0, 0},
		"longest":                  {append(packet(t, 1, ""), make([]byte, maxPacket-12)...), far, false, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, sound(offer.Security{}))
			b.feed(tt.data, tt.from, tt.control)
			if n, m := len(b.inlet.rtp), len(b.inlet.rtcp); n != tt.rtp || m != tt.rtcp {
				t.Errorf("delivered %d RTP and %d RTCP, want %d and %d", n, m, tt.rtp, tt.rtcp)
			}
		})
	}
}

func TestCloseReleasesOnce(t *testing.T) {
	b := newBench(t, sound(offer.Security{}))
	b.Close()
	b.Close()
	if b.released != 1 {
		t.Errorf("released %d times", b.released)
	}
	if err := b.WriteRTP(&rtp.Header{Version: 2}, nil); err == nil {
		t.Error("a closed transport sent")
	}
}

func TestMuxSendsRTCPByTheRTPSocket(t *testing.T) {
	m := sound(offer.Security{})
	m.Mux, m.RTCP = true, m.RTP
	b := newBench(t, m)
	if err := b.WriteRTCP(report); err != nil {
		t.Fatal(err)
	}
	if d := <-b.rtp.out; d.from != address(far) {
		t.Errorf("RTCP went to %v", d.from)
	}
}

func TestLongPacketsDoNotLeave(t *testing.T) {
	b := newBench(t, sound(offer.Security{}))
	if err := b.WriteRTP(&rtp.Header{Version: 2}, make([]byte, maxSend)); err == nil {
		t.Error("a packet beyond the MTU left")
	}
	if err := b.WriteRTCP(make([]byte, maxSend+1)); err == nil {
		t.Error("RTCP beyond the MTU left")
	}
}

func testKey(s offer.Suite, fill byte) offer.Key {
	salt := 14
	if s == offer.AEAD_AES_128_GCM || s == offer.AEAD_AES_256_GCM {
		salt = 12
	}
	master := 16
	if s == offer.AEAD_AES_256_GCM {
		master = 32
	}
	return offer.Key{Tag: "1", Suite: s, Master: bytes.Repeat([]byte{fill}, master), Salt: bytes.Repeat([]byte{fill}, salt)}
}

func sdes(local, remote offer.Key) offer.Security {
	return offer.Security{Kind: offer.SDES, Local: local, Remote: remote}
}

// seal encrypts as the far end does, with a transport of its own.
func seal(t *testing.T, far *bench, sequence uint16, text string) []byte {
	t.Helper()
	h := &rtp.Header{Version: 2, PayloadType: 8, SequenceNumber: sequence, SSRC: 99}
	if err := far.WriteRTP(h, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return (<-far.rtp.out).data
}

func TestSRTP(t *testing.T) {
	for _, suite := range []offer.Suite{
		offer.AEAD_AES_128_GCM, offer.AEAD_AES_256_GCM, offer.AES_CM_128_HMAC_SHA1_80, offer.AES_CM_128_HMAC_SHA1_32,
	} {
		t.Run(string(suite), func(t *testing.T) {
			mine, theirs := testKey(suite, 1), testKey(suite, 2)
			near := newBench(t, sound(sdes(mine, theirs)))
			away := newBench(t, sound(sdes(theirs, mine)))
			first := seal(t, away, 1, "one")
			if bytes.Contains(first, []byte("one")) {
				t.Fatal("sent in the clear")
			}
			near.feed(first, far, false)
			if got := payload(t, expect(t, near.inlet.rtp)); got != "one" {
				t.Errorf("received %q", got)
			}
			near.feed(first, far, false)
			near.feed(packet(t, 2, "plain"), far, false)
			forged := seal(t, away, 3, "three")
			forged[len(forged)-1] ^= 1
			near.feed(forged, far, false)
			near.feed(report, farControl, true)
			if n, m := len(near.inlet.rtp), len(near.inlet.rtcp); n != 0 || m != 0 {
				t.Errorf("%d replayed, plain or forged RTP and %d RTCP were delivered", n, m)
			}
			if n := near.counts.Unsafe.Load(); n != 4 {
				t.Errorf("unsafe = %d, want 4", n)
			}
			if err := away.WriteRTCP(report); err != nil {
				t.Fatal(err)
			}
			near.feed((<-away.rtcp.out).data, farControl, true)
			if got := expect(t, near.inlet.rtcp); !bytes.Equal(got, report) {
				t.Errorf("received RTCP % x", got)
			}
		})
	}
}

func TestSRTPFollowsOnlyAuthentic(t *testing.T) {
	mine, theirs := testKey(offer.AEAD_AES_128_GCM, 1), testKey(offer.AEAD_AES_128_GCM, 2)
	near, away := newBench(t, sound(sdes(mine, theirs))), newBench(t, sound(sdes(theirs, mine)))
	for i := range uint16(5) {
		near.feed(packet(t, i, "thief"), "203.0.113.66:666", false)
	}
	if got := near.in.media.target(); got != address(far) {
		t.Fatalf("unauthenticated packets moved us to %v", got)
	}
	near.feed(seal(t, away, 1, "moved"), "198.51.100.9:62000", false)
	if got := near.in.media.target(); got != address("198.51.100.9:62000") {
		t.Errorf("target = %v after an authentic packet from a new address", got)
	}
}

// A renegotiation with the same keys keeps the rollover counter, one with new keys lets packets under way through.
func TestSRTPRenegotiation(t *testing.T) {
	suite := offer.AES_CM_128_HMAC_SHA1_80
	mine, theirs := testKey(suite, 1), testKey(suite, 2)
	near, away := newBench(t, sound(sdes(mine, theirs))), newBench(t, sound(sdes(theirs, mine)))
	for _, sequence := range []uint16{65534, 65535, 0, 1} {
		near.feed(seal(t, away, sequence, fmt.Sprint(sequence)), far, false)
		if got := payload(t, expect(t, near.inlet.rtp)); got != fmt.Sprint(sequence) {
			t.Fatalf("received %q, want %d", got, sequence)
		}
	}
	near.mustApply(t, sound(sdes(mine, theirs)))
	near.feed(seal(t, away, 2, "rolled over"), far, false)
	if got := payload(t, expect(t, near.inlet.rtp)); got != "rolled over" {
		t.Errorf("received %q after a renegotiation with the same keys", got)
	}
	late := seal(t, away, 3, "under way")
	fresh := testKey(suite, 3)
	near.mustApply(t, sound(sdes(mine, fresh)))
	near.feed(late, far, false)
	if got := payload(t, expect(t, near.inlet.rtp)); got != "under way" {
		t.Errorf("received %q with the key before", got)
	}
	away.mustApply(t, sound(sdes(fresh, mine)))
	near.feed(seal(t, away, 4, "new key"), far, false)
	if got := payload(t, expect(t, near.inlet.rtp)); got != "new key" {
		t.Errorf("received %q with the new key", got)
	}
}

func TestSRTPSourcesAreBounded(t *testing.T) {
	mine, theirs := testKey(offer.AEAD_AES_128_GCM, 1), testKey(offer.AEAD_AES_128_GCM, 2)
	near, away := newBench(t, sound(sdes(mine, theirs))), newBench(t, sound(sdes(theirs, mine)))
	for ssrc := range uint32(2 * maxSources) {
		h := &rtp.Header{Version: 2, PayloadType: 8, SSRC: ssrc}
		if err := away.WriteRTP(h, nil); err != nil {
			t.Fatal(err)
		}
		near.feed((<-away.rtp.out).data, far, false)
		select {
		case <-near.inlet.rtp:
		default:
		}
	}
	if n := near.counts.Unsafe.Load(); n != maxSources {
		t.Errorf("refused %d packets of new sources, want %d", n, maxSources)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add(packet(f, 1, "x"), false)
	f.Add(report, true)
	f.Add([]byte{22, 254, 253, 0}, false)
	f.Fuzz(func(t *testing.T, p []byte, control bool) {
		b := newBench(t, sound(offer.Security{}))
		b.feed(p, far, control)
		if len(b.inlet.rtp) > 0 {
			var back rtp.Packet
			if _, err := back.Header.Unmarshal(<-b.inlet.rtp); err != nil || back.PayloadType != 8 {
				t.Fatalf("delivered what is not RTP of ours: %v, %d", err, back.PayloadType)
			}
		}
		b.Close()
	})
}

// discard is a Socket that takes everything.
type discard struct{ *memory }

func (discard) Send([]byte, netip.AddrPort) error { return nil }

func BenchmarkWriteRTP(b *testing.B) {
	for _, suite := range []offer.Suite{"", offer.AEAD_AES_128_GCM, offer.AES_CM_128_HMAC_SHA1_80} {
		b.Run("suite="+string(suite), func(b *testing.B) {
			cfg := &Config{Logger: slog.New(slog.DiscardHandler)}
			t := newTransport(discard{newMemory()}, discard{newMemory()}, offer.Place{}, func() {}, cfg, func(error) {})
			b.Cleanup(t.Close)
			m := sound(offer.Security{})
			if suite != "" {
				m = sound(sdes(testKey(suite, 1), testKey(suite, 2)))
			}
			if err := t.apply(&m, loopback); err != nil {
				b.Fatal(err)
			}
			h := &rtp.Header{Version: 2, PayloadType: 8, SSRC: 7, CSRC: []uint32{1, 2, 3}}
			voice := make([]byte, 160)
			b.ReportAllocs()
			for b.Loop() {
				h.SequenceNumber++
				if err := t.WriteRTP(h, voice); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestWriteAllocatesNothing holds the hot path to what BenchmarkWriteRTP shows, on a real socket.
func TestWriteAllocatesNothing(t *testing.T) {
	a, b := pair(t, testConfig(t, 44000, 44049), testConfig(t, 44050, 44099))
	b.Connect(nil)
	h := &rtp.Header{Version: 2, PayloadType: a.stream.Send.PayloadType, SSRC: a.stream.Send.SSRC, CSRC: []uint32{1}}
	voice := make([]byte, 160)
	if n := testing.AllocsPerRun(100, func() {
		h.SequenceNumber++
		_ = a.stream.Wire.WriteRTP(h, voice)
	}); n != 0 {
		t.Errorf("WriteRTP allocates %v times", n)
	}
}
