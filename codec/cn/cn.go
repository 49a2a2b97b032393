// Package cn makes comfort noise (RFC 3389): what a far end sends while it is silent is the level and the colour of its
// silence, in a few bytes.
package cn

import (
	"fmt"
	"math"
	"math/rand/v2"

	"tutti/codec"
)

const (
	sampleRate = 8000 // Hz
	maxOrder   = 16   // reflection coefficients that we use; more colour nobody hears
	softening  = 1.0 / 256
)

// CN is payload type 13. Its decoder fills whatever room it is given, since a payload says nothing of time: call Decode
// when one comes, and Conceal for every frame until sound comes.
func CN() codec.Audio {
	return codec.Audio{
		Format:      codec.Format{Name: "CN", ClockRate: sampleRate, Channels: 1},
		SampleRate:  sampleRate,
		PayloadType: 13,
		NewEncoder:  func(codec.AudioParams) (codec.AudioEncoder, error) { return encoder{}, nil },
		NewDecoder:  func(codec.AudioParams) (codec.AudioDecoder, error) { return NewDecoder(), nil },
	}
}

// A payload:
//
//	 0 1 2 3 4 5 6 7 8 …
//	+-+-+-+-+-+-+-+-+-------+-------+-----
//	|0|   level     |  N1   |  N2   | …     RFC 3389 §3
//	+-+-+-+-+-+-+-+-+-------+-------+-----
const levelBits = 0x7F // −dBov

type encoder struct{}

// Encode writes the level of the frame, and no colour: the noise will be white.
func (encoder) Encode(dst []byte, pcm []int16) ([]byte, error) {
	return append(dst, Level(pcm)), nil
}

// Level is the power of pcm in −dBov (RFC 6464 §3): 0 for the loudest square wave, 127 for silence.
func Level(pcm []int16) byte {
	var sum float64
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	if sum == 0 {
		return levelBits
	}
	dB := 10 * math.Log10(sum/float64(len(pcm))/(32768*32768))
	return byte(min(max(math.Round(-dB), 0), levelBits))
}

// A Decoder makes the noise. It begins with silence. Not safe for concurrent use.
type Decoder struct {
	target float32 // amplitude of the excitation
	now    float32 // on its way to target, lest a step be heard
	k      [maxOrder]float32
	order  int
	lines  [maxOrder + 1]float32 // backward errors of the lattice
	random uint32
}

// NewDecoder makes a Decoder whose noise is unlike that of others: equal noises would add up to more.
func NewDecoder() *Decoder { return &Decoder{random: rand.Uint32() | 1} }

// Decode takes the level and the colour of payload, and fills all of pcm with that noise.
func (d *Decoder) Decode(pcm []int16, payload []byte) (int, error) {
	if len(payload) == 0 {
		return 0, fmt.Errorf("cn: %w", codec.ErrEmpty)
	}
	d.order = min(len(payload)-1, maxOrder)
	rest := 1.0 // the power that prediction leaves, of a signal of 1
	for i := range d.order {
		// RFC 3389 §3.2: 127 stands for 0. A coefficient of 1 or more would never come to rest.
		k := min(max(258*(float64(payload[1+i])-127)/32768, -0.98), 0.98)
		d.k[i] = float32(k)
		rest *= 1 - k*k
	}
	rms := 32768 * math.Pow(10, -float64(payload[0]&levelBits)/20)
	d.target = float32(rms * math.Sqrt(3*rest)) // the excitation is even in ±target, whose power is target²/3
	return len(pcm), d.Conceal(pcm)
}

// Conceal goes on with the noise.
func (d *Decoder) Conceal(pcm []int16) error {
	for i := range pcm {
		d.now += (d.target - d.now) * softening
		s := d.colour(d.now * d.noise())
		pcm[i] = int16(min(max(s, math.MinInt16), math.MaxInt16))
	}
	return nil
}

// noise is even between −1 and 1 (xorshift; Marsaglia 2003).
func (d *Decoder) noise() float32 {
	d.random ^= d.random << 13
	d.random ^= d.random >> 17
	d.random ^= d.random << 5
	return float32(int32(d.random)) / (1 << 31)
}

// colour is the all-pole lattice of the reflection coefficients.
func (d *Decoder) colour(x float32) float32 {
	for i := d.order - 1; i >= 0; i-- {
		x -= d.k[i] * d.lines[i]
		d.lines[i+1] = d.lines[i] + d.k[i]*x
	}
	d.lines[0] = x
	return x
}
