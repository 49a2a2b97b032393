package mixer

import (
	"time"

	"github.com/pion/rtp"

	"tutti/codec/telephone"
	"tutti/mixer/jitter"
	"tutti/mixer/rfc3550"
)

const (
	maxPacket   = 2048            // octets of one RTP or RTCP packet; longer ones are dropped
	leftForGood = 2 * time.Second // stragglers of an SSRC that was left are dropped for so long
	maxLayers   = 4               // simulcast layers of one stream
	maxDigits   = 32              // keys that wait for the next tick
	rtpVersion  = 2
)

// ReceiveRTP implements Inlet.
func (s *stream) ReceiveRTP(p Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return
	}
	packet := &s.packet
	if len(p.Data) > maxPacket || packet.Unmarshal(p.Data) != nil || packet.Version != rtpVersion {
		s.received.Invalid++
		return
	}
	defer func() { packet.Payload = nil }()
	payload := s.payloads[packet.PayloadType&127]
	switch {
	case payload == nil:
		s.received.Unknown++
		return
	case s.mixer.owns(packet.SSRC): // §8.2: our own packets come back, or a far end chose our number
		s.received.Loops++
		return
	}
	layer := s.layerLocked(p.RID)
	if layer == nil {
		s.received.Invalid++
		return
	}
	s.heardLocked(p.At)
	s.received.Packets++
	s.received.Octets += uint64(len(packet.Payload))
	switch layer.accept(&packet.Header, p.At) {
	case rfc3550.Invalid:
		s.received.Invalid++
		return
	case rfc3550.Probation:
		layer.keep(p)
		return
	case rfc3550.Restarted:
		s.restartLocked(layer)
	}
	if layer.changed {
		layer.changed = false
		s.restartLocked(layer)
	}
	s.replayLocked(layer)
	s.deliverLocked(layer, packet, payload, p.RID, p.At)
}

// layer is what arrives under one RID: a source, and perhaps the one that is about to replace it.
type layer struct {
	rid       string
	current   *rfc3550.Reception
	candidate *rfc3550.Reception
	left      uint32 // the SSRC before the current one
	leftAt    time.Time
	changed   bool   // the current source is new
	kept      []byte // the packet on probation
	keptAt    time.Time
	keptValid bool
}

func (s *stream) layerLocked(rid string) *layer {
	for _, l := range s.layers {
		if l.rid == rid {
			return l
		}
	}
	if len(s.layers) >= maxLayers || len(rid) > 16 {
		return nil
	}
	l := &layer{rid: rid}
	s.layers = append(s.layers, l)
	return l
}

// accept validates the sequence number, and goes over to another SSRC when two of its packets came in sequence with
// none of the current source between: a phone changes its SSRC with a re-INVITE and does not look back.
func (l *layer) accept(h *rtp.Header, at time.Time) rfc3550.Verdict {
	if l.current != nil && l.current.SSRC == h.SSRC {
		v := l.current.Update(h.SequenceNumber)
		if v == rfc3550.Valid || v == rfc3550.Restarted {
			l.candidate, l.keptValid = nil, false
		}
		return v
	}
	if !l.leftAt.IsZero() && h.SSRC == l.left && at.Sub(l.leftAt) < leftForGood {
		return rfc3550.Invalid
	}
	if l.candidate == nil || l.candidate.SSRC != h.SSRC {
		l.candidate = &rfc3550.Reception{Source: rfc3550.NewSource(h.SSRC, h.SequenceNumber)}
		l.keptValid = false
	}
	v := l.candidate.Update(h.SequenceNumber)
	if v != rfc3550.Valid {
		return v
	}
	if l.current != nil {
		l.left, l.leftAt = l.current.SSRC, at
		l.changed = true
	}
	l.current, l.candidate = l.candidate, nil
	return v
}

// keep copies the packet on probation: it is used when the next one confirms it.
func (l *layer) keep(p Packet) {
	l.kept, l.keptAt, l.keptValid = append(l.kept[:0], p.Data...), p.At, true
}

