// Package registrar keeps where the configured users can be reached (RFC 3261 §10.3): their contacts, for as long as they
// registered them. It knows nothing of passwords; only what was authenticated is to be given to it.
package registrar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/sip/dialog"
	"tutti/sip/transport"
)

// Config bounds registrations.
type Config struct {
	Min, Max time.Duration // of a registration; a longer one is shortened, a shorter one refused
	Contacts int           // of one user
}

// Binding is one contact of a user.
type Binding struct {
	URI     sipmsg.Uri
	Params  sipmsg.HeaderParams // of the Contact, without expires
	Path    []sipmsg.Uri        // proxies on the way, first hop first (RFC 3327)
	Flow    *transport.Flow     // the way that the REGISTER came (RFC 5626); may be nil
	NAT     bool                // it sent from another address than it believes to have
	Expires time.Time
	callID  string
	seq     uint32
	device  string // instance and reg-id (RFC 5626 §6): the same device replaces its contact
}

// Registrar holds the contacts of all users. Its methods may be called from any goroutine.
type Registrar struct {
	cfg Config

	mu    sync.Mutex // guards users
	users map[string][]Binding
}

// New returns a registrar without contacts.
func New(cfg Config) *Registrar { return &Registrar{cfg: cfg, users: map[string][]Binding{}} }

var (
	// ErrBrief is answered 423 with Min-Expires.
	ErrBrief = errors.New("registrar: interval too brief")
	// ErrOld refuses a REGISTER that is older than one that was obeyed (RFC 3261 §10.3 step 7).
	ErrOld = errors.New("registrar: CSeq out of order")
	// ErrFull refuses one contact too many.
	ErrFull = errors.New("registrar: too many contacts")
	// ErrWildcard refuses a * that stands with other contacts or does not remove (RFC 3261 §10.3 step 6).
	ErrWildcard = errors.New("registrar: wildcard contact")
)

// Register does what a REGISTER of user asks for and returns the contacts that there are. All or nothing is done.
func (r *Registrar) Register(user string, req *sipmsg.Request, flow *transport.Flow, now time.Time) ([]Binding, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.currentLocked(user, now)
	next, err := r.update(slices.Clone(was), req, flow, now)
	if err != nil {
		return nil, err
	}
	retain(next)
	release(was)
	if len(next) == 0 {
		delete(r.users, user)
	} else {
		r.users[user] = next
	}
	return slices.Clone(next), nil
}

// update is the pure part: the contacts of one user after a REGISTER.
func (r *Registrar) update(list []Binding, req *sipmsg.Request, flow *transport.Flow, now time.Time) ([]Binding, error) {
	callID, seq := string(*req.CallID()), req.CSeq().SeqNo
	var contacts []*sipmsg.ContactHeader
	wildcard := false
	for _, h := range req.GetHeaders("contact") {
		if c, ok := h.(*sipmsg.ContactHeader); ok {
			contacts = append(contacts, c)
			wildcard = wildcard || c.Address.Wildcard
		}
	}
	fallback, given := expires(req)
	if wildcard {
		if len(contacts) != 1 || !given || fallback != 0 {
			return nil, ErrWildcard
		}
		for _, b := range list {
			if b.callID == callID && seq <= b.seq {
				return nil, ErrOld
			}
		}
		return nil, nil
	}
	for _, c := range contacts {
		d, err := r.interval(c, fallback, given)
		if err != nil {
			return nil, err
		}
		b := Binding{
			URI: *c.Address.Clone(), Params: c.Params.Clone(), Path: path(req), Flow: flow, NAT: dialog.BehindNAT(req), Expires: now.Add(d),
			callID: callID, seq: seq, device: device(c),
		}
		b.Params.Remove("expires")
		i := slices.IndexFunc(list, func(o Binding) bool { return o.same(b) })
		if i >= 0 && list[i].callID == callID && seq <= list[i].seq {
			return nil, ErrOld
		}
		switch {
		case d == 0 && i >= 0:
			list = slices.Delete(list, i, i+1)
		case d == 0:
		case i >= 0:
			list[i] = b
		case len(list) >= r.cfg.Contacts:
			return nil, ErrFull
		default:
			list = append(list, b)
		}
	}
	return list, nil
}

