package mixer

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pion/rtcp"

	"tutti/mixer/rfc3550"
)

const (
	maxCompound      = 16 // packets read of one compound packet
	maxReports       = 31 // report blocks in one packet (§6.4.1)
	maxFIRSenders    = 8  // far ends whose FIR numbers are remembered
	feedbackInterval = time.Second
	keyFrameInterval = 500 * time.Millisecond
	audioBandwidth   = 8000   // octets/s, of a session with sound
	videoBandwidth   = 100000 // octets/s, of one with a picture
)

// reporter writes the RTCP of one stream. The mixer's goroutine owns it.
type reporter struct {
	ssrc     uint32 // of a stream that sends nothing
	interval rfc3550.Interval
	next     time.Time
	later    bool // the first report has left
	keyAt    time.Time
	fir      uint8
}

// startReports sets the time of the first report.
func (s *stream) startReports(now time.Time) {
	r := &s.reports
	r.interval.Bandwidth, r.interval.Minimum = audioBandwidth, rfc3550.MinInterval
	if s.kind == Video {
		r.interval.Bandwidth = videoBandwidth
	}
	if f := s.config.Feedback; f.NACK || f.PLI || f.FIR { // AVPF: RFC 4585 §3.4 knows no fixed minimum
		r.interval.Minimum = feedbackInterval
	}
	if r.next.IsZero() {
		r.next = now.Add(s.nextReport())
	}
}

func (s *stream) nextReport() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	members, senders := 1, 0
	sends := s.out.clock != 0
	if sends {
		senders++
	}
	members += max(1, len(s.layers))
	senders += len(s.receptionLocked())
	return s.reports.interval.Next(members, senders, sends, !s.reports.later, rand.Float64())
}

// report writes SR or RR with SDES when it is time.
func (s *stream) report(now time.Time) {
	if now.Before(s.reports.next) {
		return
	}
	s.writeRTCP(s.compound(now))
	s.reports.later = true
	s.reports.next = now.Add(s.nextReport())
}

// bye ends the stream (§6.6).
func (s *stream) bye(now time.Time) {
	packets := s.compound(now)
	s.writeRTCP(append(packets, &rtcp.Goodbye{Sources: []uint32{s.ownSSRC()}}))
}

