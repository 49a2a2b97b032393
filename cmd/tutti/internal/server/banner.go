package server

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
)

// addresses is what a person needs to know to reach the bridge.
type addresses struct {
	local   string   // http://localhost:8080, for this machine; "" for none
	secure  []string // https://HOST:8443, for every other machine
	sip     []string // HOST or HOST:PORT as dialled behind the @
	self    bool     // the certificate is made by ourselves
	ports   string   // what a firewall must let through
	try     string   // the conference to try
	command string   // how this program was called
}

// print writes the addresses and three things to try.
func (a addresses) print(w io.Writer) {
	var b strings.Builder
	line := func(what, where string) { fmt.Fprintf(&b, "  %-9s %s\n", what, where) }
	b.WriteString("\ntutti is ready.\n\n")
	if a.local != "" {
		line("Page", a.local+"  (on this machine)")
	}
	for i, s := range a.secure {
		note := ""
		if i == 0 {
			note = "  (from other machines" + map[bool]string{true: "; the browser warns once, for the certificate is home-made"}[a.self] + ")"
		}
		line(map[bool]string{true: "Page"}[i == 0], s+note)
	}
	for i, s := range a.sip {
		line(map[bool]string{true: "Phone"}[i == 0], "sip:NAME@"+s)
	}
	page := a.local
	if page == "" && len(a.secure) > 0 {
		page = a.secure[0]
	}
	b.WriteString("\nThree things to try:\n")
	if page != "" {
		fmt.Fprintf(&b, "  1. Open %s/%s in a browser and join.\n", page, a.try)
	}
	if len(a.sip) > 0 {
		fmt.Fprintf(&b, "  2. Dial sip:%s@%s from any SIP phone: it joins the same conference.\n", a.try, a.sip[0])
	}
	fmt.Fprintf(&b, "  3. Look who is there: %s conference show %s\n\n", a.command, a.try)
	if a.ports != "" {
		fmt.Fprintf(&b, "A firewall must let through %s. Ctrl-C ends the bridge.\n\n", a.ports)
	}
	io.WriteString(w, b.String())
}

// reachable lists the addresses under which others reach a listener on bound: itself, or where it is unspecified, those of
// this machine's interfaces that are up, IPv4 first; loopback only when there is no other.
func reachable(bound netip.Addr) []netip.Addr {
	if bound.IsValid() && !bound.IsUnspecified() {
		return []netip.Addr{bound.Unmap()}
	}
	var v4, v6, loop []netip.Addr
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		switch addr := prefix.Addr().Unmap(); {
		case addr.IsLoopback():
			loop = append(loop, addr)
		case addr.IsLinkLocalUnicast():
		case addr.Is4():
			v4 = append(v4, addr)
		default:
			v6 = append(v6, addr)
		}
	}
	if bound.Is4() {
		v6 = nil
	}
	if out := append(v4, v6...); len(out) > 0 {
		return out
	}
	return loop
}
