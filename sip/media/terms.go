package media

import (
	"fmt"
	"slices"

	"tutti/sip/offer"
)

// terms are one negotiated state and the transports that serve it.
type terms struct {
	state      *offer.State
	transports []*Transport // by m-line; nil where none
}

// beginLocked makes room for a new negotiation on top of the current one.
func (l *Leg) beginLocked() terms {
	next := terms{transports: slices.Clone(l.current.transports)}
	for i := range next.transports {
		if l.current.state != nil && i < len(l.current.state.Media) && l.current.state.Media[i].Rejected {
			next.transports[i] = nil // if it comes back, then with new ports
		}
	}
	return next
}

// commitLocked makes next current and keeps the one before for Rollback.
func (l *Leg) commitLocked(next terms) {
	old := l.before
	before := l.current
	l.current, l.before, l.open = next, &before, nil
	if old != nil {
		l.dropLocked(old)
	}
}

// abandonLocked closes the transports of a negotiation that failed.
func (l *Leg) abandonLocked(failed *terms) { l.dropLocked(failed) }

// dropLocked closes the transports of t that neither the current terms nor those of Rollback hold.
func (l *Leg) dropLocked(t *terms) {
	for _, transport := range t.transports {
		if transport == nil || slices.Contains(l.current.transports, transport) ||
			l.before != nil && slices.Contains(l.before.transports, transport) {
			continue
		}
		transport.Close()
	}
}

// applyLocked puts t.state in force on its transports.
func (l *Leg) applyLocked(t *terms) error {
	if t.state == nil {
		return nil
	}
	for i := range t.state.Media {
		m := &t.state.Media[i]
		if i >= len(t.transports) || t.transports[i] == nil {
			continue
		}
		if m.Rejected {
			t.transports[i].pause()
			continue
		}
		if err := t.transports[i].apply(m, l.peer); err != nil {
			return fmt.Errorf("media: m-line %d: %w", i+1, err)
		}
	}
	return nil
}

// confirmLocked forgets what Rollback would restore.
func (l *Leg) confirmLocked() {
	if l.before == nil {
		return
	}
	for i, t := range l.current.transports {
		if t != nil && l.current.state != nil && (i >= len(l.current.state.Media) || l.current.state.Media[i].Rejected) {
			l.current.transports[i] = nil
		}
	}
	old := *l.before
	l.before = nil
	l.dropLocked(&old)
}
