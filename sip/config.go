package sip

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"tutti/sip/auth"
	"tutti/sip/event"
	"tutti/sip/transport"
)

// Config is what a UserAgent needs to know. The zero value listens nowhere.
type Config struct {
	Listen            []string         // "udp://0.0.0.0:5060", "tcp://…", "tls://…"
	TLS               *tls.Config      // server certificate; needed by a tls:// address
	Advertise         string           // host of our Via and Contact; "" is the local address towards each peer
	Digests           []auth.Algorithm // offered in this order; none: SHA-256, MD5 (some old phones read only the first)
	Realm             string           // of digests; "" is "tutti"
	Product           string           // Server and User-Agent; "" is "tutti"
	Users             []User           // who may register, and dial where AuthenticateCalls is set
	Trunks            []Trunk
	Outbound          []Rule        // which numbers and addresses may be dialled; none: registered users only
	AuthenticateCalls bool          // calls need the password of a user, or come from a trunk
	AllowWS           []string      // origin patterns of SIP over WebSocket besides our own page
	RingTimeout       time.Duration // of calls we make; 0 is 60 s
	SessionExpires    time.Duration // RFC 4028; 0 is 30 min, negative asks for none
	MinSessionExpires time.Duration // the shortest that we accept; 0 is 90 s
	RegisterMin       time.Duration // shortest registration; 0 is 60 s
	RegisterMax       time.Duration // longest registration; 0 is 1 h
	Grace             time.Duration // how long Run waits for calls to end; 0 is 5 s
	Limits            Limits
	Factory           string        // user part of the URI that makes a fresh conference (RFC 4579 §5.4); "" for none
	Subscriptions     event.Terms   // how long subscriptions to a conference last
	NotifyInterval    time.Duration // between the changes that one subscriber is told; 0 is 1 s
	// SubscribersAreKnown lets only participants and registered users subscribe to a conference; else who could dial in may.
	SubscribersAreKnown bool
	Document            event.Document // what subscribers are sent; nil is RFC 4575 without telephone numbers
	Timers              transport.Timers
	Transport           transport.Limits
	Logger              *slog.Logger // may be nil
}

// User may register.
type User struct{ Name, Password string }

// Trunk is a PBX or provider that we call through, and whose word about callers is trusted (RFC 3325).
type Trunk struct {
	Name      string
	Address   string // host or host:port
	Transport string // udp, tcp, tls; "" is udp
	User      string // for its digest challenges
	Password  string
}

// Rule lets a target be dialled. Match is a pattern for the whole target with * for any text: "+49*" or "sip:*@pbx.example".
type Rule struct {
	Match string
	Trunk string // its name; "" sends to the address that a sip: target names
}

// Limits bound what peers can make us hold. Zero fields take the values of DefaultLimits.
type Limits struct {
	Calls          int // at once
	CallsPerSource int // … of one remote address that is no trunk
	RatePerSource  int // new calls a second of one remote address that is no trunk
	Rate           int // new calls a second in all
	Contacts       int // registered contacts of one user
}

// DefaultLimits suit one bridge with some hundred phones.
func DefaultLimits() Limits {
	return Limits{Calls: 2000, CallsPerSource: 500, RatePerSource: 50, Rate: 200, Contacts: 10}
}

func (c Config) withDefaults() Config {
	d := DefaultLimits()
	defaultTo(&c.Limits.Calls, d.Calls)
	defaultTo(&c.Limits.CallsPerSource, d.CallsPerSource)
	defaultTo(&c.Limits.RatePerSource, d.RatePerSource)
	defaultTo(&c.Limits.Rate, d.Rate)
	defaultTo(&c.Limits.Contacts, d.Contacts)
	defaultTo(&c.Realm, "tutti")
	defaultTo(&c.Product, "tutti")
	defaultTo(&c.RingTimeout, time.Minute)
	defaultTo(&c.SessionExpires, 30*time.Minute)
	defaultTo(&c.MinSessionExpires, 90*time.Second)
	defaultTo(&c.RegisterMin, time.Minute)
	defaultTo(&c.RegisterMax, time.Hour)
	defaultTo(&c.Grace, 5*time.Second)
	defaultTo(&c.Timers.T1, 500*time.Millisecond)
	defaultTo(&c.Timers.T2, 4*time.Second)
	if c.Document == nil {
		c.Document = documents{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func defaultTo[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate reports all mistakes.
func (c Config) Validate() error {
	var errs []error
	for _, l := range c.Listen {
		network, _, err := parseListen(l)
		if err != nil {
			errs = append(errs, err)
		} else if network == transport.TLS && c.TLS == nil {
			errs = append(errs, fmt.Errorf("sip.listen: %q needs sip.tls.certificate", l))
		}
	}
	trunks := map[string]bool{}
	for i, t := range c.Trunks {
		switch {
		case t.Name == "" || trunks[t.Name]:
			errs = append(errs, fmt.Errorf("sip.trunks[%d].name: %q must be set and unique", i, t.Name))
		case t.Address == "":
			errs = append(errs, fmt.Errorf("sip.trunks[%d].address: must be HOST or HOST:PORT", i))
		}
		switch strings.ToLower(t.Transport) {
		case "", "udp", "tcp", "tls":
		default:
			errs = append(errs, fmt.Errorf("sip.trunks[%d].transport: %q is none of udp, tcp, tls", i, t.Transport))
		}
		trunks[t.Name] = true
	}
	for i, r := range c.Outbound {
		if r.Match == "" {
			errs = append(errs, fmt.Errorf("sip.outbound[%d].match: must be a pattern such as +49*", i))
		}
		if r.Trunk != "" && !trunks[r.Trunk] {
			errs = append(errs, fmt.Errorf("sip.outbound[%d].trunk: %q is no trunk", i, r.Trunk))
		}
	}
	users := map[string]bool{}
	for i, u := range c.Users {
		if u.Name == "" || users[u.Name] {
			errs = append(errs, fmt.Errorf("sip.users[%d].name: %q must be set and unique", i, u.Name))
		}
		users[u.Name] = true
	}
	return errors.Join(errs...)
}

// parseListen reads "udp://host:port".
func parseListen(s string) (transport.Network, string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Path != "" {
		return "", "", fmt.Errorf("sip.listen: %q: want udp://HOST:PORT, tcp://… or tls://…", s)
	}
	switch n := transport.Network(u.Scheme); n {
	case transport.UDP, transport.TCP, transport.TLS:
		if _, _, err := net.SplitHostPort(u.Host); err != nil {
			u.Host = net.JoinHostPort(u.Hostname(), fmt.Sprint(n.Port()))
		}
		return n, u.Host, nil
	}
	return "", "", fmt.Errorf("sip.listen: %q: %q is none of udp, tcp, tls", s, u.Scheme)
}
