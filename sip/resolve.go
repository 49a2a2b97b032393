package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/sip/transport"
)

// resolve finds the address of a URI (RFC 3263 §4: SRV where no port is given, then A and AAAA; no NAPTR). It blocks for
// the DNS unless the host is an address.
func (ua *UserAgent) resolve(ctx context.Context, u sipmsg.Uri) (transport.Target, error) {
	t := transport.Target{Network: transport.UDP, ServerName: u.Host}
	switch token := strings.ToLower(u.UriParams.GetOr("transport", "")); {
	case u.Scheme == "sips" || token == "tls":
		t.Network, t.Fixed = transport.TLS, true
	case token == "tcp":
		t.Network, t.Fixed = transport.TCP, true
	case token == "ws" || token == "wss":
		return t, fmt.Errorf("sip: %s: a WebSocket client is reached only by its own connection", u.Host)
	case token == "udp":
		t.Fixed = true
	}
	host, port := u.Host, u.Port
	if ip, err := netip.ParseAddr(host); err == nil {
		t.ServerName = ""
		t.Addr = netip.AddrPortFrom(ip.Unmap(), uint16(portOr(port, t.Network)))
		return t, nil
	}
	if port == 0 {
		service, protocol := "sip", "udp"
		switch t.Network {
		case transport.TLS:
			service, protocol = "sips", "tcp"
		case transport.TCP:
			protocol = "tcp"
		}
		if _, srv, err := net.DefaultResolver.LookupSRV(ctx, service, protocol, host); err == nil && len(srv) > 0 {
			host, port = strings.TrimSuffix(srv[0].Target, "."), int(srv[0].Port)
		}
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(ips) == 0 {
		return t, fmt.Errorf("sip: look up %s: %w", host, err)
	}
	ip := ips[0]
	for _, other := range ips { // an address family that everybody has
		if other.Unmap().Is4() {
			ip = other
			break
		}
	}
	t.Addr = netip.AddrPortFrom(ip.Unmap(), uint16(portOr(port, t.Network)))
	return t, nil
}

func portOr(port int, n transport.Network) int {
	if port == 0 {
		return n.Port()
	}
	return port
}
