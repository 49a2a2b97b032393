// Package rfc4575 shows the state of a conference as the XML of RFC 4575, application/conference-info+xml: the full
// document, the partial document that leads from one state to a later one, and what a subscriber does with them.
//
// Full and Partial are pure functions of snapshots and may be called from any goroutine. A partial document costs what
// changed: users that two states share are never looked at. Who may not see telephone numbers (bridge.Viewer) finds
// them masked here too, in names, addresses and reasons.
//
// What RFC 4575 has no place for stands in elements of RFC 6501 where that has them, else in elements of the namespace
// Namespace, one in each element that has something to add, all of it in attributes. Such an element is always there, so that a partial document never has to remove one:
// it could not, since only elements with a state attribute can be deleted.
//
// # Keys
//
// A partial document finds users and endpoints by their entity. Two calls from one address are two participants here,
// so that an entity is the address with a parameter that tells them apart (tutti-id, tutti-leg). A parameter that only
// one of two SIP URIs has does not count when they are compared (RFC 3261 §19.1.4): a phone still finds itself.
package rfc4575

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"tutti/bridge"
)

// ContentType is the media type of the documents.
const ContentType = "application/conference-info+xml"

// Namespace is that of our extension elements.
const Namespace = "urn:tutti:conference-info"

// namespace is that of RFC 4575.
const namespace = "urn:ietf:params:xml:ns:conference-info"

// namespaceXCON is that of RFC 6501.
const namespaceXCON = "urn:ietf:params:xml:ns:xcon-conference-info"

// maxDocument bounds what is written and read, in bytes: some ten thousand participants.
const maxDocument = 16 << 20

// The values of a state attribute (RFC 4575 §4.6).
const (
	stateFull    = "full"
	statePartial = "partial"
	stateDeleted = "deleted"
)

// Full is the whole state as v may see it. version counts the documents of one subscription.
func Full(s *bridge.State, version uint32, v bridge.Viewer) ([]byte, error) {
	root := conferenceInfo(s, version, stateFull)
	root.add(parts(s)...)
	root.add(everybody(s, v))
	root.add(sidebars(s, v)...)
	text := write(root)
	if len(text) > maxDocument {
		return nil, fmt.Errorf("rfc4575: the document of %s has %d bytes, more than %d", s.Conference.Name, len(text), maxDocument)
	}
	return text, nil
}

// Partial is what a subscriber who was sent prev needs to know now; false means nothing. version is that of the last
// document plus one.
func Partial(prev, now *bridge.State, version uint32, v bridge.Viewer) ([]byte, bool) {
	root := conferenceInfo(now, version, statePartial)
	root.differ(parts(prev), parts(now))
	root.add(changedUsers(prev, now, v))
	if !sameSidebars(prev, now) {
		root.differ(sidebars(prev, v), sidebars(now, v))
	}
	if len(root.children) == 0 {
		return nil, false
	}
	return write(root), true
}

// conferenceInfo is the root without what is in it.
func conferenceInfo(s *bridge.State, version uint32, state string) *element {
	return tag("conference-info").with("entity", uri(s.Conference.URI)).
		with("state", state).with("version", strconv.FormatUint(uint64(version), 10))
}

// differ adds what leads from before to after, which are elements of the same names, nil where there is none.
func (e *element) differ(before, after []*element) {
	for i := range after {
		e.add(difference(e.name.Local, before[i], after[i]))
	}
}

// parts are what a document says of the conference itself.
func parts(s *bridge.State) []*element {
	return []*element{description(s), hostInfo(s), conferenceState(s)}
}

// everybody is the users element of a full document, in the order of joining.
func everybody(s *bridge.State, v bridge.Viewer) *element {
	users := tag("users")
	for _, u := range s.Users() {
		users.add(user(s, u, v))
	}
	users.add(joinHandling(s))
	return users
}

// changedUsers is the users element of a partial document, nil if nobody changed.
func changedUsers(prev, now *bridge.State, v bridge.Viewer) *element {
	if now.Len() == 0 && prev.Len() > 0 {
		return whole(tag("users", joinHandling(now)))
	}
	type step struct {
		order   int
		element *element
	}
	var steps []step
	for old, u := range bridge.Changes(prev, now) {
		switch {
		case u == nil:
			steps = append(steps, step{old.Order, tag("user").with("entity", userEntity(old, v)).with("state", stateDeleted)})
		case old == nil:
			steps = append(steps, step{u.Order, whole(user(now, u, v))})
		default:
			if d := difference("users", user(prev, old, v), user(now, u, v)); d != nil {
				steps = append(steps, step{u.Order, d})
			}
		}
	}
	handling := difference("users", joinHandling(prev), joinHandling(now))
	if len(steps) == 0 && handling == nil {
		return nil
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.order, b.order) })
	users := tag("users").with("state", statePartial)
	for _, s := range steps {
		users.add(s.element)
	}
	users.add(handling)
	return users
}
