package webrtc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	pion "github.com/pion/webrtc/v4"

	"tutti/codec"
	"tutti/mixer"
)

// called is a browser that we call: it answers our offer.
type called struct {
	*pion.PeerConnection
	t       *testing.T
	packets chan *rtp.Packet
}

func newCalled(t *testing.T, settings ...func(*pion.SettingEngine)) *called {
	t.Helper()
	m := &pion.MediaEngine{}
	if err := m.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	chain := &interceptor.Registry{}
	if err := pion.RegisterDefaultInterceptors(m, chain); err != nil {
		t.Fatal(err)
	}
	var s pion.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.LoggerFactory = pionLoggers{nolog}
	for _, set := range settings {
		set(&s)
	}
	pc, err := pion.NewAPI(pion.WithMediaEngine(m), pion.WithInterceptorRegistry(chain), pion.WithSettingEngine(s)).
		NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	c := &called{pc, t, make(chan *rtp.Packet, 100)}
	pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			select {
			case c.packets <- p:
			default:
			}
		}
	})
	return c
}

// speaks adds a microphone that sends Opus.
func (c *called) speaks() {
	c.t.Helper()
	p := &page{t: c.t, pc: c.PeerConnection}
	p.microphone()
}

// answer answers an offer with all candidates.
func (c *called) answer(offer string) string {
	c.t.Helper()
	if err := c.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: offer}); err != nil {
		c.t.Fatalf("%v\n%s", err, offer)
	}
	answer, err := c.CreateAnswer(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	gathered := pion.GatheringCompletePromise(c.PeerConnection)
	if err := c.SetLocalDescription(answer); err != nil {
		c.t.Fatal(err)
	}
	<-gathered
	return c.LocalDescription().SDP
}

// rejected is an answer without its video line.
func rejected(t *testing.T, answer string) string {
	t.Helper()
	head, video, ok := strings.Cut(answer, "m=video ")
	if !ok {
		t.Fatalf("no video in\n%s", answer)
	}
	_, formats, _ := strings.Cut(video, " ")
	formats, _, _ = strings.Cut(formats, "\r\n")
	return strings.Replace(head, "BUNDLE 0 1", "BUNDLE 0", 1) + "m=video 0 " + formats + "\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n"
}

// Our offer is whole: sound and pictures both ways, the numbers that browsers know, candidates, and nothing to come.
func TestOfferIsWhole(t *testing.T) {
	e := startEndpoint(t, newFakeFocus(), Limits{})
	pref := noPreference
	pref.Video = []codec.Format{{Name: "H264", ClockRate: 90000}}
	p, text, err := e.Offer(t.Context(), "127.0.0.1", pref)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := &sdp.SessionDescription{}
	if err := s.UnmarshalString(text); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range s.MediaDescriptions {
		first := rtpmaps(m)[m.MediaName.Formats[0]]
		lines = append(lines, fmt.Sprint(m.MediaName.Media, " ", directionOf(m, s).attribute(), " ", first.Name))
	}
	if got, want := strings.Join(lines, ", "), "audio sendrecv opus, video sendrecv H264"; got != want {
		t.Errorf("offer = %s, want %s", got, want)
	}
	for _, part := range []string{"a=rtpmap:0 PCMU/8000", "a=group:BUNDLE", "a=rtcp-mux", "a=setup:actpass", "a=candidate", "a=end-of-candidates"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in\n%s", part, text)
		}
	}
	if len(p.Streams()) != 0 {
		t.Errorf("streams before the answer: %+v", p.Streams())
	}
}

// A browser that we call hears us and is heard, whatever it makes of the picture; then it holds and resumes with offers of its own.
func TestCalledBrowser(t *testing.T) {
	tests := map[string]struct {
		change func(t *testing.T, answer string) string
		want   string // streams: kind, sends, receives
	}{
		"as it answers":    {func(_ *testing.T, a string) string { return a }, "audio true true, video true false"},
		"without pictures": {rejected, "audio true true"},
		"without BUNDLE": {func(_ *testing.T, a string) string { return strings.Replace(a, "a=group:BUNDLE 0 1\r\n", "", 1) },
			"audio true true"},
		"as DTLS server": {func(t *testing.T, a string) string {
			if !strings.Contains(a, "a=setup:passive") {
				t.Errorf("the client is no server:\n%s", a)
			}
			return strings.Replace(strings.ReplaceAll(a, "a=setup:passive\r\n", ""), "a=group:", "a=setup:passive\r\na=group:", 1) // once for all
		}, "audio true true, video true false"},
		"without mid": {func(_ *testing.T, a string) string { return strings.ReplaceAll(a, "a=mid:0\r\n", "") },
			"audio true true, video true false"},
	}
	e := startEndpoint(t, newFakeFocus(), Limits{})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, offer, err := e.Offer(t.Context(), "127.0.0.1", noPreference)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			c := newCalled(t, func(s *pion.SettingEngine) {
				if name == "as DTLS server" {
					_ = s.SetAnsweringDTLSRole(pion.DTLSRoleServer)
				}
			})
			c.speaks()
			if err := p.Complete(test.change(t, c.answer(offer))); err != nil {
				t.Fatal(err)
			}
			if got := ways(p.Streams()); got != test.want {
				t.Errorf("streams = %s, want %s", got, test.want)
			}
			next(t, p.Connected(), "connection")
			talk(t, p, c)
			if err := p.Complete("again"); !errors.Is(err, errNotOffered) {
				t.Errorf("second answer: %v", err)
			}
		})
	}
	if s := e.Stats(); s.Connected != uint64(len(tests)) || s.Pending != 0 {
		t.Errorf("stats = %+v", s)
	}
}

