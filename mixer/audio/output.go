package audio

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tutti/codec"
)

// Tick is the length of one step.
const Tick = 20 * time.Millisecond

// Encoding is what an output is sent.
type Encoding struct {
	Audio   codec.Audio
	Fmtp    string        // the far end's
	PTime   time.Duration // 10, 20, 40 or 60 ms; another is taken as 20 ms
	Bitrate int           // bit/s, 0 is the format's default
}

// Packet is one encoded frame.
type Packet struct {
	Payload []byte
	CSRC    []uint32      // who is audible in it, loudest first, at most 15
	Levels  []uint8       // of each CSRC, −dBov
	Offset  time.Duration // of its first sample from the begin of the tick's sound; negative where a packet holds several ticks
	Length  time.Duration
}

// Sink takes what one output is sent. WritePacket borrows p and must not block.
type Sink interface {
	WritePacket(p *Packet)
}

// Output is one listener.
type Output struct {
	*member
	sink     Sink
	encoding *encoding
	class    *class
}

// encoding is an Encoding that several outputs may have in common.
type encoding struct {
	key    encodingKey
	params codec.AudioParams
	audio  codec.Audio
	users  int
}

// encodingKey is what makes two encodings equal.
type encodingKey struct {
	format  string
	fmtp    string
	ptime   time.Duration
	bitrate int
}

func keyOf(e Encoding) encodingKey {
	return encodingKey{strings.ToLower(e.Audio.Format.String()), relevant(e.Audio, e.Fmtp), ptime(e.PTime), e.Bitrate}
}

// ptime is the packet length that we send where d is asked for.
func ptime(d time.Duration) time.Duration {
	switch d {
	case 10 * time.Millisecond, 40 * time.Millisecond, 60 * time.Millisecond:
		return d
	}
	return Tick
}

// relevant keeps of a far end's fmtp what changes our encoder, in an order of its own, so that two far ends with
// the same needs share an encoder.
func relevant(a codec.Audio, fmtp string) string {
	switch strings.ToLower(a.Name) {
	case "pcmu", "pcma", "g722":
		return ""
	case "opus": // RFC 7587 §6.1; we send mono
	default:
		return fmtp
	}
	if fmtp == "" {
		return ""
	}
	var keep []string
	for p := range strings.SplitSeq(fmtp, ";") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(p)), "=")
		switch name {
		case "maxplaybackrate", "maxaveragebitrate", "cbr", "useinbandfec", "usedtx":
			keep = append(keep, name+"="+value)
		}
	}
	slices.Sort(keep)
	// A far end that says something else only still says that it does not ask for FEC.
	return strings.Join(append(keep, ""), ";")
}

// Check says whether an encoder for e can be made.
func (e Encoding) Check() error {
	if rateIndex(e.Audio.SampleRate) < 0 {
		return fmt.Errorf("audio: %s: no mix at %d Hz", e.Audio.Format, e.Audio.SampleRate)
	}
	_, err := e.Audio.NewEncoder(e.params())
	if err != nil {
		return fmt.Errorf("audio: %s: %w", e.Audio.Format, err)
	}
	return nil
}

func (e Encoding) params() codec.AudioParams {
	return codec.AudioParams{Fmtp: e.Fmtp, PTime: ptime(e.PTime), Bitrate: e.Bitrate}
}
