package offer

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"tutti/codec"
	"tutti/codec/g711"
	"tutti/codec/h264"
	"tutti/mixer"
)

func audio(name string, clock, channels int, pt uint8, fmtp string) codec.Audio {
	return codec.Audio{Format: codec.Format{Name: name, ClockRate: clock, Channels: channels}, PayloadType: pt, Fmtp: fmtp}
}

func avc() codec.Video {
	v := h264.H264()
	v.PayloadType = 97
	return v
}

func vp8() codec.Video {
	return codec.Video{Format: codec.Format{Name: "VP8", ClockRate: 90000}, PayloadType: 96}
}

// ours are capabilities of everything, with ports 30000, 30002, … and a certificate.
func ours() Capabilities {
	return Capabilities{
		Audio: []codec.Audio{
			audio("opus", 48000, 2, 109, "useinbandfec=1"), audio("G722", 8000, 0, 9, ""), g711.PCMU(), g711.PCMA(),
		},
		Video:   []codec.Video{avc(), vp8()},
		Address: netip.MustParseAddr("192.0.2.1"), SessionID: 4711,
		Place: func(i int) (Place, error) {
			return Place{RTP: uint16(30000 + 2*i), RTCP: uint16(30001 + 2*i)}, nil
		},
		Fingerprint: Fingerprint{{"sha-256", bytes.Repeat([]byte{0xab}, 32)}},
	}
}

// text joins lines with CRLF.
func text(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }

func offered(body ...string) string {
	return text("v=0", "o=alice 2890844526 2890844526 IN IP4 198.51.100.1", "s=-", "c=IN IP4 198.51.100.1", "t=0 0") + text(body...)
}