// replayLocked delivers the packet that was on probation.
func (s *stream) replayLocked(l *layer) {
	if !l.keptValid {
		return
	}
	l.keptValid = false
	var packet rtp.Packet
	if packet.Unmarshal(l.kept) != nil || packet.SSRC != l.current.SSRC {
		return
	}
	if payload := s.payloads[packet.PayloadType&127]; payload != nil {
		s.deliverLocked(l, &packet, payload, l.rid, l.keptAt)
	}
}

// restartLocked forgets what depends on the numbers of the source.
func (s *stream) restartLocked(l *layer) {
	s.received.Restarts++
	l.current.Forget()
	if s.buffer != nil {
		s.buffer.Reset(s.rate)
	}
	s.event.known = false
}

func (s *stream) deliverLocked(l *layer, packet *rtp.Packet, payload *Payload, rid string, at time.Time) {
	if s.kind == Video {
		l.current.Arrived(s.arrival(at, videoClock), packet.Timestamp)
		s.deliverVideoLocked(packet, rid, at)
		return
	}
	q := jitter.Packet{
		Seq: packet.SequenceNumber, Timestamp: packet.Timestamp, Type: packet.PayloadType,
		Level: jitter.NoLevel, Payload: packet.Payload,
	}
	switch {
	case payload.Event:
		q.Kind = jitter.Event
		s.digitLocked(packet)
	case payload.ComfortNoise:
		q.Kind = jitter.Noise
	case payload.Audio != nil:
		s.clockLocked(payload.ClockRate)
		l.current.Arrived(s.arrival(at, s.rate), packet.Timestamp)
		q.Level = s.levelLocked(packet)
	}
	s.buffer.Push(&q)
}

const videoClock = 90000 // Hz

// arrival is at in units of an RTP clock.
func (s *stream) arrival(at time.Time, rate int) uint32 {
	return uint32(rfc3550.Ticks(at.Sub(s.epoch), rate))
}

// clockLocked follows a source that goes on in a format with another clock.
func (s *stream) clockLocked(rate int) {
	if rate == s.rate {
		return
	}
	s.rate = rate
	s.buffer.Reset(rate)
}

// levelLocked reads the level of a packet (RFC 6464):
//
//	 0                   1
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  ID   | len=0 |V|    level    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// V is not used: far ends differ in what they call a voice.
func (s *stream) levelLocked(packet *rtp.Packet) uint8 {
	if s.audioLevel == 0 {
		return jitter.NoLevel
	}
	if ext := packet.GetExtension(s.audioLevel); len(ext) > 0 {
		return ext[0] & 0x7f
	}
	return jitter.NoLevel
}

// keyEvent is the telephone-event in hand.
type keyEvent struct {
	known     bool
	timestamp uint32
	code      byte
	duration  uint16
}

// digitLocked notes a key once: its packets all carry the timestamp of its start (RFC 4733 §2.5.1.2), and a key held for
// longer than a duration can say goes on under the timestamp at which that ended (§2.5.1.3).
func (s *stream) digitLocked(packet *rtp.Packet) {
	e, err := telephone.ParseEvent(packet.Payload)
	if err != nil {
		s.received.Invalid++
		return
	}
	last := &s.event
	if last.known {
		d := int32(packet.Timestamp - last.timestamp)
		if d == 0 {
			last.duration = max(last.duration, e.Duration)
			return
		}
		goesOn := !packet.Marker && e.Code == last.code && uint32(d) == uint32(last.duration) && d >= 0xF000
		if d < 0 && d > -int32(s.rate)*10 { // a straggler of a key before
			return
		}
		if goesOn {
			last.timestamp, last.duration = packet.Timestamp, e.Duration
			return
		}
	}
	*last = keyEvent{true, packet.Timestamp, e.Code, e.Duration}
	if key, ok := e.Digit(); ok && len(s.digits) < maxDigits {
		s.digits = append(s.digits, key)
	}
}

// heardLocked notes that the far end is alive.
func (s *stream) heardLocked(at time.Time) {
	s.heardAt = at
	s.quiet = false
}
