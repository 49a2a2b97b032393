package offer

import "testing"

func TestAnswerH264(t *testing.T) {
	const ours = "packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1"
	for theirs, want := range map[string]string{
		"packetization-mode=1;profile-level-id=42e01f":                           "packetization-mode=1;profile-level-id=42e01f",
		"profile-level-id=42e00d":                                                "profile-level-id=42e00d", // the lower level without asymmetry
		"profile-level-id=42E028; packetization-mode=0":                          "packetization-mode=0;profile-level-id=42e01f",
		"profile-level-id=42e00d;level-asymmetry-allowed=1":                      "level-asymmetry-allowed=1;profile-level-id=42e01f",
		"profile-level-id=64001f;packetization-mode=1;sprop-parameter-sets=Z0I=": "packetization-mode=1;profile-level-id=64001f",
		"profile-level-id=42f00b;packetization-mode=1":                           "packetization-mode=1;profile-level-id=42f00b", // level 1b
		"": "profile-level-id=42000a", // Baseline at level 1 is inferred
	} {
		if got := answerH264(theirs, ours); got != want {
			t.Errorf("%q answered with %q, want %q", theirs, got, want)
		}
	}
}

func TestRankH264(t *testing.T) {
	for fmtp, want := range map[string]bool{
		"profile-level-id=42e01f": true, "profile-level-id=640028;packetization-mode=1": true, "": true,
		"profile-level-id=7a0028": false, "profile-level-id=xyz": false, "profile-level-id=42e01f;packetization-mode=2": false,
	} {
		if _, ok := rankH264(fmtp); ok != want {
			t.Errorf("%q taken: %v, want %v", fmtp, ok, want)
		}
	}
}

func TestPictureFitsLevel(t *testing.T) {
	for fmtp, want := range map[string][3]int{
		"profile-level-id=42e01f":                            {0, 0, 0},
		"profile-level-id=42e01e":                            {640, 360, 0},
		"profile-level-id=42e00c":                            {320, 180, 0},
		"profile-level-id=42e00b":                            {320, 180, 12}, // 3000 macroblocks/s ÷ 240
		"profile-level-id=42f00b":                            {160, 90, 24},  // level 1b: 99 macroblocks a frame, 1485 a second
		"profile-level-id=42801f;max-mbps=36000":             {0, 0, 0},      // never below the level's own
		"profile-level-id=420014;max-fs=3600;max-mbps=54000": {0, 0, 15},
		"profile-level-id=ffffffffff":                        {0, 0, 0},
	} {
		w, h, r := limitH264(fmtp)
		if got := [3]int{w, h, r}; got != want {
			t.Errorf("%q: %v, want %v", fmtp, got, want)
		}
	}
	for fmtp, want := range map[string][3]int{"": {0, 0, 0}, "max-fs=3600": {0, 0, 0}, "max-fs=1200;max-fr=15": {640, 360, 15}, "max-fs=0;max-fr=0": {160, 90, 1}} {
		w, h, r := limitVP8(fmtp)
		if got := [3]int{w, h, r}; got != want {
			t.Errorf("VP8 %q: %v, want %v", fmtp, got, want)
		}
	}
}
