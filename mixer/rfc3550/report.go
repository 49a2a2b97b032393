package rfc3550

import (
	"time"

	"github.com/pion/rtcp"
)

// Reception is what a receiver reports about one source, and what it heard of that source's reports.
type Reception struct {
	*Source
	lastSR   uint32 // middle 32 bits of its NTP timestamp
	lastSRAt time.Time
}

// SenderReport takes an SR of the source.
func (r *Reception) SenderReport(ntp uint64, at time.Time) { r.lastSR, r.lastSRAt = Middle(ntp), at }

// Report is the reception report block (§6.4.1). It resets the fraction lost.
func (r *Reception) Report(now time.Time) rtcp.ReceptionReport {
	b := rtcp.ReceptionReport{
		SSRC:               r.SSRC,
		FractionLost:       r.FractionLost(),
		TotalLost:          uint32(r.Lost()) & 0xffffff,
		LastSequenceNumber: r.ExtendedMax(),
		Jitter:             r.Estimate(),
	}
	if !r.lastSRAt.IsZero() {
		b.LastSenderReport = r.lastSR
		b.Delay = Units(now.Sub(r.lastSRAt))
	}
	return b
}

// RoundTrip is the time that a reception report about us was on its way, both ways (§6.4.1). ok is false where the far
// end has no SR of ours yet, or claims nonsense.
func RoundTrip(lsr, dlsr uint32, now time.Time) (rtt time.Duration, ok bool) {
	if lsr == 0 {
		return 0, false
	}
	d := int32(Middle(NTP(now)) - lsr - dlsr)
	if d < 0 {
		// A far end that rounds its delay up makes a round trip of almost nothing negative.
		return 0, d > -1<<10
	}
	rtt = Duration(uint32(d))
	return rtt, rtt < time.Minute
}
