package offer

import (
	"fmt"
	"io"
	"net/netip"

	"tutti/codec"
	"tutti/mixer"
	"tutti/mixer/plan"
)

// Capabilities is what our side of a negotiation can do and wants. It is a value and is borrowed for one call.
type Capabilities struct {
	Audio  []codec.Audio // in our order of preference
	Video  []codec.Video // empty: no picture
	Prefer Preferences   // what would save an encoder
	Slides bool          // a second video m-line with a=content:slides is welcome (RFC 4796)

	Address   netip.Addr // that the far end sends to; in c= and o=
	SessionID uint64     // of o= in the first description of a dialog; later ones keep it
	// Place opens what m-line index needs to receive media, or finds it again, and tells the ports. It is called only
	// for m-lines that are accepted or offered.
	Place func(index int) (Place, error)

	Encryption  Encryption
	Fingerprint Fingerprint // of our certificate; the zero value refuses DTLS
	Random      io.Reader   // makes keys; nil is crypto/rand
}

// Place is where one m-line receives.
type Place struct {
	RTP, RTCP uint16 // ports
}

// Preferences are formats that the conference already encodes, most used first.
type Preferences struct {
	Audio []codec.Format
	Video []codec.Format
}

// Encryption is a rule for SRTP.
type Encryption uint8

const (
	// Offered takes what the far end offers and offers plain RTP itself.
	Offered Encryption = iota
	// Optional offers plain RTP with keys beside it (opportunistic SRTP, RFC 8643).
	Optional
	// Required refuses plain RTP, and offers keys in the description (SDES).
	Required
	// RequiredDTLS refuses plain RTP, and offers a DTLS handshake.
	RequiredDTLS
)

// State is the outcome of one offer and its answer. It is never changed after it was made.
type State struct {
	Local  *Session // the description that we sent or are to send
	Remote *Session // what the far end sent; nil while our first offer is open
	Media  []Media  // in the order of m-lines; nil while our offer is open
	asked  string   // the text of the offer that Local answers, to know a repeated one; "" where Local is an offer
}

// Media is what was agreed for one m-line.
type Media struct {
	Index     int    // of the m-line
	Label     string // a=label of ours (RFC 4574), which RFC 4575 media ids refer to
	Kind      mixer.Kind
	Content   plan.Content
	Rejected  bool // port 0; nothing below is set
	Direction Direction
	// RTP and RTCP are where the far end receives. An address that is not valid means that the far end gave a name:
	// send to where it signals from until its media comes. A port of 0 means that nothing may be sent.
	RTP, RTCP netip.AddrPort
	Mux       bool // RTCP on the RTP port (RFC 5761)
	Reduced   bool // reduced-size RTCP (RFC 5506)
	Receive   []mixer.Payload
	Send      *mixer.Encoding // without SSRC; nil when we send nothing
	Accepted  []mixer.Payload // what Receive is when nobody holds
	Feedback  mixer.Feedback
	// AudioLevel and MixerLevels are extension ids (RFC 8285) of RFC 6464 and RFC 6465; 0 is none.
	AudioLevel, MixerLevels uint8
	Security                Security
}

// Stream is m for the mixer; its Wire, SSRC and RequestKeyFrame are the caller's to add.
func (m *Media) Stream() mixer.Stream {
	s := mixer.Stream{
		ID: m.Label, Kind: m.Kind, Content: m.Content, Receive: m.Receive, Feedback: m.Feedback,
		AudioLevel: m.AudioLevel, MixerLevels: m.MixerLevels,
	}
	if m.Send != nil {
		e := *m.Send
		s.Send = &e
	}
	return s
}

// A Rejection is an offer that we cannot accept, or an answer that does not fit our offer. Code and Warning with Text may
// be sent to the far end (RFC 3261 §20.43 and §21.4.26).
type Rejection struct {
	Code    int    // SIP status: 488
	Warning int    // 301 address, 302 transport, 304 media type, 305 format, 399 anything else
	Text    string // for people
}

func (r *Rejection) Error() string { return fmt.Sprintf("offer: %s", r.Text) }

func reject(warning int, format string, args ...any) *Rejection {
	return &Rejection{Code: 488, Warning: warning, Text: fmt.Sprintf(format, args...)}
}

// kindOf maps the media field of an m-line.
func kindOf(media string) (mixer.Kind, bool) {
	switch media {
	case "audio":
		return mixer.Audio, true
	case "video":
		return mixer.Video, true
	}
	return 0, false
}
