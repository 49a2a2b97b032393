package mixer

import (
	"time"

	"tutti/mixer/jitter"
	"tutti/mixer/plan"
	"tutti/mixer/video"
)

// Stats is a snapshot of what the mixer does and did.
type Stats struct {
	Ticks   uint64 // of sound
	Late    uint64 // ticks that began more than 5 ms after their time
	Skipped uint64 // ticks that never happened, because the machine was too slow

	AudioClasses int    // classes of equal outputs now
	Sounding     int    // inputs that sound now
	AudioEncodes uint64 // in all
	AudioFailed  uint64 // encodings that failed, in all

	Video video.Stats
	Legs  []LegStats
}

// LegStats is the part of one leg.
type LegStats struct {
	Leg      plan.LegID
	Speaking bool
	Streams  []StreamStats
}

// StreamStats is the part of one stream.
type StreamStats struct {
	ID       string
	Kind     Kind
	Received ReceivedStats
	Sent     SentStats
}

// ReceivedStats is about the packets that came.
type ReceivedStats struct {
	SSRC     uint32
	Packets  uint64
	Octets   uint64 // of payload
	Lost     int64  // RFC 3550 A.3; negative when packets came twice
	Jitter   time.Duration
	Invalid  uint64 // not RTP or RTCP, or not believed (RFC 3550 A.1)
	Unknown  uint64 // payload types that were not agreed
	Loops    uint64 // packets with an SSRC of ours (RFC 3550 §8.2)
	Restarts uint64 // changes of SSRC, and sequence numbers that began anew
	Buffer   jitter.Stats
}

// SentStats is about the packets that left, and what the far end says about them.
type SentStats struct {
	SSRC    uint32
	Packets uint64
	Octets  uint64 // of payload
	Errors  uint64 // packets that the wire did not take
	Lost    int64  // at the far end
	Jitter  time.Duration
	RTT     time.Duration // 0: not known

	Picture *video.ViewerStats // nil when no picture is sent
}

// Stats is a snapshot.
func (m *Mixer) Stats() Stats {
	m.mu.Lock()
	st := m.stats
	var legs []*leg
	streams := map[*leg][]*stream{}
	for _, id := range m.order {
		l := m.legs[id]
		legs = append(legs, l)
		streams[l] = append([]*stream(nil), l.streams...)
	}
	m.mu.Unlock()
	st.Video = m.video.Stats()
	for _, l := range legs {
		ls := LegStats{Leg: l.id, Speaking: l.speaking.Load()}
		for _, s := range streams[l] {
			ls.Streams = append(ls.Streams, s.snapshot())
		}
		st.Legs = append(st.Legs, ls)
	}
	return st
}

func (s *stream) snapshot() StreamStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := StreamStats{ID: s.id, Kind: s.kind, Received: s.received}
	r := &st.Received
	rate := s.rate
	if s.kind == Video {
		rate = videoClock
	}
	for _, l := range s.receptionLocked() {
		r.SSRC = l.SSRC
		r.Lost += int64(l.Lost())
		r.Jitter = max(r.Jitter, ticks(l.Estimate(), rate))
	}
	if s.buffer != nil {
		r.Buffer = s.buffer.Stats()
	}
	st.Sent = SentStats{
		SSRC: s.out.ssrc, Packets: s.out.packets, Octets: s.out.octets, Errors: s.out.errors,
		Lost: int64(s.far.lost), RTT: s.far.rtt,
	}
	if v := s.pic.viewer; v != nil {
		p := v.Stats()
		st.Sent.Picture = &p
	}
	if s.out.clock > 0 {
		st.Sent.Jitter = ticks(s.far.jitter, s.out.clock)
	}
	return st
}

// ticks is n units of an RTP clock of rate Hz.
func ticks(n uint32, rate int) time.Duration {
	return time.Duration(int64(n) * int64(time.Second) / int64(rate))
}
