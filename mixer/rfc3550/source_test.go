package rfc3550

import (
	"slices"
	"testing"
	"time"
)

func TestSequenceValidation(t *testing.T) {
	const i, p, v, r = Invalid, Probation, Valid, Restarted
	tests := map[string]struct {
		seqs []uint16
		want []Verdict
		lost int32
		max  uint32
	}{
		"two in sequence":            {[]uint16{7, 8, 9}, []Verdict{p, v, v}, 0, 9},
		"probation begins anew":      {[]uint16{7, 9, 11, 12}, []Verdict{p, p, p, v}, 0, 12},
		"wraps":                      {[]uint16{65533, 65534, 65535, 0, 1}, []Verdict{p, v, v, v, v}, 0, 1<<16 + 1},
		"loss":                       {[]uint16{7, 8, 11, 12}, []Verdict{p, v, v, v}, 2, 12},
		"reordered":                  {[]uint16{7, 8, 10, 9, 11}, []Verdict{p, v, v, v, v}, 0, 11},
		"twice":                      {[]uint16{7, 8, 8, 9}, []Verdict{p, v, v, v}, -1, 9},
		"maxDropout":                 {[]uint16{7, 8, 8 + 2999}, []Verdict{p, v, v}, 2998, 8 + 2999},
		"beyond maxDropout":          {[]uint16{7, 8, 8 + 3000, 9}, []Verdict{p, v, i, v}, 0, 9},
		"maxMisorder":                {[]uint16{200, 201, 102}, []Verdict{p, v, v}, -1, 201},
		"beyond maxMisorder":         {[]uint16{200, 201, 100, 202}, []Verdict{p, v, i, v}, 0, 202},
		"a restart needs two":        {[]uint16{7, 8, 30000, 30001, 30002}, []Verdict{p, v, i, r, v}, 0, 30002},
		"a restart needs a sequence": {[]uint16{7, 8, 30000, 30002, 9}, []Verdict{p, v, i, i, v}, 0, 9},
		"wraps with a loss":          {[]uint16{65534, 65535, 2}, []Verdict{p, v, v}, 2, 1<<16 + 2},
	}
	for name, tt := range tests {
		s := NewSource(1, tt.seqs[0])
		var got []Verdict
		for _, seq := range tt.seqs {
			got = append(got, s.Update(seq))
		}
		if !slices.Equal(got, tt.want) || s.Lost() != tt.lost || s.ExtendedMax() != tt.max {
			t.Errorf("%s: %v, lost %d, max %d; want %v, %d, %d", name, got, s.Lost(), s.ExtendedMax(), tt.want, tt.lost, tt.max)
		}
	}
}

func TestFractionLost(t *testing.T) {
	s := NewSource(1, 0)
	for seq := range uint16(101) {
		if seq < 50 || seq%4 != 0 {
			s.Update(seq)
		}
	}
	if got := s.FractionLost(); got != 13*256/100 { // 52, 56, …, 100 are missing, but the last is not yet expected
		if got != 12*256/99 {
			t.Errorf("fraction %d", got)
		}
	}
	if got := s.FractionLost(); got != 0 {
		t.Errorf("fraction of nothing is %d", got)
	}
}

func TestJitter(t *testing.T) {
	type pkt struct{ arrival, timestamp uint32 }
	tests := map[string]struct {
		in   []pkt
		want uint32
	}{
		"steady":                {[]pkt{{0, 0}, {160, 160}, {320, 320}}, 0},
		"first transit is zero": {[]pkt{{7, 7}, {327, 167}}, 10}, // |D| = 160; 160/16
		"early counts as late":  {[]pkt{{500, 0}, {500, 160}}, 10},
		"timestamp wraps":       {[]pkt{{0, 0xFFFFFF60}, {160, 0}, {320, 160}}, 0},
		"worst difference":      {[]pkt{{0, 0}, {1 << 31, 0}}, 0},
	}
	for name, tt := range tests {
		var j Jitter
		for _, p := range tt.in {
			j.Arrived(p.arrival, p.timestamp)
		}
		if j.Estimate() != tt.want {
			t.Errorf("%s: %d, want %d", name, j.Estimate(), tt.want)
		}
	}
}

func TestNTP(t *testing.T) {
	at := time.Date(1970, 1, 1, 0, 0, 0, 500_000_000, time.UTC)
	if got, want := NTP(at), uint64(2208988800)<<32|1<<31; got != want {
		t.Errorf("NTP = %x, want %x", got, want)
	}
}

// The example of §6.4.1, figure 2.
func TestRoundTrip(t *testing.T) {
	a := Middle(0xb44db705_20000000)
	if a != 0xb7052000 {
		t.Fatalf("LSR = %x", a)
	}
	received := time.Unix(0xb44db710-ntpEpoch, 500_000_000) // A = b710:8000
	rtt, ok := RoundTrip(a, 0x00054000, received)
	if !ok || rtt != 6125*time.Millisecond {
		t.Errorf("round trip %v, %t; want 6.125 s", rtt, ok)
	}
	if _, ok := RoundTrip(0, 0x54000, received); ok {
		t.Error("a round trip without a report of ours")
	}
	if _, ok := RoundTrip(a, 0x7fffffff, received); ok {
		t.Error("a round trip of nonsense")
	}
}

func TestInterval(t *testing.T) {
	i := Interval{Bandwidth: 8000, Minimum: MinInterval}
	i.Packet(72)
	low, high := i.Next(2, 2, true, false, 0), i.Next(2, 2, true, false, 0.999)
	if low < 2*time.Second || low > 2100*time.Millisecond || high < 6100*time.Millisecond || high > 6200*time.Millisecond {
		t.Errorf("between %v and %v, want 5 s × 0.5…1.5 / 1.218", low, high)
	}
	if first := i.Next(2, 2, true, true, 0); first < time.Second || first > 1100*time.Millisecond {
		t.Errorf("first after %v, want half", first)
	}
	if many := i.Next(10000, 2, false, false, 0.5); many < time.Minute {
		t.Errorf("%v among 10000 receivers", many)
	}
}
