package codec

import (
	"fmt"
	"strconv"
	"strings"
)

// Format names one RTP payload format as SDP does (a=rtpmap, RFC 8866 §6.6).
type Format struct {
	Name      string // encoding name, compared without regard to case
	ClockRate int    // RTP timestamp rate in Hz; not always the sampling rate
	Channels  int    // of sound; 0 means 1, as an absent parameter does in SDP
}

// String is what stands behind the number in a=rtpmap: "opus/48000/2", "PCMU/8000".
func (f Format) String() string {
	if f.Channels > 1 {
		return fmt.Sprintf("%s/%d/%d", f.Name, f.ClockRate, f.Channels)
	}
	return fmt.Sprintf("%s/%d", f.Name, f.ClockRate)
}

// Equal says whether both name the same format: encoding names have no case, and no channel count means one.
func (f Format) Equal(o Format) bool {
	return strings.EqualFold(f.Name, o.Name) && f.ClockRate == o.ClockRate && max(f.Channels, 1) == max(o.Channels, 1)
}

const (
	maxClockRate = 1 << 30
	maxChannels  = 255
)

// ParseFormat reads what String writes: the value of a=rtpmap without its payload type number.
func ParseFormat(rtpmap string) (Format, error) {
	name, rest, ok := strings.Cut(strings.TrimSpace(rtpmap), "/")
	if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") {
		return Format{}, fmt.Errorf("codec: rtpmap %q: want NAME/CLOCK or NAME/CLOCK/CHANNELS", rtpmap)
	}
	clock, channels, stereo := strings.Cut(rest, "/")
	f := Format{Name: name}
	var err error
	if f.ClockRate, err = number(clock, maxClockRate); err != nil {
		return Format{}, fmt.Errorf("codec: rtpmap %q: clock rate: %w", rtpmap, err)
	}
	if !stereo {
		return f, nil
	}
	if f.Channels, err = number(channels, maxChannels); err != nil {
		return Format{}, fmt.Errorf("codec: rtpmap %q: channels: %w", rtpmap, err)
	}
	return f, nil
}

// number reads a decimal number from 1 to limit, digits only.
func number(s string, limit uint64) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, err
	}
	if n == 0 || n > limit {
		return 0, fmt.Errorf("%d is not in 1–%d", n, limit)
	}
	return int(n), nil
}
