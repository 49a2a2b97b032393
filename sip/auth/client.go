package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"

	sipmsg "github.com/emiago/sipgo/sip"
)

// A Client answers challenges with one user and password. It remembers the
// last nonce of a few realms, so that later requests need no challenge. Safe
// for concurrent use.
type Client struct {
	user, password string

	mu     sync.Mutex // guards the fields below
	realms map[string]*offer
}

// An offer is a challenge that we took.
type offer struct {
	algorithm                        Algorithm
	realm, nonce, opaque, qop, field string
	count                            uint32
}

// NewClient makes a client.
func NewClient(user, password string) *Client {
	return &Client{user: user, password: password, realms: map[string]*offer{}}
}

var (
	// ErrRefused says that the password was tried and not liked.
	ErrRefused = errors.New("auth: credentials were refused")
	// ErrNoChallenge says that a 401 or 407 has no challenge that we can answer.
	ErrNoChallenge = errors.New("auth: no challenge that we can answer")
)

const maxRealms = 8 // on the way of one client; a proxy or two and a server

// Answer makes the next attempt of req after a 401 or 407: a copy without Via,
// with the credentials and the next CSeq number (RFC 3261 §22.2). It borrows
// both. ErrRefused ends a loop of wrong passwords.
func (c *Client) Answer(req *sipmsg.Request, res *sipmsg.Response) (*sipmsg.Request, error) {
	from, to := "www-authenticate", "Authorization"
	if res.StatusCode == 407 {
		from, to = "proxy-authenticate", "Proxy-Authorization"
	}
	taken := 0
	c.mu.Lock()
	seen := map[string]bool{}
	for _, h := range res.GetHeaders(from) {
		p, err := parse(h.Value())
		if err != nil || seen[p["realm"]] || p["nonce"] == "" {
			continue
		}
		o, ok := newOffer(p, to)
		if !ok {
			continue
		}
		seen[o.realm] = true // the topmost that we know (RFC 8760 §2.4)
		if carries(req, to, o.realm) && !strings.EqualFold(p["stale"], "true") {
			c.mu.Unlock()
			return nil, fmt.Errorf("realm %q: %w", o.realm, ErrRefused)
		}
		if len(c.realms) >= maxRealms {
			clear(c.realms)
		}
		c.realms[to+o.realm] = o
		taken++
	}
	c.mu.Unlock()
	if taken == 0 {
		return nil, ErrNoChallenge
	}
	next := req.Clone()
	for next.RemoveHeader("Via") {
	}
	next.CSeq().SeqNo++
	c.Authorize(next)
	return next, nil
}

func newOffer(p map[string]string, field string) (*offer, bool) {
	algorithm, ok := known(p["algorithm"])
	o := &offer{algorithm: algorithm, realm: p["realm"], nonce: p["nonce"], opaque: p["opaque"], field: field}
	if p["qop"] == "" {
		return o, ok
	}
	for q := range strings.SplitSeq(p["qop"], ",") {
		if strings.EqualFold(strings.TrimSpace(q), "auth") {
			o.qop = "auth"
		}
	}
	return o, ok && o.qop != ""
}

// carries says whether req has credentials for a realm.
func carries(req *sipmsg.Request, field, realm string) bool {
	for _, h := range req.GetHeaders(field) {
		if p, err := parse(h.Value()); err == nil && p["realm"] == realm {
			return true
		}
	}
	return false
}

// Authorize puts credentials for every known realm on req, in place of older ones.
func (c *Client) Authorize(req *sipmsg.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		for req.RemoveHeader(name) {
		}
	}
	for _, o := range c.realms {
		o.count++
		req.AppendHeader(sipmsg.NewHeader(o.field, c.credentials(o, req)))
	}
}

func (c *Client) credentials(o *offer, req *sipmsg.Request) string {
	p := proof{
		algorithm: o.algorithm, username: c.user, realm: o.realm, method: string(req.Method),
		uri: req.Recipient.String(), nonce: o.nonce, qop: o.qop,
	}
	if o.qop != "" {
		p.nc, p.cnonce = fmt.Sprintf("%08x", o.count), rand.Text()
	}
	var b strings.Builder
	fmt.Fprintf(&b, `Digest username=%s, realm=%s, nonce=%s, uri=%s, response="%s", algorithm=%s`,
		quote(c.user), quote(o.realm), quote(o.nonce), quote(p.uri), p.response(c.password), o.algorithm)
	if o.opaque != "" {
		fmt.Fprintf(&b, ", opaque=%s", quote(o.opaque))
	}
	if o.qop != "" {
		fmt.Fprintf(&b, `, qop=%s, nc=%s, cnonce="%s"`, o.qop, p.nc, p.cnonce)
	}
	return b.String()
}
