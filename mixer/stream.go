package mixer

import (
	"time"

	"github.com/pion/rtp"

	"tutti/codec"
	"tutti/mixer/plan"
)

// Kind is the media type of a stream.
type Kind uint8

const (
	Audio Kind = iota + 1
	Video
)

func (k Kind) String() string {
	switch k {
	case Audio:
		return "audio"
	case Video:
		return "video"
	}
	return "unknown"
}

// Stream is one negotiated m-line of a leg, as its adapter agreed it with the far end.
type Stream struct {
	ID      string // unique within the leg and kept over renegotiations: the mid, or the index of the m-line
	Kind    Kind
	Content plan.Content // of video; "" is main
	Receive []Payload    // what the far end may send; empty: it sends nothing (hold, or recvonly at its side)
	Send    *Encoding    // what we send; nil: nothing (hold, or sendonly at its side)
	Wire    Wire         // where RTP and RTCP of this stream go
	Source  Source       // asked for what has come, before each tick reads; nil: what comes is pushed to the Inlet
	// Feedback says which RTCP feedback the far end understands (RFC 4585, RFC 5104).
	Feedback Feedback
	// AudioLevel and MixerLevels are the negotiated header extension ids (RFC 8285) of RFC 6464 and RFC 6465; 0 is none.
	AudioLevel, MixerLevels uint8
	// RequestKeyFrame asks the far end for a key frame where it understands neither PLI nor FIR (RFC 5168 INFO).
	// It may be nil and must not block.
	RequestKeyFrame func()
}

// Payload is one payload type that the far end may send. Exactly one of Audio, Video, Event and ComfortNoise is set.
type Payload struct {
	Type         uint8
	Audio        *codec.Audio
	Video        *codec.Video
	Event        bool // telephone-event (RFC 4733)
	ComfortNoise bool // CN (RFC 3389)
	ClockRate    int  // RTP timestamp rate, Hz
	Fmtp         string
}

// Encoding is what one stream of a leg is sent. Two legs whose Encodings are equal in all but SSRC and
// PayloadType can share one encoder.
type Encoding struct {
	SSRC        uint32
	PayloadType uint8
	Audio       *codec.Audio
	Video       *codec.Video
	Fmtp        string        // the far end's, which limits what our encoder may do
	PTime       time.Duration // audio; 0 is 20 ms
	Bitrate     int           // bit/s; 0 is the default of the format
	Width       int           // video, pixels; 0 is the canvas
	Height      int
	FrameRate   int // video, frames/s; 0 is that of the canvas
	MaxPayload  int // video, octets of RTP payload; 0 is 1200
}

// Feedback is the set of RTCP feedback messages that a far end understands.
type Feedback struct {
	NACK, PLI, FIR bool
}

// Wire sends the packets of one stream. Both methods borrow what they are given, never block and may be called
// by one goroutine at a time each. An error says that this packet did not leave; it ends nothing. A wire that blocks
// nevertheless is sent no sound for a while.
type Wire interface {
	// WriteRTP sends one packet; the header's SSRC is the Encoding's.
	WriteRTP(h *rtp.Header, payload []byte) error
	// WriteRTCP sends one compound RTCP packet (RFC 3550 §6.1).
	WriteRTCP(packet []byte) error
}

// Source is a stream whose packets wait in a socket until the mixer's clock asks for them.
type Source interface {
	// Poll hands what has come to the stream's Inlet. It never blocks, and takes a bounded number of packets. now is the
	// wall clock's and the monotonic one's. Two mixers may call it at a time, while a leg moves from one to the other.
	Poll(now time.Time)
}

// Packet is one packet as it came, decrypted.
type Packet struct {
	Data []byte    // whole RTP or RTCP packet
	At   time.Time // of arrival
	RID  string    // the simulcast layer (RFC 8852), "" where there is none; of RTP only
}

// Inlet takes what arrives for one stream. Its methods borrow p.Data, never block and may be called from any goroutine;
// after Detach they do nothing.
type Inlet interface {
	ReceiveRTP(p Packet)
	ReceiveRTCP(p Packet)
}

// Events hears what the media plane notices. Report is called from the mixer's goroutines and must not block.
type Events interface {
	Report(Event)
}

// Event is one of Speaking, Digit and Quiet.
type Event interface{ event() }

// Speaking says that somebody started or stopped to talk (voice activity with hangover, not a single packet).
type Speaking struct {
	Leg plan.LegID
	On  bool
}

// Digit is one key pressed, however long: reported once, when it starts.
type Digit struct {
	Leg plan.LegID
	Key rune // '0'–'9', '*', '#', 'A'–'D'
}

// Quiet says that a stream that should send has sent nothing, RTP or RTCP, for the configured time. Reported once until it sends again.
type Quiet struct {
	Leg    plan.LegID
	Stream string
	For    time.Duration
}

func (Speaking) event() {}
func (Digit) event()    {}
func (Quiet) event()    {}
