package bridge

import (
	"cmp"
	"context"
)

// Watcher follows the states of one conference. It belongs to one goroutine. A slow one misses what lay between, and
// holds up nobody.
type Watcher struct {
	conference *Conference
	leg        *Leg // that is followed wherever it is transferred; nil for none
	last       *published
}

// Watch follows the living conference of this name.
func (b *Bridge) Watch(name string) (*Watcher, error) {
	c, err := b.Conference(name)
	if err != nil {
		return nil, err
	}
	return c.Watch(), nil
}

// Watch follows the conference.
func (c *Conference) Watch() *Watcher { return &Watcher{conference: c} }

// Watch follows the leg's conference, and the leg into another.
func (l *Leg) Watch() *Watcher { return &Watcher{leg: l, conference: l.in()} }

// Next waits for a state that is newer than the last one it returned, which is prev; the first time prev is nil. The
// error is the end of ctx, or a *Refusal with RuleEnded when the conference has ended.
func (w *Watcher) Next(ctx context.Context) (prev, cur *State, err error) {
	if w.last != nil {
		prev = w.last.state
		select {
		case <-w.last.over:
		case <-ctx.Done():
			return prev, nil, context.Cause(ctx)
		}
	}
	if w.leg != nil {
		w.conference = w.leg.in()
	}
	now := w.conference.now.Load()
	if now.state.Ended != nil {
		return prev, nil, &Refusal{Rule: RuleEnded, Text: now.state.Ended.Text}
	}
	w.last = now
	return prev, now.state, nil
}

// ListWatcher follows all conferences. It belongs to one goroutine.
type ListWatcher struct {
	bridge  *Bridge
	changed <-chan struct{}
	last    []*State
	started bool
}

// WatchAll follows the list of conferences and their states.
func (b *Bridge) WatchAll() *ListWatcher { return &ListWatcher{bridge: b} }

// Next waits for a change of any conference and returns the list before and now; the first time at once, without prev.
func (w *ListWatcher) Next(ctx context.Context) (prev, cur []*State, err error) {
	if w.started {
		select {
		case <-w.changed:
		case <-ctx.Done():
			return w.last, nil, context.Cause(ctx)
		}
	}
	w.started = true
	w.changed = w.bridge.news() // before the look, so that nothing slips between
	prev, w.last = w.last, w.bridge.Conferences()
	return prev, w.last, nil
}

// news is closed at the next change.
func (b *Bridge) news() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

// touch wakes who looks at the list.
func (b *Bridge) touch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

func compareNames(a, b string) int { return cmp.Compare(a, b) }
