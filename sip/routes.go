package sip

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/transport"
)

// noSource marks calls that no limit per source counts.
var noSource netip.Addr

// trunks are known by their addresses. Names are looked up once, when Run starts.
type trunks struct {
	list []Trunk

	mu    *sync.Mutex // guards addrs
	addrs map[netip.Addr]*Trunk
}

func newTrunks(list []Trunk) trunks {
	t := trunks{list: list, mu: &sync.Mutex{}, addrs: map[netip.Addr]*Trunk{}}
	for i := range t.list {
		if ip, err := netip.ParseAddr(t.list[i].host()); err == nil {
			t.addrs[ip.Unmap()] = &t.list[i]
		}
	}
	return t
}

func (t Trunk) host() string {
	if h, _, err := net.SplitHostPort(t.Address); err == nil {
		return h
	}
	return strings.Trim(t.Address, "[]")
}

func (t Trunk) uri(user string) sipmsg.Uri {
	u := sipmsg.Uri{Scheme: "sip", User: user, Host: t.host()}
	if _, p, err := net.SplitHostPort(t.Address); err == nil {
		u.Port, _ = strconv.Atoi(p)
	}
	if t.Transport != "" {
		u.UriParams = sipmsg.HeaderParams{{K: "transport", V: strings.ToLower(t.Transport)}}
	}
	return u
}

// resolve looks up the trunks that have names.
func (t trunks) resolve(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	for i := range t.list {
		if _, err := netip.ParseAddr(t.list[i].host()); err == nil {
			continue
		}
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.list[i].host())
		if err != nil {
			continue // calls to it look again; calls from it are strangers'
		}
		t.mu.Lock()
		for _, ip := range ips {
			t.addrs[ip.Unmap()] = &t.list[i]
		}
		t.mu.Unlock()
	}
}

// find returns the trunk that sends from an address; nil for none.
func (t trunks) find(from netip.Addr) *Trunk {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.addrs[from.Unmap()]
}

// route is one outbound rule.
type route struct {
	match string
	trunk *Trunk // nil: the address that the target names
}

func newRoutes(rules []Rule, trunks []Trunk) []route {
	var list []route
	for _, r := range rules {
		rt := route{match: r.Match}
		for i := range trunks {
			if trunks[i].Name == r.Trunk {
				rt.trunk = &trunks[i]
			}
		}
		list = append(list, rt)
	}
	return list
}

// destination is one place to try.
type destination struct {
	uri    sipmsg.Uri
	routes []sipmsg.Uri    // Route header fields
	flow   *transport.Flow // of a registered contact
	natted bool            // it is behind a NAT
	trunk  *Trunk
}

// hop is the URI whose address the INVITE is sent to.
func (d destination) hop() sipmsg.Uri {
	switch {
	case len(d.routes) > 0:
		return d.routes[0]
	case d.trunk != nil:
		return d.trunk.uri("")
	}
	return d.uri
}

// webRTC says that the phone lives in a browser: SIP over WebSocket (RFC 7118), to us, or to a proxy in front of us that leaves the
// Contact as it was.
func (d destination) webRTC() bool {
	if d.flow != nil && (d.flow.Network == transport.WS || d.flow.Network == transport.WSS) {
		return true
	}
	t := d.uri.UriParams.GetOr("transport", "")
	return strings.EqualFold(t, "ws") || strings.EqualFold(t, "wss")
}

// destinations says where target is; a *bridge.Refusal where no rule allows it.
func (ua *UserAgent) destinations(target string, now time.Time) ([]destination, error) {
	target = strings.TrimSpace(target)
	name := strings.TrimPrefix(target, "sip:")
	if _, ok := ua.phones.passwords[name]; ok {
		var list []destination
		for _, b := range ua.phones.registrar.Contacts(name, now) {
			list = append(list, destination{uri: b.URI, routes: b.Path, flow: b.Flow, natted: b.NAT})
		}
		if list == nil {
			return nil, &bridge.Refusal{Rule: bridge.RuleAbsent, Text: name + " is not registered"}
		}
		return list, nil
	}
	text, uri, ok := canonical(target)
	if !ok {
		return nil, &bridge.Refusal{Rule: bridge.RuleOutbound, Text: strconv.Quote(clip(target)) + " is neither a user, a number nor a SIP address"}
	}
	for _, r := range ua.rules {
		if !matches(r.match, text) {
			continue
		}
		switch {
		case uri.Host != "":
			return []destination{{uri: uri, trunk: r.trunk}}, nil
		case r.trunk != nil:
			return []destination{{uri: r.trunk.uri(uri.User), trunk: r.trunk}}, nil
		}
	}
	return nil, &bridge.Refusal{Rule: bridge.RuleOutbound, Text: "No outbound rule allows " + text}
}

// canonical is what rules are compared with: a number without punctuation, or "sip:user@host" without parameters (which
// could otherwise pretend to be the host that a rule allows). uri has no host for a number.
func canonical(target string) (string, sipmsg.Uri, bool) {
	scheme, rest, hasScheme := strings.Cut(target, ":")
	scheme = strings.ToLower(scheme)
	if hasScheme && (scheme == "sip" || scheme == "sips") {
		var u sipmsg.Uri
		if err := sipmsg.ParseUri(target, &u); err != nil || u.Host == "" || strings.ContainsAny(u.Host+u.User, "@<>\"; \t\r\n?") {
			return "", u, false
		}
		plain := sipmsg.Uri{Scheme: scheme, User: u.User, Host: strings.ToLower(u.Host), Port: u.Port}
		if t := strings.ToLower(u.UriParams.GetOr("transport", "")); t == "tcp" || t == "udp" || t == "tls" {
			plain.UriParams = sipmsg.HeaderParams{{K: "transport", V: t}}
		}
		return scheme + ":" + u.User + "@" + plain.Host, plain, true
	}
	if hasScheme {
		if scheme != "tel" {
			return "", sipmsg.Uri{}, false
		}
		target = rest
	}
	number := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -./()", r) {
			return -1
		}
		return r
	}, target)
	if number == "" || strings.Trim(number, "+0123456789*#") != "" {
		return "", sipmsg.Uri{}, false
	}
	return number, sipmsg.Uri{User: strings.ReplaceAll(number, "#", "%23")}, true
}

// matches compares a text with a pattern in which * stands for any text.
func matches(pattern, text string) bool {
	parts := strings.Split(strings.ToLower(pattern), "*")
	text = strings.ToLower(text)
	if len(parts) == 1 {
		return parts[0] == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
