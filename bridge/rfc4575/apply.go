package rfc4575

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// What a subscriber does about a document that does not fit (RFC 4575 §4.6).
var (
	// ErrStale is a document that is not newer than what the subscriber has: to be ignored.
	ErrStale = errors.New("rfc4575: the document is not newer than what is known")
	// ErrGap is a partial document after one that never came: the subscriber refreshes its subscription, and is sent all.
	ErrGap = errors.New("rfc4575: a document is missing before this one")
	// ErrDeleted says that the conference is no more.
	ErrDeleted = errors.New("rfc4575: the conference is deleted")
)

// Document is what a subscriber knows of a conference. The zero value knows nothing. It belongs to one goroutine.
type Document struct {
	root    *element
	version uint64
}

// Apply takes in what a notification brought, as RFC 4575 §4.6 wants it. After an error the document is as it was.
func (d *Document) Apply(text []byte) error {
	root, err := read(text)
	if err != nil {
		return err
	}
	version, err := strconv.ParseUint(root.attr("version"), 10, 32)
	if err != nil {
		return fmt.Errorf("rfc4575: version %q is no number", root.attr("version"))
	}
	if d.root != nil && version <= d.version {
		return fmt.Errorf("%w: version %d after %d", ErrStale, version, d.version)
	}
	switch root.attr("state") {
	case "", stateFull:
		root = settled("", root)
	case statePartial:
		if d.root == nil || version != d.version+1 {
			return fmt.Errorf("%w: version %d after %d", ErrGap, version, d.version)
		}
		if root.attr("entity") != d.root.attr("entity") {
			return fmt.Errorf("rfc4575: the document is about %q", root.attr("entity"))
		}
		root = merged(d.root, root)
	case stateDeleted:
		return ErrDeleted
	default:
		return fmt.Errorf("rfc4575: state %q", root.attr("state"))
	}
	d.root, d.version = root, version
	return nil
}

// Bytes is the full document of what is known, nil for nothing.
func (d *Document) Bytes() []byte {
	if d.root == nil {
		return nil
	}
	root := &element{name: d.root.name, children: d.root.children}
	root.with("entity", d.root.attr("entity")).with("state", stateFull).with("version", strconv.FormatUint(d.version, 10))
	for _, a := range d.root.attrs {
		if a.Name.Space != "" {
			root.attrs = append(root.attrs, a)
		}
	}
	return write(root)
}

// Apply is the full document that follows from doc, a full one, and partial, the next one of the same subscription.
func Apply(doc, partial []byte) ([]byte, error) {
	var d Document
	if err := d.Apply(doc); err != nil {
		return nil, err
	}
	if err := d.Apply(partial); err != nil {
		return nil, err
	}
	return d.Bytes(), nil
}

// merged is old with what the partial element news tells. It changes neither.
func merged(old, news *element) *element {
	now := *old
	now.children = slices.Clone(old.children)
	if len(old.children) == 0 && len(news.children) == 0 {
		now.text = news.text
	}
	place := make(map[string]int, len(old.children))
	for i, id := range identities(old) {
		place[id] = i
	}
	for i, id := range identities(news) {
		c := news.children[i]
		at, known := place[id]
		state := ""
		if hasState(now.name.Local, c) {
			state = c.attr("state")
		}
		switch {
		case state == stateDeleted && known:
			now.children[at] = nil
		case state == stateDeleted:
		case !known:
			now.children = append(now.children, settled(now.name.Local, c))
		case state == statePartial && now.children[at] != nil:
			now.children[at] = merged(now.children[at], c)
		default:
			now.children[at] = settled(now.name.Local, c)
		}
	}
	now.children = slices.DeleteFunc(now.children, func(c *element) bool { return c == nil })
	names := order()
	slices.SortStableFunc(now.children, func(a, b *element) int { return cmp.Compare(rank(names, a), rank(names, b)) })
	return &now
}

// settled is e without a word on how it came to be known.
func settled(parent string, e *element) *element {
	now := &element{name: e.name, attrs: e.attrs, text: e.text}
	if hasState(parent, e) {
		now = e.without("state")
		now.children = nil
	}
	for _, c := range e.children {
		if !hasState(e.name.Local, c) || c.attr("state") != stateDeleted {
			now.children = append(now.children, settled(e.name.Local, c))
		}
	}
	return now
}
