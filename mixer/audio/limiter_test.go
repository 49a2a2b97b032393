package audio

import (
	"math"
	"testing"
)

func TestLimiterLeavesAloneWhatIsNotTooLoud(t *testing.T) {
	var l limiter
	sum := make([]int32, 960)
	for i := range sum {
		sum[i] = int32(i*60 - 28800)
	}
	out := make([]int16, 960)
	l.apply(out, sum)
	for i, s := range sum {
		if int32(out[i]) != s {
			t.Fatalf("sample %d: %d became %d", i, s, out[i])
		}
	}
}

// Ten talkers at full scale: nothing clips, nothing wraps, and the shape stays.
func TestLimiterNeverClips(t *testing.T) {
	for _, n := range []int{160, 320, 960} {
		var l limiter
		sum, out := make([]int32, n), make([]int16, n)
		for tick := range 50 {
			for i := range sum {
				a := 20000.0
				if tick%10 > 5 {
					a = 327670
				}
				sum[i] = int32(a * math.Sin(2*math.Pi*float64(tick*n+i)/float64(n)*8))
			}
			l.apply(out, sum)
			for i, s := range out {
				if s > ceiling+1 || s < -ceiling-1 {
					t.Fatalf("%d samples a tick: %d", n, s)
				}
				if int32(s) > 0 && sum[i] < 0 || int32(s) < 0 && sum[i] > 0 {
					t.Fatalf("%d became %d", sum[i], s)
				}
			}
		}
	}
}

// After a burst the gain comes back by at most 6 dB in 100 ms, and in the end all is bit by bit as it was.
func TestLimiterReleases(t *testing.T) {
	var l limiter
	sum, out := make([]int32, 960), make([]int16, 960)
	fill := func(v int32) {
		for i := range sum {
			sum[i] = v
		}
	}
	fill(4 * ceiling)
	l.apply(out, sum)
	fill(10000)
	l.apply(out, sum)
	last := out[959]
	ticks := 0
	for ; last < 10000 && ticks < 100; ticks++ {
		l.apply(out, sum)
		if rise := 20 * math.Log10(float64(out[959])/float64(last)); rise > 6.0/5+0.15 {
			t.Fatalf("%.2f dB in 20 ms", rise)
		}
		last = out[959]
	}
	if ticks < 8 || ticks > 13 { // 12 dB
		t.Errorf("12 dB took %d ticks", ticks)
	}
	l.apply(out, sum)
	if out[0] != 10000 || l.reduced {
		t.Error("the limiter does not let go")
	}
}

func TestLevel(t *testing.T) {
	square := make([]int16, 160)
	for i := range square {
		square[i] = -32768
	}
	tests := map[string]struct {
		pcm  []int16
		want uint8
	}{
		"full scale": {square, 0},
		"sine":       {tone(160, 0, 8000, 400, 32767), 3},
		"silence":    {make([]int16, 160), 127},
		"nothing":    {nil, 127},
	}
	for name, tt := range tests {
		if got := Level(tt.pcm); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestVoice(t *testing.T) {
	type span struct {
		level uint8
		ticks int
	}
	tests := map[string]struct {
		spans []span
		on    []bool // after each span
	}{
		"speech":              {[]span{{127, 50}, {25, 5}, {127, 30}, {127, 20}}, []bool{false, true, true, false}},
		"a click":             {[]span{{127, 50}, {10, 1}, {127, 10}}, []bool{false, false, false}},
		"words and pauses":    {[]span{{25, 10}, {60, 20}, {25, 5}, {60, 20}}, []bool{true, true, true, true}},
		"a fan":               {[]span{{48, 3000}}, []bool{false}},
		"a voice over a fan":  {[]span{{52, 3000}, {30, 5}}, []bool{false, true}},
		"a steady loud sound": {[]span{{20, 3000}}, []bool{true}},
	}
	for name, tt := range tests {
		var v Voice
		for i, s := range tt.spans {
			on := false
			for range s.ticks {
				on = v.Hear(s.level)
			}
			if on != tt.on[i] {
				t.Errorf("%s: after span %d on is %t", name, i, on)
			}
		}
	}
}
