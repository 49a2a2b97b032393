package webrtc

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"

	"tutti/codec"
	"tutti/mixer/plan"
)

// session level of an offer, up to the m-lines.
const sessionHead = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 " +
	"AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99\r\n" +
	"a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n"

// mline writes one m-line of an offer.
func mline(media, mid, direction string, more ...string) string {
	formats, maps := "111 0", "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=extmap:14 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on\r\n"
	if media == "video" {
		formats = "96 97 102"
		maps = "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n" +
			"a=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
	}
	s := fmt.Sprintf("m=%s 9 UDP/TLS/RTP/SAVPF %s\r\nc=IN IP4 0.0.0.0\r\n%sa=rtcp-mux\r\na=%s\r\n", media, formats, maps, direction)
	if mid != "" {
		s += "a=mid:" + mid + "\r\n"
	}
	return s + strings.Join(more, "")
}

func bundle(mids string) string { return sessionHead + "a=group:BUNDLE " + mids + "\r\n" }

const (
	application = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:d\r\na=sctp-port:5000\r\n"
	realtime    = "m=text 9 UDP/TLS/RTP/SAVPF 98\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:98 t140/1000\r\na=mid:x\r\n"
)

// Every m-line of an offer has its like in the answer, in the same place; what we do not take has port 0.
func TestAnswerHasEveryLine(t *testing.T) {
	tests := map[string]struct {
		offer string
		want  string // "kind port direction" of each m-line
	}{
		"microphone and camera": {bundle("0 1") + mline("audio", "0", "sendrecv") + mline("video", "1", "sendrecv"),
			"audio 9 sendrecv, video 9 sendrecv"},
		"without any device": {bundle("0 1") + mline("audio", "0", "recvonly") + mline("video", "1", "recvonly"),
			"audio 9 sendonly, video 9 sendonly"},
		"slides": {bundle("0 1 2") + mline("audio", "0", "sendrecv") + mline("video", "1", "sendrecv") + mline("video", "2", "sendonly"),
			"audio 9 sendrecv, video 9 sendrecv, video 9 recvonly"},
		"more than we take": {bundle("0 1 2 3 4") + mline("audio", "0", "sendrecv") + mline("audio", "1", "sendrecv") + mline("video", "2", "sendonly") +
			mline("video", "3", "sendonly") + mline("video", "4", "sendonly"),
			"audio 9 sendrecv, audio 0 inactive, video 9 recvonly, video 9 recvonly, video 0 inactive"},
		"kinds we do not know": {bundle("d 0 x") + application + mline("audio", "0", "sendrecv") + realtime,
			"application 0 inactive, audio 9 sendrecv, text 0 inactive"},
		"held":                  {bundle("0") + mline("audio", "0", "inactive"), "audio 9 inactive"},
		"without BUNDLE or mid": {sessionHead + mline("audio", "", "sendrecv") + mline("video", "", "sendrecv"), "audio 9 sendrecv, video 0 inactive"},
		"bundle-only":           {bundle("0 1") + mline("audio", "0", "sendrecv") + strings.Replace(mline("video", "1", "sendrecv", "a=bundle-only\r\n"), " 9 ", " 0 ", 1), "audio 9 sendrecv, video 9 sendrecv"},
	}
	e := startEndpoint(t, newFakeFocus(), Limits{})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, text, err := e.Answer(t.Context(), test.offer, noPreference)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			answer := &sdp.SessionDescription{}
			if err := answer.UnmarshalString(text); err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, m := range answer.MediaDescriptions {
				lines = append(lines, fmt.Sprint(m.MediaName.Media, " ", m.MediaName.Port.Value, " ", directionOf(m, answer).attribute()))
			}
			if got := strings.Join(lines, ", "); got != test.want {
				t.Errorf("answer = %s\nwant     %s\n%s", got, test.want, text)
			}
			if strings.Contains(test.offer, "a=mid") != strings.Contains(text, "a=mid") || strings.Contains(test.offer, "BUNDLE") != strings.Contains(text, "BUNDLE") {
				t.Errorf("mid or BUNDLE where the offer has none, or the other way round:\n%s", text)
			}
			if !strings.Contains(text, "a=candidate") || !strings.Contains(text, "a=end-of-candidates") {
				t.Errorf("the answer is not whole:\n%s", text)
			}
		})
	}
}

