package webrtc

import (
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"tutti/bridge"
	"tutti/mixer"
)

// The WebSocket breaks; a new one, with an ICE restart, goes on with the leg and the media.
func TestResume(t *testing.T) {
	f := newFakeFocus()
	e := startEndpoint(t, f, Limits{})
	s := startServer(t, e)
	p := dial(t, s)
	who := p.join("8001", "")
	l := next(t, f.legs, "leg")
	next(t, l.attached, "Attach")

	again := dial(t, s)
	if a := again.ask("join", object{"conference": "8001", "name": "Ada", "resume": who.Token}); a.Error != nil {
		t.Fatalf("join refused: %+v", *a.Error)
	}
	p.conn.CloseNow()
	again.pc, p.pc = p.pc, nil
	again.offer(&pion.OfferOptions{ICERestart: true})
	if got := again.joined(); got != who {
		t.Errorf("joined again = %+v, want %+v", got, who)
	}
	if len(f.legs) != 0 {
		t.Error("a second leg joined")
	}
	streams := next(t, l.attached, "second Attach")
	drain(l.rtp)
	next(t, l.rtp, "packet after the ICE restart")
	if len(streams) != 1 || streams[0].Send == nil {
		t.Errorf("streams = %+v", streams)
	}
	if s := e.Stats(); s.Peers != 1 || s.Pending != 0 || s.Connected != 1 || s.Failed != 0 || s.SetUp <= 0 {
		t.Errorf("stats = %+v; want one peer", s)
	}
}

// Two sockets want the leg: the later one has it, the earlier one is told.
func TestTakeOver(t *testing.T) {
	f := newFakeFocus()
	s := startServer(t, startEndpoint(t, f, Limits{}))
	p := dial(t, s)
	who := p.join("8001", "")
	again := dial(t, s)
	again.ask("join", object{"conference": "8001", "name": "Ada", "resume": who.Token})
	again.pc, p.pc = p.pc, nil
	again.offer(&pion.OfferOptions{ICERestart: true})
	if err := next(t, p.closed, "close of the first socket"); websocket.CloseStatus(err) != statusReplaced {
		t.Errorf("closed with %v, want %d", err, statusReplaced)
	}
	again.joined()
	l := next(t, f.legs, "leg")
	select {
	case r := <-l.left:
		t.Errorf("the leg left: %+v", r)
	case <-time.After(50 * time.Millisecond):
	}
}

// A page that was loaded anew has another PeerConnection: its join names the leg that it replaces.
func TestReload(t *testing.T) {
	f := newFakeFocus()
	s := startServer(t, startEndpoint(t, f, Limits{}))
	p := dial(t, s)
	who := p.join("8001", "")
	first := next(t, f.legs, "leg")

	again := dial(t, s)
	if got := again.join("8001", who.Token); got.Leg == who.Leg {
		t.Error("the same leg after a reload")
	}
	second := next(t, f.legs, "second leg")
	if second.request.Resume != who.Token {
		t.Errorf("resume = %q, want %q", second.request.Resume, who.Token)
	}
	first.request.Actor.Hangup(bridge.Reason{Method: bridge.Replaced}) // as the bridge does
	if m := p.message("hangup"); string(m.Params) != `{"reason":"replaced","text":""}` {
		t.Errorf("hangup = %s", m.Params)
	}
	next(t, first.left, "Leave of the first leg")
}

// Who does not come back has left, after a while; whose set-up was not complete, at once.
func TestAway(t *testing.T) {
	f := newFakeFocus()
	e := startEndpoint(t, f, Limits{Away: 50 * time.Millisecond})
	s := startServer(t, e)
	p := dial(t, s)
	p.join("8001", "")
	l := next(t, f.legs, "leg")
	p.conn.CloseNow()
	if r := next(t, l.left, "Leave"); r.Method != bridge.Departed {
		t.Errorf("left = %+v", r)
	}

	half := dial(t, s)
	half.ask("join", object{"conference": "8001", "name": "Eve"})
	half.connect()
	half.pc.OnICECandidate(nil)
	half.microphone()
	offer, err := half.pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	half.ask("offer", object{"sdp": offer.SDP}) // and never answers ICE
	half.conn.CloseNow()
	eventually(t, "no peer", func() bool { s := e.Stats(); return s.Peers == 0 && s.Pending == 0 })
	if len(f.legs) != 0 {
		t.Error("a leg joined without DTLS")
	}
}

// An offer that nobody follows up is forgotten.
func TestSetUpTime(t *testing.T) {
	f := newFakeFocus()
	e := startEndpoint(t, f, Limits{SetUp: 100 * time.Millisecond})
	p := dial(t, startServer(t, e))
	p.ask("join", object{"conference": "8001", "name": "Eve"})
	p.connect()
	p.microphone()
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.ask("offer", object{"sdp": offer.SDP})
	p.message("hangup")
	if err := next(t, p.closed, "close"); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("closed with %v, want 1000", err)
	}
	eventually(t, "no peer", func() bool { s := e.Stats(); return s.Peers == 0 && s.Pending == 0 })
}

