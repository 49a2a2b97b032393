package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const dnsTimeout = 1500 * time.Millisecond // of one question to one server

// System asks the resolver of the machine: /etc/hosts and the name servers in
// /etc/resolv.conf.
type System struct {
	resolver net.Resolver
	servers  []string // host:port, for NAPTR, which the standard library does not know
}

// NewSystem reads /etc/resolv.conf. Without one, NAPTR is left out.
func NewSystem() *System {
	s := &System{}
	if c, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil {
		for _, server := range c.Servers {
			s.servers = append(s.servers, net.JoinHostPort(server, c.Port))
		}
	}
	return s
}

// SRV implements [DNS].
func (s *System) SRV(ctx context.Context, name string) ([]*net.SRV, error) {
	_, records, err := s.resolver.LookupSRV(ctx, "", "", name)
	if missing(err) || len(records) > 0 { // records besides an error: some were malformed
		err = nil
	}
	return records, err
}

// Addresses implements [DNS].
func (s *System) Addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	ips, err := s.resolver.LookupNetIP(ctx, "ip", host)
	if missing(err) {
		err = nil
	}
	return ips, err
}

func missing(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound
}

// NAPTR implements [DNS]. Many name servers of home routers fail on it, so a
// failure counts as "none": SRV and A follow.
func (s *System) NAPTR(ctx context.Context, name string) ([]NAPTR, error) {
	for _, server := range s.servers {
		records, err := naptr(ctx, server, name)
		if err == nil {
			return records, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, nil
}

func naptr(ctx context.Context, server, name string) ([]NAPTR, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), dns.TypeNAPTR)
	q.SetEdns0(1232, false)
	c := &dns.Client{Timeout: dnsTimeout}
	r, _, err := c.ExchangeContext(ctx, q, server)
	if err == nil && r.Truncated {
		c.Net = "tcp"
		r, _, err = c.ExchangeContext(ctx, q, server)
	}
	if err != nil {
		return nil, err
	}
	if r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("locate: %s answers %s", server, dns.RcodeToString[r.Rcode])
	}
	var records []NAPTR
	for _, rr := range r.Answer {
		if n, ok := rr.(*dns.NAPTR); ok {
			records = append(records, NAPTR{
				Order: n.Order, Preference: n.Preference, Flags: n.Flags, Service: n.Service,
				Replacement: strings.TrimSuffix(n.Replacement, "."),
			})
		}
	}
	return records, nil
}
