// Package g722 speaks G.722 at 64 kbit/s: wide-band sound in two sub-bands, each ADPCM (ITU-T G.722 mode 1).
//
// It samples at 16 kHz, yet its RTP clock runs at 8 kHz: an error of old that RFC 3551 §4.5.2 keeps.
package g722

import (
	"fmt"
	"math"

	"tutti/codec"
	"tutti/codec/plc"
)

const (
	sampleRate = 16000 // Hz
	clockRate  = 8000  // Hz, of RTP
)

// G722 is payload type 9. A byte is two samples.
func G722() codec.Audio {
	return codec.Audio{
		Format:      codec.Format{Name: "G722", ClockRate: clockRate, Channels: 1},
		SampleRate:  sampleRate,
		PayloadType: 9,
		NewEncoder: func(p codec.AudioParams) (codec.AudioEncoder, error) {
			if p.Channels > 1 {
				return nil, fmt.Errorf("g722: %d: %w", p.Channels, codec.ErrChannels)
			}
			return newEncoder(), nil
		},
		NewDecoder: func(p codec.AudioParams) (codec.AudioDecoder, error) {
			if p.Channels > 1 {
				return nil, fmt.Errorf("g722: %d: %w", p.Channels, codec.ErrChannels)
			}
			return newDecoder(), nil
		},
	}
}

// Scale factors that both ends start with.
const (
	firstLow  = 32
	firstHigh = 8
)

type encoder struct {
	low, high band
	x         [24]int32 // the last samples, oldest first
}

func newEncoder() *encoder {
	return &encoder{low: band{det: firstLow}, high: band{det: firstHigh}}
}

// Clone implements codec.Cloner.
func (e *encoder) Clone() (codec.AudioEncoder, error) {
	clone := *e
	return &clone, nil
}

// Encode makes a byte of two samples; a frame has any even length.
func (e *encoder) Encode(dst []byte, pcm []int16) ([]byte, error) {
	if len(pcm)%2 != 0 {
		return dst, fmt.Errorf("g722: frame of %d samples, want an even number", len(pcm))
	}
	for i := 0; i < len(pcm); i += 2 {
		low, high := e.split(int32(pcm[i]), int32(pcm[i+1]))
		dst = append(dst, e.quantizeHigh(high)<<6|e.quantizeLow(low))
	}
	return dst, nil
}

// split is the QMF that makes one sample of each band from two.
func (e *encoder) split(first, second int32) (low, high int32) {
	copy(e.x[:], e.x[2:])
	e.x[22], e.x[23] = first, second
	var even, odd int32
	for i, h := range g.half {
		even += e.x[2*i] * h
		odd += e.x[2*i+1] * g.half[11-i]
	}
	return (odd + even) >> 14, (odd - even) >> 14
}

func (e *encoder) quantizeLow(x int32) byte {
	el := saturate(x - e.low.s)
	wd := max(el, ^el) // the magnitude, as G.722 takes it
	i := 1
	for i < len(g.q6) && wd >= g.q6[i]*e.low.det>>12 {
		i++
	}
	code := g.ilp[i]
	if el < 0 {
		code = g.iln[i]
	}
	d := e.low.det * g.qm4[code>>2] >> 15
	e.low.scaleLow(code >> 2)
	e.low.predict(d)
	return code
}

func (e *encoder) quantizeHigh(x int32) byte {
	eh := saturate(x - e.high.s)
	code := byte(3)
	if eh < 0 {
		code = 1
	}
	if max(eh, ^eh) >= 564*e.high.det>>12 {
		code--
	}
	d := e.high.det * g.qm2[code] >> 15
	e.high.scaleHigh(code)
	e.high.predict(d)
	return code
}

type decoder struct {
	low, high band
	x         [24]int32 // the last sums and differences of the bands, oldest first
	plc       *plc.Concealer
}

func newDecoder() *decoder {
	return &decoder{low: band{det: firstLow}, high: band{det: firstHigh}, plc: plc.New(sampleRate)}
}

func (d *decoder) Decode(pcm []int16, payload []byte) (int, error) {
	n := 2 * len(payload)
	if n == 0 {
		return 0, fmt.Errorf("g722: %w", codec.ErrEmpty)
	}
	if n > len(pcm) {
		return 0, fmt.Errorf("g722: %d samples for %d: %w", n, len(pcm), codec.ErrSpace)
	}
	for i, code := range payload {
		low, high := d.decodeLow(code&0x3F), d.decodeHigh(code>>6)
		pcm[2*i], pcm[2*i+1] = d.join(low, high)
	}
	d.plc.Received(pcm[:n])
	return n, nil
}

const limit = 1 << 14 // of a reconstructed sub-band sample

func (d *decoder) decodeLow(code byte) int32 {
	r := d.low.s + d.low.det*g.qm6[code]>>15
	dl := d.low.det * g.qm4[code>>2] >> 15
	d.low.scaleLow(code >> 2)
	d.low.predict(dl)
	return min(max(r, -limit), limit-1)
}

func (d *decoder) decodeHigh(code byte) int32 {
	dh := d.high.det * g.qm2[code] >> 15
	r := d.high.s + dh
	d.high.scaleHigh(code)
	d.high.predict(dh)
	return min(max(r, -limit), limit-1)
}

// join is the QMF that makes two samples from one of each band.
func (d *decoder) join(low, high int32) (first, second int16) {
	copy(d.x[:], d.x[2:])
	d.x[22], d.x[23] = low+high, low-high
	var sums, differences int32
	for i, h := range g.half {
		sums += d.x[2*i] * h
		differences += d.x[2*i+1] * g.half[11-i]
	}
	return clip(differences >> 11), clip(sums >> 11)
}

func clip(x int32) int16 { return int16(min(max(x, math.MinInt16), math.MaxInt16)) }

func (d *decoder) Conceal(pcm []int16) error {
	d.plc.Conceal(pcm)
	return nil
}
