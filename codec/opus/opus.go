// Package opus speaks Opus (RFC 6716, RFC 7587) with libopus: 48 kHz, voice, in-band FEC.
package opus

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/hraban/opus"

	"tutti/codec"
)

const (
	sampleRate     = 48000 // Hz
	defaultBitrate = 32000 // bit/s, mono
	minBitrate     = 6000  // bit/s (RFC 7587 §6.1)
	maxBitrate     = 510000
	complexity     = 5    // of 10: half the cost of the best, hardly heard in voices
	expectedLoss   = 10   // per cent; decides how much is spent on FEC
	maxPayload     = 1200 // bytes; fits every path
)

// Opus is mono voice to our ears and 48000/2 on the wire, as the RFC asks for whatever is inside (RFC 7587 §7).
func Opus() codec.Audio {
	return codec.Audio{
		Format:      codec.Format{Name: "opus", ClockRate: sampleRate, Channels: 2},
		SampleRate:  sampleRate,
		PayloadType: 111,
		Fmtp:        "minptime=10;useinbandfec=1;usedtx=0;stereo=0;maxaveragebitrate=64000",
		NewEncoder:  func(p codec.AudioParams) (codec.AudioEncoder, error) { return newEncoder(p) },
		NewDecoder:  func(p codec.AudioParams) (codec.AudioDecoder, error) { return newDecoder(p) },
	}
}

type encoder struct {
	opus     *opus.Encoder
	channels int     // of what is encoded
	mono     []int16 // stereo made mono, for a far end that wants no stereo
	mixed    bool
}

// newEncoder obeys what the far end says about its receiver (RFC 7587 §6.1).
func newEncoder(p codec.AudioParams) (*encoder, error) {
	in := max(p.Channels, 1)
	if in > 2 {
		return nil, fmt.Errorf("opus: %d: %w", in, codec.ErrChannels)
	}
	out := in
	if codec.FmtpInt(p.Fmtp, "stereo", 0) == 0 {
		out = 1
	}
	e, err := opus.NewEncoder(sampleRate, out, opus.AppVoIP)
	if err != nil {
		return nil, fmt.Errorf("opus: encoder: %w", err)
	}
	for _, set := range []func() error{
		func() error { return e.SetBitrate(bitrate(p, out)) },
		func() error { return e.SetComplexity(complexity) },
		func() error { return e.SetInBandFEC(wantsFEC(p.Fmtp)) },
		func() error { return e.SetPacketLossPerc(expectedLoss) },
		func() error { return e.SetVBR(codec.FmtpInt(p.Fmtp, "cbr", 0) == 0) },
		func() error { return e.SetMaxBandwidth(bandwidth(p.Fmtp)) },
	} {
		if err := set(); err != nil {
			return nil, fmt.Errorf("opus: encoder for %q: %w", p.Fmtp, err)
		}
	}
	return &encoder{opus: e, channels: out, mixed: out < in}, nil
}

func bitrate(p codec.AudioParams, channels int) int {
	rate := p.Bitrate
	if rate == 0 {
		rate = defaultBitrate * channels
	}
	limit := codec.FmtpInt(p.Fmtp, "maxaveragebitrate", maxBitrate)
	return min(max(min(rate, limit), minBitrate), maxBitrate)
}

// wantsFEC: without a word it is off (RFC 7587 §6.1), but of a far end without any a=fmtp we know nothing, and every
// decoder can read past FEC.
func wantsFEC(fmtp string) bool {
	return fmtp == "" || codec.FmtpInt(fmtp, "useinbandfec", 0) == 1
}

func bandwidth(fmtp string) opus.Bandwidth {
	switch rate := codec.FmtpInt(fmtp, "maxplaybackrate", sampleRate); {
	case rate <= 8000:
		return opus.Narrowband
	case rate <= 12000:
		return opus.Mediumband
	case rate <= 16000:
		return opus.Wideband
	case rate <= 24000:
		return opus.SuperWideband
	default:
		return opus.Fullband
	}
}

