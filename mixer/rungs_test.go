package mixer

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"

	"tutti/mixer/video"
)

// tmmbr asks for at most mantissa × 2^exp bit/s of the stream of ssrc.
func tmmbr(ssrc, exp, mantissa uint32) rtcp.Packet {
	p := make(rtcp.RawPacket, 20)
	p[0], p[1], p[3] = 2<<6|3, 205, 4
	binary.BigEndian.PutUint32(p[12:], ssrc)
	binary.BigEndian.PutUint32(p[16:], exp<<26|mantissa<<9|40)
	return &p
}

// TestFarEndMovesItsPicture: what a far end says in RTCP of its own stream, and nothing else, moves its picture to
// another rung; the packets go on as if nothing had happened.
func TestFarEndMovesItsPicture(t *testing.T) {
	report := func(ssrc uint32, lost uint8) rtcp.Packet {
		return &rtcp.ReceiverReport{SSRC: 2, Reports: []rtcp.ReceptionReport{{SSRC: ssrc, FractionLost: lost}}}
	}
	estimate := func(ssrc uint32, bps float32) rtcp.Packet {
		return &rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 2, Bitrate: bps, SSRCs: []uint32{9, ssrc}}
	}
	tests := map[string]struct {
		say  rtcp.Packet
		rung int
	}{
		"20 % loss":                  {report(1002, 51), 1},
		"2 % loss":                   {report(1002, 5), 0},
		"loss in a sender report":    {&rtcp.SenderReport{SSRC: 2, Reports: []rtcp.ReceptionReport{{SSRC: 1002, FractionLost: 51}}}, 1},
		"loss of another stream":     {report(1001, 51), 0},
		"REMB below what is sent":    {estimate(1002, 130_000), 1},
		"REMB of much":               {estimate(1002, 1e9), 0},
		"REMB for another stream":    {estimate(1001, 130_000), 0},
		"TMMBR of 131072 bit/s":      {tmmbr(1002, 7, 1024), 1},
		"TMMBR of much":              {tmmbr(1002, 63, 1<<17-1), 0},
		"TMMBR of nothing":           {tmmbr(1002, 0, 0), 0},
		"TMMBR for another stream":   {tmmbr(1001, 7, 1024), 0},
		"TMMBR cut off":              {&rtcp.RawPacket{2<<6 | 3, 205, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0}, 0},
		"a feedback nobody heard of": {&rtcp.RawPacket{2<<6 | 9, 205, 0, 1, 0, 0, 0, 0}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, a, b, end := pictures(t, Feedback{PLI: true})
				a.film(3*time.Second, true)
				b.rtcp(report(1002, 0)) // from here it is known what is sent
				a.film(1200*time.Millisecond, false)
				b.rtcp(tt.say)
				a.film(2*time.Second, false)
				want := video.ViewerStats{Rung: tt.rung, Bitrate: []int{192_000, 120_000}[tt.rung], Moves: uint64(tt.rung)}
				if got := pictureOf(m, "b"); got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
				packets, _ := b.got()
				for i := range packets[1:] {
					p, q := packets[i].Header, packets[i+1].Header
					if q.SSRC != p.SSRC || q.SequenceNumber != p.SequenceNumber+1 || int32(q.Timestamp-p.Timestamp) < 0 ||
						p.Marker != (q.Timestamp != p.Timestamp) {
						t.Fatalf("after packet %+v comes %+v", p, q)
					}
				}
				end()
			})
		})
	}
}

func pictureOf(m *Mixer, leg string) video.ViewerStats {
	for _, l := range m.Stats().Legs {
		for _, s := range l.Streams {
			if string(l.Leg) == leg && s.Sent.Picture != nil {
				return *s.Sent.Picture
			}
		}
	}
	return video.ViewerStats{Rung: -1}
}
