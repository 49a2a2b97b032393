package h264

import (
	"fmt"
	"strconv"

	"tutti/codec"
)

// ProfileLevelID is the parameter of that name: three bytes of a sequence parameter set (RFC 6184 §8.1).
type ProfileLevelID struct {
	IDC         byte // profile_idc
	Constraints byte // profile-iop: constraint_set0_flag is the highest bit
	Level       byte // level_idc: ten times the level
}

// ParseProfileLevelID reads six hexadecimal digits.
func ParseProfileLevelID(s string) (ProfileLevelID, error) {
	n, err := strconv.ParseUint(s, 16, 24)
	if err != nil || len(s) != 6 {
		return ProfileLevelID{}, fmt.Errorf("h264: profile-level-id %q is not six hexadecimal digits", s)
	}
	return ProfileLevelID{byte(n >> 16), byte(n >> 8), byte(n)}, nil
}

func (p ProfileLevelID) String() string {
	return fmt.Sprintf("%02x%02x%02x", p.IDC, p.Constraints, p.Level)
}

// Profile is a set of tools of H.264, as profile_idc and the constraint flags name it together.
type Profile int

const (
	Unsupported Profile = iota
	ConstrainedBaseline
	Baseline
	Main
	ConstrainedHigh
	High
)

func (p Profile) String() string {
	return [...]string{"unsupported", "constrained baseline", "baseline", "main", "constrained high", "high"}[p]
}

// Profile follows RFC 6184 §8.1, table 5, where several spellings name one profile.
func (p ProfileLevelID) Profile() Profile {
	const set0, set1, set2, set4, set5, rest = 0x80, 0x40, 0x20, 0x08, 0x04, 0x0F
	all := func(flags byte) bool { return p.Constraints&flags == flags }
	switch {
	case p.IDC == 66 && p.Constraints&rest == 0 && all(set1),
		p.IDC == 77 && p.Constraints&rest == 0 && all(set0),
		p.IDC == 88 && p.Constraints&rest == 0 && all(set0|set1):
		return ConstrainedBaseline
	case p.IDC == 66 && p.Constraints&rest == 0,
		p.IDC == 88 && p.Constraints&rest == 0 && all(set0):
		return Baseline
	case p.IDC == 77 && p.Constraints&(rest|set0|set2) == 0:
		return Main
	case p.IDC == 100 && p.Constraints == set4|set5:
		return ConstrainedHigh
	case p.IDC == 100 && p.Constraints == 0:
		return High
	default:
		return Unsupported
	}
}

// Level 1b has no number of its own in these profiles: it is 1.1 with constraint_set3_flag (RFC 6184 §8.1).
const (
	level1b        = 9
	level11        = 11
	constraintSet3 = 0x10
	ourLevel       = 31 // what we receive: 1280×720 at 30 a second
)

// rank orders levels: level_idc, with 1b between 1 and 1.1.
func (p ProfileLevelID) rank() int {
	switch {
	case p.Level == level1b, p.Level == level11 && p.IDC != profileHigh && p.Constraints&constraintSet3 != 0:
		return 2*level11 - 1
	default:
		return 2 * int(p.Level)
	}
}

// withLevel is p one level down; 1b, if it was it, is forgotten.
func (p ProfileLevelID) withLevel(level byte) ProfileLevelID {
	p.Level = level
	if level != level11 {
		return p
	}
	p.Constraints &^= constraintSet3
	return p
}

// offered is the profile-level-id of an fmtp; without one it is baseline at level 1 (RFC 6184 §8.1).
func offered(fmtp string) (ProfileLevelID, error) {
	s, ok := codec.FmtpValue(fmtp, "profile-level-id")
	if !ok {
		return ProfileLevelID{IDC: 66, Level: 10}, nil
	}
	return ParseProfileLevelID(s)
}

