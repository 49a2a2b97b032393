package rfc3550

import "time"

// ntpEpoch is 1900 in seconds before 1970 (§4).
const ntpEpoch = 2208988800

// NTP is t as a 64-bit NTP timestamp: seconds since 1900, and 2^-32 seconds (§4).
func NTP(t time.Time) uint64 {
	seconds := uint64(t.Unix()+ntpEpoch) << 32
	return seconds | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// Middle is the middle 32 bits of an NTP timestamp: 2^-16 seconds (§4).
func Middle(ntp uint64) uint32 { return uint32(ntp >> 16) }

// Duration is a number of 2^-16 seconds (LSR, DLSR).
func Duration(units uint32) time.Duration {
	return time.Duration(uint64(units) * uint64(time.Second) >> 16)
}

// Units is d in 2^-16 seconds, as DLSR wants it.
func Units(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	return uint32(min(uint64(d), uint64(time.Hour)*18) << 16 / uint64(time.Second))
}

// Ticks is d in units of an RTP clock of rate Hz. Seconds and the rest are kept apart, so nothing overflows.
func Ticks(d time.Duration, rate int) int64 {
	return int64(d/time.Second)*int64(rate) + int64(d%time.Second)*int64(rate)/int64(time.Second)
}