// interval is how long a contact is kept; 0 removes it.
func (r *Registrar) interval(c *sipmsg.ContactHeader, fallback time.Duration, given bool) (time.Duration, error) {
	d := r.cfg.Max
	if given {
		d = fallback
	}
	if v, ok := c.Params.Get("expires"); ok {
		var n uint32
		if _, err := fmt.Sscanf(v, "%d", &n); err != nil { // RFC 3261 §20.10: as if 3600
			n = 3600
		}
		d = time.Duration(n) * time.Second
	}
	if d > 0 && d < r.cfg.Min {
		return 0, ErrBrief
	}
	return min(d, r.cfg.Max), nil
}

func expires(req *sipmsg.Request) (time.Duration, bool) {
	h := req.GetHeader("expires")
	if h == nil {
		return 0, false
	}
	var n uint32
	if _, err := fmt.Sscanf(strings.TrimSpace(h.Value()), "%d", &n); err != nil {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}

// path is the vector of proxies (RFC 3327 §5.3), at most a few.
func path(req *sipmsg.Request) []sipmsg.Uri {
	const most = 8
	var uris []sipmsg.Uri
	for _, h := range req.GetHeaders("path") {
		for v := range strings.SplitSeq(h.Value(), ",") {
			var u sipmsg.Uri
			if _, err := sipmsg.ParseAddressValue(strings.TrimSpace(v), &u, &sipmsg.HeaderParams{}); err == nil && len(uris) < most {
				uris = append(uris, u)
			}
		}
	}
	return uris
}

func device(c *sipmsg.ContactHeader) string {
	instance, ok := c.Params.Get("+sip.instance")
	if !ok {
		return ""
	}
	return instance + " " + c.Params.GetOr("reg-id", "")
}

// same says that o replaces b: the same device, or the same URI.
func (b Binding) same(o Binding) bool {
	if b.device != "" && b.device == o.device {
		return true
	}
	return strings.EqualFold(b.URI.Scheme, o.URI.Scheme) && b.URI.User == o.URI.User && strings.EqualFold(b.URI.Host, o.URI.Host) &&
		b.URI.Port == o.URI.Port && strings.EqualFold(b.URI.UriParams.GetOr("transport", "udp"), o.URI.UriParams.GetOr("transport", "udp"))
}

// Contacts are those of a user that can be reached now: in time, and their connection, where they need it, is open.
func (r *Registrar) Contacts(user string, now time.Time) []Binding {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.currentLocked(user, now))
}

// currentLocked drops what is over.
func (r *Registrar) currentLocked(user string, now time.Time) []Binding {
	list := r.users[user]
	var kept, gone []Binding
	for _, b := range list {
		if b.Expires.After(now) && b.reachable() {
			kept = append(kept, b)
		} else {
			gone = append(gone, b)
		}
	}
	release(gone)
	if len(kept) == 0 {
		delete(r.users, user)
	} else {
		r.users[user] = kept
	}
	return kept
}

// reachable: who came over a WebSocket can be reached in no other way.
func (b Binding) reachable() bool {
	if b.Flow == nil || len(b.Path) > 0 {
		return true
	}
	return b.Flow.Alive() || b.Flow.Network != transport.WS && b.Flow.Network != transport.WSS
}

func retain(list []Binding) {
	for _, b := range list {
		if b.Flow != nil {
			b.Flow.Retain()
		}
	}
}

func release(list []Binding) {
	for _, b := range list {
		if b.Flow != nil {
			b.Flow.Release()
		}
	}
}

// Sweep drops what is over, of all users.
func (r *Registrar) Sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for user := range r.users {
		r.currentLocked(user, now)
	}
}
