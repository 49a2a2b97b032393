package e2e

import (
	"encoding/binary"
	"math"
	"os"
	"testing"
)

// sound is mono PCM.
type sound struct {
	rate    int // Hz
	samples []int16
}

// tone is a sine of the given frequency, Hz, and level, dBFS (0 is a full-scale sine).
func tone(rate int, hz, level float64, seconds int) sound {
	amplitude := 32767 * math.Pow(10, level/20)
	s := sound{rate: rate, samples: make([]int16, rate*seconds)}
	for i := range s.samples {
		s.samples[i] = int16(amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
	}
	return s
}

// pulsed lets a tone sound for on of every period, seconds, so that noise suppression does not take it for noise.
func (s sound) pulsed(on, period float64) sound {
	out := sound{rate: s.rate, samples: make([]int16, len(s.samples))}
	for i, v := range s.samples {
		if math.Mod(float64(i)/float64(s.rate), period) < on {
			out.samples[i] = v
		}
	}
	return out
}

// last is the end of a sound.
func (s sound) last(seconds float64) sound {
	n := min(len(s.samples), int(seconds*float64(s.rate)))
	return sound{s.rate, s.samples[len(s.samples)-n:]}
}

func (s sound) seconds() float64 { return float64(len(s.samples)) / float64(s.rate) }

// level is how loud one frequency is, dBFS of a sine: the mean power of frames of 40 ms, so that a shift in time, which a jitter
// buffer makes, does not count as a loss of level.
func (s sound) level(hz float64) float64 {
	n, sum, frames := s.rate/25, 0.0, 0
	for at := 0; at+n <= len(s.samples); at += n {
		a := (sound{s.rate, s.samples[at : at+n]}).amplitude(hz)
		sum += a * a
		frames++
	}
	return 10 * math.Log10(max(sum/float64(max(frames, 1)), 1e-12))
}

// power is how loud all of it is, dBFS of a sine.
func (s sound) power() float64 {
	sum := 0.0
	for _, v := range s.samples {
		sum += float64(v) * float64(v)
	}
	return 10 * math.Log10(max(2*sum/float64(max(len(s.samples), 1))/32767/32767, 1e-12))
}

// amplitude is that of one frequency in the whole sound, 1 for a full-scale sine, by the Goertzel algorithm.
func (s sound) amplitude(hz float64) float64 {
	c := 2 * math.Cos(2*math.Pi*hz/float64(s.rate))
	var s1, s2 float64
	for i, v := range s.samples {
		// A Hann window keeps strong neighbours out of the measurement.
		h := 1 - math.Cos(2*math.Pi*float64(i)/float64(len(s.samples)))
		s0 := h*float64(v) + c*s1 - s2
		s2, s1 = s1, s0
	}
	return 2 * math.Sqrt(max(s1*s1+s2*s2-c*s1*s2, 0)) / float64(len(s.samples)) / 32767
}

// gaps counts frames of 20 ms in which a tone that should be steady is more than 20 dB below its level in the whole.
func (s sound) gaps(hz float64) int {
	whole, n, gaps := s.level(hz), s.rate/50, 0
	for at := 0; at+n <= len(s.samples); at += n {
		if 20*math.Log10(max((sound{s.rate, s.samples[at : at+n]}).amplitude(hz), 1e-6)) < whole-20 {
			gaps++
		}
	}
	return gaps
}

// write makes a WAV file with the same sound on every channel.
func (s sound) write(t testing.TB, file string, channels int) {
	t.Helper()
	frame := 2 * channels
	data := make([]byte, 44+frame*len(s.samples))
	le := binary.LittleEndian
	copy(data, "RIFF")
	le.PutUint32(data[4:], uint32(len(data)-8))
	copy(data[8:], "WAVEfmt ")
	le.PutUint32(data[16:], 16)
	le.PutUint16(data[20:], 1) // PCM
	le.PutUint16(data[22:], uint16(channels))
	le.PutUint32(data[24:], uint32(s.rate))
	le.PutUint32(data[28:], uint32(frame*s.rate))
	le.PutUint16(data[32:], uint16(frame))
	le.PutUint16(data[34:], 16)
	copy(data[36:], "data")
	le.PutUint32(data[40:], uint32(len(data)-44))
	for i, v := range s.samples {
		for c := range channels {
			le.PutUint16(data[44+frame*i+2*c:], uint16(v))
		}
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