// The far end's later offers are answered on the same connection.
func TestCalledBrowserHolds(t *testing.T) {
	e := startEndpoint(t, newFakeFocus(), Limits{})
	p, offer, err := e.Offer(t.Context(), "127.0.0.1", noPreference)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c := newCalled(t)
	c.speaks()
	if err := p.Complete(rejected(t, c.answer(offer))); err != nil {
		t.Fatal(err)
	}
	next(t, p.Connected(), "connection")
	ssrc := p.Streams()[0].Send.SSRC
	again := c.offerAgain()
	for _, step := range []struct{ direction, want string }{{"sendonly", "audio false true"}, {"sendrecv", "audio true true"}} {
		answer, err := p.Renegotiate(t.Context(), strings.ReplaceAll(again, "a=sendrecv", "a="+step.direction), noPreference)
		if err != nil {
			t.Fatal(err)
		}
		if got := ways(p.Streams()); got != step.want || !strings.Contains(answer, "m=video 0 ") || !strings.Contains(answer, "a=setup:passive") {
			t.Errorf("streams = %s, want %s, and the DTLS role that we have\n%s", got, step.want, answer)
		}
	}
	if s := p.Streams()[0]; s.Send.SSRC != ssrc {
		t.Errorf("SSRC %d, before %d", s.Send.SSRC, ssrc)
	}
	talk(t, p, c)
}

// offerAgain is what the browser would offer now, with the video line switched off.
func (c *called) offerAgain() string {
	c.t.Helper()
	return strings.ReplaceAll(rejected(c.t, c.LocalDescription().SDP), "a=setup:active", "a=setup:actpass")
}

// ways are the streams as "kind sends receives".
func ways(streams []mixer.Stream) string {
	var all []string
	for _, s := range streams {
		kind := "audio"
		if s.Kind == mixer.Video {
			kind = "video"
		}
		all = append(all, fmt.Sprint(kind, " ", s.Send != nil, " ", len(s.Receive) > 0))
	}
	return strings.Join(all, ", ")
}

// talk waits until sound has come both ways.
func talk(t *testing.T, p *Peer, c *called) {
	t.Helper()
	l := &fakeLeg{rtp: make(chan packet, 100), attached: make(chan []mixer.Stream, 1)}
	streams := p.Streams()
	inlets, _ := l.Attach(streams)
	p.Connect(inlets)
	if heard := next(t, l.rtp, "packet of the browser"); heard.stream != streams[0].ID || heard.data[1]&0x7f != streams[0].Receive[0].Type {
		t.Errorf("heard stream %s, payload type %d", heard.stream, heard.data[1]&0x7f)
	}
	for len(c.packets) > 0 {
		<-c.packets
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(patience)
	for seq := uint16(1); ; seq++ {
		_ = streams[0].Wire.WriteRTP(header(streams[0], seq), []byte{0xf8, 0xff, 0xfe})
		select {
		case got := <-c.packets:
			if got.SSRC != streams[0].Send.SSRC || got.PayloadType != streams[0].Send.PayloadType {
				t.Errorf("the browser hears %+v", got.Header)
			}
			return
		case <-ticker.C:
		case <-late:
			t.Fatal("the browser hears nothing")
		}
	}
}

// An answer that is none is refused with what is wrong.
func TestBadAnswers(t *testing.T) {
	e := startEndpoint(t, newFakeFocus(), Limits{})
	change := func(old, new string) func(string) string {
		return func(a string) string { return strings.ReplaceAll(a, old, new) }
	}
	tests := map[string]struct {
		change func(answer string) string
		want   string
	}{
		"empty":          {func(string) string { return "" }, "0 m-lines for 2"},
		"garbage":        {func(string) string { return "hello" }, "no session description"},
		"no m-line":      {func(a string) string { head, _, _ := strings.Cut(a, "m="); return head }, "0 m-lines for 2"},
		"one too few":    {func(a string) string { head, _, _ := strings.Cut(a, "m=video"); return head }, "1 m-lines for 2"},
		"another kind":   {change("m=audio", "m=text"), `"text" where our offer has "audio"`},
		"plain RTP":      {change("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "no m-line"},
		"all refused":    {change(" 9 UDP", " 0 UDP"), "no m-line"},
		"other formats":  {strings.NewReplacer("opus", "speex", "PCMU", "GSM", "VP8", "VP7", "H264", "H261").Replace, "no m-line"},
		"no ICE":         {change("a=ice-pwd", "a=x"), "a=ice-pwd"},
		"no certificate": {change("a=fingerprint", "a=x"), "a=fingerprint"},
		"huge":           {func(a string) string { return a + strings.Repeat("a=x\r\n", 50000) }, "bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, offer, err := e.Offer(t.Context(), "127.0.0.1", noPreference)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			err = p.Complete(test.change(newCalled(t).answer(offer)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Complete = %v, want an error on %q", err, test.want)
			}
		})
	}
}

