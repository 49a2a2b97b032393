// Package store keeps what must outlive the process: the definitions of conferences and their schedules.
//
// A Store holds values under keys and answers a write only when it cannot be lost any more. JetStream is the one on disk,
// Memory the one of tests. A Catalogue is what the rest of the program uses: the definitions of the configuration, which are
// read-only, and those of a Store, which it tells the bridge of. It goes on with what it knows when its Store fails.
package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
)

// Entry is one value that a Store holds.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64 // of the write that left it; grows with each write of the store
}

// Store holds values under keys. An error of Put and Delete leaves open what was written; Load tells.
type Store interface {
	// Load is everything that is held, in no order.
	Load(ctx context.Context) ([]Entry, error)
	// Put writes a value in place of that of revision (0: there is none) and says which revision it is now. When it
	// returns, the value survives a crash. It borrows value.
	Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Delete removes the value of revision.
	Delete(ctx context.Context, key string, revision uint64) error
}

var errConflict = errors.New("store: somebody else wrote meanwhile")

// Memory is a Store that forgets all at the end of the process. The zero value is ready to use.
type Memory struct {
	mu      sync.Mutex // guards the fields below
	last    uint64
	entries map[string]Entry
}

// Load is everything that is held.
func (m *Memory) Load(context.Context) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Entry
	for _, e := range m.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

// Put holds a copy of value.
func (m *Memory) Put(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[key].Revision != revision {
		return 0, errConflict
	}
	if m.entries == nil {
		m.entries = map[string]Entry{}
	}
	m.last++
	m.entries[key] = Entry{key, slices.Clone(value), m.last}
	return m.last, nil
}

// Delete removes a value.
func (m *Memory) Delete(_ context.Context, key string, revision uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if revision == 0 || m.entries[key].Revision != revision {
		return errConflict
	}
	m.last++
	delete(m.entries, key)
	return nil
}
