// Package persist holds a map that is a value: a change makes a new map which shares all but O(log n) nodes with the
// old one, and the difference of two such maps is found without a look at what they share.
package persist

import (
	"hash/maphash"
	"iter"
)

// Map is a treap whose priorities are hashes of the keys, so that its shape depends on its keys alone and two maps
// that came from each other share their equal parts. The zero value is empty. Any goroutine may read it.
type Map[V comparable] struct {
	root *node[V]
}

type node[V comparable] struct {
	key         string
	value       V
	priority    uint64
	size        int
	left, right *node[V]
}

var seed = maphash.MakeSeed() //nolint:gochecknoglobals // never changes; keeps strangers from choosing keys that make a list of the tree

func priority(key string) uint64 { return maphash.String(seed, key) }

// Len is the number of entries.
func (m Map[V]) Len() int { return m.root.len() }

func (n *node[V]) len() int {
	if n == nil {
		return 0
	}
	return n.size
}

// Get is the value at key.
func (m Map[V]) Get(key string) (V, bool) {
	n := m.root
	for n != nil && n.key != key {
		if key < n.key {
			n = n.left
		} else {
			n = n.right
		}
	}
	if n == nil {
		var none V
		return none, false
	}
	return n.value, true
}

// With is m with value at key.
func (m Map[V]) With(key string, value V) Map[V] {
	if old, ok := m.Get(key); ok && old == value {
		return m
	}
	return Map[V]{root: m.root.with(key, value, priority(key))}
}

// Without is m without key.
func (m Map[V]) Without(key string) Map[V] {
	if _, ok := m.Get(key); !ok {
		return m
	}
	return Map[V]{root: m.root.without(key)}
}

// All goes through the entries in the order of their keys.
func (m Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) { m.root.walk(yield) }
}

func (n *node[V]) walk(yield func(string, V) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key, n.value) && n.right.walk(yield)
}

// make is n with other children.
func (n *node[V]) make(left, right *node[V]) *node[V] {
	return &node[V]{n.key, n.value, n.priority, 1 + left.len() + right.len(), left, right}
}

func (n *node[V]) with(key string, value V, p uint64) *node[V] {
	switch {
	case n != nil && n.key == key:
		return &node[V]{key, value, p, n.size, n.left, n.right}
	case n == nil || p > n.priority:
		left, right := n.split(key)
		return &node[V]{key, value, p, 1 + left.len() + right.len(), left, right}
	case key < n.key:
		return n.make(n.left.with(key, value, p), n.right)
	default:
		return n.make(n.left, n.right.with(key, value, p))
	}
}

func (n *node[V]) without(key string) *node[V] {
	switch {
	case n.key == key:
		return merge(n.left, n.right)
	case key < n.key:
		return n.make(n.left.without(key), n.right)
	default:
		return n.make(n.left, n.right.without(key))
	}
}

// split parts n at key, which neither part has.
func (n *node[V]) split(key string) (less, greater *node[V]) {
	switch {
	case n == nil:
		return nil, nil
	case n.key == key:
		return n.left, n.right
	case key < n.key:
		less, greater = n.left.split(key)
		return less, n.make(greater, n.right)
	default:
		less, greater = n.right.split(key)
		return n.make(n.left, less), greater
	}
}

// merge joins two trees of which every key of a is less than every key of b.
func merge[V comparable](a, b *node[V]) *node[V] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		return a.make(a.left, merge(a.right, b))
	default:
		return b.make(merge(a, b.left), b.right)
	}
}

// Change is one difference between two maps. InOld and InNew say where the key is; both: its value differs.
type Change[V any] struct {
	Key          string
	Old, New     V
	InOld, InNew bool
}

// Diff yields what differs between old and now, in no order of use. Its cost is that of what they do not share.
func Diff[V comparable](old, now Map[V]) iter.Seq[Change[V]] {
	return func(yield func(Change[V]) bool) { diff(old.root, now.root, yield) }
}

func diff[V comparable](a, b *node[V], yield func(Change[V]) bool) bool {
	if a == b {
		return true
	}
	top := a // the one that stands higher in a tree of both
	if a == nil || b != nil && b.priority > a.priority {
		top = b
	}
	key := top.key
	aLess, aMore, av, inA := a.part(key)
	bLess, bMore, bv, inB := b.part(key)
	if !diff(aLess, bLess, yield) {
		return false
	}
	if (inA != inB || av != bv) && !yield(Change[V]{key, av, bv, inA, inB}) {
		return false
	}
	return diff(aMore, bMore, yield)
}

// part is split that does not copy n where key is its root, and says what it has at key.
func (n *node[V]) part(key string) (less, greater *node[V], value V, ok bool) {
	if n == nil {
		return nil, nil, value, false
	}
	if n.key == key {
		return n.left, n.right, n.value, true
	}
	less, greater = n.split(key)
	return less, greater, value, false
}
