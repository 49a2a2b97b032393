package media

import (
	"reflect"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"tutti/mixer"
	"tutti/sip/offer"
)

func TestGaps(t *testing.T) {
	type step struct {
		after    time.Duration
		sequence uint16
		want     []uint16
	}
	tests := map[string][]step{
		"in order":     {{0, 1, nil}, {0, 2, nil}, {0, 3, nil}},
		"a hole":       {{0, 1, nil}, {0, 4, []uint16{2, 3}}, {0, 5, nil}},
		"asked again":  {{0, 1, nil}, {0, 3, []uint16{2}}, {askAgainAfter, 4, []uint16{2}}, {askAgainAfter, 5, []uint16{2}}, {askAgainAfter, 6, nil}},
		"came late":    {{0, 1, nil}, {0, 3, []uint16{2}}, {0, 2, nil}, {askAgainAfter, 4, nil}},
		"wraps":        {{0, 65534, nil}, {0, 1, []uint16{65535, 0}}},
		"too much":     {{0, 1, nil}, {0, 500, nil}, {0, 502, []uint16{501}}},
		"out of order": {{0, 5, nil}, {0, 4, nil}, {0, 6, nil}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			var g gaps
			now := time.Unix(0, 0)
			for i, s := range steps {
				now = now.Add(s.after)
				if got := g.see(1, s.sequence, now); len(got)+len(s.want) > 0 && !reflect.DeepEqual(got, s.want) {
					t.Errorf("step %d: ask for %v, want %v", i, got, s.want)
				}
			}
		})
	}
}

func TestAppendNACKIsRead(t *testing.T) {
	for _, reduced := range []bool{false, true} {
		p := appendNACK(nil, reduced, 7, 99, []uint16{65530, 65535, 0, 10, 11})
		packets, err := rtcp.Unmarshal(p)
		if err != nil {
			t.Fatal(err)
		}
		nack, ok := packets[len(packets)-1].(*rtcp.TransportLayerNack)
		if !ok || len(packets) != 2 && !reduced || nack.SenderSSRC != 7 || nack.MediaSSRC != 99 {
			t.Fatalf("packets = %v", packets)
		}
		var asked []uint16
		eachNACK(p, func(_ uint32, sequence uint16) { asked = append(asked, sequence) })
		if want := []uint16{65530, 65535, 0, 10, 11}; !reflect.DeepEqual(asked, want) {
			t.Errorf("read %v, want %v", asked, want)
		}
	}
}

func picture(secure offer.Security) offer.Media {
	m := sound(secure)
	m.Kind, m.Feedback = mixer.Video, mixer.Feedback{NACK: true}
	return m
}

func TestLostPictureIsSentAgain(t *testing.T) {
	mine, theirs := testKey(offer.AEAD_AES_128_GCM, 1), testKey(offer.AEAD_AES_128_GCM, 2)
	near, away := newBench(t, picture(sdes(mine, theirs))), newBench(t, picture(sdes(theirs, mine)))
	for sequence := range uint16(4) {
		h := &rtp.Header{Version: 2, PayloadType: 8, SequenceNumber: sequence, SSRC: 99}
		if err := away.WriteRTP(h, []byte{byte(sequence)}); err != nil {
			t.Fatal(err)
		}
		if d := <-away.rtp.out; sequence != 2 { // lost on the way
			near.feed(d.data, far, false)
		}
	}
	select {
	case d := <-near.rtcp.out:
		away.feed(d.data, farControl, true)
	default:
		t.Fatal("nothing was asked for")
	}
	near.feed((<-away.rtp.out).data, far, false)
	for _, want := range []string{"\x00", "\x01", "\x03", "\x02"} {
		if got := payload(t, expect(t, near.inlet.rtp)); got != want {
			t.Errorf("received %q, want %q", got, want)
		}
	}
	// Asking for ever is not answered for ever.
	ask := appendNACK(nil, false, 1, 99, []uint16{2})
	for range 10 {
		away.resend(ask)
	}
	if n := len(away.rtp.out); n != resendAtMost-1 {
		t.Errorf("sent again %d times, want %d", n, resendAtMost-1)
	}
}

func TestSoundIsNotSentAgain(t *testing.T) {
	b := newBench(t, sound(offer.Security{}))
	if err := b.WriteRTP(&rtp.Header{Version: 2, PayloadType: 8, SequenceNumber: 1, SSRC: 5}, nil); err != nil {
		t.Fatal(err)
	}
	<-b.rtp.out
	b.resend(appendNACK(nil, false, 1, 5, []uint16{1}))
	if n := len(b.rtp.out); n != 0 {
		t.Errorf("sent %d packets again without agreement", n)
	}
}

func FuzzNACK(f *testing.F) {
	f.Add(appendNACK(nil, false, 1, 2, []uint16{1, 2, 30}))
	f.Add(report)
	f.Fuzz(func(t *testing.T, p []byte) {
		n := 0
		eachNACK(p, func(uint32, uint16) { n++ })
		if n > len(p)/4*17 {
			t.Fatalf("%d numbers from %d bytes", n, len(p))
		}
	})
}
