package offer

import (
	"encoding/hex"
	"fmt"
	"strings"

	"tutti/codec"
)

func isH264(f codec.Format) bool { return strings.EqualFold(f.Name, "H264") }

// profile is a profile-level-id (RFC 6184 §8.1): profile_idc, the constraint flags and level_idc.
type profile struct{ idc, constraints, level byte }

// inferred is the profile of who names none (RFC 6184 §8.1): Baseline at level 1.
var inferred = profile{0x42, 0, 10}

func parseProfile(fmtp string) (profile, bool) {
	v, ok := codec.FmtpValue(fmtp, "profile-level-id")
	if !ok {
		return inferred, true
	}
	b, err := hex.DecodeString(v)
	if err != nil || len(b) != 3 {
		return profile{}, false
	}
	return profile{b[0], b[1], b[2]}, true
}

func (p profile) String() string { return fmt.Sprintf("%02x%02x%02x", p.idc, p.constraints, p.level) }

const (
	set1 = 0x40 // constraint_set1_flag: also Main, so a Baseline stream is Constrained Baseline
	set3 = 0x10 // constraint_set3_flag: level 1b of the older profiles
)

// rankH264 orders the profiles and modes that we take. Every one of their decoders takes the Constrained Baseline that we
// send; what ours cannot decode (4:2:2, Extended) is refused. Mode 2 (interleaved) is refused also.
func rankH264(fmtp string) (rank int, ok bool) {
	p, ok := parseProfile(fmtp)
	if !ok {
		return 0, false
	}
	switch {
	case p.idc == 0x42 && p.constraints&set1 != 0:
		rank = 0
	case p.idc == 0x42:
		rank = 2
	case p.idc == 0x4d:
		rank = 4
	case p.idc == 0x64:
		rank = 6
	default:
		return 0, false
	}
	switch mode, _ := codec.FmtpValue(fmtp, "packetization-mode"); mode {
	case "1":
		return rank, true
	case "", "0":
		return rank + 1, true
	}
	return 0, false
}

// answerH264 is our a=fmtp for the far end's configuration (RFC 6184 §8.2.2): the same profile and packetization-mode, and
// the level that we can take, which is above the offered one only where both allow levels to differ.
func answerH264(theirs, ours string) string {
	p, ok := parseProfile(theirs)
	if !ok {
		p = inferred
	}
	own, ok := parseProfile(ours)
	if !ok || ours == "" {
		own = profile{0x42, 0xe0, 31}
	}
	asymmetry, _ := codec.FmtpValue(theirs, "level-asymmetry-allowed")
	if asymmetry == "1" || own.rank() < p.rank() {
		p.level, p.constraints = own.level, p.constraints&^set3
	}
	var b strings.Builder
	if asymmetry == "1" {
		b.WriteString("level-asymmetry-allowed=1;")
	}
	if mode, ok := codec.FmtpValue(theirs, "packetization-mode"); ok {
		b.WriteString("packetization-mode=" + mode + ";")
	}
	return b.String() + "profile-level-id=" + p.String()
}

// rank orders levels: 1, 1b, 1.1, … Level 1b is 11 with constraint_set3_flag in the older profiles and 9 in the newer.
func (p profile) rank() int {
	switch {
	case p.level == 9, p.level == 11 && p.constraints&set3 != 0 && p.idc != 0x64:
		return 105
	}
	return int(p.level) * 10
}

// macroblocks is MaxFS and MaxMBPS of a level (H.264 table A-1), in macroblocks a frame and a second.
func (p profile) macroblocks() (frame, second int) {
	switch l := p.rank(); {
	case l <= 105:
		return 99, 1485
	case l <= 110:
		return 396, 3000
	case l <= 120:
		return 396, 6000
	case l <= 200:
		return 396, 11880
	case l <= 210:
		return 792, 19800
	case l <= 220:
		return 1620, 20250
	case l <= 300:
		return 1620, 40500
	case l <= 310:
		return 3600, 108000
	case l <= 320:
		return 5120, 216000
	}
	return 8192, 245760
}

// pictures are the sizes that we send, largest first.
var pictures = [...]struct{ width, height int }{{1280, 720}, {640, 360}, {320, 180}, {160, 90}}

// limitH264 is the largest picture, in pixels, and the frame rate that the far end's parameters allow; zeros are no limit
// below 1280×720 at 25 frames a second.
func limitH264(fmtp string) (width, height, rate int) {
	p, ok := parseProfile(fmtp)
	if !ok {
		return 0, 0, 0
	}
	frame, second := p.macroblocks()
	return fit(max(frame, codec.FmtpInt(fmtp, "max-fs", 0)), max(second, codec.FmtpInt(fmtp, "max-mbps", 0)))
}

// limitVP8 is the same by max-fs and max-fr (RFC 7741 §6.1).
func limitVP8(fmtp string) (width, height, rate int) {
	const unlimited = 1 << 20
	width, height, _ = fit(codec.FmtpInt(fmtp, "max-fs", unlimited), unlimited)
	if rate = max(codec.FmtpInt(fmtp, "max-fr", 25), 1); rate >= 25 {
		rate = 0
	}
	return width, height, rate
}

// fit finds the picture for so many macroblocks a frame and a second.
func fit(frame, second int) (width, height, rate int) {
	for i, s := range pictures {
		blocks := (s.width + 15) / 16 * ((s.height + 15) / 16)
		if blocks > frame && i < len(pictures)-1 {
			continue
		}
		if rate = max(second/blocks, 1); rate >= 25 {
			rate = 0
		}
		if i == 0 {
			return 0, 0, rate
		}
		return s.width, s.height, rate
	}
	return 0, 0, 0
}
