// Package telephone reads and writes telephone-event payloads: keys of a telephone, sent as what they are (RFC 4733).
package telephone

import (
	"encoding/binary"
	"fmt"
	"strings"

	"tutti/codec"
)

// PayloadType is the dynamic number we prefer, and Fmtp the events we take: 0–9, *, #, A–D (RFC 4733 §3.2).
const (
	PayloadType = 101
	Fmtp        = "0-15"
)

// Format of telephone events that ride beside sound with this RTP clock (RFC 4733 §2.1 asks for the same rate).
func Format(clockRate int) codec.Format {
	return codec.Format{Name: "telephone-event", ClockRate: clockRate, Channels: 1}
}

// Event is one payload:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     event     |E|R|  volume   |          duration             |   RFC 4733 §2.3
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type Event struct {
	Code     byte   // 0–9, 10 *, 11 #, 12–15 A–D; others are tones that are not keys
	End      bool   // the key is up; three packets say so
	Volume   byte   // 0–63, −dBm0: 0 is loudest
	Duration uint16 // since the RTP timestamp of the packet, in its clock
}

const (
	size       = 4
	endBit     = 0x80
	volumeBits = 0x3F // what lies between is reserved, and ignored
)

// ParseEvent reads the event of a payload. What follows the four bytes is ignored.
func ParseEvent(p []byte) (Event, error) {
	if len(p) < size {
		return Event{}, fmt.Errorf("telephone: payload of %d bytes, want %d", len(p), size)
	}
	return Event{
		Code:     p[0],
		End:      p[1]&endBit != 0,
		Volume:   p[1] & volumeBits,
		Duration: binary.BigEndian.Uint16(p[2:]),
	}, nil
}

// Append adds the payload to dst. A volume above 63 is written as 63.
func (e Event) Append(dst []byte) []byte {
	flags := min(e.Volume, volumeBits)
	if e.End {
		flags |= endBit
	}
	return binary.BigEndian.AppendUint16(append(dst, e.Code, flags), e.Duration)
}

const keys = "0123456789*#ABCD" // by event code

// Digit is the key that the event stands for; ok is false when it is none.
func (e Event) Digit() (key rune, ok bool) {
	if int(e.Code) >= len(keys) {
		return 0, false
	}
	return rune(keys[e.Code]), true
}

// Code is the event of a key; letters may be small.
func Code(key rune) (code byte, ok bool) {
	if key >= 'a' && key <= 'd' {
		key += 'A' - 'a'
	}
	i := strings.IndexRune(keys, key)
	return byte(max(i, 0)), i >= 0
}
