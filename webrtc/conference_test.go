package webrtc

import (
	"context"
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	"tutti/bridge"
	"tutti/codec"
	"tutti/codec/opus"
)

// startBridge runs a real bridge and an endpoint on loopback for the length of a test.
func startBridge(t *testing.T) (*bridge.Bridge, *Endpoint) {
	t.Helper()
	return startBridgeWith(t, testVideo()...)
}

func startBridgeWith(t *testing.T, video ...codec.Video) (*bridge.Bridge, *Endpoint) {
	t.Helper()
	b := bridge.New(bridge.Config{Domain: "example.org", Policy: bridge.Policy{AdHoc: true}})
	e, err := New(Config{
		Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")},
		Audio:     []codec.Audio{opus.Opus()}, Video: video,
	}, b)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, 2)
	go func() { _ = b.Run(ctx, time.Second); ended <- struct{}{} }()
	go func() { _ = e.Run(ctx); ended <- struct{}{} }()
	t.Cleanup(func() {
		cancel()
		next(t, ended, "end of Run")
		next(t, ended, "end of Run")
	})
	return b, e
}

// tone sends a sine in Opus until the test ends.
func (p *page) tone(hz float64) {
	p.t.Helper()
	track, err := pion.NewTrackLocalStaticSample(pion.RTPCodecCapability{MimeType: pion.MimeTypeOpus}, "mic", "page")
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.pc.AddTransceiverFromTrack(track); err != nil {
		p.t.Fatal(err)
	}
	encoder, err := opus.Opus().NewEncoder(codec.AudioParams{Fmtp: "stereo=0"})
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		pcm, n := make([]int16, 960), 0
		for range ticker.C {
			if p.t.Context().Err() != nil {
				return
			}
			for i := range pcm {
				pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(n)/48000))
				n++
			}
			payload, err := encoder.Encode(nil, pcm)
			if err == nil {
				_ = track.WriteSample(media.Sample{Data: payload, Duration: 20 * time.Millisecond})
			}
		}
	}()
}

// hears decodes what comes down into sound.
func (p *page) hears() <-chan []int16 {
	sound := make(chan []int16, 1000)
	p.pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		decoder, err := opus.Opus().NewDecoder(codec.AudioParams{})
		if err != nil {
			return
		}
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			pcm := make([]int16, 5760)
			if n, err := decoder.Decode(pcm[:5760:5760], packet.Payload); err == nil {
				select {
				case sound <- pcm[:n]:
				default:
				}
			}
		}
	})
	return sound
}

// power of one frequency in a piece of sound (Goertzel), relative to full scale.
func power(pcm []int16, hz float64) float64 {
	var re, im float64
	for i, s := range pcm {
		phase := 2 * math.Pi * hz * float64(i) / 48000
		re += float64(s) * math.Cos(phase)
		im += float64(s) * math.Sin(phase)
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm)) / 32768
}

// Two pages hear each other and not themselves.
func TestTwoPagesHearEachOther(t *testing.T) {
	_, e := startBridge(t)
	s := startServer(t, e)
	tones := map[string]float64{"Ada": 440, "Bob": 1000}
	sounds := make(map[string]<-chan []int16)
	for _, name := range []string{"Ada", "Bob"} {
		p := dial(t, s)
		if a := p.ask("join", object{"conference": "8001", "name": name}); a.Error != nil {
			t.Fatalf("join refused: %+v", *a.Error)
		}
		p.connect()
		sounds[name] = p.hears()
		p.tone(tones[name])
		p.offer(nil)
		p.joined()
	}
	for name, other := range map[string]string{"Ada": "Bob", "Bob": "Ada"} {
		heard := false
		for range 500 {
			pcm := next(t, sounds[name], "sound for "+name)
			if own := power(pcm, tones[name]); own > 0.02 {
				t.Errorf("%s hears themself: %.3f", name, own)
				break
			}
			if heard = power(pcm, tones[other]) > 0.1; heard {
				break
			}
		}
		if !heard {
			t.Errorf("%s does not hear %s", name, other)
		}
	}
}

