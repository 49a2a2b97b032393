package offer

import (
	"errors"
	"strings"
	"testing"

	"tutti/codec"
	"tutti/codec/g711"
	"tutti/mixer"
)

func offerOf(t testing.TB, caps Capabilities, prev *State) *State {
	t.Helper()
	s, err := Offer(caps, prev)
	if err != nil {
		t.Fatal(err)
	}
	parse(t, string(s.Local.Bytes()))
	return s
}

func answeredBy(body ...string) string { return offered(body...) }

func TestOfferHasEverything(t *testing.T) {
	caps := ours()
	caps.Prefer.Audio = []codec.Format{g711.PCMA().Format}
	s := offerOf(t, caps, nil)
	want := "audio 30000 RTP/AVP 8 109 9 0 101 102 | video 30002 RTP/AVP 97 127 96"
	if got := mlines(s.Local); got != want {
		t.Errorf("offer\n got %s\nwant %s", got, want)
	}
	sdp := string(s.Local.Bytes())
	for _, line := range []string{
		"a=rtpmap:101 telephone-event/8000", "a=rtpmap:102 telephone-event/48000", "a=fmtp:127 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f",
		"a=rtcp-fb:* ccm fir", "a=label:1", "a=extmap:1 " + audioLevelURI,
	} {
		if !strings.Contains(sdp, line+"\r\n") {
			t.Errorf("no %s in\n%s", line, sdp)
		}
	}
	if strings.Contains(sdp, "crypto") {
		t.Error("keys in a plain offer")
	}
}

func TestCompleteTakesTheAnswer(t *testing.T) {
	open := offerOf(t, ours(), nil)
	done, err := Complete(open, parse(t, answeredBy("m=audio 6000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=recvonly", "m=video 0 RTP/AVP 97")), ours())
	if err != nil {
		t.Fatal(err)
	}
	a, v := done.Media[0], done.Media[1]
	if a.Send == nil || a.Send.Audio.Name != "PCMA" || len(a.Receive) != 0 || len(a.Accepted) != 2 || a.RTP.Port() != 6000 {
		t.Errorf("audio = %+v", a)
	}
	if !v.Rejected || v.Kind != mixer.Video {
		t.Errorf("video = %+v", v)
	}
	// The next offer keeps the refused line in place, and the payload types.
	again := offerOf(t, ours(), done)
	if got := mlines(again.Local); got != "audio 30000 RTP/AVP 8 101 109 9 0 102 | video 0 RTP/AVP 97 127 96" {
		t.Errorf("second offer: %s", got)
	}
	if v := again.Local.Origin.Version; v != "2" {
		t.Errorf("version = %s, want 2", v)
	}
}

func TestCompleteSendsWithTheirNumbers(t *testing.T) {
	open := offerOf(t, ours(), nil)
	done, err := Complete(open, parse(t, answeredBy("m=audio 6000 RTP/AVP 120", "a=rtpmap:120 opus/48000/2", "m=video 6002 RTP/AVP 97", "a=rtpmap:97 H264/90000", "a=fmtp:97 packetization-mode=1;profile-level-id=42e01f")), ours())
	if err != nil {
		t.Fatal(err)
	}
	a, v := done.Media[0], done.Media[1]
	if a.Send.PayloadType != 120 || a.Receive[0].Type != 109 {
		t.Errorf("we send %d and receive %d, want 120 and 109", a.Send.PayloadType, a.Receive[0].Type)
	}
	if v.Send.PayloadType != 97 || v.Send.Width != 0 {
		t.Errorf("video = %+v", v.Send)
	}
}

