package sip

import (
	"context"
	"net/netip"

	"tutti/bridge"
	"tutti/mixer"
	"tutti/sip/event"
)

// focus is what a call needs of the bridge.
type focus interface {
	Admit(bridge.JoinRequest) (bridge.Preferences, error)
	Join(context.Context, bridge.JoinRequest) (leg, error)
	Watch(conference string) (event.Watcher, error)
}

// leg is what a call needs of its leg (a *bridge.Leg).
type leg interface {
	Attach([]mixer.Stream) ([]mixer.Inlet, error)
	SetStatus(bridge.Status)
	Press(key rune)
	RequestKeyFrame(stream string)
	Leave(bridge.Reason)
	User() bridge.UserID
	Token() string
	Do(context.Context, bridge.Command) error
}

// conferences is the bridge as a focus.
type conferences struct{ *bridge.Bridge }

func (c conferences) Join(ctx context.Context, r bridge.JoinRequest) (leg, error) {
	l, err := c.Bridge.Join(ctx, r)
	if err != nil || l == nil {
		return nil, err
	}
	return l, nil
}

// conferenceOf is the name of the conference that a leg is dialled for.
func conferenceOf(l *bridge.Leg) string { return l.Conference().Name() }

// Session is the media of one call: its descriptions, its ports, its streams. Its methods are called by one goroutine
// and do not block for the network, except Answer and Offer of a session with ICE, which gather.
type Session interface {
	// Answer answers an offer and puts the outcome in force. An error leaves what was; a *MediaError says how to refuse.
	Answer(ctx context.Context, offer []byte) (answer []byte, err error)
	// Offer makes an offer, which changes nothing until Complete.
	Offer(ctx context.Context) ([]byte, error)
	// Complete takes the answer to the last Offer and puts the outcome in force. An error leaves what was.
	Complete(answer []byte) error
	// Rollback restores what was in force before the last Answer or Offer, unless it was confirmed.
	Rollback()
	// Confirm says that the far end knows the last Answer (ACK): there is no way back.
	Confirm()
	// Streams is what is in force.
	Streams() []mixer.Stream
	// Connect gives the inlets of the streams, in their order; media that came before is dropped.
	Connect([]mixer.Inlet)
	// Held says that the far end wants no media (RFC 3264 §8.4).
	Held() bool
	// Close frees ports and ends goroutines.
	Close()
}

// SessionRequest is what a session is made for.
type SessionRequest struct {
	Remote      netip.Addr // where the signalling comes from, or goes to
	WebRTC      bool       // the offer has ICE and DTLS, or our offer goes to a client over WebSocket
	Preferences bridge.Preferences
	// End is called when the media is over before the call is (ICE failed). It must not block.
	End func(reason string)
}

// Media makes sessions. It is called from many goroutines.
type Media interface {
	NewSession(SessionRequest) (Session, error)
	// WantsICE says whether an offer needs a session with WebRTC set. An offer that cannot be read does not.
	WantsICE(offer []byte) bool
}

// A MediaError refuses an offer.
type MediaError struct {
	Code    int    // of the final response: 400, 488, 500
	Warning int    // warn-code of RFC 3261 §20.43; 0 is 399
	Text    string // for the Warning header field
	Err     error  // cause; may be nil
}

func (e *MediaError) Error() string { return e.Text }
func (e *MediaError) Unwrap() error { return e.Err }
