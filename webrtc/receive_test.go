package webrtc

import "testing"

func TestHistory(t *testing.T) {
	h := new(history)
	for i, step := range []struct {
		seq  uint16
		want bool
	}{
		{0, true}, {0, false}, {65535, true}, {1, true}, {65535, false},
		{1024, true}, {0, true}, // so old that it is forgotten
	} {
		if got := h.add(step.seq); got != step.want {
			t.Errorf("step %d: add(%d) = %t, want %t", i, step.seq, got, step.want)
		}
	}
}
