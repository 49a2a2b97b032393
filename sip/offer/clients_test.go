package offer

import (
	"net/netip"
	"os"
	"strings"
	"testing"
)

// What real clients offer, and what they must be told. See testdata/sdp.
func TestAnswerToClients(t *testing.T) {
	tests := map[string]struct {
		want     string
		security Protection
		has      []string
	}{
		"baresip-plain": {
			"audio 30000 RTP/AVP 96 9 0 8 101 | video 30002 RTP/AVP 97 96 100", Unprotected,
			[]string{"a=fmtp:97 packetization-mode=1;profile-level-id=42e01f", "a=fmtp:96 packetization-mode=0;profile-level-id=42e01f", "a=rtcp-fb:97 nack pli", "a=rtcp-rsize"},
		},
		"baresip-srtp": {
			"audio 30000 RTP/AVP 96 9 0 8 101 | video 30002 RTP/AVP 97 96 100", SDES,
			[]string{"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"},
		},
		"baresip-dtls": {
			"audio 30000 UDP/TLS/RTP/SAVPF 96 9 0 8 101 | video 30002 UDP/TLS/RTP/SAVPF 97 96 100", DTLS,
			[]string{"a=setup:active", "a=fingerprint:sha-256 AB:AB:", "a=rtcp-mux"},
		},
		"desk-phone": {"audio 30000 RTP/AVP 9 8 0 101", SDES, []string{"a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:"}},
		"room-system": {
			"audio 30000 RTP/AVP 9 8 101 | video 30002 RTP/AVP 97 98 | application 0 UDP/BFCP * | video 30006 RTP/AVP 97 | application 0 RTP/AVP 109",
			Unprotected, []string{"a=content:slides", "a=label:3", "a=fmtp:97 packetization-mode=1;profile-level-id=428014"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sdp, err := os.ReadFile("../../testdata/sdp/" + name + ".sdp")
			if err != nil {
				t.Fatal(err)
			}
			caps := ours()
			caps.Slides = true
			if name == "room-system" {
				caps.Address = netip.MustParseAddr("2001:db8::1")
			}
			s := answerTo(t, string(sdp), caps, nil)
			if got := mlines(s.Local); got != tt.want {
				t.Errorf("answer\n got %s\nwant %s", got, tt.want)
			}
			for i := range s.Media {
				if m := &s.Media[i]; !m.Rejected && m.Security.Kind != tt.security {
					t.Errorf("m-line %d: %v, want %v", i, m.Security.Kind, tt.security)
				}
			}
			for _, line := range tt.has {
				if !strings.Contains(string(s.Local.Bytes()), line) {
					t.Errorf("no %s in\n%s", line, s.Local.Bytes())
				}
			}
		})
	}
}

// A room system names a low level and raises its limits (RFC 6184 §8.1, max-fs and max-mbps).
func TestRaisedLimitsCount(t *testing.T) {
	sdp, err := os.ReadFile("../../testdata/sdp/room-system.sdp")
	if err != nil {
		t.Fatal(err)
	}
	caps := ours()
	caps.Address = netip.MustParseAddr("2001:db8::1")
	s := answerTo(t, string(sdp), caps, nil)
	if e := s.Media[1].Send; e.Width != 0 || e.FrameRate != 0 || e.Bitrate != 1500000 {
		t.Errorf("video encoding = %+v, want 720p at full rate and 1.5 Mbit/s", e)
	}
	if a := s.Media[0].RTP.Addr(); a.String() != "2001:db8::7" {
		t.Errorf("audio goes to %v", a)
	}
}

func TestNamesStandForNoAddress(t *testing.T) {
	sdp, err := os.ReadFile("../../testdata/sdp/rfc3264-10.1.sdp")
	if err != nil {
		t.Fatal(err)
	}
	s := answerTo(t, string(sdp), ours(), nil)
	if a := s.Media[0].RTP; a.Addr().IsValid() || a.Port() != 49170 || s.Media[0].Send == nil {
		t.Errorf("audio goes to %v", a)
	}
}
