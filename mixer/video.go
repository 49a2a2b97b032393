package mixer

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"tutti/codec"
	"tutti/mixer/plan"
	"tutti/mixer/video"
)

const (
	maxKeyFrameWishes = 4 // sources of one stream that a key frame is asked of at a time
	maxVideoCSRC      = 15
)

// picture is the video side of a stream. The stream's mutex guards it; of package video nothing but Source.Receive is
// called under it.
type picture struct {
	source *video.Source
	viewer *video.Viewer
	screen *screen
	wishes []uint32 // SSRCs that a key frame is to be asked of with the next tick
	ssrc   uint32   // of the last packet, as noted in Mixer.pictures
}

// configureVideo makes the video side what was negotiated.
func (m *Mixer) configureVideo(s *stream, old Stream) {
	if old.Content != s.config.Content || !equalReceive(old.Receive, s.config.Receive) {
		m.configureSource(s)
	}
	if !equalSend(old.Send, s.config.Send) || old.Wire != s.config.Wire {
		m.configureViewer(s, old.Send)
	}
}

func (m *Mixer) configureSource(s *stream) {
	payloads := map[uint8]*codec.Video{}
	for _, p := range s.config.Receive {
		if p.Video != nil {
			payloads[p.Type] = p.Video
		}
	}
	var source *video.Source
	if len(payloads) > 0 {
		source = m.video.AddSource(s.leg.id, s.config.Content, video.SourceOptions{
			Payloads: payloads, RequestKeyFrame: s.wishKeyFrame,
		})
	}
	s.mu.Lock()
	before := s.pic.source
	s.pic.source, s.pic.ssrc = source, 0
	s.mu.Unlock()
	if before != nil {
		before.Close()
	}
	if source == nil && s.isMain() {
		m.pictures.Delete(s.leg.id)
	}
}

func (m *Mixer) configureViewer(s *stream, old *Encoding) {
	m.disown(old)
	var next *screen
	var viewer *video.Viewer
	clock := 0
	enc := s.config.Send
	if enc != nil {
		m.claim(enc)
		clock = videoClock
		next = &screen{stream: s, wire: s.config.Wire, payloadType: enc.PayloadType}
	}
	s.begin(enc, clock)
	s.mu.Lock()
	before := s.pic.viewer
	s.pic.screen, s.pic.viewer = next, nil
	s.mu.Unlock()
	if before != nil {
		before.Close()
	}
	if enc == nil {
		return
	}
	viewer = m.video.AddViewer(s.leg.id, video.ViewerEncoding{
		Video: enc.Video, Fmtp: enc.Fmtp, Width: enc.Width, Height: enc.Height, FrameRate: enc.FrameRate,
		Bitrate: enc.Bitrate, MaxPayload: enc.MaxPayload,
	}, next)
	s.mu.Lock()
	s.pic.viewer = viewer
	s.mu.Unlock()
}

// isMain says whether the stream is the camera, whose SSRC stands for the leg in CSRC lists.
func (s *stream) isMain() bool { return s.config.Content == "" || s.config.Content == plan.MainContent }

// deliverVideoLocked hands a packet to the decoder.
func (s *stream) deliverVideoLocked(p *rtp.Packet, rid string, at time.Time) {
	if s.pic.source == nil {
		return
	}
	if s.pic.ssrc != p.SSRC {
		s.pic.ssrc = p.SSRC
		if s.main {
			s.mixer.pictures.Store(s.leg.id, p.SSRC)
		}
	}
	s.pic.source.Receive(p, rid, at)
}

// screen is where the frames of one encoding go. It is a video.Sink.
type screen struct {
	stream      *stream
	wire        Wire
	payloadType uint8
	header      rtp.Header
	csrc        []uint32
}

// WriteFrame implements video.Sink. It is called by the goroutine of a class of viewers.
func (k *screen) WriteFrame(payloads [][]byte, timestamp uint32, contributors []plan.LegID) {
	s := k.stream
	// Frames of an encoding that was replaced in this moment come from another goroutine than those of the new one.
	s.frames.Lock()
	defer s.frames.Unlock()
	k.contributors(contributors)
	now := time.Now()
	for i, payload := range payloads {
		s.mu.Lock()
		if s.gone || s.pic.screen != k {
			s.mu.Unlock()
			return
		}
		ts := s.out.base + timestamp
		s.out.headLocked(&k.header, k.payloadType, ts, i == len(payloads)-1, k.csrc)
		s.out.sentLocked(len(payload), ts, now)
		s.mu.Unlock()
		if k.wire.WriteRTP(&k.header, payload) != nil {
			s.mu.Lock()
			s.out.errors++
			s.mu.Unlock()
		}
	}
}