// Encode takes frames of 2.5, 5, 10, 20, 40 or 60 ms.
func (e *encoder) Encode(dst []byte, pcm []int16) ([]byte, error) {
	if e.mixed {
		pcm = e.downmix(pcm)
	}
	dst = slices.Grow(dst, maxPayload)
	n, err := e.opus.Encode(pcm, dst[len(dst):len(dst)+maxPayload:len(dst)+maxPayload])
	if err != nil {
		return dst, fmt.Errorf("opus: frame of %d samples: %w", len(pcm), err)
	}
	return dst[:len(dst)+n], nil
}

func (e *encoder) downmix(stereo []int16) []int16 {
	e.mono = e.mono[:0]
	for i := 1; i < len(stereo); i += 2 {
		e.mono = append(e.mono, int16((int(stereo[i-1])+int(stereo[i]))/2))
	}
	return e.mono
}

// Clone implements codec.Cloner. libopus promises that the state of an encoder may be copied as the block of memory that
// it is; the binding hides that block, but not from package reflect.
func (e *encoder) Clone() (codec.AudioEncoder, error) {
	fresh, err := opus.NewEncoder(sampleRate, e.channels, opus.AppVoIP)
	if err != nil {
		return nil, fmt.Errorf("opus: clone: %w", err)
	}
	from, to := state(e.opus), state(fresh)
	if len(from) == 0 || len(from) != len(to) {
		return nil, errors.New("opus: clone: no access to the state of the encoder")
	}
	copy(to, from)
	return &encoder{opus: fresh, channels: e.channels, mixed: e.mixed}, nil
}

func state(e *opus.Encoder) []byte {
	mem := reflect.ValueOf(e).Elem().FieldByName("mem")
	if mem.Kind() != reflect.Slice {
		return nil
	}
	return mem.Bytes()
}

type decoder struct {
	opus     *opus.Decoder
	channels int
}

func newDecoder(p codec.AudioParams) (*decoder, error) {
	channels := max(p.Channels, 1)
	if channels > 2 {
		return nil, fmt.Errorf("opus: %d: %w", channels, codec.ErrChannels)
	}
	d, err := opus.NewDecoder(sampleRate, channels)
	if err != nil {
		return nil, fmt.Errorf("opus: decoder: %w", err)
	}
	return &decoder{d, channels}, nil
}

// The library fills buffers to their capacity, hence every pcm[:n:n] below.

func (d *decoder) Decode(pcm []int16, payload []byte) (int, error) {
	samples, err := Samples(payload)
	if err != nil {
		return 0, err
	}
	n := samples * d.channels
	if n > len(pcm) {
		return 0, fmt.Errorf("opus: %d samples for %d: %w", n, len(pcm), codec.ErrSpace)
	}
	got, err := d.opus.Decode(payload, pcm[:n:n])
	if err != nil {
		return 0, fmt.Errorf("opus: payload of %d bytes: %w", len(payload), err)
	}
	return got, nil
}

// step is what the library conceals in multiples of, samples per channel (2.5 ms).
const step = sampleRate / 400

// Conceal fills whole multiples of 2.5 ms, at most 120 ms at a time, with a guess.
func (d *decoder) Conceal(pcm []int16) error {
	n, err := d.gap(pcm)
	if err != nil {
		return err
	}
	if err := d.opus.DecodePLC(pcm[:n:n]); err != nil {
		return fmt.Errorf("opus: conceal %d samples: %w", n, err)
	}
	return nil
}

// Recover decodes the coarse copy in next; where next has none, it conceals.
func (d *decoder) Recover(pcm []int16, next []byte) error {
	n, err := d.gap(pcm)
	if err != nil {
		return err
	}
	if _, err := Samples(next); err != nil {
		return err
	}
	if err := d.opus.DecodeFEC(next, pcm[:n:n]); err != nil {
		return fmt.Errorf("opus: recover %d samples: %w", n, err)
	}
	return nil
}

func (d *decoder) gap(pcm []int16) (int, error) {
	n := len(pcm)
	if n == 0 || n%(step*d.channels) != 0 || n > maxSamples*d.channels {
		return 0, fmt.Errorf("opus: a gap of %d samples is not 2.5–120 ms in steps of 2.5", n/d.channels)
	}
	return n, nil
}
