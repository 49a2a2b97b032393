package bridge

import (
	"maps"
	"slices"

	"tutti/mixer"
)

// Stats are figures for metrics.
type Stats struct {
	Conferences int
	Legs        map[LegKind]int        // calls out that ring included
	Pending     int                    // calls out that are not answered yet
	Setup       map[SetupOf]Setup      // of all legs since the start
	Media       map[string]mixer.Stats // by conference
}

// Stats counts what there is now.
func (b *Bridge) Stats() Stats {
	b.mu.Lock()
	st := Stats{Legs: maps.Clone(b.legs.kinds), Setup: maps.Clone(b.setups), Media: map[string]mixer.Stats{}}
	living := slices.Collect(maps.Values(b.conferences))
	b.mu.Unlock()
	for _, c := range living {
		if s := c.State(); s.Ended == nil && s.Len() > 0 {
			st.Conferences++
			st.Pending += s.Calling()
			st.Media[c.name] = c.mixer.Stats()
		}
	}
	return st
}
