package bridge

import (
	"context"
	"time"
)

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
	Began       time.Time // when the far end's first message came; zero is unknown
	Resume      string    // Leg.Token of an earlier leg of the same person, which this one replaces; "" for none
	DeviceText  string    // the name of the device, "" for none
	AORs        []string  // RFC 4575 associated-aors
	Languages   []string  // preferred by the person, BCP 47 (Accept-Language); the first counts most
	Focus       string    // URI of a conference that comes as a participant (RFC 4575 cascaded-focus), "" for a person
	PIN         string    // that the far end brought; "" for none
	Ticket      *Ticket   // nil where the adapter knows nothing of who comes
	Referred    *Info     // nil where no REFER made the far end come
	Actor       Actor
}

// CallInfo identifies a SIP dialog (RFC 4575 call-info).
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
	Method string // one of the constants below
	Text   string // for people
	Code   int    // SIP status code of a failed call, 0 for none
}

// Methods of a Reason: those of RFC 4575 (disconnection-method), and what we tell apart besides. A roster shows
// Replaced, EndedMethod and Shutdown as booted.
const (
	Departed    = "departed" // of their own will
	Booted      = "booted"   // expelled
	Failed      = "failed"
	BusyMethod  = "busy"
	Replaced    = "replaced" // by another leg of the same participant
	EndedMethod = "ended"    // the conference is over
	Shutdown    = "shutdown" // the bridge is
)

// Actor is the adapter's side of a leg: it carries out what the focus decides. Its methods never block.
type Actor interface {
	// Hangup ends the far end's session (BYE, closing the PeerConnection). The adapter then calls Leg.Leave.
	Hangup(r Reason)
}

// Dialer makes calls (the sip adapter).
type Dialer interface {
	// Dial starts to call target (a registered user's name, a number or a SIP address) for leg, which is in its roster as
	// dialing-out, and returns at once. The adapter then tells leg.SetStatus(Alerting), on the 200 leg.Attach, at the end leg.Leave.
	// A *Refusal says that no rule allows the target; after an error the adapter forgets leg.
	Dial(leg *Leg, target string) (Actor, error)
}

// Join makes a leg a member of its conference, and the conference if need be. To be called when the set-up of the leg is
// complete (ACK, DTLS), or by the bridge itself when it dials. The error is a *Refusal or the end of ctx.
func (b *Bridge) Join(ctx context.Context, r JoinRequest) (*Leg, error) {
	for range tries {
		leg, err := b.tryJoin(ctx, r)
		if refusal := refused(err); refusal == nil || refusal.Rule != RuleEnded || ctx.Err() != nil {
			return leg, err
		}
		// The conference ended between our look at it and our order; the next try makes a new one.
	}
	return nil, refuseBusy()
}

// tries bounds how often a conference may end under the hands of who wants to come in.
const tries = 10

func (b *Bridge) tryJoin(ctx context.Context, r JoinRequest) (*Leg, error) {
	b.mu.Lock()
	r.Conference = b.tokens[r.Resume].whither(r.Conference)
	c, err := b.openLocked(r.Conference, true)
	if err != nil {
		b.mu.Unlock()
		return nil, err
	}
	replaces := b.tokens[r.Resume]
	if replaces != nil && replaces.in() != c {
		replaces = nil
	}
	if err = b.legs.room(r.Source, b.cfg.Policy); err != nil && replaces == nil {
		b.mu.Unlock()
		c.nudge()
		return nil, err
	}
	var a admission
	if replaces == nil {
		d, _ := b.definition(r.Conference)
		if a, err = b.verdictLocked(d, r, time.Now()); err != nil {
			b.mu.Unlock()
			c.nudge()
			return nil, err
		}
	}
	leg := newLeg(c, newLegID(), newUserID(), r)
	b.enterLocked(leg)
	b.mu.Unlock()

	j := join{user: leg.user, leg: leg.id, request: r, admission: a}
	j.request.PIN = "" // not for the log
	if replaces != nil {
		j.replaces = replaces.id
	}
	answer := make(chan answer, 1)
	order := Order{At: time.Now(), By: Caller{system: true}, Command: j}
	if err = c.inbox.put(order, &request{leg: leg, answer: answer}, mayRefuse); err != nil {
		b.exit(leg)
		c.nudge()
		return nil, err
	}
	select {
	case a := <-answer:
		if a.err != nil {
			b.exit(leg)
			return nil, a.err
		}
		leg.setUser(a.user)
		b.complete(leg, time.Now())
		return leg, nil
	case <-ctx.Done():
		leg.Leave(Reason{Method: Failed, Text: "gave up"})
		return nil, context.Cause(ctx)
	}
}
