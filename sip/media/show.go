package media

import (
	"fmt"
	"strings"

	"tutti/sip/offer"
)

// Totals are the packets of a leg that were not delivered or did not leave, by reason. See Counts.
type Totals struct {
	Foreign, Invalid, Unsafe, Unsent uint64
}

// Totals adds up the counters of the transports in force.
func (l *Leg) Totals() Totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sum Totals
	l.eachLocked(func(_ *offer.Media, t *Transport) {
		sum.Foreign += t.counts.Foreign.Load()
		sum.Invalid += t.counts.Invalid.Load()
		sum.Unsafe += t.counts.Unsafe.Load()
		sum.Unsent += t.counts.Unsent.Load()
	})
	return sum
}

// String shows the leg to a person: one line for each m-line.
func (l *Leg) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	l.eachLocked(func(m *offer.Media, t *Transport) {
		fmt.Fprintf(&b, "%s: %v %v, port %d, %v\n", m.Label, m.Kind, m.Direction, t.place.RTP, t)
	})
	return b.String()
}

// String shows where the transport sends to, how that is known, and its protection.
func (t *Transport) String() string {
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	how := "as described"
	if t.in.media.source.IsValid() {
		how = "as it sends"
	}
	keys := t.in.keys[mediaComponent]
	protection := "RTP"
	if keys.secure {
		protection = "SRTP"
		if keys.context == nil {
			protection = "SRTP without keys yet"
		}
	}
	return fmt.Sprintf("to %v %s, %s", t.in.media.target(), how, protection)
}