func parse(t testing.TB, sdp string) *Session {
	t.Helper()
	s, err := Parse([]byte(sdp))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func answerTo(t testing.TB, sdp string, caps Capabilities, prev *State) *State {
	t.Helper()
	s, err := Answer(parse(t, sdp), caps, prev)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mlines are the m-lines of a description.
func mlines(s *Session) string {
	var ms []string
	for l := range strings.SplitSeq(string(s.Bytes()), "\r\n") {
		if strings.HasPrefix(l, "m=") {
			ms = append(ms, l[2:])
		}
	}
	return strings.Join(ms, " | ")
}

func TestAnswerChoosesInPlace(t *testing.T) {
	tests := map[string]struct {
		offer []string
		want  string
	}{
		// RFC 3264 §10.1: Alice's offer to Bob.
		"RFC 3264 10.1": {[]string{
			"m=audio 62986 RTP/AVP 0 4 18", "a=rtpmap:0 PCMU/8000", "a=rtpmap:4 G723/8000", "a=rtpmap:18 G729/8000",
			"m=video 49372 RTP/AVP 31 32", "a=rtpmap:31 H261/90000", "a=rtpmap:32 MPV/90000",
		}, "audio 30000 RTP/AVP 0 | video 0 RTP/AVP 31 32"},
		// RFC 3264 §10.2: one of many codecs.
		"RFC 3264 10.2": {[]string{
			"m=audio 62986 RTP/AVP 0 4 18 101", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-11",
		}, "audio 30000 RTP/AVP 0 101"},
		// RFC 4317 §2.1: audio and video 1.
		"RFC 4317 2.1": {[]string{
			"m=audio 49170 RTP/AVP 0 8 97", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:97 iLBC/8000",
			"m=video 51372 RTP/AVP 31 32", "a=rtpmap:31 H261/90000", "a=rtpmap:32 MPV/90000",
		}, "audio 30000 RTP/AVP 0 8 | video 0 RTP/AVP 31 32"},
		// RFC 4317 §2.4: the second audio line is telephone-event alone.
		"RFC 4317 2.4": {[]string{
			"m=audio 49170 RTP/AVP 0", "a=rtpmap:0 PCMU/8000",
			"m=audio 49172 RTP/AVP 97", "a=rtpmap:97 telephone-event/8000",
		}, "audio 30000 RTP/AVP 0 | audio 0 RTP/AVP 97"},
		"dynamic numbers stay theirs": {[]string{
			"m=audio 5004 RTP/AVP 96 97 98 8", "a=rtpmap:96 opus/48000/2", "a=rtpmap:97 telephone-event/48000",
			"a=rtpmap:98 telephone-event/8000",
		}, "audio 30000 RTP/AVP 96 8 97 98"},
		"wideband before narrow, laws in their order": {[]string{
			"m=audio 5004 RTP/AVP 8 0 9 13",
		}, "audio 30000 RTP/AVP 9 8 0 13"},
		"H.264 profiles and modes": {[]string{
			"m=audio 5004 RTP/AVP 0",
			"m=video 5006 RTP/AVP 100 101 102 103 104", "a=rtpmap:100 H264/90000", "a=fmtp:100 profile-level-id=64001f;packetization-mode=1",
			"a=rtpmap:101 H264/90000", "a=fmtp:101 profile-level-id=42e01f", "a=rtpmap:102 VP8/90000",
			"a=rtpmap:103 H264/90000", "a=fmtp:103 packetization-mode=1;profile-level-id=42801f",
			"a=rtpmap:104 H264/90000", "a=fmtp:104 packetization-mode=2;profile-level-id=42e01f",
		}, "audio 30000 RTP/AVP 0 | video 30002 RTP/AVP 101 103 100 102"},
		"unknown media and transports keep their place": {[]string{
			"m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=audio 5004 RTP/AVP 0", "m=message 7394 TCP/MSRP *",
			"m=image 5008 udptl t38", "m=video 5006 RTP/AVP 102", "a=rtpmap:102 VP8/90000",
		}, "application 0 UDP/DTLS/SCTP webrtc-datachannel | audio 30002 RTP/AVP 0 | message 0 TCP/MSRP * | image 0 udptl t38 | video 30008 RTP/AVP 102"},
		"ended stream": {[]string{
			"m=audio 0 RTP/AVP 0", "m=audio 5004 RTP/AVP 8",
		}, "audio 0 RTP/AVP 0 | audio 30002 RTP/AVP 8"},
		"SRTP and plain as alternatives": {[]string{
			"m=audio 5004 RTP/SAVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4",
			"m=audio 5006 RTP/AVP 0",
		}, "audio 0 RTP/SAVP 0 | audio 30002 RTP/AVP 0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			caps := ours()
			s := answerTo(t, offered(tt.offer...), caps, nil)
			if got := mlines(s.Local); got != tt.want {
				t.Errorf("answer\n got %s\nwant %s", got, tt.want)
			}
			parse(t, string(s.Local.Bytes()))
		})
	}
}

func TestAnswerRefuses(t *testing.T) {
	key := "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
	tests := map[string]struct {
		offer   string
		want    Encryption
		warning int
		says    string
	}{
		"no format":      {offered("m=audio 5004 RTP/AVP 18"), Offered, 305, "line 6"},
		"no media type":  {offered("m=message 5004 TCP/MSRP *"), Offered, 304, "m=message"},
		"no m-lines":     {offered("a=x"), Offered, 304, "no audio"},
		"transport":      {offered("m=audio 5004 TCP/RTP/AVP 0"), Offered, 302, "TCP/RTP/AVP"},
		"events alone":   {offered("m=audio 5004 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"), Offered, 305, "no format"},
		"plain":          {offered("m=audio 5004 RTP/AVP 0"), Required, 302, "only SRTP"},
		"unknown suite":  {offered("m=audio 5004 RTP/SAVP 0", "a=crypto:1 F8_128_HMAC_SHA1_80 inline:x"), Offered, 305, "F8_128"},
		"no keys":        {offered("m=audio 5004 RTP/SAVP 0"), Offered, 305, "no a=crypto"},
		"MKI":            {offered("m=audio 5004 RTP/SAVP 0", key+"|2^20|1:4"), Offered, 305, "master key identifier"},
		"short key":      {offered("m=audio 5004 RTP/SAVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNf"), Offered, 305, "30 bytes"},
		"unencrypted":    {offered("m=audio 5004 RTP/SAVP 0", key+" UNENCRYPTED_SRTP"), Offered, 305, "UNENCRYPTED"},
		"no fingerprint": {offered("m=audio 5004 UDP/TLS/RTP/SAVP 0", "a=setup:actpass"), Offered, 305, "fingerprint"},
		"multicast":      {strings.ReplaceAll(offered("m=audio 5004 RTP/AVP 0"), "c=IN IP4 198.51.100.1", "c=IN IP4 224.2.1.1/127"), Offered, 301, "multicast"},
		"other family":   {strings.ReplaceAll(offered("m=audio 5004 RTP/AVP 0"), "c=IN IP4 198.51.100.1", "c=IN IP6 2001:db8::5"), Offered, 301, "2001:db8::5"},
		"no connection":  {strings.ReplaceAll(offered("m=audio 5004 RTP/AVP 0"), "c=IN IP4 198.51.100.1\r\n", ""), Offered, 399, "no c="},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			caps := ours()
			caps.Encryption = tt.want
			_, err := Answer(parse(t, tt.offer), caps, nil)
			var r *Rejection
			if !errors.As(err, &r) {
				t.Fatalf("error = %v, want a *Rejection", err)
			}
			if r.Code != 488 || r.Warning != tt.warning || !strings.Contains(r.Text, tt.says) {
				t.Errorf("rejection = %+v, want warning %d that says %q", r, tt.warning, tt.says)
			}
		})
	}
}

func TestAnswerPrefersWhatIsEncoded(t *testing.T) {
	sdp := offered("m=audio 5004 RTP/AVP 96 9 8", "a=rtpmap:96 opus/48000/2",
		"m=video 5006 RTP/AVP 97 98", "a=rtpmap:97 H264/90000", "a=fmtp:97 packetization-mode=1;profile-level-id=42e01f", "a=rtpmap:98 VP8/90000")
	caps := ours()
	caps.Prefer = Preferences{Audio: []codec.Format{g711.PCMA().Format}, Video: []codec.Format{vp8().Format}}
	s := answerTo(t, sdp, caps, nil)
	if a, v := s.Media[0].Send.Audio.Name, s.Media[1].Send.Video.Name; a != "PCMA" || v != "VP8" {
		t.Errorf("we send %s and %s, want PCMA and VP8", a, v)
	}
	// A hold must not change the format, whatever the conference encodes by then.
	caps.Prefer = Preferences{}
	s = answerTo(t, strings.Replace(sdp, "m=video", "a=sendrecv\r\nm=video", 1), caps, s)
	if a := s.Media[0].Send.Audio.Name; a != "PCMA" {
		t.Errorf("after a renegotiation we send %s, want PCMA", a)
	}
}

func TestAnswerMirrorsDirection(t *testing.T) {
	tests := map[string]struct {
		offer          []string
		want           Direction
		sends, receive bool
	}{
		"default":              {nil, SendRecv, true, true},
		"hold":                 {[]string{"a=sendonly"}, RecvOnly, false, true},
		"listener":             {[]string{"a=recvonly"}, SendOnly, true, false},
		"inactive":             {[]string{"a=inactive"}, Inactive, false, false},
		"hold of RFC 2543":     {[]string{"c=IN IP4 0.0.0.0"}, RecvOnly, false, true},
		"inactive of RFC 2543": {[]string{"c=IN IP4 0.0.0.0", "a=recvonly"}, Inactive, false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := answerTo(t, offered(append([]string{"m=audio 5004 RTP/AVP 0"}, tt.offer...)...), ours(), nil)
			m := s.Media[0]
			if m.Direction != tt.want || (m.Send != nil) != tt.sends || (len(m.Receive) > 0) != tt.receive {
				t.Errorf("direction %v, send %v, receive %v", m.Direction, m.Send, m.Receive)
			}
			if !strings.Contains(string(s.Local.Bytes()), "a="+tt.want.String()+"\r\n") {
				t.Errorf("no a=%v in\n%s", tt.want, s.Local.Bytes())
			}
		})
	}
}

func TestSessionDirectionAppliesToAll(t *testing.T) {
	sdp := strings.Replace(offered("m=audio 5004 RTP/AVP 0", "m=video 5006 RTP/AVP 96", "a=rtpmap:96 VP8/90000", "a=sendrecv"), "t=0 0\r\n", "t=0 0\r\na=sendonly\r\n", 1)
	s := answerTo(t, sdp, ours(), nil)
	if a, v := s.Media[0].Direction, s.Media[1].Direction; a != RecvOnly || v != SendRecv {
		t.Errorf("directions = %v, %v", a, v)
	}
}