func TestCompleteRefuses(t *testing.T) {
	tests := map[string]struct {
		answer string
		want   Encryption
		says   string
	}{
		"an m-line more":     {answeredBy("m=audio 6000 RTP/AVP 8", "m=video 0 RTP/AVP 97", "m=text 0 RTP/AVP 98"), Offered, "has 3 m-lines"},
		"m-lines swapped":    {answeredBy("m=video 6000 RTP/AVP 97", "m=audio 6002 RTP/AVP 8"), Offered, "answers m=audio"},
		"format not offered": {answeredBy("m=audio 6000 RTP/AVP 18", "m=video 0 RTP/AVP 97"), Offered, "no format"},
		"all refused":        {answeredBy("m=audio 0 RTP/AVP 8", "m=video 0 RTP/AVP 97"), Offered, "refuses all"},
		"transport changed":  {answeredBy("m=audio 6000 RTP/SAVP 8", "m=video 0 RTP/AVP 97"), Offered, "answers RTP/AVP with RTP/SAVP"},
		"no keys":            {answeredBy("m=audio 6000 RTP/SAVP 8", "m=video 0 RTP/SAVP 97"), Required, "no a=crypto"},
		"tag not offered": {answeredBy("m=audio 6000 RTP/SAVP 8",
			"a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz", "m=video 0 RTP/SAVP 97"), Required, "tag 9"},
		"no fingerprint": {answeredBy("m=audio 6000 UDP/TLS/RTP/SAVP 8", "m=video 0 UDP/TLS/RTP/SAVP 97"), RequiredDTLS, "fingerprint"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			caps := ours()
			caps.Encryption = tt.want
			open := offerOf(t, caps, nil)
			_, err := Complete(open, parse(t, tt.answer), caps)
			var r *Rejection
			if !errors.As(err, &r) || !strings.Contains(r.Text, tt.says) {
				t.Errorf("error = %v, want a rejection that says %q", err, tt.says)
			}
		})
	}
}

// A gateway that knows no pictures answers with the line of sound only: the other is refused.
func TestCompleteTakesMissingLinesAsRefused(t *testing.T) {
	caps := ours()
	done, err := Complete(offerOf(t, caps, nil), parse(t, answeredBy("m=audio 6000 RTP/AVP 8")), caps)
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Media) != 2 || done.Media[0].Rejected || !done.Media[1].Rejected {
		t.Errorf("media = %+v, want sound and a refused picture", done.Media)
	}
}

func TestEncryptionByRule(t *testing.T) {
	for rule, want := range map[Encryption]Protection{Offered: Unprotected, Optional: SDES, Required: SDES, RequiredDTLS: DTLS} {
		caps := ours()
		caps.Encryption = rule
		open := offerOf(t, caps, nil)
		far := ours()
		s := answerTo(t, string(open.Local.Bytes()), far, nil)
		done, err := Complete(open, s.Local, caps)
		if err != nil {
			t.Fatal(err)
		}
		for i := range done.Media {
			near, far := done.Media[i].Security, s.Media[i].Security
			if near.Kind != want || far.Kind != want {
				t.Errorf("rule %d: %v and %v, want %v", rule, near.Kind, far.Kind, want)
			}
			if want == SDES && (!near.Local.Equal(&far.Remote) || !near.Remote.Equal(&far.Local)) {
				t.Errorf("rule %d: the ends do not have each other's keys", rule)
			}
			if want == DTLS && near.Active == far.Active {
				t.Errorf("rule %d: both ends active, or none", rule)
			}
		}
	}
}

func TestVideoComesAndGoes(t *testing.T) {
	sound := ours()
	sound.Video = nil
	caller := offerOf(t, sound, nil)
	far := answerTo(t, string(caller.Local.Bytes()), ours(), nil)
	near, err := Complete(caller, far.Local, sound)
	if err != nil {
		t.Fatal(err)
	}
	with := offerOf(t, ours(), near)
	if got := mlines(with.Local); !strings.Contains(got, "| video 30002") {
		t.Fatalf("offer with video: %s", got)
	}
	far = answerTo(t, string(with.Local.Bytes()), ours(), far)
	if near, err = Complete(with, far.Local, ours()); err != nil {
		t.Fatal(err)
	}
	if len(near.Media) != 2 || near.Media[1].Rejected {
		t.Fatalf("media = %+v", near.Media)
	}
	without := offerOf(t, sound, near)
	if got := mlines(without.Local); !strings.Contains(got, "| video 0") {
		t.Errorf("offer without video: %s", got)
	}
}

// After an offer of ours the far end may offer what it answered, to the byte: our offer is no answer to it.
func TestOfferIsNoAnswer(t *testing.T) {
	caps := ours()
	caps.Encryption = Required
	open := offerOf(t, caps, nil)
	far := answerTo(t, string(open.Local.Bytes()), ours(), nil)
	done, err := Complete(open, far.Local, caps)
	if err != nil {
		t.Fatal(err)
	}
	s := answerTo(t, string(far.Local.Bytes()), caps, done)
	if n := len(s.Local.Sections[0].Attributes.All("crypto")); n != 1 {
		t.Errorf("answered with %d keys\n%s", n, s.Local.Bytes())
	}
	if s.Local.Origin.Version != "2" {
		t.Errorf("version = %s, want 2", s.Local.Origin.Version)
	}
}
