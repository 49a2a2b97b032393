package audio

import (
	"math"
	"testing"

	"tutti/codec"
	"tutti/codec/g722"
	"tutti/codec/opus"
)

// player is a Sink that decodes.
type player struct {
	decoder codec.AudioDecoder
	pcm     []int16
}

func (p *player) WritePacket(packet *Packet) {
	pcm := make([]int16, 5760)
	if n, err := p.decoder.Decode(pcm, packet.Payload); err == nil {
		p.pcm = append(p.pcm, pcm[:n]...)
	}
}

// A listener who begins to talk gets an encoder of its own in the middle of what it hears, and later goes back: neither
// clicks. What is left of pcm when its tone is taken out must stay far below the tone.
func TestClassSwitchDoesNotClick(t *testing.T) {
	for _, format := range []codec.Audio{opus.Opus(), g722.G722()} {
		t.Run(format.Name, func(t *testing.T) {
			rate := format.SampleRate
			n := rate / 50
			r := newRoom(rate, 2, 0, func(int) Encoding { return Encoding{Audio: format} })
			d, err := format.NewDecoder(codec.AudioParams{})
			if err != nil {
				t.Fatal(err)
			}
			sink := &player{decoder: d}
			r.m.outputs[1].sink = sink
			const start, stop, end = 100, 150, 350
			for tick := range end {
				r.inputs[0].Set(tone(n, tick*n, rate, 440, 8000), rate, 255)
				if tick >= start && tick < stop {
					r.inputs[1].Set(tone(n, tick*n, rate, 1000, 8000), rate, 255)
				} else {
					r.inputs[1].Set(nil, rate, 127)
				}
				before := r.m.outputs[1].class
				r.m.Step()
				if after := r.m.outputs[1].class; before != nil && before != after {
					t.Logf("another class at tick %d", tick)
				}
			}
			usual := worst(sink.pcm[(start-40)*n:start*n], rate)
			at := worst(sink.pcm[(start-1)*n:(start+6)*n], rate)
			back := worst(sink.pcm[(stop+80)*n:(end-10)*n], rate)
			t.Logf("left beside the tone: usually %.1f dB, when the class changes %.1f dB, when it changes back %.1f dB", usual, at, back)
			if at > usual+3 || back > usual+3 {
				t.Error("the change is heard")
			}
		})
	}
}

// worst is the loudest 5 ms of pcm without its 440 Hz, in dB relative to full scale.
func worst(pcm []int16, rate int) float64 {
	window := rate / 50
	loudest := math.Inf(-1)
	for at := 0; at+window <= len(pcm); at += rate / 200 {
		loudest = max(loudest, residual(pcm[at:at+window], 440, float64(rate)))
	}
	return loudest
}

// residual is the power that is left when the best fitting sine is taken out, dBov.
func residual(pcm []int16, frequency, rate float64) float64 {
	// Least squares for a·sin + b·cos.
	var ss, sc, cc, sy, cy, yy float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * frequency * float64(i) / rate)
		y := float64(v)
		ss, sc, cc = ss+sin*sin, sc+sin*cos, cc+cos*cos
		sy, cy, yy = sy+sin*y, cy+cos*y, yy+y*y
	}
	det := ss*cc - sc*sc
	a, b := (sy*cc-cy*sc)/det, (cy*ss-sy*sc)/det
	left := max(yy-a*sy-b*cy, 0)
	return 10 * math.Log10(left/float64(len(pcm))/(32768*32768)+1e-12)
}
