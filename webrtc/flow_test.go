package webrtc

import (
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	"tutti/bridge"
	"tutti/mixer"
)

var (
	nolog  = slog.New(slog.DiscardHandler)
	sample = media.Sample{Data: []byte{0xf8, 0xff, 0xfe}, Duration: 20 * time.Millisecond} // Opus silence
)

func startServer(t *testing.T, e *Endpoint) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(e.Handler())
	t.Cleanup(s.Close)
	return s
}

// A page joins, is heard, hears, and leaves.
func TestJoin(t *testing.T) {
	f := newFakeFocus()
	e := startEndpoint(t, f, Limits{})
	p := dial(t, startServer(t, e))

	heard := make(chan *rtp.Packet, 100)
	if a := p.ask("join", object{"conference": "8001", "name": "Ada"}); a.Error != nil {
		t.Fatalf("join refused: %+v", *a.Error)
	}
	if len(f.legs) != 0 {
		t.Fatal("a leg exists before DTLS")
	}
	pc := p.connect()
	pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			heard <- packet
		}
	})
	p.microphone()
	p.offer(nil)
	who := p.joined()
	l := next(t, f.legs, "leg")
	if who.Leg != string(l.id) || who.Token != l.Token() {
		t.Errorf("joined = %+v, want leg %s", who, l.id)
	}
	if l.request.DisplayText != "Ada" || l.request.Kind != bridge.WebRTC || l.request.Began.IsZero() {
		t.Errorf("join request = %+v", l.request)
	}

	streams := next(t, l.attached, "Attach")
	if len(streams) != 1 || streams[0].Kind != mixer.Audio || streams[0].Send == nil || streams[0].Send.Audio.Name != "opus" {
		t.Fatalf("streams = %+v, want one of Opus in both directions", streams)
	}
	s := streams[0]
	if len(s.Receive) == 0 || s.Receive[0].Audio == nil {
		t.Fatalf("receive = %+v, want Opus", s.Receive)
	}

	// up
	in := next(t, l.rtp, "packet of the page")
	var up rtp.Packet
	if err := up.Unmarshal(in.data); err != nil || up.PayloadType != s.Receive[0].Type {
		t.Errorf("packet up = %v, %v; want payload type %d", up.Header, err, s.Receive[0].Type)
	}

	// down
	if err := s.Wire.WriteRTP(header(s, 7), []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	down := next(t, heard, "packet of the bridge")
	if down.SSRC != s.Send.SSRC || string(down.Payload) != "\x01\x02\x03" {
		t.Errorf("packet down = %v, want SSRC %d", down, s.Send.SSRC)
	}

	// RTCP up: the page's own sender reports
	for {
		report, err := rtcp.Unmarshal(next(t, l.rtcp, "sender report of the page").data)
		if err != nil {
			t.Fatal(err)
		}
		if sr, ok := report[0].(*rtcp.SenderReport); ok {
			if sr.SSRC != up.SSRC {
				t.Errorf("sender report of %d, want %d", sr.SSRC, up.SSRC)
			}
			break
		}
	}

	p.ask("leave", nil)
	if err := next(t, p.closed, "close"); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("closed with %v, want 1000", err)
	}
	if r := next(t, l.left, "Leave"); r.Method != bridge.Departed {
		t.Errorf("left = %+v, want departed", r)
	}
}

// When the bridge ends, its pages are told and their legs leave.
func TestShutdown(t *testing.T) {
	f := newFakeFocus()
	e, err := newEndpoint(Config{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Audio: testAudio(), Video: testVideo()}, f)
	if err != nil {
		t.Fatal(err)
	}
	end := runEndpoint(e)
	s := startServer(t, e)
	p, idle := dial(t, s), dial(t, s)
	p.join("8001", "")
	l := next(t, f.legs, "leg")
	if !end() {
		t.Fatal("Run did not return")
	}
	if m := p.message("hangup"); string(m.Params) != `{"reason":"shutdown","text":"the bridge is shutting down"}` {
		t.Errorf("hangup = %s", m.Params)
	}
	if r := next(t, l.left, "Leave"); r.Method != bridge.Shutdown {
		t.Errorf("left = %+v", r)
	}
	next(t, idle.closed, "close of a page that had not joined")
	if _, _, err := e.Answer(t.Context(), bundle("0")+mline("audio", "0", "sendrecv"), noPreference); err == nil {
		t.Error("an offer was answered after the end")
	}
}
