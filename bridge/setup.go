package bridge

import "time"

// setupBuckets is the number of bounds of a Setup.
const setupBuckets = 10

// SetupBounds are the upper bounds of the buckets of a Setup.
func SetupBounds() [setupBuckets]time.Duration {
	const ms = time.Millisecond
	return [...]time.Duration{50 * ms, 100 * ms, 200 * ms, 300 * ms, 500 * ms, time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second}
}

// SetupOf says which legs a Setup is about. Calls out are apart, because it takes somebody to answer them.
type SetupOf struct {
	Kind   LegKind
	Method JoiningMethod
}

// Setup is how long legs took from the first message (JoinRequest.Began, or the start of a call out) to their membership: a
// histogram of a fixed size.
type Setup struct {
	Count   uint64 // of all, those above the last bound included
	Sum     time.Duration
	Buckets [setupBuckets]uint64 // how many took as long as each of SetupBounds, or less
}

// add counts one leg.
func (s Setup) add(took time.Duration) Setup {
	took = max(took, 0)
	s.Count++
	s.Sum += took
	for i, bound := range SetupBounds() {
		if took <= bound {
			s.Buckets[i]++
		}
	}
	return s
}

// complete counts the set-up of l if its beginning is known. Only the first call for a leg counts.
func (b *Bridge) complete(l *Leg, now time.Time) {
	l.mu.Lock()
	began := l.began
	l.began = time.Time{}
	l.mu.Unlock()
	if began.IsZero() {
		return
	}
	of := SetupOf{l.kind, l.method}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.setups[of] = b.setups[of].add(now.Sub(began))
}
