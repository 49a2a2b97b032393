package bridge

import "maps"

// Stats are figures for metrics.
type Stats struct {
	Conferences int
	Legs        map[LegKind]int
	Pending     int // calls out that are not answered yet
}

// Stats counts what there is now.
func (b *Bridge) Stats() Stats {
	b.mu.Lock()
	st := Stats{Legs: maps.Clone(b.legs.kinds)}
	b.mu.Unlock()
	for _, s := range b.Conferences() {
		st.Conferences++
		st.Pending += s.counts.pending
	}
	return st
}
