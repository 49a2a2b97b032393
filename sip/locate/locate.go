// Package locate finds where a SIP URI is served (RFC 3263): NAPTR says over
// which transport, SRV on which hosts and ports, A and AAAA at which addresses.
//
// The result is a list of targets in the order to try: go on to the next when
// one does not answer, cannot be connected to, or answers 503 (§4.3).
package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tutti/sip/transport"

	sipmsg "github.com/emiago/sipgo/sip"
)

// DNS is what a Locator asks. A name that does not exist is an empty answer,
// no error. Answers to SRV are in the order to try (RFC 2782).
type DNS interface {
	NAPTR(ctx context.Context, name string) ([]NAPTR, error)
	SRV(ctx context.Context, name string) ([]*net.SRV, error)
	Addresses(ctx context.Context, host string) ([]netip.Addr, error)
}

// A NAPTR record, as far as RFC 3263 §4.1 uses it.
type NAPTR struct {
	Order, Preference uint16
	Flags, Service    string // "s", "SIP+D2U"
	Replacement       string // name of the SRV records
}

// A Locator is configuration; it is safe for concurrent use.
type Locator struct {
	DNS      DNS
	Networks []transport.Network // that we can dial, best first; default UDP, TCP, TLS
	Timeout  time.Duration       // of one Targets in all; default 5 s
}

// No answer of the DNS makes us try more than this.
const maxTargets = 16

var (
	// ErrNotFound says that the DNS knows no server for the URI.
	ErrNotFound = errors.New("no server found")
	// ErrUnsupported says that the URI asks for what we cannot dial.
	ErrUnsupported = errors.New("scheme or transport not supported")
)

// Targets lists where to send a request whose next hop is uri: the topmost
// Route, or the Request-URI.
func (l *Locator) Targets(ctx context.Context, uri sipmsg.Uri) ([]transport.Target, error) {
	timeout := l.Timeout
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s, err := l.search(uri)
	if err == nil {
		err = s.run(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("locate: %s: %w", uri.Addr(), err)
	}
	return s.found, nil
}

// A search is the state of one Targets.
type search struct {
	dns      DNS
	networks []transport.Network // allowed by the URI, best first
	secure   bool
	fixed    bool // the URI names the transport
	host     string
	port     int // 0: not in the URI
	found    []transport.Target
}

func (l *Locator) search(uri sipmsg.Uri) (*search, error) {
	s := &search{dns: l.DNS, networks: l.Networks, host: strings.Trim(uri.Host, "[]"), port: uri.Port}
	if s.networks == nil {
		s.networks = []transport.Network{transport.UDP, transport.TCP, transport.TLS}
	}
	switch strings.ToLower(uri.Scheme) {
	case "", "sip":
	case "sips":
		s.secure = true
	default:
		return nil, ErrUnsupported
	}
	if maddr, ok := uri.UriParams.Get("maddr"); ok && maddr != "" {
		s.host = strings.Trim(maddr, "[]")
	}
	if name, ok := uri.UriParams.Get("transport"); ok && name != "" {
		s.fixed = true
		s.keep(func(n transport.Network) bool {
			return strings.EqualFold(name, string(n)) || s.secure && n == transport.TLS && strings.EqualFold(name, "tcp")
		})
	}
	if s.secure { // RFC 3261 §26.2.2: TLS all the way
		s.keep(func(n transport.Network) bool { return n == transport.TLS })
	}
	if len(s.networks) == 0 {
		return nil, ErrUnsupported
	}
	return s, nil
}

func (s *search) keep(ok func(transport.Network) bool) {
	s.networks = slices.DeleteFunc(slices.Clone(s.networks), func(n transport.Network) bool { return !ok(n) })
}

// run is RFC 3263 §4.1 and §4.2.
func (s *search) run(ctx context.Context) error {
	if ip, err := netip.ParseAddr(s.host); err == nil {
		s.add(s.fallback(), ip, s.port, "")
		return nil
	}
	if s.port != 0 {
		return s.addresses(ctx, s.fallback(), s.host, s.port)
	}
	if !s.fixed {
		if err := s.naptr(ctx); err != nil || len(s.found) > 0 {
			return err
		}
	}
	for _, n := range s.networks {
		if err := s.srv(ctx, n, service(n)+s.host); err != nil {
			return err
		}
	}
	if len(s.found) > 0 {
		return nil
	}
	return s.addresses(ctx, s.fallback(), s.host, 0)
}

// fallback is the transport where the DNS does not say: UDP, or TLS for sips.
func (s *search) fallback() transport.Network {
	if !s.fixed && slices.Contains(s.networks, transport.UDP) {
		return transport.UDP
	}
	return s.networks[0]
}

// service is the prefix of SRV names. TLS is "_sips._tcp" (RFC 3263 §4.1).
func service(n transport.Network) string {
	switch n {
	case transport.UDP:
		return "_sip._udp."
	case transport.TLS:
		return "_sips._tcp."
	case transport.WS:
		return "_sip._ws." // RFC 7118 §4.2 registers D2W
	case transport.WSS:
		return "_sips._ws."
	}
	return "_sip._tcp."
}

func (s *search) naptr(ctx context.Context) error {
	records, err := s.dns.NAPTR(ctx, s.host)
	if err != nil {
		return err
	}
	slices.SortStableFunc(records, func(a, b NAPTR) int {
		return int(a.Order)<<16 + int(a.Preference) - int(b.Order)<<16 - int(b.Preference)
	})
	for _, r := range records {
		n, ok := networkOf(r.Service)
		if !ok || !strings.EqualFold(r.Flags, "s") || !slices.Contains(s.networks, n) {
			continue
		}
		if err := s.srv(ctx, n, r.Replacement); err != nil {
			return err
		}
	}
	return nil
}

func networkOf(service string) (transport.Network, bool) {
	switch strings.ToUpper(service) {
	case "SIP+D2U":
		return transport.UDP, true
	case "SIP+D2T":
		return transport.TCP, true
	case "SIPS+D2T":
		return transport.TLS, true
	}
	return "", false
}

func (s *search) srv(ctx context.Context, n transport.Network, name string) error {
	records, err := s.dns.SRV(ctx, name)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Target == "." { // decidedly not here (RFC 2782)
			continue
		}
		if len(s.found) >= maxTargets {
			break
		}
		// One host of several without an address is no reason to give up.
		if err := s.addresses(ctx, n, r.Target, int(r.Port)); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

func (s *search) addresses(ctx context.Context, n transport.Network, host string, port int) error {
	ips, err := s.dns.Addresses(ctx, host)
	if err != nil {
		return err
	}
	if len(ips) == 0 {
		return ErrNotFound
	}
	for _, ip := range ips {
		s.add(n, ip, port, s.host) // a certificate names the domain, not the SRV host (RFC 5922 §4)
	}
	return nil
}

func (s *search) add(n transport.Network, ip netip.Addr, port int, name string) {
	if port == 0 {
		port = n.Port()
	}
	t := transport.Target{Network: n, Addr: netip.AddrPortFrom(ip.Unmap(), uint16(port)), ServerName: name, Fixed: s.fixed}
	if len(s.found) < maxTargets && !slices.ContainsFunc(s.found, func(o transport.Target) bool {
		return o.Network == t.Network && o.Addr == t.Addr
	}) {
		s.found = append(s.found, t)
	}
}
