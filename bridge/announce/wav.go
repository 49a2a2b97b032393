package announce

import (
	"encoding/binary"
	"errors"
	"fmt"

	"tutti/codec/l16"
	"tutti/codec/resample"
)

const (
	maxSound = 10 * 60 * l16.SampleRate // samples of one file

	formatPCM        = 0x0001
	formatADPCM      = 0x0011 // IMA ADPCM
	formatExtensible = 0xFFFE
)

var errNotWAV = errors.New("no WAV file")

// wave is what a WAV file says about its sound.
type wave struct {
	format, channels, bits int
	rate                   int // Hz
	block                  int // bytes of one IMA ADPCM block
}

// decodeWAV makes 16 kHz mono of a WAV file: 16 bit PCM or IMA ADPCM, one or two channels, 8 to 48 kHz.
func decodeWAV(file []byte) ([]int16, error) {
	if len(file) < 12 || string(file[:4]) != "RIFF" || string(file[8:12]) != "WAVE" {
		return nil, errNotWAV
	}
	var w wave
	for rest := file[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[8:]
		size = min(size, len(body)) // who wrote to a pipe did not know the size
		switch name {
		case "fmt ":
			var err error
			if w, err = parseFormat(body[:size]); err != nil {
				return nil, err
			}
		case "data":
			return w.decode(body[:size])
		}
		rest = body[min(size+size&1, len(body)):]
	}
	return nil, fmt.Errorf("%w: it has no sound", errNotWAV)
}

// parseFormat reads the chunk that begins
//
//	format 2 | channels 2 | rate 4 | bytes a second 4 | block 2 | bits 2 | size of what follows 2 | …
//
// each little-endian.
func parseFormat(b []byte) (wave, error) {
	if len(b) < 16 {
		return wave{}, fmt.Errorf("%w: its format is cut short", errNotWAV)
	}
	le := binary.LittleEndian
	w := wave{
		format: int(le.Uint16(b)), channels: int(le.Uint16(b[2:])), rate: int(le.Uint32(b[4:])),
		block: int(le.Uint16(b[12:])), bits: int(le.Uint16(b[14:])),
	}
	if w.format == formatExtensible && len(b) >= 26 {
		w.format = int(le.Uint16(b[24:])) // the GUID begins with the format that it extends
	}
	switch {
	case w.channels != 1 && w.channels != 2:
		return w, fmt.Errorf("%d channels: make it mono or stereo", w.channels)
	case w.format == formatPCM && w.bits == 16:
	case w.format == formatADPCM && w.bits == 4 && w.channels == 1 && w.block > 4:
	default:
		return w, fmt.Errorf("format %#x of %d bits: make it 16 bit PCM or mono IMA ADPCM", w.format, w.bits)
	}
	if _, err := resample.New(w.rate, l16.SampleRate); err != nil {
		return w, fmt.Errorf("%d Hz: make it 8000, 16000, 24000, 32000 or 48000 Hz", w.rate)
	}
	return w, nil
}

func (w wave) decode(data []byte) ([]int16, error) {
	var pcm []int16
	switch w.format {
	case formatPCM:
		pcm = samples(data, w.channels)
	case formatADPCM:
		pcm = decodeADPCM(data, w.block)
	default:
		return nil, fmt.Errorf("%w: the sound comes before its format", errNotWAV)
	}
	if len(pcm)/w.rate > maxSound/l16.SampleRate {
		return nil, fmt.Errorf("%d s of sound: at most %d", len(pcm)/w.rate, maxSound/l16.SampleRate)
	}
	if len(pcm) == 0 {
		return nil, fmt.Errorf("%w: it has no sound", errNotWAV)
	}
	r, err := resample.New(w.rate, l16.SampleRate)
	if err != nil {
		return nil, err
	}
	return r.Process(nil, pcm), nil
}

// samples reads little-endian samples and makes mono of stereo.
func samples(data []byte, channels int) []int16 {
	pcm := make([]int16, 0, len(data)/2/channels)
	for ; len(data) >= 2*channels; data = data[2*channels:] {
		sum := 0
		for c := range channels {
			sum += int(int16(binary.LittleEndian.Uint16(data[2*c:])))
		}
		pcm = append(pcm, int16(sum/channels))
	}
	return pcm
}
