package rfc4575

import (
	"fmt"
	"net/url"
	"strings"

	"tutti/bridge"
)

// Parameters that make an address an entity.
const (
	paramUser    = "tutti-id"
	paramLeg     = "tutti-leg"
	paramSidebar = "tutti-sidebar"
)

// nobody is the host of an address that is not told (RFC 3323 §4.1.1.3).
const nobody = "anonymous.invalid"

const maxAddress = 512 // bytes of a URI that we write

// userEntity is the key of a user. It never changes while the user is there.
func userEntity(u *bridge.User, v bridge.Viewer) string {
	if a := address(u, u.Entity, v); a != "" {
		return withID(a, paramUser, string(u.ID))
	}
	return anonymous(u)
}

// endpointEntity is the key of an endpoint: the device's address for those who may see it, else the user's.
func endpointEntity(u *bridge.User, d *bridge.Endpoint, v bridge.Viewer) string {
	a := ""
	if v.Operator {
		a = address(u, d.Entity, v)
	}
	if a == "" {
		a = address(u, u.Entity, v)
	}
	if a == "" {
		a = anonymous(u)
	}
	return withID(a, paramLeg, string(d.Leg))
}

// anonymous is the address of somebody who has none, or whose address is not told. It differs from person to person
// before the @ too: there are readers who do not look behind the host.
func anonymous(u *bridge.User) string {
	name := "anonymous"
	if u.ID != "" {
		name = escaped(string(u.ID), "")
	}
	return "sip:" + name + "@" + nobody
}

// address is who the URI a names, without parameters and headers; "" where a names nobody or v may not see whom.
func address(u *bridge.User, a string, v bridge.Viewer) string {
	a, _, _ = strings.Cut(a, "?")
	a, _, _ = strings.Cut(a, ";")
	if _, rest, _ := strings.Cut(a, ":"); !isAddress(a) || !sees(u, v) && masked(u, rest, v) {
		return ""
	}
	return uri(a)
}

// sees says whether v may know all about u.
func sees(u *bridge.User, v bridge.Viewer) bool { return v.Operator || v.Self != "" && v.Self == u.ID }

// isAddress says whether a is the URI of somebody.
func isAddress(a string) bool {
	scheme, rest, _ := strings.Cut(a, ":")
	switch strings.ToLower(scheme) {
	case "sip", "sips", "tel":
		return rest != "" && rest[0] != '/' && len(a) <= maxAddress
	}
	return false
}

// masked says whether v may not see who stands in an address.
func masked(u *bridge.User, rest string, v bridge.Viewer) bool {
	name, _, _ := strings.Cut(rest, "@")
	return v.Text(u, name) != name || v.Text(u, rest) != rest
}

// withID is a URI with a parameter.
func withID(address, name, id string) string { return address + ";" + name + "=" + escaped(id, "") }

// uri is a as something that can stand where the schema wants an anyURI: what cannot stand in a URI is escaped, also the
// brackets of an IPv6 address, which RFC 3986 knows behind "//" only. What is too long is left out.
func uri(a string) string {
	if len(a) > maxAddress {
		return ""
	}
	if strings.Contains(a, ":/") {
		u, err := url.Parse(a)
		if err != nil {
			return ""
		}
		return u.String()
	}
	return escaped(a, ":/?@!$&'()*+,;=")
}

// escaped leaves letters, digits, -._~, those of keep and, if there are such, what is escaped already (RFC 3986 §2.1).
func escaped(s, keep string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case plain(c), strings.IndexByte(keep, c) >= 0, c == '%' && keep != "" && i+2 < len(s) && hex(s[i+1]) && hex(s[i+2]):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func hex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }
