// Package bridge is the control plane: conferences, participants, policy. It decides who gets what and carries no sample.
package bridge

import (
	"context"
	"log/slog"
	"time"

	"tutti/codec"
	"tutti/mixer"
	"tutti/mixer/plan"
)

// Config is what a Bridge needs to know.
type Config struct {
	Domain      string       // host part of conference URIs: sip:NAME@Domain
	Conferences []Definition // known beforehand
	Policy      Policy       // of everything else
	Logger      *slog.Logger // may be nil
	Mixer       mixer.Config // Name, Events and Logger are set per conference
}

// Definition is a conference known beforehand.
type Definition struct {
	Name   string
	Title  string
	Layout plan.Layout
}

// Policy limits what strangers can start.
type Policy struct {
	AdHoc           bool // dialling or opening an unknown name makes the conference
	MaxConferences  int
	MaxParticipants int // of one conference
}

// Bridge is all conferences of this process. Its methods may be called from any goroutine.
type Bridge struct{ cfg Config }

// New returns a bridge without legs.
func New(cfg Config) *Bridge { return &Bridge{cfg: cfg} }

// Run keeps the conferences until ctx ends, then ends them all: every leg's Actor is told to hang up, and Run returns
// when all legs have left or grace has passed.
func (b *Bridge) Run(ctx context.Context, grace time.Duration) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// SetDialer says who makes calls. To be called before Run.
func (b *Bridge) SetDialer(d Dialer) {}

// Admit says beforehand whether Join with the same request would be refused, and what the conference would like to be sent.
// It makes no state. The error is a *Refusal.
func (b *Bridge) Admit(r JoinRequest) (Preferences, error) { return Preferences{}, nil }

// Preferences help an adapter to answer so that encoders are shared.
type Preferences struct {
	Audio []codec.Format // formats that the conference already encodes, most used first
	Video []codec.Format
}

// Join makes a leg a member of its conference, and the conference if need be. To be called when the set-up of the leg is
// complete (ACK, DTLS), or by the bridge itself when it dials. The error is a *Refusal or the end of ctx.
func (b *Bridge) Join(ctx context.Context, r JoinRequest) (*Leg, error) { return nil, nil }

// LegKind is the kind of a leg's transport.
type LegKind string

const (
	SIP    LegKind = "sip"
	WebRTC LegKind = "webrtc"
	Local  LegKind = "local"
)

// JoinRequest is who wants to be where, with what.
type JoinRequest struct {
	Conference  string // its name, as in sip:NAME@host or /NAME
	Kind        LegKind
	Entity      string // the user's URI (RFC 4575 user entity); "" makes an anonymous one
	DisplayText string // the name shown
	Number      string // the telephone number or SIP user that we reach them at, "" for none; masked for guests
	Endpoint    string // the device's URI (RFC 4575 endpoint entity): the Contact, or the page's address
	Method      JoiningMethod
	Call        *CallInfo // of a SIP dialog
	Source      string    // address of the far end, for limits and logs
	Resume      string    // Leg.Token of an earlier leg of the same person, which this one replaces; "" for none
	Actor       Actor
}

// CallInfo identifies a SIP dialog (RFC 4575 §5.7.? call-info).
type CallInfo struct{ CallID, FromTag, ToTag string }

// JoiningMethod is how an endpoint came into the conference (RFC 4575 joining-method).
type JoiningMethod string

const (
	DialedIn  JoiningMethod = "dialed-in"
	DialedOut JoiningMethod = "dialed-out"
)

// Status is the state of an endpoint (RFC 4575 endpoint status).
type Status string

const (
	Pending       Status = "pending"
	DialingOut    Status = "dialing-out"
	DialingIn     Status = "dialing-in"
	Alerting      Status = "alerting"
	OnHold        Status = "on-hold"
	Connected     Status = "connected"
	Disconnecting Status = "disconnecting"
	Disconnected  Status = "disconnected"
)

// Reason is why a leg leaves.
type Reason struct {
	Method string // RFC 4575 disconnection-method: departed, booted, failed, busy
	Text   string // for people
	Code   int    // SIP status code of a failed call, 0 for none
}

// Refusal is a command or a join that a rule forbids. Its text is the same on every surface.
type Refusal struct {
	Rule string // unknown, full, locked, role, limit, ended, …
	Text string
}

func (r *Refusal) Error() string { return r.Text }

// Actor is the adapter's side of a leg: it carries out what the focus decides. Its methods never block.
type Actor interface {
	// Hangup ends the far end's session (BYE, closing the PeerConnection). The adapter then calls Leg.Leave.
	Hangup(r Reason)
}

// Dialer makes calls (the sip adapter).
type Dialer interface {
	// Dial starts to call target (a registered user's name, a number or a SIP address) for leg, which is in its roster as
	// dialing-out, and returns at once. The adapter then tells leg.Status(Alerting), on the 200 leg.Attach, at the end leg.Leave.
	// A *Refusal says that no rule allows the target.
	Dial(leg *Leg, target string) (Actor, error)
}

// Leg is the bridge's side of a member's session. Its methods may be called from any goroutine.
type Leg struct{}

// ID names the leg. It is unguessable and never reused.
func (l *Leg) ID() plan.LegID { return "" }

// Token lets the same person replace this leg by another (JoinRequest.Resume).
func (l *Leg) Token() string { return "" }

// Attach tells the media plane and the roster what was negotiated; again after each renegotiation. See mixer.Mixer.Attach.
func (l *Leg) Attach(streams []mixer.Stream) ([]mixer.Inlet, error) { return nil, nil }

// SetStatus tells the roster about the life of the call.
func (l *Leg) SetStatus(s Status) {}

// Press is a DTMF key that came by signalling (INFO); keys in RTP are noticed by the mixer.
func (l *Leg) Press(key rune) {}

// RequestKeyFrame is a far end's wish for a key frame that came by signalling (RFC 5168).
func (l *Leg) RequestKeyFrame(stream string) {}

// Leave takes the leg out of the conference. Only the first call counts.
func (l *Leg) Leave(r Reason) {}

// Done is closed when the leg has left.
func (l *Leg) Done() <-chan struct{} { return nil }

// Do carries out a command on behalf of the leg's user: mute self, chat, dial. The error is a *Refusal.
func (l *Leg) Do(ctx context.Context, c Command) error { return nil }

// Command is one wish about a conference.
type Command interface{ command() }
