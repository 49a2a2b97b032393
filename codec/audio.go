package codec

import (
	"errors"
	"time"
)

// DefaultPTime is the length of a frame where nobody asked for another (RFC 3551 §4.2).
const DefaultPTime = 20 * time.Millisecond

// MaxPTime bounds how much sound one packet may hold: the longest Opus packet (RFC 6716 §3.2.5).
const MaxPTime = 120 * time.Millisecond

var (
	// ErrEmpty refuses a payload without a byte: there is nothing to decode, and loss is told by Conceal.
	ErrEmpty = errors.New("empty payload")
	// ErrSpace refuses a payload that holds more sound than the caller has room for.
	ErrSpace = errors.New("payload longer than the room for it")
	// ErrChannels refuses a number of channels that the format does not have.
	ErrChannels = errors.New("unsupported number of channels")
)

// Audio is an audio payload format that the bridge can speak. A value, no registry.
type Audio struct {
	Format
	SampleRate  int    // of the PCM, Hz (8000, 16000, 48000); not always the RTP clock (G.722)
	PayloadType uint8  // the static one (RFC 3551), or the dynamic number we prefer
	Fmtp        string // our a=fmtp, "" for none
	NewEncoder  func(AudioParams) (AudioEncoder, error)
	NewDecoder  func(AudioParams) (AudioDecoder, error)
}

// AudioParams is what one encoder or decoder is made for.
type AudioParams struct {
	Fmtp     string        // the far end's a=fmtp, "" for none
	PTime    time.Duration // of one encoded frame; 0 is 20 ms
	Bitrate  int           // bit/s, 0 is the format's default
	Channels int           // of the PCM; 0 and 1 are mono
}

// AudioEncoder turns sound into payloads. It belongs to one goroutine.
type AudioEncoder interface {
	// Encode appends the payload of one frame to dst and returns the longer slice. It borrows pcm, which is mono or
	// interleaved and has the format's SampleRate.
	Encode(dst []byte, pcm []int16) ([]byte, error)
}

// AudioDecoder turns payloads into sound. It belongs to one goroutine.
type AudioDecoder interface {
	// Decode fills pcm from one payload and returns the samples per channel. It borrows payload.
	Decode(pcm []int16, payload []byte) (int, error)
	// Conceal fills all of pcm with a guess at what was lost (PLC).
	Conceal(pcm []int16) error
}

// Recoverer is an AudioDecoder whose packets carry a coarse copy of the packet before (Opus in-band FEC, RFC 7587 §3.3).
type Recoverer interface {
	// Recover fills pcm, which must be as long as the lost frame, from the packet after the lost one. It borrows next,
	// which the caller decodes afterwards as usual.
	Recover(pcm []int16, next []byte) error
}

// Cloner is an AudioEncoder that looks back at what it has encoded (Opus, G.722). The clone goes on from where the
// encoder is now, so a listener who is moved from one to the other hears no click.
type Cloner interface {
	Clone() (AudioEncoder, error)
}
