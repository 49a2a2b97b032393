package sip

import (
	"crypto/rand"
	"sync"
	"time"

	"tutti/bridge"
)

// outgoing is one call out: an INVITE to each place where the target may be, at once. The first 200 wins. It is the Actor of
// its leg until the leg has left.
type outgoing struct {
	ua         *UserAgent
	leg        leg
	target     string
	conference string
	reference  reference // what of a REFER goes into the INVITEs

	mu       sync.Mutex // guards the fields below
	calls    []*call
	open     int   // calls without a final answer
	winner   *call // whose 200 came first
	hungUp   *bridge.Reason
	alerting bool
	best     bridge.Reason // why the most telling of the calls failed
}

// Dial starts to call target for l (bridge.Dialer).
func (ua *UserAgent) Dial(l *bridge.Leg, target string) (bridge.Actor, error) {
	return ua.dial(l, conferenceOf(l), target)
}

func (ua *UserAgent) dial(l leg, conference, target string) (bridge.Actor, error) {
	places, err := ua.destinations(target, time.Now())
	if err != nil {
		return nil, err
	}
	o := &outgoing{ua: ua, leg: l, target: target, conference: conference, reference: ua.reference(l)}
	for _, d := range places {
		c := &call{
			ua: ua, box: newMailbox(), phase: calling, trunk: d.trunk, out: o,
			key: dialogKey{rand.Text(), rand.Text()[:12]},
			log: ua.log.With("conference", conference, "to", target),
		}
		c.box.post(func() { c.dial(d) })
		o.calls = append(o.calls, c)
	}
	o.open = len(o.calls)
	entered := 0
	for _, c := range o.calls {
		if ua.enter(c) == nil {
			entered++
			continue
		}
		o.open--
	}
	if entered == 0 {
		return nil, &bridge.Refusal{Rule: bridge.RuleLimit, Text: "Too many calls"}
	}
	return o, nil
}

// Hangup ends the call, or stops it ringing (bridge.Actor).
func (o *outgoing) Hangup(r bridge.Reason) {
	o.mu.Lock()
	winner, first := o.winner, o.hungUp == nil
	if first {
		o.hungUp = &r
	}
	o.mu.Unlock()
	switch {
	case winner != nil:
		winner.Hangup(r)
	case first:
		for _, c := range o.calls {
			c.Hangup(r)
		}
		o.leg.Leave(r)
	}
}

// rings tells the roster, once.
func (o *outgoing) rings() {
	o.mu.Lock()
	first := !o.alerting && o.winner == nil && o.hungUp == nil
	o.alerting = true
	o.mu.Unlock()
	if first {
		o.leg.SetStatus(bridge.Alerting)
	}
}

// answered says whether c is the one that talks. The others are cancelled.
func (o *outgoing) answered(c *call) bool {
	o.mu.Lock()
	won := o.winner == nil && o.hungUp == nil
	if won {
		o.winner = c
		o.open--
	}
	o.mu.Unlock()
	if won {
		for _, other := range o.calls {
			if other != c {
				other.Hangup(bridge.Reason{Text: "Call completed elsewhere", Code: 200})
			}
		}
	}
	return won
}

// failed takes the end of a call that was not answered. With the last one the leg leaves.
func (o *outgoing) failed(r bridge.Reason) {
	o.mu.Lock()
	if o.best.Code == 0 || weight(r.Code) > weight(o.best.Code) {
		o.best = r
	}
	o.open--
	last := o.open <= 0 && o.winner == nil && o.hungUp == nil
	best := o.best
	o.mu.Unlock()
	if last {
		o.leg.Leave(best)
	}
}

// weight ranks failures by what they tell who dialled (RFC 3261 §16.7 step 6 does it for proxies).
func weight(code int) int {
	switch {
	case code >= 600:
		return 5
	case code == 486 || code == 603:
		return 4
	case code == 408 || code == 480:
		return 2
	case code >= 500:
		return 1
	}
	return 3
}
