package store

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tutti/bridge"
)

const maxDefinitions = 10000

// Config is what a Catalogue needs to know.
type Config struct {
	Bridge *bridge.Bridge
	Fixed  []bridge.Definition // of the configuration, which the bridge knows already
	File   string              // that they stand in
	Store  Store               // nil is a Memory
	Page   func(name string) string
	Logger *slog.Logger // may be nil
}

// Catalogue is all definitions. Its methods may be called from any goroutine; errors are *bridge.Refusal or the end of ctx.
type Catalogue struct {
	Config
	now func() time.Time

	writing chan struct{} // holds one token; who has it may change the store

	mu      sync.RWMutex // guards the fields below; not held while the store works
	records map[string]Record
	trouble error // why the store failed last, nil if it works
}

// NewCatalogue returns a catalogue that knows what stands in the configuration.
func NewCatalogue(c Config) *Catalogue {
	if c.Store == nil {
		c.Store = &Memory{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.File == "" {
		c.File = "the configuration"
	}
	if c.Page == nil {
		c.Page = func(string) string { return "" }
	}
	k := &Catalogue{Config: c, now: time.Now, writing: make(chan struct{}, 1), records: map[string]Record{}}
	for _, d := range c.Fixed {
		k.records[d.Name] = Record{Definition: d, File: c.File}
	}
	return k
}

// Open reads the store and tells the bridge. When the store cannot be read, or not be written, the catalogue goes on
// with what there is; Trouble says so.
func (k *Catalogue) Open(ctx context.Context) {
	k.writing <- struct{}{}
	defer k.release()
	err := k.load(ctx)
	if s, ok := k.Store.(interface{ Broken() error }); ok && s.Broken() != nil {
		err = s.Broken()
	}
	k.fare(err)
}

// Trouble is why nothing can be changed at present, nil if it can.
func (k *Catalogue) Trouble() error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.trouble
}

// fare notes how the store did, and logs when that changes.
func (k *Catalogue) fare(err error) {
	k.mu.Lock()
	before := k.trouble
	k.trouble = err
	k.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		k.Logger.Error("definitions cannot be changed", "error", err)
	case err == nil && before != nil:
		k.Logger.Info("definitions can be changed again")
	}
}

// load makes the catalogue what the store says.
func (k *Catalogue) load(ctx context.Context) error {
	entries, err := k.Store.Load(ctx)
	if err != nil {
		return err
	}
	found := map[string]Record{}
	for _, e := range entries {
		r, err := unmarshal(e)
		if err != nil {
			k.Logger.Error("a definition is left out", "error", err)
			continue
		}
		found[r.Name] = r
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, r := range k.records {
		switch _, still := found[name]; {
		case r.ReadOnly() && still:
			k.Logger.Warn("a definition is hidden by that of the configuration", "conference", name, "file", r.File)
			delete(found, name)
		case !r.ReadOnly() && !still:
			delete(k.records, name)
			k.Bridge.Undefine(name)
		}
	}
	for name, r := range found {
		if err := k.Bridge.Define(r.Definition); err != nil {
			k.Logger.Error("a definition is left out", "conference", name, "error", err)
			continue
		}
		k.records[name] = r
	}
	return nil
}

// All is every definition, by name.
func (k *Catalogue) All() []Record {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return slices.SortedFunc(maps.Values(k.records), func(a, b Record) int { return strings.Compare(a.Name, b.Name) })
}

// Get is the definition of a conference.
func (k *Catalogue) Get(name string) (Record, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	r, known := k.records[name]
	if !known {
		return Record{}, bridge.RefuseUndefined(name)
	}
	return r, nil
}

// Create adds a definition.
func (k *Catalogue) Create(ctx context.Context, d Draft) (Record, error) {
	return k.change(ctx, d.Name, func() (Record, error) {
		r, err := k.Get(d.Name)
		switch {
		case err != nil:
		case r.ReadOnly():
			return Record{}, bridge.RefuseReadOnly(d.Name, r.File)
		default:
			return Record{}, bridge.RefuseTaken(d.Name)
		}
		if len(k.All()) >= maxDefinitions {
			return Record{}, bridge.RefuseTooMany("definitions", maxDefinitions)
		}
		return d.apply(Record{}, k.now())
	})
}

// Replace changes the definition of revision; 0 is whichever there is.
func (k *Catalogue) Replace(ctx context.Context, d Draft, revision uint64) (Record, error) {
	return k.change(ctx, d.Name, func() (Record, error) {
		before, err := k.current(d.Name, revision)
		if err != nil {
			return Record{}, err
		}
		return d.apply(before, k.now())
	})
}

// current is the definition that a change is about.
func (k *Catalogue) current(name string, revision uint64) (Record, error) {
	r, err := k.Get(name)
	switch {
	case err != nil:
		return r, err
	case r.ReadOnly():
		return r, bridge.RefuseReadOnly(name, r.File)
	case revision != 0 && revision != r.Revision:
		return r, bridge.RefuseStale(name, r.Revision)
	}
	return r, nil
}

// change writes what next says, and then tells the bridge.
func (k *Catalogue) change(ctx context.Context, name string, next func() (Record, error)) (Record, error) {
	if err := k.acquire(ctx); err != nil {
		return Record{}, err
	}
	defer k.release()
	r, err := next()
	if err != nil {
		return Record{}, err
	}
	value, err := r.marshal()
	if err != nil {
		return Record{}, bridge.RefuseStore(err)
	}
	if len(value) > maxValue {
		return Record{}, bridge.RefuseInvalid("the definition of %q is longer than %d bytes", name, maxValue)
	}
	// What was begun is finished, whether its caller waits or not.
	r.Revision, err = k.Store.Put(context.WithoutCancel(ctx), keyOf(name), value, r.Revision)
	if err == nil {
		err = k.Bridge.Define(r.Definition)
	}
	k.fare(err)
	if err != nil {
		return Record{}, bridge.RefuseStore(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.records[name] = r
	return r, nil
}

// Delete removes the definition of revision; 0 is whichever there is.
func (k *Catalogue) Delete(ctx context.Context, name string, revision uint64) error {
	if err := k.acquire(ctx); err != nil {
		return err
	}
	defer k.release()
	r, err := k.current(name, revision)
	if err != nil {
		return err
	}
	err = k.Store.Delete(context.WithoutCancel(ctx), keyOf(name), r.Revision)
	k.fare(err)
	if err != nil {
		return bridge.RefuseStore(err)
	}
	k.Bridge.Undefine(name)
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.records, name)
	return nil
}

// acquire waits for one's turn to change something. After a failure it reads the store again: nobody knows what was
// written then.
func (k *Catalogue) acquire(ctx context.Context) error {
	select {
	case k.writing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if k.Trouble() == nil {
		return nil
	}
	if s, ok := k.Store.(interface{ Broken() error }); ok && s.Broken() != nil {
		k.release()
		return bridge.RefuseStore(s.Broken())
	}
	if err := k.load(context.WithoutCancel(ctx)); err != nil {
		k.fare(err)
		k.release()
		return bridge.RefuseStore(err)
	}
	return nil
}

func (k *Catalogue) release() { <-k.writing }
