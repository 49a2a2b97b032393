// Package sound makes and judges sound for the tests of codecs: tones, levels, ratios of signal to noise.
package sound

import "math"

// Tone is a sine of the given frequency and rate in Hz; its amplitude is in units of 16-bit samples.
func Tone(n int, frequency, rate, amplitude float64) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*frequency*float64(i)/rate)))
	}
	return pcm
}

// Add sums signals, the shortest decides the length.
func Add(signals ...[]int16) []int16 {
	n := len(signals[0])
	for _, s := range signals {
		n = min(n, len(s))
	}
	sum := make([]int16, n)
	for _, s := range signals {
		for i := range sum {
			sum[i] += s[i]
		}
	}
	return sum
}

// Level is the power of pcm in dBov: 0 is a square wave at full scale; silence is −inf.
func Level(pcm []int16) float64 {
	var sum float64
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return 10 * math.Log10(sum/float64(len(pcm))/(32768*32768))
}

// ToneLevel is the power in dBov of the one frequency in pcm, by correlation with a sine and a cosine under a Hann
// window. Other frequencies count when they are nearer than about 2·rate/len(pcm).
func ToneLevel(pcm []int16, frequency, rate float64) float64 {
	var re, im, weight float64
	for i, s := range pcm {
		w := 1 - math.Cos(2*math.Pi*(float64(i)+0.5)/float64(len(pcm)))
		sin, cos := math.Sincos(2 * math.Pi * frequency * float64(i) / rate)
		re += w * float64(s) * cos
		im += w * float64(s) * sin
		weight += w
	}
	amplitude := 2 * math.Hypot(re, im) / weight
	return 10 * math.Log10(amplitude*amplitude/2/(32768*32768))
}

// SNR is the power of want over the power of got−want, in dB. Both begin at the same instant.
func SNR(want, got []int16) float64 {
	var signal, noise float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		signal += float64(w) * float64(w)
		noise += d * d
	}
	return 10 * math.Log10(signal/noise)
}

// BestSNR tries all delays of got from 0 to limit samples, and returns the best SNR and its delay.
func BestSNR(want, got []int16, limit int) (snr float64, delay int) {
	snr = math.Inf(-1)
	n := min(len(want), len(got)-limit)
	for d := range limit + 1 {
		if s := SNR(want[:n], got[d:d+n]); s > snr {
			snr, delay = s, d
		}
	}
	return snr, delay
}
