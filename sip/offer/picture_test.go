package offer

import (
	"testing"

	"tutti/codec"
	"tutti/mixer"
)

func TestRankH264(t *testing.T) {
	order := []string{
		"packetization-mode=1;profile-level-id=42e01f", "profile-level-id=42e01f",
		"packetization-mode=1;profile-level-id=42801f", "profile-level-id=42801f", "profile-level-id=4d001f", "packetization-mode=1;profile-level-id=64001f",
	}
	before := -1
	for _, fmtp := range order {
		rank, ok := rankH264(fmtp)
		if !ok || rank <= before {
			t.Errorf("%q: rank %d, %v, want more than %d", fmtp, rank, ok, before)
		}
		before = rank
	}
	for _, fmtp := range []string{"profile-level-id=7a0028", "profile-level-id=xyz", "profile-level-id=42e01f;packetization-mode=2"} {
		if _, ok := rankH264(fmtp); ok {
			t.Errorf("%q was taken", fmtp)
		}
	}
}

func TestPictureFits(t *testing.T) {
	vp8, avc := vp8(), avc()
	tests := map[string]struct {
		video *codec.Video
		fmtp  string
		want  mixer.Encoding
	}{
		"level 3.1":       {&avc, "profile-level-id=42e01f", mixer.Encoding{}},
		"level 3":         {&avc, "profile-level-id=42e01e", mixer.Encoding{Width: 640, Height: 360}},
		"level 1.2":       {&avc, "profile-level-id=42e00c", mixer.Encoding{Width: 320, Height: 180, Bitrate: 384000}},
		"level 1.1":       {&avc, "profile-level-id=42e00b", mixer.Encoding{Width: 320, Height: 180, FrameRate: 12, Bitrate: 192000}}, // 3000 ÷ 240
		"level 1b":        {&avc, "profile-level-id=42f00b", mixer.Encoding{Width: 160, Height: 90, FrameRate: 24, Bitrate: 128000}},  // 1485 ÷ 60
		"raised":          {&avc, "profile-level-id=420014;max-fs=3600;max-mbps=54000;max-br=4000", mixer.Encoding{FrameRate: 15}},    // 54000 ÷ 3600
		"VP8":             {&vp8, "", mixer.Encoding{}},
		"VP8 of 720p":     {&vp8, "max-fs=3600;max-fr=30", mixer.Encoding{}},
		"VP8 of less":     {&vp8, "max-fs=1200;max-fr=15", mixer.Encoding{Width: 640, Height: 360, FrameRate: 15}},
		"VP8 of nonsense": {&vp8, "max-fs=0;max-fr=0", mixer.Encoding{Width: 160, Height: 90, FrameRate: 1}},
	}
	for name, tt := range tests {
		got := mixer.Encoding{Video: tt.video, Fmtp: tt.fmtp}
		limit(&got)
		tt.want.Video, tt.want.Fmtp = tt.video, tt.fmtp
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
