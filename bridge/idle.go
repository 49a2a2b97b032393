package bridge

// Idle is the state of a conference that is defined and does not live: nobody is there. It says false for others.
func (b *Bridge) Idle(name string) (*State, bool) {
	d, known := b.definition(name)
	if !known {
		return nil, false
	}
	return &State{
		Conference: Description{Name: d.Name, URI: conferenceURI(d.Name, b.cfg.Domain), Title: d.Title, Layout: d.Layout},
		Limits:     Limits{Users: b.cfg.Policy.MaxParticipants, Pending: b.cfg.Policy.MaxPendingCalls},
	}, true
}
