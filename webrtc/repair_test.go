package webrtc

import (
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"tutti/mixer"
)

// camera joins with one video transceiver whose packets the test writes.
func (p *page) camera(f *fakeFocus) (*pion.TrackLocalStaticRTP, *pion.RTPSender, *fakeLeg, mixer.Stream) {
	p.t.Helper()
	p.ask("join", object{"conference": "8001", "name": "Ada"})
	pc := p.pc
	if pc == nil {
		pc = p.connect()
	}
	track, err := pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: pion.MimeTypeVP8}, "camera", "page")
	if err != nil {
		p.t.Fatal(err)
	}
	tr, err := pc.AddTransceiverFromTrack(track)
	if err != nil {
		p.t.Fatal(err)
	}
	p.offer(nil)
	p.joined()
	l := next(p.t, f.legs, "leg")
	return track, tr.Sender(), l, next(p.t, l.attached, "Attach")[0]
}

// What a page lost comes again when it asks: NACK and RTX down.
func TestRetransmission(t *testing.T) {
	f := newFakeFocus()
	p := dial(t, startServer(t, startEndpoint(t, f, Limits{})))
	got := make(chan uint16, 100)
	p.connect().OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			got <- packet.SequenceNumber
		}
	})
	_, _, _, s := p.camera(f)
	for seq := uint16(1); seq <= 3; seq++ {
		h := header(s, seq)
		if err := s.Wire.WriteRTP(h, []byte{0x10, 0, 0, byte(seq)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		next(t, got, "packet")
	}
	nack := &rtcp.TransportLayerNack{MediaSSRC: s.Send.SSRC, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{2})}
	if err := p.pc.WriteRTCP([]rtcp.Packet{nack}); err != nil {
		t.Fatal(err)
	}
	for seq := uint16(4); ; seq++ { // more packets wake the reader, which retransmissions alone do not
		_ = s.Wire.WriteRTP(header(s, seq), []byte{0x10, 0, 0, 4})
		select {
		case again := <-got:
			if again == 2 {
				return
			}
		case <-time.After(20 * time.Millisecond):
		}
		if seq > 500 {
			t.Fatal("no retransmission")
		}
	}
}

// What we lost we ask for, and key frames when the mixer wants them.
func TestFeedbackReachesThePage(t *testing.T) {
	f := newFakeFocus()
	p := dial(t, startServer(t, startEndpoint(t, f, Limits{})))
	track, sender, l, s := p.camera(f)
	reports := make(chan rtcp.Packet, 1000)
	go func() {
		for {
			all, _, err := sender.ReadRTCP()
			if err == io.EOF || err != nil {
				return
			}
			for _, r := range all {
				reports <- r
			}
		}
	}()
	var ssrc uint32
	for seq := uint16(1); seq < 40; seq++ {
		if seq == 20 {
			continue // lost
		}
		if err := track.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: seq}, Payload: []byte{0x10, 0, 0, 0}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	var in rtp.Packet
	if err := in.Unmarshal(next(t, l.rtp, "packet").data); err != nil {
		t.Fatal(err)
	}
	ssrc = in.SSRC
	pli, err := (&rtcp.PictureLossIndication{MediaSSRC: ssrc}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Wire.WriteRTCP(pli); err != nil {
		t.Fatal(err)
	}
	var nacked, wanted bool
	for !nacked || !wanted {
		switch r := next(t, reports, "NACK and PLI").(type) {
		case *rtcp.TransportLayerNack:
			nacked = len(r.Nacks) > 0 && r.Nacks[0].PacketID == 20
		case *rtcp.PictureLossIndication:
			wanted = r.MediaSSRC == ssrc
		case *rtcp.ReceiverReport, *rtcp.SenderReport:
			t.Errorf("%T that the mixer did not write", r)
		}
	}
	if err := s.Wire.WriteRTCP([]byte{1, 2, 3}); err == nil {
		t.Error("garbage was sent as RTCP")
	}
}

// A NAT's outer address is offered beside our own.
func TestAdvertised(t *testing.T) {
	e, err := newEndpoint(Config{
		Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Advertised: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		Audio: testAudio(), Video: testVideo(),
	}, newFakeFocus())
	if err != nil {
		t.Fatal(err)
	}
	ended := runEndpoint(e)
	defer ended()
	p, answer, err := e.Answer(t.Context(), bundle("0")+mline("audio", "0", "sendrecv"), noPreference)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	port := strconv.Itoa(e.Port())
	for _, want := range []string{"udp 2130706431 127.0.0.1 " + port, " 192.0.2.1 " + port} {
		if !strings.Contains(answer, want) {
			t.Errorf("no candidate %q in\n%s", want, answer)
		}
	}
}

// Strangers cannot open ICE-TCP connections without end.
func TestTCPConnectionsAreCounted(t *testing.T) {
	e := startEndpoint(t, newFakeFocus(), Limits{Sockets: 3})
	for i := range 5 {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port())))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, err = c.Read(make([]byte, 1))
		if closed := err == io.EOF; closed != (i >= 3) {
			t.Errorf("connection %d: %v", i, err)
		}
	}
}

// A far end that makes up SSRCs without end is cut off; nobody else notices.
func TestMadeUpStreams(t *testing.T) {
	f := newFakeFocus()
	e := startEndpoint(t, f, Limits{})
	s := startServer(t, e)
	good, bad := dial(t, s), dial(t, s)
	good.join("8001", "")
	bystander := next(t, f.legs, "leg")
	bad.join("8001", "")
	l := next(t, f.legs, "second leg")
	for i := uint32(1); len(l.left) == 0; i++ {
		_ = bad.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: 0x1000 * i}})
		if time.Sleep(time.Millisecond); i > 15000 {
			t.Fatal("not cut off")
		}
	}
	drain(bystander.rtp)
	next(t, bystander.rtp, "packet of the other")
	if len(bystander.left) != 0 {
		t.Error("the other one left too")
	}
}

// A WebRTC client over SIP: one offer, one whole answer, and packets.
func TestAnswerCarriesMedia(t *testing.T) {
	e := startEndpoint(t, newFakeFocus(), Limits{})
	client := &page{t: t}
	pc := client.connect()
	pc.OnICECandidate(func(*pion.ICECandidate) {})
	defer func() { _ = pc.GracefulClose() }()
	client.microphone()
	gathered := pion.GatheringCompletePromise(pc)
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	p, answer, err := e.AnswerFrom(t.Context(), "127.0.0.1:5060", pc.LocalDescription().SDP, noPreference)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	next(t, p.Connected(), "DTLS")
	l := &fakeLeg{rtp: make(chan packet, 100), rtcp: make(chan packet, 100)}
	p.Connect([]mixer.Inlet{fakeInlet{l, "0"}})
	next(t, l.rtp, "packet")
	if err := pc.Close(); err != nil {
		t.Fatal(err)
	}
	next(t, p.Done(), "end of the Peer")
}
