package h264

import "testing"

func TestAnswerFmtp(t *testing.T) {
	tests := map[string]struct {
		offer, want string // want "" for no answer
	}{
		"as a browser offers":        {"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
		"mode 0":                     {"level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"},
		"an older phone":             {"profile-level-id=42801e; packetization-mode=0", "packetization-mode=0;profile-level-id=42801e"},
		"no mode is mode 0":          {"profile-level-id=42e01f", "packetization-mode=0;profile-level-id=42e01f"},
		"nothing is level 1":         {"", "packetization-mode=0;profile-level-id=42000a"},
		"a lower level stays":        {"packetization-mode=1;profile-level-id=42e00c", "packetization-mode=1;profile-level-id=42e00c"},
		"a higher level is ours":     {"packetization-mode=1;profile-level-id=42E034", "packetization-mode=1;profile-level-id=42e01f"},
		"levels may differ":          {"packetization-mode=1;profile-level-id=42e00c;level-asymmetry-allowed=1", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
		"level 1b stays":             {"packetization-mode=1;profile-level-id=42f00b", "packetization-mode=1;profile-level-id=42f00b"},
		"main":                       {"packetization-mode=1;profile-level-id=4d001f", "packetization-mode=1;profile-level-id=4d001f"},
		"high":                       {"packetization-mode=1;profile-level-id=64002a", "packetization-mode=1;profile-level-id=64001f"},
		"constrained high":           {"packetization-mode=1;profile-level-id=640c1f", "packetization-mode=1;profile-level-id=640c1f"},
		"baseline, as main names it": {"packetization-mode=1;profile-level-id=4d801f", "packetization-mode=1;profile-level-id=4d801f"},
		"high 10":                    {"packetization-mode=1;profile-level-id=6e001f", ""},
		"extended":                   {"packetization-mode=1;profile-level-id=58001f", ""},
		"interleaved":                {"packetization-mode=2;profile-level-id=42e01f", ""},
		"nonsense":                   {"profile-level-id=zz", ""},
		"too short":                  {"profile-level-id=42e0", ""},
		"level 0":                    {"profile-level-id=42e000", ""},
	}
	for name, tt := range tests {
		if got, ok := AnswerFmtp(tt.offer); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: AnswerFmtp(%q) = %q, %t; want %q", name, tt.offer, got, ok, tt.want)
		}
	}
}

func TestLimits(t *testing.T) {
	tests := map[string]struct {
		fmtp    string
		w, h, n int
		want    bool
	}{
		"720p at 30 in 3.1":           {"profile-level-id=42e01f", 1280, 720, 30, true},
		"720p at 31 in 3.1":           {"profile-level-id=42e01f", 1280, 720, 31, false},
		"1080p in 3.1":                {"profile-level-id=42e01f", 1920, 1080, 5, false},
		"CIF at 15 in 1.2":            {"profile-level-id=42e00c", 352, 288, 15, true},
		"CIF at 30 in 1.2":            {"profile-level-id=42e00c", 352, 288, 30, false},
		"QCIF at 15 without a level":  {"", 176, 144, 15, true},
		"CIF without a level":         {"", 352, 288, 1, false},
		"1.2 with a larger max-fs":    {"profile-level-id=42e00c;max-fs=3600;max-mbps=108000", 1280, 720, 30, true},
		"CIF in 1b is too large":      {"profile-level-id=42f00b", 352, 288, 7, false},
		"CIF in 1.1":                  {"profile-level-id=42e00b", 352, 288, 7, true},
		"an odd shape within the sum": {"profile-level-id=42e00c", 1280, 64, 10, false},
	}
	for name, tt := range tests {
		if got := LimitsOf(tt.fmtp).Allow(tt.w, tt.h, tt.n); got != tt.want {
			t.Errorf("%s: Allow = %t", name, got)
		}
	}
	if got := LimitsOf("profile-level-id=42e00c;max-br=1500").Bitrate; got != 1_500_000 {
		t.Errorf("max-br=1500 gives %d bit/s", got)
	}
}

// An answer is never above what was offered, unless levels may differ, and never another profile.
func FuzzAnswerFmtp(f *testing.F) {
	f.Add("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")
	f.Add("profile-level-id=42f00b")
	f.Fuzz(func(t *testing.T, offer string) {
		answer, ok := AnswerFmtp(offer)
		if !ok {
			return
		}
		was, err := offered(offer)
		if err != nil {
			t.Fatalf("an answer to %q", offer)
		}
		is, err := offered(answer)
		if err != nil || is.Profile() != was.Profile() || is.rank() > max(was.rank(), 2*ourLevel) {
			t.Fatalf("AnswerFmtp(%q) = %q: %v", offer, answer, err)
		}
		if again, ok := AnswerFmtp(answer); !ok || again != answer {
			t.Fatalf("AnswerFmtp(%q) = %q, and to that %q", offer, answer, again)
		}
	})
}
