package opus

import (
	"fmt"
	"time"

	"tutti/codec"
)

const maxSamples = sampleRate * int(codec.MaxPTime/time.Millisecond) / 1000 // per channel and packet

// Samples is how long the packet sounds, in samples per channel at 48 kHz, read from its table-of-contents byte:
//
//	 0 1 2 3 4 5 6 7
//	+-+-+-+-+-+-+-+-+
//	| config  |s| c |   RFC 6716 §3.1; c: 0 one frame, 1 and 2 two frames, 3 as many as the next byte says
//	+-+-+-+-+-+-+-+-+
//
// It trusts nothing: a packet of no byte, no frame, or more than 120 ms is an error.
func Samples(packet []byte) (int, error) {
	if len(packet) == 0 {
		return 0, fmt.Errorf("opus: %w", codec.ErrEmpty)
	}
	frames := 1
	switch packet[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) < 2 {
			return 0, fmt.Errorf("opus: packet of one byte lacks its frame count")
		}
		frames = int(packet[1] & 0x3F)
	}
	n := frames * frameSamples(packet[0]>>3)
	if n == 0 || n > maxSamples {
		return 0, fmt.Errorf("opus: %d frames of %d samples, want 1 to %d samples", frames, frameSamples(packet[0]>>3), maxSamples)
	}
	return n, nil
}

// PacketDuration is Samples as a time.
func PacketDuration(packet []byte) (time.Duration, error) {
	n, err := Samples(packet)
	return time.Duration(n) * time.Second / sampleRate, err
}

// frameSamples is the length of one frame of a configuration (RFC 6716 §3.1, table 2).
func frameSamples(config byte) int {
	const ms = sampleRate / 1000
	switch {
	case config < 12: // SILK
		return [4]int{10 * ms, 20 * ms, 40 * ms, 60 * ms}[config&3]
	case config < 16: // hybrid
		return [2]int{10 * ms, 20 * ms}[config&1]
	default: // CELT
		return (5 * ms / 2) << (config & 3)
	}
}
