package codec

import (
	"strconv"
	"strings"
)

// FmtpValue finds one parameter of a=fmtp ("useinbandfec=1; stereo=0"). Names have no case; the first of twins counts.
func FmtpValue(fmtp, name string) (value string, ok bool) {
	for parameter := range strings.SplitSeq(fmtp, ";") {
		key, value, _ := strings.Cut(parameter, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// FmtpInt finds a decimal parameter; what is absent, or no number from 0 to 2³¹−1, is fallback.
func FmtpInt(fmtp, name string, fallback int) int {
	value, _ := FmtpValue(fmtp, name)
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return fallback
	}
	return int(n)
}
