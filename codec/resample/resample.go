// Package resample changes the rate of a mono signal between 8, 16, 24, 32 and 48 kHz.
//
// It is a polyphase FIR filter with linear phase. With the lower of the two rates called r, it is flat within 0.1 dB up
// to 0.425·r (3.4 kHz at 8 kHz), and 60 dB down from 0.525·r on; so what folds or mirrors stays above 0.475·r. The
// steeper filter that folds nothing would cost twice the delay, which is 2.7 ms of sound at 8 kHz and less above.
package resample

import (
	"fmt"
	"math"
	"slices"
)

const (
	passband    = 0.425 // of the lower rate
	stopband    = 0.525 // of the lower rate
	attenuation = 66    // dB designed for, to have 60 after rounding
)

// A Resampler carries its state from call to call, so a signal may be cut anywhere. 20 ms in are exactly 20 ms out.
// Not safe for concurrent use. Only New allocates.
type Resampler struct {
	up, down int         // reduced ratio of the rates: output/input
	phases   [][]float32 // one filter for each position of an output between two inputs; newest input first in time

	past  []float32 // the last inputs, oldest first, then the block at work
	phase int       // of the next output
	skip  int       // inputs to go before the next output
}

// block bounds what is filtered at a time, in inputs.
const block = 960

// New makes a Resampler from one rate to another, both in Hz.
func New(from, to int) (*Resampler, error) {
	for _, rate := range []int{from, to} {
		if !slices.Contains([]int{8000, 16000, 24000, 32000, 48000}, rate) {
			return nil, fmt.Errorf("resample: %d to %d Hz: rates are 8, 16, 24, 32 and 48 kHz", from, to)
		}
	}
	g := gcd(from, to)
	r := &Resampler{up: to / g, down: from / g}
	if from == to {
		return r, nil
	}
	lower, fast := float64(min(from, to)), float64(from)*float64(r.up)
	prototype := lowpass(passband*lower/fast, stopband*lower/fast)
	taps := (len(prototype) + r.up - 1) / r.up
	for phase := range r.up {
		filter := make([]float32, taps)
		for k := range taps {
			if i := k*r.up + phase; i < len(prototype) {
				filter[taps-1-k] = float32(prototype[i] * float64(r.up))
			}
		}
		r.phases = append(r.phases, filter)
	}
	r.past = make([]float32, taps-1, taps-1+block)
	return r, nil
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Process appends the resampled src to dst and returns the longer slice. It borrows src.
func (r *Resampler) Process(dst, src []int16) []int16 {
	if r.up == r.down {
		return append(dst, src...)
	}
	for len(src) > block {
		dst = r.process(dst, src[:block])
		src = src[block:]
	}
	return r.process(dst, src)
}

func (r *Resampler) process(dst, src []int16) []int16 {
	for _, s := range src {
		r.past = append(r.past, float32(s))
	}
	taps := len(r.phases[0])
	at := r.skip
	for ; at < len(src); at += r.step() {
		dst = append(dst, round(dot(r.phases[r.phase], r.past[at:at+taps])))
	}
	r.skip = at - len(src)
	kept := copy(r.past, r.past[len(src):])
	r.past = r.past[:kept]
	return dst
}

// step moves to the next output's phase and says how many inputs later it comes. The phase has to be read before.
func (r *Resampler) step() int {
	r.phase += r.down
	inputs := r.phase / r.up
	r.phase %= r.up
	return inputs
}

// dot sums in four lanes, since a float addition has to wait for the one before it.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		x, y := a[i:i+4:i+4], b[i:i+4:i+4]
		s0 += x[0] * y[0]
		s1 += x[1] * y[1]
		s2 += x[2] * y[2]
		s3 += x[3] * y[3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

func round(x float32) int16 {
	if x < 0 {
		return int16(max(x-0.5, math.MinInt16))
	}
	return int16(min(x+0.5, math.MaxInt16))
}

// lowpass designs a filter with Kaiser's window. The edges are in cycles per sample; the sum of its taps is 1.
func lowpass(pass, stop float64) []float64 {
	n := int(math.Ceil((attenuation-7.95)/(2.285*2*math.Pi*(stop-pass)))) | 1 // Kaiser's estimate, odd
	beta := 0.1102 * (attenuation - 8.7)
	cutoff := (pass + stop) / 2
	taps := make([]float64, n)
	var sum float64
	for i := range taps {
		x := float64(i - n/2)
		ideal := 2 * cutoff
		if x != 0 {
			ideal = math.Sin(2*math.Pi*cutoff*x) / (math.Pi * x)
		}
		edge := 2 * x / float64(n-1)
		taps[i] = ideal * bessel(beta*math.Sqrt(1-edge*edge)) / bessel(beta)
		sum += taps[i]
	}
	for i := range taps {
		taps[i] /= sum
	}
	return taps
}

// bessel is I₀, the modified Bessel function of the first kind.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-12; k++ {
		term *= x * x / (4 * k * k)
		sum += term
	}
	return sum
}
