package bridge

import "slices"

// counts are sums over the users, kept so that no command has to look at everybody.
type counts struct {
	connected  int // users with a device whose set-up is complete
	waiting    int // such users in the lobby
	pending    int // users who are only called
	moderators int
	presiding  int // moderators who are connected
}

// tally is what one user adds to counts; nil adds nothing.
func tally(u *User) (n counts) {
	if u == nil {
		return n
	}
	switch {
	case u.Connected():
		n.connected = 1
	case u.Waiting && u.reachable():
		n.waiting = 1
	case slices.ContainsFunc(u.Endpoints, func(e *Endpoint) bool { return e.Status.pending() }):
		n.pending = 1
	}
	if u.Role == Moderator {
		n.moderators, n.presiding = 1, n.connected
	}
	return n
}

// count keeps the sums and the short lists when old becomes now; either may be nil.
func (c *change) count(old, now *User) {
	a, b := tally(old), tally(now)
	c.counts.connected += b.connected - a.connected
	c.counts.waiting += b.waiting - a.waiting
	c.counts.pending += b.pending - a.pending
	c.counts.moderators += b.moderators - a.moderators
	c.counts.presiding += b.presiding - a.presiding
	id := idOf(old, now)
	c.waiting = member(c.waiting, id, old != nil && old.Waiting, now != nil && now.Waiting)
	c.talking = member(c.talking, id, old != nil && old.Speaks(), now != nil && now.Speaks())
	c.hands = member(c.hands, id, old != nil && !old.Hand.IsZero(), now != nil && !now.Hand.IsZero())
	c.failed = member(c.failed, id, old.hasFailed(), now.hasFailed())
}

func idOf(old, now *User) UserID {
	if now != nil {
		return now.ID
	}
	return old.ID
}

// member is list with or without id. It never changes the old list.
func member(list []UserID, id UserID, was, is bool) []UserID {
	switch {
	case was == is:
		return list
	case is:
		return append(slices.Clip(list), id)
	default:
		return slices.DeleteFunc(slices.Clone(list), func(o UserID) bool { return o == id })
	}
}

// hasFailed says whether a failed call of u is shown.
func (u *User) hasFailed() bool {
	return u != nil && slices.ContainsFunc(u.Endpoints, func(e *Endpoint) bool { return e.Status == Disconnected })
}
