package mixer

import (
	"time"

	"github.com/pion/rtp"

	"tutti/mixer/audio"
	"tutti/mixer/rfc3550"
)

// sender is the outgoing side of a stream: one SSRC, its numbers and its counters. The stream's mutex guards it.
type sender struct {
	ssrc    uint32
	seq     uint16
	base    uint32 // timestamp of tick 0
	clock   int    // RTP timestamp rate, Hz; 0 while nothing is sent
	begun   bool   // a packet has left since sending began: the next one has no marker
	packets uint64
	octets  uint64
	errors  uint64
	lastTS  uint32
	lastAt  time.Time

	packetsReported uint64 // up to the last report

	header rtp.Header // of the packet in hand; the sending goroutine's
}

// WritePacket implements audio.Sink: it is called in the mixer's step.
func (s *stream) WritePacket(p *audio.Packet) {
	enc := s.config.Send
	if enc == nil || s.brake.on(s.mixer.now) {
		return
	}
	h := &s.out.header
	s.mu.Lock()
	offset := rfc3550.Ticks(p.Offset, s.out.clock)
	timestamp := s.out.base + uint32(int64(s.mixer.clock)*rfc3550.Ticks(audio.Tick, s.out.clock)+offset)
	s.out.headLocked(h, enc.PayloadType, timestamp, !s.out.begun, p.CSRC)
	s.out.sentLocked(len(p.Payload), timestamp, s.mixer.now)
	s.mu.Unlock()
	if s.config.MixerLevels != 0 && len(p.Levels) > 0 {
		setLevels(h, s.config.MixerLevels, p.Levels)
	}
	before := time.Now()
	err := s.config.Wire.WriteRTP(h, p.Payload)
	if s.brake.wrote(time.Since(before), s.mixer.now) || err != nil {
		s.mu.Lock()
		s.out.errors++
		s.mu.Unlock()
	}
}

// brake keeps a wire that blocks, which it must not, from holding up everybody: after three slow packets in a row
// it is sent nothing for a while.
type brake struct {
	strikes int
	until   time.Time
}

const (
	slowWrite = 10 * time.Millisecond
	maxSlow   = 3
	penalty   = 2 * time.Second
)

func (b *brake) on(now time.Time) bool { return now.Before(b.until) }

// wrote takes how long a packet took, and says whether the brake was put on.
func (b *brake) wrote(took time.Duration, now time.Time) bool {
	if took < slowWrite {
		b.strikes = 0
		return false
	}
	if b.strikes++; b.strikes < maxSlow {
		return false
	}
	b.strikes, b.until = maxSlow-1, now.Add(penalty)
	return true
}

// headLocked fills h for the next packet.
func (o *sender) headLocked(h *rtp.Header, payloadType uint8, timestamp uint32, marker bool, csrc []uint32) {
	*h = rtp.Header{
		Version: rtpVersion, Marker: marker, PayloadType: payloadType, SequenceNumber: o.seq,
		Timestamp: timestamp, SSRC: o.ssrc, CSRC: csrc, Extensions: h.Extensions[:0],
	}
	o.seq++
	o.begun = true
}

func (o *sender) sentLocked(octets int, timestamp uint32, now time.Time) {
	o.packets++
	o.octets += uint64(octets)
	o.lastTS, o.lastAt = timestamp, now
}

// setLevels writes the levels of the contributing sources (RFC 6465 §2), in the order of the CSRC list.
func setLevels(h *rtp.Header, id uint8, levels []uint8) {
	const oneByteIDs = 14
	h.Extension, h.ExtensionProfile = true, rtp.ExtensionProfileOneByte
	if id > oneByteIDs {
		h.ExtensionProfile = rtp.ExtensionProfileTwoByte
	}
	if h.SetExtension(id, levels) != nil {
		h.Extension = false
	}
}

// begin makes the numbers of an encoding that is new. Sequence numbers go on where the SSRC stays.
func (s *stream) begin(enc *Encoding, clock int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if enc == nil {
		s.out.clock, s.out.begun = 0, false
		return
	}
	s.out.ssrc = enc.SSRC
	s.out.clock = clock
}
