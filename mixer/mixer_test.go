package mixer

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestEachHearsTheOthersAndNotItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := newPhone(t, "a", 440), newPhone(t, "b", 880), newPhone(t, "c", 1320)
		phones := []*phone{a, b, c}
		_, end := conference(t, Config{}, phones...)
		talkAll(3*time.Second, phones...)
		want := 20 * math.Log10(4000/math.Sqrt2/32768)
		for _, p := range phones {
			pcm := p.recording(time.Second)
			for _, q := range phones {
				got := toneLevel(pcm, q.frequency, 8000)
				if p == q && got > want-40 { // G.711 has 38 dB of its own
					t.Errorf("%s hears itself at %.1f dBov", p.id, got)
				}
				if p != q && math.Abs(got-want) > 0.5 {
					t.Errorf("%s hears %s at %.2f dBov, want %.2f", p.id, q.id, got, want)
				}
			}
		}
		end()
	})
}
