// Package l16 speaks L16: linear samples as they are (RFC 3551 §4.5.11), 16 kHz mono. No far end is offered it; it carries the
// bridge's own sounds into the media plane, where it costs nothing.
package l16

import (
	"encoding/binary"
	"fmt"

	"tutti/codec"
	"tutti/codec/plc"
)

// SampleRate is that of the sound and of the RTP clock, Hz.
const SampleRate = 16000

// L16 has a dynamic payload type: the static ones are of 44.1 kHz.
func L16() codec.Audio {
	return codec.Audio{
		Format:      codec.Format{Name: "L16", ClockRate: SampleRate, Channels: 1},
		SampleRate:  SampleRate,
		PayloadType: 97,
		NewEncoder: func(p codec.AudioParams) (codec.AudioEncoder, error) {
			if p.Channels > 1 {
				return nil, fmt.Errorf("l16: %d: %w", p.Channels, codec.ErrChannels)
			}
			return encoder{}, nil
		},
		NewDecoder: func(p codec.AudioParams) (codec.AudioDecoder, error) {
			if p.Channels > 1 {
				return nil, fmt.Errorf("l16: %d: %w", p.Channels, codec.ErrChannels)
			}
			return &decoder{plc.New(SampleRate)}, nil
		},
	}
}

type encoder struct{}

// Encode writes samples in network byte order; a frame has any length.
func (encoder) Encode(dst []byte, pcm []int16) ([]byte, error) {
	for _, sample := range pcm {
		dst = binary.BigEndian.AppendUint16(dst, uint16(sample))
	}
	return dst, nil
}

type decoder struct{ plc *plc.Concealer }

func (d *decoder) Decode(pcm []int16, payload []byte) (int, error) {
	n := len(payload) / 2
	switch {
	case len(payload) == 0:
		return 0, fmt.Errorf("l16: %w", codec.ErrEmpty)
	case len(payload)%2 != 0:
		return 0, fmt.Errorf("l16: payload of %d bytes, want an even number", len(payload))
	case n > len(pcm):
		return 0, fmt.Errorf("l16: %d samples for %d: %w", n, len(pcm), codec.ErrSpace)
	}
	for i := range n {
		pcm[i] = int16(binary.BigEndian.Uint16(payload[2*i:]))
	}
	d.plc.Received(pcm[:n])
	return n, nil
}

func (d *decoder) Conceal(pcm []int16) error {
	d.plc.Conceal(pcm)
	return nil
}
