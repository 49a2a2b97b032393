package mixer

import (
	"image"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"tutti/codec"
	"tutti/mixer/plan"
)

// flags is a video format whose frames are one byte that says whether they are key frames, sent in two packets, of which
// the first makes them 180 kbit/s.
func flags() *codec.Video {
	return &codec.Video{
		Format:        codec.Format{Name: "flags", ClockRate: 90000},
		NewEncoder:    func(codec.VideoParams) (codec.VideoEncoder, error) { return &flagEncoder{}, nil },
		NewDecoder:    func() (codec.VideoDecoder, error) { return flagDecoder{}, nil },
		NewPacketizer: func(string, int) codec.Packetizer { return flagPacketizer{} },
		NewAssembler:  func() codec.Assembler { return flagAssembler{} },
	}
}

type flagEncoder struct{ begun bool }

func (e *flagEncoder) Encode(_ *image.YCbCr, _ time.Duration, key bool) ([]byte, bool, error) {
	key = key || !e.begun
	e.begun = true
	return []byte{flag(key)}, key, nil
}
func (*flagEncoder) SetBitrate(int) error { return nil }
func (*flagEncoder) Close() error         { return nil }

func flag(key bool) byte {
	if key {
		return 1
	}
	return 0
}

type flagDecoder struct{}

func (flagDecoder) Decode([]byte) (*image.YCbCr, error) {
	return image.NewYCbCr(image.Rect(0, 0, 32, 32), image.YCbCrSubsampleRatio420), nil
}
func (flagDecoder) Close() error { return nil }

type flagPacketizer struct{}

func (flagPacketizer) Packetize(f []byte) [][]byte {
	return [][]byte{append([]byte{9}, make([]byte, 900)...), f}
}

type flagAssembler struct{}

func (flagAssembler) Push(p []byte, _ uint32, marker, _ bool) ([]byte, bool, bool) {
	return p, p[0] == 1, marker
}

// camera is a leg with video in both directions. It is a Wire.
type camera struct {
	id    plan.LegID
	ssrc  uint32
	seq   uint16
	ts    uint32
	inlet Inlet

	mu      sync.Mutex
	packets []rtp.Packet
	reports []rtcp.Packet
	asked   int // by signalling
}

func (c *camera) stream(f Feedback) Stream {
	v := flags()
	return Stream{
		ID: "1", Kind: Video, Wire: c, Feedback: f,
		Receive: []Payload{{Type: 96, Video: v, ClockRate: 90000}},
		Send:    &Encoding{SSRC: c.ssrc + 1000, PayloadType: 97, Video: v, Width: 64, Height: 48, FrameRate: 25},
	}
}

func (c *camera) WriteRTP(h *rtp.Header, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.packets = append(c.packets, rtp.Packet{Header: h.Clone(), Payload: slices.Clone(payload)})
	return nil
}

func (c *camera) WriteRTCP(data []byte) error {
	packets, err := rtcp.Unmarshal(data)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports = append(c.reports, packets...)
	return err
}

func (c *camera) got() ([]rtp.Packet, []rtcp.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.packets), slices.Clone(c.reports)
}

// film sends frames for a while, the first of them a key frame if key.
func (c *camera) film(d time.Duration, key bool) {
	for ; d > 0; d -= 40 * time.Millisecond {
		for i, payload := range [][]byte{{9}, {flag(key)}} {
			p := rtp.Packet{
				Header:  rtp.Header{Version: 2, PayloadType: 96, SequenceNumber: c.seq, Timestamp: c.ts, SSRC: c.ssrc, Marker: i == 1},
				Payload: payload,
			}
			c.seq++
			data, _ := p.Marshal()
			c.inlet.ReceiveRTP(Packet{Data: data, At: time.Now()})
		}
		key = false
		c.ts += 3600
		time.Sleep(40 * time.Millisecond)
	}
}

func (c *camera) rtcp(packets ...rtcp.Packet) {
	data, _ := rtcp.Marshal(packets)
	c.inlet.ReceiveRTCP(Packet{Data: data, At: time.Now()})
}

// keys counts the key frames that came.
func (c *camera) keys() int {
	packets, _ := c.got()
	n := 0
	for _, p := range packets {
		if p.Marker && p.Payload[0] == 1 {
			n++
		}
	}
	return n
}

// pictures is a mixer in which a is shown to b. To be called in a bubble.
func pictures(t *testing.T, f Feedback) (m *Mixer, a, b *camera, end func()) {
	t.Helper()
	a, b = &camera{id: "a", ssrc: 1}, &camera{id: "b", ssrc: 2}
	m, end = conference(t, Config{Width: 64, Height: 48, FrameRate: 25})
	for _, c := range []*camera{a, b} {
		s := c.stream(f)
		s.RequestKeyFrame = func() { c.mu.Lock(); defer c.mu.Unlock(); c.asked++ }
		inlets, err := m.Attach(c.id, []Stream{s})
		if err != nil {
			t.Fatal(err)
		}
		c.inlet = inlets[0]
	}
	m.Apply(&plan.Plan{Scenes: []plan.Scene{{
		Layout: plan.Single, Tiles: []plan.Tile{{Leg: "a", Content: plan.MainContent, Video: true}}, Viewers: []plan.LegID{"b"},
	}}})
	time.Sleep(100 * time.Millisecond)
	return m, a, b, end
}

func TestPictureArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, end := pictures(t, Feedback{PLI: true})
		a.film(5*time.Second, true)
		packets, reports := b.got()
		if len(packets) < 200 || packets[1].Payload[0] != 1 {
			t.Fatalf("%d packets, the first frame is to be a key frame", len(packets))
		}
		for i, p := range packets {
			if p.SSRC != 1002 || p.PayloadType != 97 || p.SequenceNumber != packets[0].SequenceNumber+uint16(i) || p.Marker != (i%2 == 1) {
				t.Fatalf("packet %d: %+v", i, p.Header)
			}
			if i%2 == 1 && p.Timestamp != packets[i-1].Timestamp {
				t.Fatal("a frame of two timestamps")
			}
		}
		last := packets[len(packets)-1]
		if !slices.Equal(last.CSRC, []uint32{1}) {
			t.Errorf("CSRC %v, want the camera of a", last.CSRC)
		}
		if !slices.ContainsFunc(reports, func(p rtcp.Packet) bool {
			sr, ok := p.(*rtcp.SenderReport)
			return ok && sr.SSRC == 1002 && sr.PacketCount > 0
		}) {
			t.Error("no sender report")
		}
		if got, _ := a.got(); len(got) != 0 {
			t.Errorf("%d packets to a leg that no scene names", len(got))
		}
		if _, video := m.Encodings(); len(video) != 1 || video[0].Name != "flags" {
			t.Errorf("video encodings %v", video)
		}
		end()
	})
}

func TestKeyFrameIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, end := pictures(t, Feedback{PLI: true})
		a.film(2*time.Second, true)
		ask := map[string]func(){
			"PLI": func() { b.rtcp(&rtcp.PictureLossIndication{SenderSSRC: 2, MediaSSRC: 1002}) },
			"FIR": func() {
				b.rtcp(&rtcp.FullIntraRequest{SenderSSRC: 2, FIR: []rtcp.FIREntry{{SSRC: 1002, SequenceNumber: 7}}})
			},
			"signalled": func() { m.RequestKeyFrame("b", "1") },
		}
		for _, how := range []string{"PLI", "FIR", "signalled"} {
			before := b.keys()
			ask[how]()
			a.film(time.Second, false)
			if got := b.keys() - before; got != 1 {
				t.Errorf("%s: %d key frames", how, got)
			}
		}
		before := b.keys()
		ask["FIR"]() // the same number: repeated, not asked again
		b.rtcp(&rtcp.PictureLossIndication{SenderSSRC: 2, MediaSSRC: 4711})
		a.film(time.Second, false)
		if got := b.keys() - before; got != 0 {
			t.Errorf("%d key frames for a FIR that was repeated and a PLI for somebody else", got)
		}
		end()
	})
}

func TestKeyFrameIsAskedFor(t *testing.T) {
	tests := map[string]struct {
		feedback      Feedback
		pli, fir, sig bool
	}{
		"PLI":       {Feedback{PLI: true, FIR: true}, true, false, false},
		"FIR":       {Feedback{FIR: true}, false, true, false},
		"signalled": {Feedback{}, false, false, true},
	}
	for name, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			_, a, _, end := pictures(t, tt.feedback)
			a.film(2*time.Second, false)
			_, reports := a.got()
			var pli, fir int
			numbers := map[uint8]bool{}
			for _, p := range reports {
				switch p := p.(type) {
				case *rtcp.PictureLossIndication:
					pli++
					if p.MediaSSRC != 1 || p.SenderSSRC != 1001 {
						t.Errorf("%+v", p)
					}
				case *rtcp.FullIntraRequest:
					fir++
					numbers[p.FIR[0].SequenceNumber] = true
				}
			}
			if (pli > 0) != tt.pli || (fir > 0) != tt.fir || (a.asked > 0) != tt.sig || pli+fir+a.asked > 5 || len(numbers) != fir {
				t.Errorf("%s: %d PLI, %d FIR, %d signalled", name, pli, fir, a.asked)
			}
			end()
		})
	}
}

func TestVideoHoldsAndLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, end := pictures(t, Feedback{PLI: true})
		a.film(time.Second, true)
		held := b.stream(Feedback{PLI: true})
		held.Send = nil
		if _, err := m.Attach("b", []Stream{held}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		before, _ := b.got()
		a.film(time.Second, false)
		if after, _ := b.got(); len(after) != len(before) {
			t.Errorf("%d packets to a viewer on hold", len(after)-len(before))
		}
		if _, err := m.Attach("b", []Stream{b.stream(Feedback{PLI: true})}); err != nil {
			t.Fatal(err)
		}
		a.film(time.Second, false)
		after, _ := b.got()
		if len(after) == len(before) || after[len(before)].SequenceNumber != before[len(before)-1].SequenceNumber+1 || after[len(before)+1].Payload[0] != 1 {
			t.Error("after the hold the picture is to go on with the next number and a key frame")
		}
		m.Detach("b")
		time.Sleep(100 * time.Millisecond)
		n, reports := b.got()
		if _, bye := reports[len(reports)-1].(*rtcp.Goodbye); !bye {
			t.Error("no BYE")
		}
		a.film(time.Second, false)
		if after, _ := b.got(); len(after) != len(n) {
			t.Error("a packet after the BYE")
		}
		end()
	})
}
