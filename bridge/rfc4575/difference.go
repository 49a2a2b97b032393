package rfc4575

import (
	"cmp"
	"encoding/xml"
	"slices"
)

// difference is what somebody who has a must be told to have b; nil if that is nothing. Either may be nil. Where a part of b
// cannot be told without the rest (something without a state attribute is gone), it is told whole.
func difference(parent string, a, b *element) *element {
	switch {
	case equal(a, b):
		return nil
	case b == nil:
		return deleted(parent, a)
	case a == nil || !hasState(parent, b) || isURIs(b):
		return replacing(parent, b)
	}
	if d := told(a, b); d != nil {
		return d
	}
	return whole(b)
}

// whole is e as something that replaces what the reader has.
func whole(e *element) *element {
	c := *e
	c.attrs = append(slices.Clip(e.attrs), xml.Attr{Name: xml.Name{Local: "state"}, Value: stateFull})
	return &c
}

// replacing is whole where e may say so.
func replacing(parent string, e *element) *element {
	if hasState(parent, e) {
		return whole(e)
	}
	return e
}

// deleted tells that e is gone, nil where that cannot be told.
func deleted(parent string, e *element) *element {
	if !hasState(parent, e) {
		return nil
	}
	gone := &element{name: e.name, attrs: slices.Clone(e.attrs)}
	if isURIs(e) {
		gone.children = e.children // the schema wants one
	}
	return gone.with("state", stateDeleted)
}

// told is the partial element that leads from a to b, nil if there is none.
func told(a, b *element) *element {
	if !slices.Equal(a.attrs, b.attrs) || a.text != b.text || !grows(a, b) {
		return nil
	}
	parent := b.name.Local
	old := map[string]*element{}
	for i, id := range identities(a) {
		old[id] = a.children[i]
	}
	out := &element{name: b.name, attrs: slices.Clone(b.attrs)}
	for i, id := range identities(b) {
		out.add(difference(parent, old[id], b.children[i]))
		delete(old, id)
	}
	for i, id := range identities(a) {
		if old[id] == nil {
			continue
		}
		gone := deleted(parent, a.children[i])
		if gone == nil {
			return nil
		}
		out.add(gone)
	}
	names := order()
	slices.SortStableFunc(out.children, func(x, y *element) int { return cmp.Compare(rank(names, x), rank(names, y)) })
	return out.with("state", statePartial)
}

// grows says whether the children of b are some of a's in their order and, behind those of the same name, new ones:
// a reader keeps the order of what it has, and puts what is new behind it.
func grows(a, b *element) bool {
	place := map[string]int{}
	for i, id := range identities(a) {
		place[id] = i
	}
	last := -1
	fresh := map[string]bool{}
	for i, id := range identities(b) {
		name := b.children[i].name.Local
		at, kept := place[id]
		switch {
		case !kept:
			fresh[name] = true
		case at < last || fresh[name]:
			return false
		default:
			last = at
		}
	}
	return true
}
