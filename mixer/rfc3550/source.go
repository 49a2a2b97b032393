package rfc3550

import "math"

// Limits of sequence validation (A.1).
const (
	maxDropout    = 3000
	maxMisorder   = 100
	minSequential = 2
	seqMod        = 1 << 16
)

// Verdict is what sequence validation says about a packet.
type Verdict uint8

const (
	Invalid   Verdict = iota // a jump that nothing has confirmed yet: not to be used
	Probation                // of a source that is not yet believed: to be kept until the next one
	Valid
	Restarted // valid, and the source counts from a new number: what is held of it is void
)

// Source is what a receiver knows about one SSRC that sends to it. Not safe for concurrent use.
type Source struct {
	SSRC uint32

	maxSeq        uint16
	cycles        uint32 // shifted count of wraps
	baseSeq       uint32
	badSeq        uint32 // last bad sequence number + 1
	probation     int
	received      uint32
	expectedPrior uint32
	receivedPrior uint32

	Jitter
}

// NewSource begins with the first packet of ssrc; that packet is then to be shown to Update like all others.
func NewSource(ssrc uint32, seq uint16) *Source {
	s := &Source{SSRC: ssrc}
	s.init(seq)
	s.maxSeq = seq - 1
	s.probation = minSequential
	return s
}

func (s *Source) init(seq uint16) {
	s.baseSeq = uint32(seq)
	s.maxSeq = seq
	s.badSeq = seqMod + 1 // so that seq == badSeq is false
	s.cycles, s.received, s.receivedPrior, s.expectedPrior = 0, 0, 0, 0
}

// Update validates the sequence number of the next packet (A.1 update_seq).
func (s *Source) Update(seq uint16) Verdict {
	delta := seq - s.maxSeq
	switch {
	case s.probation > 0:
		if seq != s.maxSeq+1 {
			s.probation = minSequential - 1
			s.maxSeq = seq
			return Probation
		}
		s.probation--
		s.maxSeq = seq
		if s.probation > 0 {
			return Probation
		}
		s.init(seq)
		s.received++
		return Valid
	case delta < maxDropout:
		if seq < s.maxSeq {
			s.cycles += seqMod // wrapped
		}
		s.maxSeq = seq
	case int(delta) <= seqMod-maxMisorder:
		if uint32(seq) != s.badSeq {
			s.badSeq = (uint32(seq) + 1) & (seqMod - 1)
			return Invalid
		}
		// Two in sequence: the other side restarted without telling.
		s.init(seq)
		s.received++
		return Restarted
	}
	s.received++ // in order, or a duplicate or late packet
	return Valid
}

// Believed says whether the source has left its probation.
func (s *Source) Believed() bool { return s.probation == 0 }

// Received is the number of packets received, duplicates and late ones included.
func (s *Source) Received() uint32 { return s.received }

// ExtendedMax is the highest sequence number received, extended by its wraps.
func (s *Source) ExtendedMax() uint32 { return s.cycles + uint32(s.maxSeq) }

// Lost is the cumulative number of packets lost (A.3): 24 bits with sign, negative when there are duplicates.
func (s *Source) Lost() int32 {
	lost := int64(s.expected()) - int64(s.received)
	return int32(min(max(lost, -0x800000), 0x7fffff))
}

func (s *Source) expected() uint32 {
	if s.received == 0 {
		return 0
	}
	return s.ExtendedMax() - s.baseSeq + 1
}

// FractionLost is the share of packets lost since the last call, in 1/256 (A.3). Reports take it once each.
func (s *Source) FractionLost() uint8 {
	expected := s.expected()
	expectedInterval := expected - s.expectedPrior
	receivedInterval := s.received - s.receivedPrior
	s.expectedPrior, s.receivedPrior = expected, s.received
	lost := int64(expectedInterval) - int64(receivedInterval)
	if expectedInterval == 0 || lost <= 0 {
		return 0
	}
	return uint8(min(lost<<8/int64(expectedInterval), math.MaxUint8))
}

// Jitter estimates interarrival jitter as §6.4.1 defines it, with the integer arithmetic of A.8. Every time is in RTP
// timestamp units (1/clock rate) and wraps modulo 2^32. The zero value is ready to use.
type Jitter struct {
	transit uint32 // arrival − timestamp of the last packet
	scaled  uint32 // estimate × 16: A.8 keeps four fraction bits
	primed  bool   // a transit of 0 is legal, so it cannot mean "unset"
}

// Arrived takes the arrival and the RTP timestamp of one packet.
func (j *Jitter) Arrived(arrival, timestamp uint32) {
	transit := arrival - timestamp
	if !j.primed {
		j.transit, j.primed = transit, true
		return
	}
	d := int32(transit - j.transit)
	j.transit = transit
	if d < 0 {
		d = -d
	}
	if d < 0 { // −2^31 has no positive twin
		return
	}
	j.scaled += uint32(d) - (j.scaled+8)>>4
}

// Forget begins anew after a jump of timestamps that says nothing about the network; the estimate stays.
func (j *Jitter) Forget() { j.primed = false }

// Estimate is the jitter in timestamp units.
func (j *Jitter) Estimate() uint32 { return j.scaled >> 4 }