func (s *stream) writeRTCP(packets []rtcp.Packet) {
	data, err := rtcp.Marshal(packets)
	if err == nil {
		err = s.config.Wire.WriteRTCP(data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.out.errors++
		return
	}
	s.reports.interval.Packet(len(data))
}

func (s *stream) ownSSRC() uint32 {
	if s.config.Send != nil {
		return s.config.Send.SSRC
	}
	return s.reports.ssrc
}

// compound begins each compound packet: a report, and our name (§6.1).
func (s *stream) compound(now time.Time) []rtcp.Packet {
	own := s.ownSSRC()
	s.mu.Lock()
	defer s.mu.Unlock()
	var blocks []rtcp.ReceptionReport
	for _, r := range s.receptionLocked() {
		if len(blocks) < maxReports {
			blocks = append(blocks, r.Report(now))
		}
	}
	var first rtcp.Packet = &rtcp.ReceiverReport{SSRC: own, Reports: blocks}
	if s.out.packets > s.out.packetsReported && s.out.clock > 0 {
		s.out.packetsReported = s.out.packets
		first = &rtcp.SenderReport{
			SSRC:        own,
			NTPTime:     rfc3550.NTP(now),
			RTPTime:     s.out.lastTS + uint32(rfc3550.Ticks(now.Sub(s.out.lastAt), s.out.clock)),
			PacketCount: uint32(s.out.packets),
			OctetCount:  uint32(s.out.octets),
			Reports:     blocks,
		}
	}
	return []rtcp.Packet{first, rtcp.NewCNAMESourceDescription(own, s.mixer.cfg.CNAME)}
}

// ReceiveRTCP implements Inlet.
func (s *stream) ReceiveRTCP(p Packet) {
	if len(p.Data) > maxPacket {
		s.count(func(r *ReceivedStats) { r.Invalid++ })
		return
	}
	var said feedback
	rest := p.Data
	for n := 0; len(rest) > 0 && n < maxCompound; n++ {
		var h rtcp.Header
		if h.Unmarshal(rest) != nil {
			break
		}
		length := 4 * (int(h.Length) + 1)
		if length > len(rest) {
			break
		}
		if packets, err := rtcp.Unmarshal(rest[:length]); err == nil {
			for _, packet := range packets {
				s.takeRTCP(packet, p.At, &said)
			}
		} else {
			s.count(func(r *ReceivedStats) { r.Invalid++ })
		}
		rest = rest[length:]
	}
	s.tellViewer(said)
}

func (s *stream) count(change func(*ReceivedStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.received)
}

// takeRTCP takes one packet, and adds to said what it says of the picture that we send.
func (s *stream) takeRTCP(packet rtcp.Packet, at time.Time, said *feedback) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return
	}
	switch p := packet.(type) {
	case *rtcp.SenderReport:
		if s.loopedLocked(p.SSRC) {
			return
		}
		for _, r := range s.receptionLocked() {
			if r.SSRC == p.SSRC {
				r.SenderReport(p.NTPTime, at)
			}
		}
		s.reportedLocked(p.Reports, at, said)
	case *rtcp.ReceiverReport:
		if s.loopedLocked(p.SSRC) {
			return
		}
		s.reportedLocked(p.Reports, at, said)
	case *rtcp.Goodbye:
		s.goodbyeLocked(p.Sources)
	case *rtcp.PictureLossIndication:
		said.keyFrame = said.keyFrame || p.MediaSSRC == s.out.ssrc || p.MediaSSRC == 0
	case *rtcp.FullIntraRequest:
		said.keyFrame = s.intraLocked(p) || said.keyFrame
	case *rtcp.ReceiverEstimatedMaximumBitrate:
		if !slices.Contains(p.SSRCs, s.out.ssrc) {
			return
		}
		said.Estimate, said.link = float64(p.Bitrate), true
	case *rtcp.RawPacket:
		limit, ok := maximumBitrate(*p, s.out.ssrc)
		if !ok {
			return
		}
		said.Limit, said.link = limit, true
	default:
		return
	}
	s.heardLocked(at)
}

func (s *stream) loopedLocked(ssrc uint32) bool {
	if !s.mixer.owns(ssrc) {
		return false
	}
	s.received.Loops++
	return true
}

// reportedLocked reads what the far end says about us.
func (s *stream) reportedLocked(blocks []rtcp.ReceptionReport, at time.Time, said *feedback) {
	for _, b := range blocks {
		if b.SSRC != s.out.ssrc || s.out.packets == 0 {
			continue
		}
		s.far.lost = int32(b.TotalLost<<8) >> 8 // 24 bits with sign
		s.far.fraction, s.far.jitter = b.FractionLost, b.Jitter
		if rtt, ok := rfc3550.RoundTrip(b.LastSenderReport, b.Delay, at); ok {
			s.far.rtt = rtt
			said.RTT = rtt
		}
		said.HasLoss, said.Lost, said.link = true, b.FractionLost, true
	}
}

// goodbyeLocked forgets sources that left: whoever comes next is no change of SSRC.
func (s *stream) goodbyeLocked(sources []uint32) {
	for _, l := range s.layers {
		for _, ssrc := range sources {
			if l.current != nil && l.current.SSRC == ssrc {
				l.left, l.changed = ssrc, true
				l.current = nil
			}
		}
	}
}

// intraLocked tells a new FIR from a repeated one by its number (RFC 5104 §4.3.1.2).
func (s *stream) intraLocked(p *rtcp.FullIntraRequest) bool {
	asked := false
	for _, e := range p.FIR {
		if e.SSRC != s.out.ssrc {
			continue
		}
		last, known := s.far.firSeq[p.SenderSSRC]
		if known && last == e.SequenceNumber {
			continue
		}
		if s.far.firSeq == nil || len(s.far.firSeq) >= maxFIRSenders {
			s.far.firSeq = map[uint32]uint8{}
		}
		s.far.firSeq[p.SenderSSRC] = e.SequenceNumber
		asked = true
	}
	return asked
}
