// Package g711 speaks PCMU and PCMA: eight bits a sample at 8 kHz (ITU-T G.711, RFC 3551 §4.5.14).
package g711

import (
	"fmt"

	"tutti/codec"
	"tutti/codec/plc"
)

const sampleRate = 8000 // Hz

// PCMU is the µ law, payload type 0.
func PCMU() codec.Audio { return audio("PCMU", 0, mu) }

// PCMA is the A law, payload type 8.
func PCMA() codec.Audio { return audio("PCMA", 8, a) }

func audio(name string, payloadType uint8, l *law) codec.Audio {
	return codec.Audio{
		Format:      codec.Format{Name: name, ClockRate: sampleRate, Channels: 1},
		SampleRate:  sampleRate,
		PayloadType: payloadType,
		NewEncoder: func(p codec.AudioParams) (codec.AudioEncoder, error) {
			if p.Channels > 1 {
				return nil, fmt.Errorf("g711: %d: %w", p.Channels, codec.ErrChannels)
			}
			return encoder{l}, nil
		},
		NewDecoder: func(p codec.AudioParams) (codec.AudioDecoder, error) {
			if p.Channels > 1 {
				return nil, fmt.Errorf("g711: %d: %w", p.Channels, codec.ErrChannels)
			}
			return &decoder{law: l, plc: plc.New(sampleRate)}, nil
		},
	}
}

type encoder struct{ law *law }

// Encode makes one byte of each sample; a frame has any length.
func (e encoder) Encode(dst []byte, pcm []int16) ([]byte, error) {
	for _, sample := range pcm {
		dst = append(dst, e.law.encode(sample))
	}
	return dst, nil
}

type decoder struct {
	law *law
	plc *plc.Concealer
}

func (d *decoder) Decode(pcm []int16, payload []byte) (int, error) {
	n := len(payload)
	if n == 0 {
		return 0, fmt.Errorf("g711: %w", codec.ErrEmpty)
	}
	if n > len(pcm) {
		return 0, fmt.Errorf("g711: %d samples for %d: %w", n, len(pcm), codec.ErrSpace)
	}
	for i, c := range payload {
		pcm[i] = d.law.linear[c]
	}
	d.plc.Received(pcm[:n])
	return n, nil
}

func (d *decoder) Conceal(pcm []int16) error {
	d.plc.Conceal(pcm)
	return nil
}