// What is negotiated is told to the mixer in its own words.
func TestStreams(t *testing.T) {
	e := startEndpoint(t, newFakeFocus(), Limits{})
	offer := bundle("0 1 2") + mline("audio", "0", "sendrecv") + mline("video", "1", "sendrecv") + mline("video", "2", "sendonly")
	pref := noPreference
	pref.Video = []codec.Format{{Name: "h264", ClockRate: 90000}}
	p, _, err := e.Answer(t.Context(), offer, pref)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := p.Streams()
	if len(s) != 3 {
		t.Fatalf("%d streams, want 3", len(s))
	}
	if a := s[0]; a.AudioLevel != 14 || a.Send == nil || a.Send.SSRC == 0 || a.Send.PayloadType != 111 || a.Send.Fmtp != "minptime=10;useinbandfec=1" {
		t.Errorf("audio = %+v, send %+v", a, a.Send)
	}
	if len(s[0].Receive) != 2 || s[0].Receive[1].Type != 0 || s[0].Receive[1].Audio.Name != "PCMU" {
		t.Errorf("audio receive = %+v, want Opus and PCMU", s[0].Receive)
	}
	if v := s[1]; v.Content != plan.MainContent || v.Send == nil || v.Send.Video.Name != "H264" || v.Send.PayloadType != 102 || !strings.Contains(v.Send.Fmtp, "packetization-mode=1") {
		t.Errorf("camera = %+v, send %+v: want what the conference encodes", v, v.Send)
	}
	if !s[1].Feedback.NACK || !s[1].Feedback.PLI || s[1].Feedback.FIR {
		t.Errorf("feedback = %+v, want what was offered: NACK and PLI", s[1].Feedback)
	}
	if v := s[2]; v.Content != plan.Slides || v.Send != nil || len(v.Receive) == 0 || v.Wire == nil {
		t.Errorf("slides = %+v", v)
	}

	// hold, and back
	ssrc := s[0].Send.SSRC
	held := strings.ReplaceAll(offer, "a=sendrecv", "a=inactive")
	if _, err := p.Renegotiate(t.Context(), held, pref); err != nil {
		t.Fatal(err)
	}
	if s := p.Streams(); s[0].Send != nil || s[0].Receive != nil || s[1].Send != nil {
		t.Errorf("held: %+v", s)
	}
	if _, err := p.Renegotiate(t.Context(), offer, pref); err != nil {
		t.Fatal(err)
	}
	if s := p.Streams(); s[0].Send == nil || s[0].Send.SSRC != ssrc || len(s[0].Receive) == 0 {
		t.Errorf("resumed: %+v, want SSRC %d again", s[0], ssrc)
	}
}

// A bad offer is refused with a reason; a later bad one leaves what was agreed in force.
func TestBadOffers(t *testing.T) {
	good := bundle("0") + mline("audio", "0", "sendrecv")
	tests := map[string]struct{ offer, want string }{
		"empty":            {"", "no audio or video"},
		"garbage":          {"hello", "no session description"},
		"no media":         {sessionHead, "no audio or video"},
		"plain RTP":        {strings.ReplaceAll(good, "UDP/TLS/RTP/SAVPF", "RTP/AVP"), "no audio or video"},
		"all switched off": {strings.ReplaceAll(good, " 9 ", " 0 "), "no audio or video"},
		"no fingerprint":   {strings.ReplaceAll(good, "a=fingerprint", "a=x"), "fingerprint"},
		"no ICE":           {strings.ReplaceAll(good, "a=ice-ufrag", "a=x"), "ice-ufrag"},
		"no format":        {strings.ReplaceAll(good, " 111 0\r\n", " 18\r\n"), "no format"},
		"one mid twice":    {bundle("0") + mline("audio", "0", "sendrecv") + mline("video", "0", "sendrecv"), "mid"},
		"many lines":       {bundle("0") + strings.Repeat(realtime, 17), "m-lines"},
		"huge":             {good + strings.Repeat("a=x\r\n", 50000), "bytes"},
	}
	e := startEndpoint(t, newFakeFocus(), Limits{})
	running, _, err := e.Answer(t.Context(), good, noPreference)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := e.Answer(t.Context(), test.offer, noPreference)
			var refused *OfferError
			if !errors.As(err, &refused) || !strings.Contains(refused.Text, test.want) {
				t.Errorf("Answer = %v, want an OfferError on %q", err, test.want)
			}
			if _, err := running.Renegotiate(t.Context(), test.offer, noPreference); !errors.As(err, &refused) {
				t.Errorf("Renegotiate = %v, want an OfferError", err)
			}
			if err := running.Err(); err != nil {
				t.Errorf("the running peer ended: %v", err)
			}
		})
	}
	if _, err := running.Renegotiate(t.Context(), good, noPreference); err != nil {
		t.Errorf("after all that, a good offer: %v", err)
	}
	eventually(t, "one peer", func() bool { return e.Stats().Peers == 1 })
}

// Whatever an offer says, its answer has as many m-lines and never sends where nobody listens.
func FuzzOffer(f *testing.F) {
	f.Add(bundle("0 1") + mline("audio", "0", "sendrecv") + mline("video", "1", "sendonly"))
	f.Add(bundle("d 0 x") + application + mline("audio", "0", "inactive") + realtime)
	f.Add(sessionHead + mline("audio", "", "recvonly"))
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseOffer(text, Limits{}.withDefaults())
		if err != nil {
			return
		}
		answer, err := o.complete(o.pruned) // the offer as its own answer: the worst that pion could do
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.MediaDescriptions) != len(o.whole.MediaDescriptions) {
			t.Fatalf("%d m-lines for %d", len(answer.MediaDescriptions), len(o.whole.MediaDescriptions))
		}
		for i, m := range answer.MediaDescriptions {
			theirs := directionOf(o.whole.MediaDescriptions[i], o.whole)
			if d := directionOf(m, answer); m.MediaName.Port.Value != 0 && d&^theirs.reverse() != 0 {
				t.Fatalf("m-line %d: %s answers %s", i, d.attribute(), theirs.attribute())
			}
		}
		formats{testAudio(), testVideo()}.agree(o, answer, nil)
	})
}
