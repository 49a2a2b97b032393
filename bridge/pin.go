package bridge

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"
)

// A PIN is looked at here, outside of Apply: the state knows that there is one, not which.

const (
	maxGuesses  = 5               // wrong PINs from one source before it is locked out
	guessTime   = 5 * time.Minute // after which a wrong PIN is forgotten
	lockOut     = time.Minute     // the first time; twice as long each time after it
	maxLockOut  = time.Hour
	maxGuessers = 10000 // sources that are remembered
)

// guesses counts wrong PINs by their source. Bridge.mu guards it.
type guesses map[string]guesser

type guesser struct {
	wrong int // since it was locked out last
	times int // it was
	until time.Time
	last  time.Time
}

// locked is for how long a source may not try, 0 for not at all.
func (g guesses) locked(source string, now time.Time) time.Duration {
	return max(0, g[sourceOf(source)].until.Sub(now))
}

// wrong counts a wrong PIN.
func (g guesses) wrong(source string, now time.Time) {
	s := sourceOf(source)
	who, known := g[s]
	if !known && len(g) >= maxGuessers {
		g.forget(now)
	}
	if now.Sub(who.last) > guessTime {
		who.wrong = 0
		if now.Sub(who.until) > maxLockOut {
			who.times = 0
		}
	}
	who.last = now
	if who.wrong++; who.wrong >= maxGuesses {
		who.until = now.Add(min(maxLockOut, lockOut<<min(who.times, 10)))
		who.wrong, who.times = 0, who.times+1
	}
	g[s] = who
}

// forget makes room: those of long ago go, or else anybody who is not locked out, or anybody.
func (g guesses) forget(now time.Time) {
	for s, who := range g {
		if now.After(who.until) && now.Sub(who.last) > guessTime {
			delete(g, s)
		}
	}
	for s, who := range g {
		if len(g) < maxGuessers*9/10 {
			return
		}
		if now.After(who.until) {
			delete(g, s)
		}
	}
	for s := range g {
		if len(g) < maxGuessers*9/10 {
			return
		}
		delete(g, s)
	}
}

// Ticket is what an adapter has found out about who comes, so that they need neither a PIN nor the lobby: a signed link, a
// registered user whom the configuration names.
type Ticket struct{ Role Role }

// verdictLocked says what somebody is worth who wants to come in. The error is a *Refusal.
func (b *Bridge) verdictLocked(d Definition, r JoinRequest, now time.Time) (admission, error) {
	if r.Ticket != nil {
		return admission{role: r.Ticket.Role, pass: true}, nil
	}
	if d.PIN == "" && d.ModeratorPIN == "" {
		return admission{}, nil
	}
	if wait := b.guesses.locked(r.Source, now); wait > 0 {
		return admission{}, refuseLockedOut(wait)
	}
	switch {
	case d.ModeratorPIN != "" && pinIs(r.PIN, d.ModeratorPIN):
		return admission{role: Moderator, pass: true}, nil
	case d.PIN != "" && pinIs(r.PIN, d.PIN):
		return admission{}, nil
	case r.PIN != "":
		b.guesses.wrong(r.Source, now)
		return admission{}, refusePIN()
	case r.Kind == SIP && b.announcer != nil:
		return admission{ask: true}, nil
	case d.PIN == "":
		return admission{}, nil // only moderators need theirs
	}
	return admission{}, refuseNoPIN()
}

// same compares in a time that tells nothing.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// checkPIN says what a PIN entered with keys is worth.
func (c *Conference) checkPIN(check CheckPIN) {
	s := c.State()
	r := JoinRequest{Kind: SIP, PIN: check.PIN}
	if _, e := s.Owner(check.Leg); e != nil {
		r.Source = e.Source
	}
	b := c.bridge
	b.mu.Lock()
	d, _ := b.definition(c.name)
	a, err := b.verdictLocked(d, r, time.Now())
	b.mu.Unlock()
	c.happened(pinChecked{check.User, err == nil, a}, mustKeep)
}