func TestAnswerReadsTheFarEnd(t *testing.T) {
	s := answerTo(t, offered("m=audio 5004 RTP/AVP 96 0", "a=rtpmap:96 opus/48000/2", "a=fmtp:96 stereo=0", "a=rtcp:5100", "b=AS:40",
		"a=extmap:3 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on", "a=extmap:4/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level",
		"a=extmap:5 urn:example:unknown", "a=ptime:10", "a=mid:a1",
		"m=video 5006 RTP/AVPF 97", "c=IN IP4 203.0.113.7", "a=rtpmap:97 H264/90000", "a=fmtp:97 packetization-mode=1;profile-level-id=42800d;level-asymmetry-allowed=1",
		"b=TIAS:512000", "a=rtcp-fb:* nack pli", "a=rtcp-fb:97 ccm fir", "a=rtcp-fb:98 nack", "a=rtcp-mux", "a=rtcp-rsize"), ours(), nil)
	a, v := s.Media[0], s.Media[1]
	if a.RTP.String() != "198.51.100.1:5004" || a.RTCP.String() != "198.51.100.1:5100" || a.Mux {
		t.Errorf("audio goes to %v and %v, mux %v", a.RTP, a.RTCP, a.Mux)
	}
	if v.RTP.String() != "203.0.113.7:5006" || v.RTCP != v.RTP || !v.Mux || !v.Reduced {
		t.Errorf("video goes to %v and %v, mux %v, reduced %v", v.RTP, v.RTCP, v.Mux, v.Reduced)
	}
	if a.AudioLevel != 3 || a.MixerLevels != 4 {
		t.Errorf("extensions = %d, %d", a.AudioLevel, a.MixerLevels)
	}
	if a.Send.Bitrate != 24000 || a.Send.PTime.Milliseconds() != 10 || a.Send.Fmtp != "stereo=0" {
		t.Errorf("audio encoding = %+v", a.Send)
	}
	if v.Feedback != (mixer.Feedback{PLI: true, FIR: true}) {
		t.Errorf("feedback = %+v", v.Feedback)
	}
	if v.Send.Bitrate != 512000 || v.Send.Width != 320 || v.Send.Height != 180 { // level 1.3: 396 macroblocks
		t.Errorf("video encoding = %+v", v.Send)
	}
	got := string(s.Local.Bytes())
	for _, line := range []string{
		"a=fmtp:96 useinbandfec=1", "a=ptime:10", "a=extmap:3 " + audioLevelURI, "a=extmap:4 " + mixerLevelsURI, "a=mid:a1", "a=label:0",
		"a=fmtp:97 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42801f", "a=rtcp-fb:97 nack pli", "a=rtcp-fb:97 ccm fir", "a=rtcp-mux", "a=rtcp-rsize",
	} {
		if !strings.Contains(got, line+"\r\n") {
			t.Errorf("no %s in\n%s", line, got)
		}
	}
	if strings.Contains(got, "97 nack\r\n") || strings.Contains(got, "urn:example") {
		t.Errorf("more than was offered in\n%s", got)
	}
}

func TestVersionCountsChanges(t *testing.T) {
	sdp := offered("m=audio 5004 RTP/AVP 0")
	first := answerTo(t, sdp, ours(), nil)
	again := answerTo(t, sdp, ours(), first)
	if !bytes.Equal(first.Local.Bytes(), again.Local.Bytes()) {
		t.Errorf("the same offer got another answer\n%s\n%s", first.Local.Bytes(), again.Local.Bytes())
	}
	refreshed := answerTo(t, strings.Replace(sdp, "2890844526 IN", "2890844527 IN", 1), ours(), again)
	if v := refreshed.Local.Origin.Version; v != "1" {
		t.Errorf("version = %s after an offer that changed nothing, want 1", v)
	}
	held := answerTo(t, sdp+"a=sendonly\r\n", ours(), refreshed)
	if o := held.Local.Origin; o.Version != "2" || o.ID != "4711" {
		t.Errorf("origin = %+v, want version 2 of 4711", o)
	}
	more := answerTo(t, sdp+text("m=video 5006 RTP/AVP 96", "a=rtpmap:96 VP8/90000"), ours(), held)
	if v := more.Local.Origin.Version; v != "3" || len(more.Media) != 2 {
		t.Errorf("version = %s with %d media", v, len(more.Media))
	}
	if _, err := Answer(parse(t, sdp), ours(), more); err == nil {
		t.Error("an offer with fewer m-lines was taken")
	}
}