// AnswerFmtp is our a=fmtp for an offered one, by the rules of RFC 6184 §8.2.2: profile and packetization mode are the
// offer's or there is no answer; the level is ours where the offer lets levels differ, and else the lower of the two.
//
// We answer to every profile whose decoders read constrained baseline, since that is what we send, and that openh264
// decodes.
func AnswerFmtp(offer string) (answer string, ok bool) {
	id, err := offered(offer)
	if err != nil || id.Profile() == Unsupported || id.Level < level1b {
		return "", false
	}
	mode := packetizationMode(offer)
	if mode > 1 { // interleaved
		return "", false
	}
	asymmetric := codec.FmtpInt(offer, "level-asymmetry-allowed", 0) == 1
	if asymmetric || id.rank() > 2*ourLevel {
		id = id.withLevel(ourLevel)
	}
	answer = fmt.Sprintf("packetization-mode=%d;profile-level-id=%v", mode, id)
	if asymmetric {
		answer = "level-asymmetry-allowed=1;" + answer
	}
	return answer, true
}

// Limits is what a far end decodes (H.264 table A-1).
type Limits struct {
	MacroblocksPerSecond int
	Macroblocks          int // of a picture; one is 16×16 pixels
	Bitrate              int // bit/s
}

// LimitsOf reads them from the far end's a=fmtp: its level, and max-mbps, max-fs and max-br where it can more (RFC 6184
// §8.1). An fmtp that cannot be read counts as level 1.
func LimitsOf(fmtp string) Limits {
	id, err := offered(fmtp)
	if err != nil {
		id = ProfileLevelID{IDC: 66, Level: 10}
	}
	l := limitsOf(id.rank())
	l.MacroblocksPerSecond = max(l.MacroblocksPerSecond, codec.FmtpInt(fmtp, "max-mbps", 0))
	l.Macroblocks = max(l.Macroblocks, codec.FmtpInt(fmtp, "max-fs", 0))
	l.Bitrate = max(l.Bitrate, 1000*min(codec.FmtpInt(fmtp, "max-br", 0), 1e6))
	return l
}

// Allow says whether pictures of w × h pixels at so many a second are within the limits.
func (l Limits) Allow(w, h, frameRate int) bool {
	n := macroblocks(w, h)
	// A picture may be up to √8 times as wide as a square of its area (H.264 §A.3.1).
	longest := max(w+15, h+15) / 16
	return n <= l.Macroblocks && n*frameRate <= l.MacroblocksPerSecond && longest*longest <= 8*l.Macroblocks
}

func macroblocks(w, h int) int { return (w + 15) / 16 * ((h + 15) / 16) }

type level struct {
	idc byte // 9 is 1b
	Limits
}

// levels is H.264 table A-1, in rising order; bitrates are those of the baseline and main profiles.
func levels() [16]level {
	return [...]level{
		{10, Limits{1485, 99, 64_000}},
		{level1b, Limits{1485, 99, 128_000}},
		{11, Limits{3000, 396, 192_000}},
		{12, Limits{6000, 396, 384_000}},
		{13, Limits{11880, 396, 768_000}},
		{20, Limits{11880, 396, 2_000_000}},
		{21, Limits{19800, 792, 4_000_000}},
		{22, Limits{20250, 1620, 4_000_000}},
		{30, Limits{40500, 1620, 10_000_000}},
		{31, Limits{108000, 3600, 14_000_000}},
		{32, Limits{216000, 5120, 20_000_000}},
		{40, Limits{245760, 8192, 20_000_000}},
		{41, Limits{245760, 8192, 50_000_000}},
		{42, Limits{522240, 8704, 50_000_000}},
		{50, Limits{589824, 22080, 135_000_000}},
		{51, Limits{983040, 36864, 240_000_000}},
	}
}

// limitsOf is the highest level that does not exceed rank.
func limitsOf(rank int) Limits {
	all := levels()
	found := all[0].Limits
	for _, l := range all[1:] {
		if (ProfileLevelID{Level: l.idc}).rank() <= rank {
			found = l.Limits
		}
	}
	return found
}

// levelFor is the level_idc that our stream carries: that of the far end or 3.1, whichever is lower, and more only where
// the pictures do not fit.
func levelFor(fmtp string, w, h, frameRate int) level {
	id, err := offered(fmtp)
	if _, known := codec.FmtpValue(fmtp, "profile-level-id"); err != nil || !known || id.rank() > 2*ourLevel {
		id = ProfileLevelID{IDC: 66, Level: ourLevel}
	}
	all := levels()
	for _, l := range all {
		if (ProfileLevelID{Level: l.idc}).rank() >= id.rank() && l.Allow(w, h, frameRate) {
			return l
		}
	}
	return all[len(all)-1]
}
