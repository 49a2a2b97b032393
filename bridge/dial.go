package bridge

import "time"

// dialled makes the leg of a call out. Only the conference's goroutine calls it.
func (c *Conference) dialled(call Call) *Leg {
	leg := newLeg(c, call.Leg, call.User, JoinRequest{Kind: SIP, Method: DialedOut, Began: time.Now()})
	c.legs[leg.id] = leg
	c.bridge.mu.Lock()
	c.bridge.enterLocked(leg)
	c.bridge.mu.Unlock()
	return leg
}

// call lets the dialer start the call and tells who asked for it what came of that.
func (c *Conference) call(leg *Leg, call Call, asked *request) {
	c.bridge.mu.Lock()
	dialer := c.bridge.dialer
	c.bridge.mu.Unlock()
	err := error(refuseNoDialer())
	var actor Actor
	if dialer != nil {
		actor, err = dialer.Dial(leg, call.Target)
	}
	if err != nil {
		// Who asked is told; the roster does not keep what never rang.
		leg.leave(Reason{Method: Failed, Text: err.Error()}, true)
		if refused(err) == nil {
			c.log.Warn("call out failed", "participant", call.User, "error", err)
			err = refuse(RuleOutbound, "the call could not be made: %v", err)
		}
		asked.reply(answer{err: err})
		return
	}
	leg.act(actor)
	asked.reply(answer{})
}

// enterLocked counts a leg and lets its token be known.
func (b *Bridge) enterLocked(l *Leg) {
	b.legs.add(l.kind, l.source, 1)
	b.tokens[l.token] = l
}

// exit undoes enterLocked.
func (b *Bridge) exit(l *Leg) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens[l.token] != l {
		return
	}
	delete(b.tokens, l.token)
	b.legs.add(l.kind, l.source, -1)
}