func TestSlides(t *testing.T) {
	sdp := offered("m=audio 5004 RTP/AVP 0", "m=video 5006 RTP/AVP 96", "a=rtpmap:96 VP8/90000", "a=content:main",
		"m=video 5008 RTP/AVP 96", "a=rtpmap:96 VP8/90000", "a=content:slides", "m=video 5010 RTP/AVP 96", "a=rtpmap:96 VP8/90000")
	caps := ours()
	if got := mlines(answerTo(t, sdp, caps, nil).Local); strings.Count(got, "video 0") != 2 {
		t.Errorf("without slides: %s", got)
	}
	caps.Slides = true
	s := answerTo(t, sdp, caps, nil)
	if s.Media[1].Content != "main" || s.Media[2].Content != "slides" || s.Media[2].Rejected || !s.Media[3].Rejected {
		t.Errorf("media = %+v", s.Media)
	}
}

func TestKeysStayOverRenegotiation(t *testing.T) {
	sdp := offered("m=audio 5004 RTP/SAVP 0",
		"a=crypto:1 AEAD_AES_256_GCM inline:c2hvcnQ=",
		"a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^31")
	first := answerTo(t, sdp, ours(), nil)
	sec := first.Media[0].Security
	if sec.Kind != SDES || sec.Local.Suite != AES_CM_128_HMAC_SHA1_32 || sec.Local.Tag != "7" || len(sec.Local.Salt) != 14 || sec.Local.Equal(&sec.Remote) {
		t.Fatalf("security = %+v", sec)
	}
	held := answerTo(t, sdp+"a=sendonly\r\n", ours(), first)
	if !held.Media[0].Security.Local.Equal(&sec.Local) {
		t.Error("our key changed without need")
	}
}

func TestDTLSRole(t *testing.T) {
	print := "a=fingerprint:SHA-256 " + strings.TrimSuffix(strings.Repeat("CD:", 32), ":")
	for theirs, want := range map[string]string{"actpass": "active", "passive": "active", "active": "passive"} {
		s := answerTo(t, offered("m=audio 5004 UDP/TLS/RTP/SAVPF 0", "a=setup:"+theirs, print), ours(), nil)
		sec := s.Media[0].Security
		if v, _ := s.Local.Sections[0].Attributes.Get("setup"); v != want || sec.Kind != DTLS || sec.Active != (want == "active") || len(sec.Fingerprint) != 1 {
			t.Errorf("setup:%s answered with %s, %+v", theirs, v, sec)
		}
	}
}

func TestWantsICE(t *testing.T) {
	candidates := offered("m=audio 5004 RTP/AVP 0", "a=ice-ufrag:x", "a=ice-pwd:y")
	if parse(t, candidates).WantsICE() {
		t.Error("a phone with candidates and no fingerprint is no browser")
	}
	browser := candidates + "a=fingerprint:sha-256 " + strings.TrimSuffix(strings.Repeat("CD:", 32), ":") + "\r\n"
	if !parse(t, browser).WantsICE() {
		t.Error("a browser's offer was not recognised")
	}
}

func TestPacketTime(t *testing.T) {
	for lines, want := range map[string]int64{
		"": 0, "a=ptime:20": 0, "a=ptime:30": 0, "a=ptime:10": 10, "a=ptime:5": 10, "a=ptime:40": 40, "a=ptime:120": 60, "a=ptime:60|a=maxptime:40": 40,
		"a=maxptime:60": 0, "a=maxptime:10": 10, "a=ptime:x": 0, "a=ptime:0": 0, "a=ptime:NaN": 0, "a=ptime:-20": 0,
	} {
		s := answerTo(t, offered(append([]string{"m=audio 5004 RTP/AVP 0"}, strings.Split(lines, "|")...)...), ours(), nil)
		if got := s.Media[0].Send.PTime.Milliseconds(); got != want {
			t.Errorf("%s: %d ms, want %d", lines, got, want)
		}
	}
}