// contributors lists the SSRCs of the legs that are seen.
func (k *screen) contributors(legs []plan.LegID) {
	k.csrc = k.csrc[:0]
	for _, leg := range legs {
		if ssrc, ok := k.stream.mixer.pictures.Load(leg); ok && len(k.csrc) < maxVideoCSRC {
			k.csrc = append(k.csrc, ssrc.(uint32))
		}
	}
}

// feedback is what one compound packet says of the picture that we send.
type feedback struct {
	keyFrame bool // it asks for one
	link     bool // the report says something
	video.Report
}

// tellViewer hands the far end's feedback to who makes its picture.
func (s *stream) tellViewer(said feedback) {
	if !said.keyFrame && !said.link {
		return
	}
	s.mu.Lock()
	viewer := s.pic.viewer
	s.mu.Unlock()
	if viewer == nil {
		return
	}
	if said.link {
		viewer.Report(said.Report)
	}
	if said.keyFrame {
		viewer.RequestKeyFrame()
	}
}

// askEncoder is the far end's wish for a key frame, by signalling.
func (s *stream) askEncoder() { s.tellViewer(feedback{keyFrame: true}) }

// maximumBitrate reads the limit that a TMMBR sets to the stream of ssrc, bit/s (RFC 5104 §4.2.1):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                              SSRC                             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| MxTBR Exp |  MxTBR Mantissa                 |Measured Overhead|
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
func maximumBitrate(packet []byte, ssrc uint32) (limit float64, ok bool) {
	const (
		head, entry = 12, 8
		formatTMMBR = 3
	)
	var h rtcp.Header
	if h.Unmarshal(packet) != nil || h.Type != rtcp.TypeTransportSpecificFeedback || h.Count != formatTMMBR {
		return 0, false
	}
	for p := packet[min(head, len(packet)):]; len(p) >= entry; p = p[entry:] {
		if binary.BigEndian.Uint32(p) != ssrc {
			continue
		}
		v := binary.BigEndian.Uint32(p[4:])
		return math.Ldexp(float64(v>>9&0x1ffff), int(v>>26)), true
	}
	return 0, false
}

// wishKeyFrame is our wish for one of the far end. It leaves with the next tick.
func (s *stream) wishKeyFrame(ssrc uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pic.wishes) < maxKeyFrameWishes && !slices.Contains(s.pic.wishes, ssrc) {
		s.pic.wishes = append(s.pic.wishes, ssrc)
	}
}

// askFarEnd asks for the key frames that are wished for, at most twice a second: by PLI (RFC 4585 §6.3.1), else by FIR
// (RFC 5104 §4.3.1), else by signalling. A far end that announced nothing at all gets PLI: many know it.
func (s *stream) askFarEnd(now time.Time) {
	r := &s.reports
	s.mu.Lock()
	wishes := s.pic.wishes
	if len(wishes) == 0 || now.Sub(r.keyAt) < keyFrameInterval {
		s.mu.Unlock()
		return
	}
	s.pic.wishes = nil
	s.mu.Unlock()
	r.keyAt = now
	c := &s.config
	own := s.ownSSRC()
	packets := s.compound(now)
	switch {
	case !c.Feedback.PLI && c.Feedback.FIR:
		r.fir++
		fir := &rtcp.FullIntraRequest{SenderSSRC: own}
		for _, ssrc := range wishes {
			fir.FIR = append(fir.FIR, rtcp.FIREntry{SSRC: ssrc, SequenceNumber: r.fir})
		}
		packets = append(packets, fir)
	case !c.Feedback.PLI && c.RequestKeyFrame != nil:
		c.RequestKeyFrame()
		return
	default:
		for _, ssrc := range wishes {
			packets = append(packets, &rtcp.PictureLossIndication{SenderSSRC: own, MediaSSRC: ssrc})
		}
	}
	s.writeRTCP(packets)
}
