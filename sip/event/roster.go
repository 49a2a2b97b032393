package event

import (
	"context"
	"log/slog"
	"sync"

	"tutti/bridge"
)

// Watcher follows the states of one conference (a *bridge.Watcher). Without prev, cur has nothing to do with any state
// before.
type Watcher interface {
	Next(context.Context) (prev, cur *bridge.State, err error)
}

// Document writes states down (RFC 4575 §4). Partial says false where nothing that it shows has changed.
type Document interface {
	Full(s *bridge.State, version uint32) ([]byte, error)
	Partial(prev, now *bridge.State, version uint32) ([]byte, bool)
}

// Roster is the feed of a conference: documents whose version grows by one with each (RFC 4575 §4.2).
type Roster struct {
	watch    Watcher
	document Document
	log      *slog.Logger

	mu      sync.Mutex    // guards the fields below
	now     *bridge.State // the newest
	strange bool          // nothing that was told is of the same conference

	// of who calls Full and Changes
	told    *bridge.State
	version uint32
}

// NewRoster is the feed of the conference that w follows. It waits for its first state.
func NewRoster(ctx context.Context, w Watcher, d Document, log *slog.Logger) (*Roster, error) {
	r := &Roster{watch: w, document: d, log: log}
	if err := r.Next(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Next waits for a newer state (Feed).
func (r *Roster) Next(ctx context.Context) error {
	prev, now, err := r.watch.Next(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = now
	r.strange = r.strange || prev == nil
	return nil
}

// Now is the newest state.
func (r *Roster) Now() *bridge.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *Roster) newest() (now *bridge.State, strange bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, strange, r.strange = r.now, r.strange, false
	return now, strange
}

// Full is the whole state (Feed).
func (r *Roster) Full() []byte {
	now, _ := r.newest()
	return r.full(now)
}

func (r *Roster) full(now *bridge.State) []byte {
	body, err := r.document.Full(now, r.version+1)
	if err != nil {
		r.log.Error("no conference document", "conference", now.Conference.Name, "err", err)
		return nil
	}
	r.version++
	r.told = now
	return body
}

// Changes is what differs from what was told (Feed).
func (r *Roster) Changes() []byte {
	now, strange := r.newest()
	if strange || r.told == nil {
		return r.full(now)
	}
	if now == r.told {
		return nil
	}
	body, ok := r.document.Partial(r.told, now, r.version+1)
	r.told = now
	if !ok {
		return nil
	}
	r.version++
	return body
}
