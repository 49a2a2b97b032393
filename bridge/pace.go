package bridge

import "time"

const (
	paceBurst = 40                     // commands of one leg at once
	paceEvery = 100 * time.Millisecond // for each one more
)

// pace bounds how fast one leg may ask. The zero value is a full burst.
type pace struct {
	full time.Time // when the whole burst is there again
}

// take says whether one more is allowed now.
func (p *pace) take(now time.Time) bool {
	full := p.full
	if full.Before(now) {
		full = now
	}
	if full = full.Add(paceEvery); full.Sub(now) > paceBurst*paceEvery {
		return false
	}
	p.full = full
	return true
}
