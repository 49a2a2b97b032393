package sip

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"
	pionmedia "github.com/pion/webrtc/v4/pkg/media"

	"tutti/codec"
	"tutti/codec/g711"
)

// A WebRTC client over SIP (ICE, DTLS-SRTP) is in one conference with a plain phone, and each gets the other's sound.
func TestWebRTCClientOverSIPMeetsAPhone(t *testing.T) {
	r := start(t, nil)
	ctx := t.Context()
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	phone, client := r.softphone("phone"), r.softphone("client")
	phone.dial()

	pc := newBrowser(t)
	track, err := pion.NewTrackLocalStaticSample(pcmu, "audio", "client")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pc.AddTrack(track); err != nil {
		t.Fatal(err)
	}
	heard := make(chan []int16, 1)
	pc.OnTrack(func(remote *pion.TrackRemote, _ *pion.RTPReceiver) {
		dec, _ := g711.PCMU().NewDecoder(codec.AudioParams{})
		var all []int16
		pcm := make([]int16, 2000)
		for len(all) < 8000 {
			p, _, err := remote.ReadRTP()
			if err != nil {
				break
			}
			if n, err := dec.Decode(pcm, p.Payload); err == nil {
				all = append(all, pcm[:n]...)
			}
		}
		heard <- all[len(all)/2:]
	})
	describe(t, pc)
	client.send("INVITE", 1, pc.LocalDescription().SDP)
	res := client.final()
	if res.StatusCode != 200 {
		t.Fatalf("INVITE: %s %s", res.StartLine(), field(res, "warning"))
	}
	client.to = ";tag=" + res.To().Params.GetOr("tag", "")
	client.send("ACK", 1, "")
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(res.Body())}); err != nil {
		t.Fatal(err)
	}

	speak, hush := context.WithCancel(ctx)
	defer hush()
	wg.Go(func() { speakInto(speak, track) })
	levels := phone.talk(4*time.Second, 500, 500, 1200)
	t.Logf("phone hears 500 Hz %.0f, 1200 Hz %.0f", levels[0], levels[1])
	if levels[1] < 4000 || levels[0] > 400 {
		t.Errorf("phone hears 500 Hz %.0f (its own), 1200 Hz %.0f (the client)", levels[0], levels[1])
	}
	select {
	case pcm := <-heard:
		own, other := goertzel(pcm, 1200), goertzel(pcm, 500)
		t.Logf("client hears 500 Hz %.0f, 1200 Hz %.0f", other, own)
		if other < 4000 || own > 400 {
			t.Errorf("client hears 500 Hz %.0f (the phone), 1200 Hz %.0f (its own)", other, own)
		}
	case <-time.After(3 * time.Second):
		t.Error("the client hears nothing")
	}
	client.send("BYE", 2, "")
	if res := client.final(); res.StatusCode != 200 {
		t.Errorf("BYE: %s", res.StartLine())
	}
	phone.send("BYE", 2, "")
	phone.final()
	r.idle()
}

func speakInto(ctx context.Context, track *pion.TrackLocalStaticSample) {
	enc, _ := g711.PCMU().NewEncoder(codec.AudioParams{})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	frame := make([]int16, 160)
	for n := 0; ctx.Err() == nil; n++ {
		sine(frame, 1200, n*160)
		payload, _ := enc.Encode(nil, frame)
		_ = track.WriteSample(pionmedia.Sample{Data: payload, Duration: 20 * time.Millisecond})
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

var pcmu = pion.RTPCodecCapability{MimeType: pion.MimeTypePCMU, ClockRate: 8000}

// newBrowser is a PeerConnection of a client on the loopback address.
func newBrowser(t *testing.T) *pion.PeerConnection {
	t.Helper()
	var settings pion.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	engine := &pion.MediaEngine{}
	if err := engine.RegisterCodec(pion.RTPCodecParameters{RTPCodecCapability: pcmu, PayloadType: 0}, pion.RTPCodecTypeAudio); err != nil {
		t.Fatal(err)
	}
	pc, err := pion.NewAPI(pion.WithSettingEngine(settings), pion.WithMediaEngine(engine)).NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc
}

// describe makes the offer of a client, with all its candidates.
func describe(t *testing.T, pc *pion.PeerConnection) {
	t.Helper()
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := pion.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
}
