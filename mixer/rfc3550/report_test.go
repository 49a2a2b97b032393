package rfc3550

import (
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	r := Reception{Source: NewSource(9, 100)}
	now := time.Unix(1000, 0)
	for _, seq := range []uint16{100, 101, 103} {
		r.Update(seq)
	}
	if b := r.Report(now); b.SSRC != 9 || b.LastSenderReport != 0 || b.Delay != 0 || b.TotalLost != 1 || b.LastSequenceNumber != 103 {
		t.Errorf("before any SR: %+v", b)
	}
	r.SenderReport(NTP(now), now)
	if b := r.Report(now.Add(1500 * time.Millisecond)); b.LastSenderReport != Middle(NTP(now)) || b.Delay != 3<<15 || b.FractionLost != 0 {
		t.Errorf("1.5 s after an SR: %+v", b)
	}
}
