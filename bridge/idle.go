package bridge

import "time"

// Idle is the state of a conference that is defined and does not live: nobody is there. It says false for others.
func (b *Bridge) Idle(name string) (*State, bool) {
	b.mu.Lock()
	d, known := b.definition(name)
	b.mu.Unlock()
	if !known {
		return nil, false
	}
	return d.state(time.Time{}, b.cfg), true
}
