// Package auth is HTTP Digest authentication for SIP (RFC 3261 §22, with
// RFC 7616 and RFC 8760): a [Server] that challenges and checks, and a
// [Client] that answers the challenges of others.
//
// The algorithms of [Options] are offered in their order, SHA-256 and MD5 where
// there are none; qop is "auth". Passwords are never logged and never sent.
package auth

import (
	"crypto/md5" // #nosec: what most phones speak
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// An Algorithm is a hash of RFC 8760.
type Algorithm string

// Those that phones speak.
const (
	SHA256 Algorithm = "SHA-256"
	MD5    Algorithm = "MD5"
)

// known maps a name on the wire to an algorithm; a missing one is MD5 (RFC 7616 §3.3).
func known(name string) (Algorithm, bool) {
	switch {
	case name == "" || strings.EqualFold(name, string(MD5)):
		return MD5, true
	case strings.EqualFold(name, string(SHA256)):
		return SHA256, true
	}
	return "", false
}

func (a Algorithm) hash(parts ...string) string {
	text := []byte(strings.Join(parts, ":"))
	if a == SHA256 {
		sum := sha256.Sum256(text)
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum(text)
	return hex.EncodeToString(sum[:])
}

// A proof is what goes into the response (RFC 7616 §3.4.1). An empty qop is
// the computation of RFC 2069, which RFC 3261 §22.4 asks servers to accept.
type proof struct {
	algorithm              Algorithm
	username, realm        string
	method, uri            string
	nonce, nc, cnonce, qop string
}

func (p proof) response(password string) string {
	ha1 := p.algorithm.hash(p.username, p.realm, password)
	ha2 := p.algorithm.hash(p.method, p.uri)
	if p.qop == "" {
		return p.algorithm.hash(ha1, p.nonce, ha2)
	}
	return p.algorithm.hash(ha1, p.nonce, p.nc, p.cnonce, p.qop, ha2)
}

var errMalformed = errors.New("auth: malformed digest parameters")

// parse reads `Digest name=value, name="value"` into a map with lower-case names.
func parse(s string) (map[string]string, error) {
	scheme, rest, _ := strings.Cut(strings.TrimLeft(s, " \t"), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return nil, errMalformed
	}
	params := map[string]string{}
	for {
		rest = strings.TrimLeft(rest, " \t,")
		if rest == "" {
			return params, nil
		}
		name, after, ok := strings.Cut(rest, "=")
		name = strings.ToLower(strings.Trim(name, " \t"))
		if !ok || name == "" || len(params) > 32 {
			return nil, errMalformed
		}
		value, tail, err := value(strings.TrimLeft(after, " \t"))
		if _, twice := params[name]; err != nil || twice {
			return nil, errMalformed
		}
		params[name], rest = value, tail
	}
}

// value reads a token or a quoted-string; escapes of the latter are resolved.
func value(s string) (v, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '"':
			return b.String(), s[i+1:], nil
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errMalformed
}

// quote writes a quoted-string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