// While it rings no timer runs and no limit of the far end's address counts it; from the answer on both do.
func TestRingingIsNoSetUp(t *testing.T) {
	e := startEndpoint(t, newFakeFocus(), Limits{SetUp: 50 * time.Millisecond, Pending: 1})
	offer := func() (*Peer, string) {
		p, text, err := e.Offer(t.Context(), "127.0.0.1", noPreference)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p, text
	}
	ringing, _ := offer()
	p, text := offer()
	if s := e.Stats(); s.Peers != 2 || s.Pending != 0 {
		t.Errorf("while both ring: %+v", s)
	}
	answer := newCalled(t).answer(text)
	head, _, _ := strings.Cut(answer, "a=ice-ufrag:")
	if !strings.Contains(head, "m=audio") {
		t.Fatalf("no m-line before the ICE user name:\n%s", answer)
	}
	nobody := strings.NewReplacer("a=ice-ufrag:", "a=ice-ufrag:nobody").Replace(answer) // so that no check ever succeeds
	if err := p.Complete(nobody); err != nil {
		t.Fatal(err)
	}
	next(t, p.Done(), "end of the set-up") // later than 50 ms after ringing was offered, too
	if err := p.Err(); !errors.Is(err, errSetUp) {
		t.Errorf("the set-up ended with %v", err)
	}
	if err := ringing.Err(); err != nil {
		t.Errorf("the one that rings ended with %v", err)
	}
	ringing.Close()
	if s := e.Stats(); s.Failed != 1 || s.Pending != 0 {
		t.Errorf("at the end: %+v, want one failure: nobody answered the other", s)
	}
	if err := ringing.Complete(answer); !errors.Is(err, errClosed) {
		t.Errorf("answer after the end: %v", err)
	}
}

// A call that is given up while candidates are gathered leaves nothing behind.
func TestOfferGivenUp(t *testing.T) {
	e := startEndpoint(t, newFakeFocus(), Limits{Peers: 1})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errClosed)
	for range 20 { // gathering may be faster
		p, _, err := e.Offer(ctx, "127.0.0.1", noPreference)
		if err == nil {
			p.Close()
		} else if !errors.Is(err, errClosed) {
			t.Fatal(err)
		}
	}
	eventually(t, "no peer", func() bool { return e.Stats().Peers == 0 })
}

// Whatever an answer says, pion sees only what was offered.
func FuzzAnswer(f *testing.F) {
	offer := &sdp.SessionDescription{}
	text := bundle("0 1") + mline("audio", "0", "sendrecv") + mline("video", "1", "sendrecv")
	if err := offer.UnmarshalString(text); err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bundle("0") + mline("audio", "0", "recvonly") + strings.Replace(mline("video", "1", "inactive"), " 9 ", " 0 ", 1))
	f.Add(sessionHead + mline("audio", "", "sendonly") + mline("video", "", "sendrecv"))
	f.Fuzz(func(t *testing.T, text string) {
		o, all := &proposal{offer, nil}, formats{testAudio(), testVideo()}
		a, err := o.read(text, all, Limits{}.withDefaults())
		if err != nil {
			return
		}
		if err := new(sdp.SessionDescription).UnmarshalString(a.pruned); err != nil {
			t.Fatalf("%v\n%s", err, a.pruned)
		}
		for n, one := range all.conclude(o, a) {
			m := offer.MediaDescriptions[a.taken[n]]
			offered := all.payloads(m, m)
			for _, p := range one.stream.Receive {
				if !among(offered, p) {
					t.Fatalf("payload type %d was not offered", p.Type)
				}
			}
			if !one.accepted || one.mid != o.mid(a.taken[n]) {
				t.Fatalf("agreed %+v", one)
			}
		}
	})
}

// among says whether a payload is among those offered: same number, same format.
func among(offered []mixer.Payload, p mixer.Payload) bool {
	for _, o := range offered {
		if o.Type == p.Type && o.Event == p.Event && (o.Audio == p.Audio) && (o.Video == p.Video) {
			return true
		}
	}
	return false
}