// Where UDP is blocked, TCP to the same port works.
func TestICETCP(t *testing.T) {
	f := newFakeFocus()
	e := startEndpoint(t, f, Limits{})
	p := dial(t, startServer(t, e))
	p.settings = func(s *pion.SettingEngine) {
		s.SetNetworkTypes([]pion.NetworkType{pion.NetworkTypeTCP4})
	}
	p.join("8001", "")
	l := next(t, f.legs, "leg")
	next(t, l.rtp, "packet over TCP")
	pair, err := p.pc.GetSenders()[0].Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair.Remote.Protocol != pion.ICEProtocolTCP || int(pair.Remote.Port) != e.Port() {
		t.Errorf("pair = %v, %v; want TCP to port %d", pair, err, e.Port())
	}
}

// Candidates are trickled: the answer has none, the messages have UDP and TCP on the one port.
func TestTrickle(t *testing.T) {
	f := newFakeFocus()
	e := startEndpoint(t, f, Limits{})
	p := dial(t, startServer(t, e))
	p.join("8001", "")
	if p.candidates < 2 {
		t.Errorf("%d candidates trickled, want UDP and TCP", p.candidates)
	}
}

// A camera sends three layers; each arrives under its name.
func TestSimulcast(t *testing.T) {
	f := newFakeFocus()
	p := dial(t, startServer(t, startEndpoint(t, f, Limits{})))
	p.ask("join", object{"conference": "8001", "name": "Ada"})
	pc := p.connect()
	layers := make(map[string]*pion.TrackLocalStaticRTP)
	var sender *pion.RTPSender
	for _, rid := range []string{"q", "h", "f"} {
		track, err := pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: pion.MimeTypeVP8}, "camera", "page", pion.WithRTPStreamID(rid))
		if err != nil {
			t.Fatal(err)
		}
		layers[rid] = track
		if sender == nil {
			tr, err := pc.AddTransceiverFromTrack(track)
			if err != nil {
				t.Fatal(err)
			}
			sender = tr.Sender()
		} else if err := sender.AddEncoding(track); err != nil {
			t.Fatal(err)
		}
	}
	p.offer(nil)
	p.joined()
	l := next(t, f.legs, "leg")
	streams := next(t, l.attached, "Attach")
	if len(streams) != 1 || streams[0].Kind != mixer.Video || streams[0].Send == nil || streams[0].Send.Video.Name != "VP8" {
		t.Fatalf("streams = %+v, want VP8 in both directions", streams)
	}
	if fb := streams[0].Feedback; !fb.NACK || !fb.PLI || !fb.FIR {
		t.Errorf("feedback = %+v, want all", fb)
	}
	got := make(map[string]bool)
	extensions := extensionIDs(sender)
	for seq := uint16(0); len(got) < 3; seq++ {
		for rid, track := range layers {
			h := rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq) * 3000, Marker: true}
			_ = h.SetExtension(extensions["urn:ietf:params:rtp-hdrext:sdes:mid"], []byte(streams[0].ID))
			_ = h.SetExtension(extensions["urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"], []byte(rid))
			_ = track.WriteRTP(&rtp.Packet{Header: h, Payload: []byte{0x10, 0, 0, 0}})
		}
		select {
		case in := <-l.rtp:
			got[in.rid] = true
		case <-time.After(20 * time.Millisecond):
		}
		if seq > 500 {
			t.Fatalf("layers that arrived: %v", got)
		}
	}
	if !got["q"] || !got["h"] || !got["f"] {
		t.Errorf("layers that arrived: %v", got)
	}
}

func extensionIDs(s *pion.RTPSender) map[string]uint8 {
	all := make(map[string]uint8)
	for _, e := range s.GetParameters().HeaderExtensions {
		all[e.URI] = uint8(e.ID)
	}
	return all
}

func drain[T any](c chan T) {
	for {
		select {
		case <-c:
		default:
			return
		}
	}
}

// eventually polls for what other goroutines bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not %s within %v", what, patience)
}

// A page that says that it goes away is not waited for so long.
func TestGoingAway(t *testing.T) {
	f := newFakeFocus()
	s := startServer(t, startEndpoint(t, f, Limits{Reload: 50 * time.Millisecond}))
	p := dial(t, s)
	p.join("8001", "")
	l := next(t, f.legs, "leg")
	p.conn.Close(websocket.StatusGoingAway, "")
	if r := next(t, l.left, "Leave"); r.Method != bridge.Departed {
		t.Errorf("left = %+v", r)
	}
}
