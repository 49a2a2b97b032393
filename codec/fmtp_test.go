package codec

import "testing"

func TestFmtp(t *testing.T) {
	const fmtp = "maxplaybackrate=16000; Stereo = 1 ;useinbandfec=x;;cbr;stereo=0"
	tests := map[string]struct {
		value string
		ok    bool
		n     int // with fallback 7
	}{
		"maxplaybackrate": {"16000", true, 16000},
		"stereo":          {"1", true, 1},
		"useinbandfec":    {"x", true, 7},
		"CBR":             {"", true, 7},
		"maxptime":        {"", false, 7},
	}
	for name, tt := range tests {
		if value, ok := FmtpValue(fmtp, name); value != tt.value || ok != tt.ok {
			t.Errorf("FmtpValue(%s) = %q, %t; want %q, %t", name, value, ok, tt.value, tt.ok)
		}
		if n := FmtpInt(fmtp, name, 7); n != tt.n {
			t.Errorf("FmtpInt(%s) = %d, want %d", name, n, tt.n)
		}
	}
}
