package audio

import "math"

const (
	ceiling     = 29204     // −1 dBFS: louder sums are turned down
	stepsInTick = 20        // the gain is a line within each millisecond
	attackStep  = 0.25      // how much the gain may fall in 1 ms, where there is time
	release     = 1.0069317 // how much the gain may rise in 1 ms: 6 dB in 100 ms is 10^(6/100/20)
)

// limiter turns a sum that is too loud down to the ceiling, never clips, and looks ahead to the end of the tick. What is
// below the ceiling leaves as it came, bit by bit.
type limiter struct {
	reduced bool
	gain    float32 // at the end of the last tick; of meaning while reduced
}

// apply borrows sum and fills out, both one tick long.
func (l *limiter) apply(out []int16, sum []int32) {
	if !l.reduced && loudest(sum) <= ceiling {
		for i, s := range sum {
			out[i] = int16(s)
		}
		return
	}
	if !l.reduced {
		l.reduced, l.gain = true, 1
	}
	var line [stepsInTick + 1]float32
	l.plan(&line, sum)
	n := len(sum) / stepsInTick
	for b := range stepsInTick {
		slope := (line[b+1] - line[b]) / float32(n)
		for i := range n {
			v := float32(sum[b*n+i]) * (line[b] + slope*float32(i))
			out[b*n+i] = int16(max(-32767, min(32767, math.Round(float64(v)))))
		}
	}
	l.gain = line[stepsInTick]
	if l.gain >= 1 {
		l.reduced = false
	}
}

// plan draws the gain: no millisecond louder than the ceiling, falling early, rising slowly.
func (l *limiter) plan(line *[stepsInTick + 1]float32, sum []int32) {
	var need [stepsInTick]float32
	n := len(sum) / stepsInTick
	for b := range need {
		need[b] = 1
		if p := loudest(sum[b*n : (b+1)*n]); p > ceiling {
			need[b] = ceiling / float32(p)
		}
	}
	line[0] = min(l.gain, need[0])
	for b := 1; b < stepsInTick; b++ {
		line[b] = min(need[b-1], need[b])
	}
	line[stepsInTick] = need[stepsInTick-1]
	for b := stepsInTick - 1; b >= 0; b-- { // fall early
		line[b] = min(line[b], line[b+1]+attackStep)
	}
	for b := 1; b <= stepsInTick; b++ { // rise slowly
		line[b] = min(line[b], line[b-1]*release, 1)
	}
}

func loudest(sum []int32) int32 {
	var p int32
	for _, s := range sum {
		p = max(p, s, -s)
	}
	return p
}