// A page is told the state, and then what changes: patches make its copy what a new subscriber is told.
func TestState(t *testing.T) {
	_, e := startBridge(t)
	s := startServer(t, e)
	ada := dial(t, s)
	ada.ask("join", object{"conference": "8001", "name": "Ada"})
	ada.connect()
	ada.microphone()
	ada.offer(nil)
	a := ada.ask("", object{"events": "conference"}) // at once: the answer waits for the membership
	if a.Error != nil {
		t.Fatalf("subscribe refused: %+v", *a.Error)
	}
	me := ada.joined()
	var copied map[string]any
	if err := json.Unmarshal(a.Result, &copied); err != nil {
		t.Fatal(err)
	}
	if copied["self"] != me.Participant || me.Participant == "" {
		t.Errorf("self = %v, want %q", copied["self"], me.Participant)
	}

	bob := dial(t, s)
	him := bob.join("8001", "")
	for _, r := range []struct {
		who    *page
		method string
		params any
	}{
		{bob, "rename", object{"name": "Bob"}},
		{ada, "chat", object{"text": "hello"}},
		{ada, "mute", nil},
		{bob, "hand", object{"on": true}},
		{bob, "video", object{"on": false}},
	} {
		if a := r.who.ask(r.method, r.params); a.Error != nil {
			t.Errorf("%s: %+v", r.method, *a.Error)
		}
	}
	if a := bob.ask("chat", object{"text": ""}); a.Error == nil || a.Error.Rule != bridge.RuleInvalid {
		t.Errorf("empty chat: %+v, want a refusal", a.Error)
	}
	if a := bob.ask("dial", object{"target": "1234"}); a.Error == nil || a.Error.Rule != bridge.RuleOutbound {
		t.Errorf("dial without a dialer: %+v, want a refusal", a.Error)
	}

	for done := false; !done; {
		var patch map[string]any
		if err := json.Unmarshal(next(t, ada.messages, "notify").Patch, &patch); err != nil {
			t.Fatal(err)
		}
		merge(copied, patch)
		users := copied["users"].(map[string]any)
		self, _ := users[me.Participant].(map[string]any)
		other, _ := users[him.Participant].(map[string]any)
		done = self != nil && other != nil && other["name"] == "Bob" && self["muted"] == true && other["hand"] != "" &&
			other["camera"] == false && len(copied["chat"].(map[string]any)) == 1
	}
	if a := bob.ask("leave", nil); a.Error != nil {
		t.Errorf("leave: %+v", *a.Error)
	}
	for {
		var patch map[string]any
		_ = json.Unmarshal(next(t, ada.messages, "notify of the leave").Patch, &patch)
		merge(copied, patch)
		if len(copied["users"].(map[string]any)) == 1 {
			break
		}
	}
}

// merge applies a merge patch (RFC 7396 §2).
func merge(to, patch map[string]any) {
	for key, value := range patch {
		inner, ok := value.(map[string]any)
		switch {
		case value == nil:
			delete(to, key)
		case ok:
			target, _ := to[key].(map[string]any)
			if target == nil {
				target = make(map[string]any)
				to[key] = target
			}
			merge(target, inner)
		default:
			to[key] = value
		}
	}
}

// A page that is loaded anew has its old place in the roster, and the old leg ends.
func TestReloadLeavesNoGhost(t *testing.T) {
	b, e := startBridge(t)
	s := startServer(t, e)
	p := dial(t, s)
	who := p.join("8001", "")
	again := dial(t, s)
	now := again.join("8001", who.Token)
	if now.Participant != who.Participant || now.Leg == who.Leg {
		t.Errorf("after the reload %+v, before %+v", now, who)
	}
	if m := p.message("hangup"); !strings.Contains(string(m.Params), `"replaced"`) {
		t.Errorf("hangup = %s", m.Params)
	}
	eventually(t, "one peer", func() bool { return e.Stats().Peers == 1 })
	if all := b.Conferences(); len(all) != 1 || all[0].Len() != 1 || all[0].Connected() != 1 {
		t.Errorf("conferences = %+v, want one with one user", all)
	}
}

// A page whose PeerConnection is closed, as a reload does, has its place kept for the next one, on this socket or another.
func TestNewPeerConnectionTakesThePlace(t *testing.T) {
	b, e := startBridge(t)
	s := startServer(t, e)
	p := dial(t, s)
	who := p.join("8001", "")
	if err := p.pc.Close(); err != nil {
		t.Fatal(err)
	}
	p.connect()
	p.microphone()
	p.offer(nil)
	now := p.joined()
	eventually(t, "one peer", func() bool { return e.Stats().Peers == 1 })
	if now.Participant != who.Participant || now.Leg == who.Leg {
		t.Errorf("with the second PeerConnection %+v, with the first %+v", now, who)
	}
	if a := p.ask("rename", object{"name": "Ada"}); a.Error != nil {
		t.Errorf("rename: %+v", *a.Error)
	}
	if all := b.Conferences(); len(all) != 1 || all[0].Len() != 1 {
		t.Errorf("conferences = %+v, want one with one user", all)
	}
}

// Expelled people are told, and the bridge forgets them.
func TestExpel(t *testing.T) {
	b, e := startBridge(t)
	p := dial(t, startServer(t, e))
	who := p.join("8001", "")
	if err := b.Do(t.Context(), "8001", bridge.Operator("test"), bridge.Expel{User: bridge.UserID(who.Participant)}); err != nil {
		t.Fatal(err)
	}
	if m := p.message("hangup"); !strings.Contains(string(m.Params), `"booted"`) {
		t.Errorf("hangup = %s", m.Params)
	}
	next(t, p.closed, "close")
	eventually(t, "no conference", func() bool { return len(b.Conferences()) == 0 })
}
