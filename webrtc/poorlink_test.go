package webrtc

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor"
	pion "github.com/pion/webrtc/v4"

	"tutti/codec/vpx"
)

// lossy is a network that loses every fifth packet of the picture that arrives, while it is bad.
type lossy struct {
	interceptor.NoOp
	bad atomic.Bool
}

func (l *lossy) NewInterceptor(string) (interceptor.Interceptor, error) { return l, nil }

func (l *lossy) BindRemoteStream(info *interceptor.StreamInfo, r interceptor.RTPReader) interceptor.RTPReader {
	if info.MimeType != pion.MimeTypeVP8 {
		return r
	}
	seen := 0
	return interceptor.RTPReaderFunc(func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
		for {
			n, attributes, err := r.Read(b, a)
			if seen++; err == nil && l.bad.Load() && seen%5 == 0 {
				continue
			}
			return n, attributes, err
		}
	})
}

// screen tells how wide the pictures of the key frames are that arrive (RFC 7741 §4.3, RFC 6386 §9.1).
func (p *page) screen() <-chan int {
	widths := make(chan int, 100)
	p.pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			if b := afterDescriptor(packet.Payload); len(b) >= 8 && b[0]&1 == 0 && b[3] == 0x9d {
				select {
				case widths <- int(b[6]) | int(b[7]&0x3f)<<8:
				default:
				}
			}
		}
	})
	return widths
}

// afterDescriptor is what follows the payload descriptor of the first packet of a VP8 frame; nil for other packets.
func afterDescriptor(b []byte) []byte {
	if len(b) < 2 || b[0]&0x17 != 0x10 {
		return nil
	}
	n := 1
	if b[0]&0x80 != 0 { // X
		n = 2
		for bit, size := range map[byte]int{0x80: 1, 0x40: 1} { // I, L
			if b[1]&bit != 0 {
				n += size
			}
		}
		if b[1]&0x30 != 0 { // T, K
			n++
		}
		if len(b) > 2 && b[1]&0x80 != 0 && b[2]&0x80 != 0 { // M
			n++
		}
	}
	return b[min(n, len(b)):]
}

// TestPoorLinkGetsASmallerPicture: a page that loses a fifth of the packets gets a smaller picture by its receiver reports,
// and the other, on a clean link, no key frame because of that.
func TestPoorLinkGetsASmallerPicture(t *testing.T) {
	_, e := startBridgeWith(t, vpx.VP8())
	s := startServer(t, e)
	link := &lossy{}
	var screens []<-chan int
	for _, name := range []string{"Ada", "Bob"} {
		p := dial(t, s)
		if a := p.ask("join", object{"conference": "8001", "name": name}); a.Error != nil {
			t.Fatalf("join refused: %+v", *a.Error)
		}
		if name == "Ada" {
			p.network = link
		}
		p.connect()
		screens = append(screens, p.screen())
		if _, err := p.pc.AddTransceiverFromKind(pion.RTPCodecTypeVideo, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
		p.offer(nil)
		p.joined()
	}
	for i, w := range screens {
		if got := next(t, w, "key frame"); got != 1280 {
			t.Errorf("page %d begins with %d columns, want 1280", i, got)
		}
	}
	time.Sleep(500 * time.Millisecond) // key frames of the beginning
	for len(screens[1]) > 0 {
		<-screens[1]
	}
	link.bad.Store(true)
	for next(t, screens[0], "smaller picture") == 1280 {
	}
	if n := len(screens[1]); n > 0 {
		t.Errorf("%d key frames to the page with a clean link", n)
	}
}
