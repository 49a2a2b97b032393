package offer

import (
	"strings"

	"tutti/codec"
	"tutti/codec/h264"
	"tutti/mixer"
)

func isH264(f codec.Format) bool { return strings.EqualFold(f.Name, "H264") }

// rankH264 orders the configurations of H.264 that may stand beside each other in an m-line: constrained baseline, which is
// what we send, before the others, and packetization mode 1 before mode 0. ok is false for what we do not take.
func rankH264(fmtp string) (rank int, ok bool) {
	answer, ok := h264.AnswerFmtp(fmtp)
	if !ok {
		return 0, false
	}
	value, _ := codec.FmtpValue(answer, "profile-level-id")
	id, err := h264.ParseProfileLevelID(value)
	if err != nil {
		return 0, false
	}
	return 2*int(id.Profile()) + 1 - mode(fmtp), true
}

// mode is the packetization-mode of an H.264 configuration (RFC 6184 §8.1: 0 where there is none).
func mode(fmtp string) int { return codec.FmtpInt(fmtp, "packetization-mode", 0) }

// pictures are the sizes that we send, largest first; the first is the canvas.
var pictures = [...]struct{ width, height int }{{1280, 720}, {640, 360}, {320, 180}, {160, 90}} //nolint:gochecknoglobals // a constant table

// limit makes e fit what the far end says that it decodes.
func limit(e *mixer.Encoding) {
	switch {
	case isH264(e.Video.Format):
		l := h264.LimitsOf(e.Fmtp)
		fit(e, l.Macroblocks, l.MacroblocksPerSecond)
		const plenty = 4_000_000 // bit/s, more than we send
		if l.Bitrate < plenty && (e.Bitrate == 0 || e.Bitrate > l.Bitrate) {
			e.Bitrate = l.Bitrate
		}
	case strings.EqualFold(e.Video.Name, "VP8"): // RFC 7741 §6.1
		const unlimited = 1 << 20
		fit(e, codec.FmtpInt(e.Fmtp, "max-fs", unlimited), unlimited)
		if rate := codec.FmtpInt(e.Fmtp, "max-fr", unlimited); rate < 25 {
			e.FrameRate = max(rate, 1)
		}
	}
}

// fit chooses the picture for so many macroblocks (16×16 pixels) a frame and a second. What is no limit below the canvas at
// 25 frames a second stays 0, so that all those share an encoder.
func fit(e *mixer.Encoding, frame, second int) {
	for i, s := range pictures {
		blocks := (s.width + 15) / 16 * ((s.height + 15) / 16)
		if blocks > frame && i < len(pictures)-1 {
			continue
		}
		if i > 0 {
			e.Width, e.Height = s.width, s.height
		}
		if rate := second / blocks; rate < 25 {
			e.FrameRate = max(rate, 1)
		}
		return
	}
}
