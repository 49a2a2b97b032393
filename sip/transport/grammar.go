package transport

import (
	"errors"
	"strconv"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

// The grammar of RFC 3261 §25.1, as far as a user agent depends on it. sipgo's
// own parsers accept most malformed values, keep white space in parameter
// names and lose quoted parameters, so values are scanned here and put into
// sipgo's types.

const (
	tokenChars    = "-.!%*_+`'~"
	userChars     = "-_.!~*'()&=+$,;?/%"
	passwordChars = "-_.!~*'()&=+$,%"
	paramChars    = "-_.!~*'()[]/:&+$%"
	headerChars   = "-_.!~*'()[]/?:+$%="
)

// What is looked up by walking is kept short: a packet must not cost more than
// its length.
const maxParams = 64

var errTooMany = errors.New("too many parameters")

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func consistsOf(s, marks string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && strings.IndexByte(marks, s[i]) < 0 {
			return false
		}
	}
	return true
}

func isToken(s string) bool { return s != "" && consistsOf(s, tokenChars) }

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// hasControl looks for control characters; quoted-pair may escape all but CR and LF.
func hasControl(s string) bool {
	escaped := false
	for i := range len(s) {
		c := s[i]
		if c == '\r' || c == '\n' || !escaped && (c < ' ' && c != '\t' || c == 0x7f) {
			return true
		}
		escaped = c == '\\' && !escaped
	}
	return false
}

// splitOutside cuts s at sep, but not within quotes or angle brackets.
func splitOutside(s string, sep byte) ([]string, error) {
	var parts []string
	start, quoted, angle := 0, false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !angle:
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == sep && !angle:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	if quoted || angle {
		return nil, errors.New("unbalanced quotes or brackets")
	}
	return append(parts, s[start:]), nil
}

// parseParams reads ";name=value;name", given without the first semicolon.
// Names are folded to lower case. Quotes stay on a value, except where the
// message model puts them back by itself (a value with white space).
func parseParams(s string) (sipmsg.HeaderParams, error) {
	parts, err := splitOutside(s, ';')
	if err != nil {
		return nil, err
	}
	if len(parts) > maxParams {
		return nil, errTooMany
	}
	var params sipmsg.HeaderParams
	for _, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		name, value = strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
		if !isToken(name) {
			return nil, errors.New("malformed parameter")
		}
		if params.Has(name) {
			return nil, errors.New("parameter " + name + " twice")
		}
		if value, err = paramValue(value); err != nil {
			return nil, err
		}
		params = append(params, sipmsg.HeaderKV{K: name, V: value})
	}
	return params, nil
}

func paramValue(v string) (string, error) {
	if !strings.HasPrefix(v, `"`) {
		if !consistsOf(v, tokenChars+"[]:/@?&=$,()") { // gen-value: token, host; URIs are common
			return "", errors.New("malformed parameter value")
		}
		return v, nil
	}
	inner, rest, err := quotedString(v)
	if err != nil || rest != "" {
		return "", errors.New("malformed quoted parameter")
	}
	if strings.ContainsAny(inner, " \t") {
		return inner, nil
	}
	return v, nil
}

// quotedString reads a leading quoted-string; inner keeps its backslashes.
func quotedString(s string) (inner, rest string, err error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[1:i], s[i+1:], nil
		}
	}
	return "", "", errors.New("unbalanced quotes")
}

// An address is a name-addr or addr-spec with its parameters (§20.10).
type address struct {
	display string // without quotes, escapes kept
	uri     sipmsg.Uri
	params  sipmsg.HeaderParams
}

func parseAddress(s string) (a address, err error) {
	s = strings.Trim(s, " \t")
	rest := s
	if strings.HasPrefix(s, `"`) {
		if a.display, rest, err = quotedString(s); err != nil {
			return a, err
		}
		if rest = strings.TrimLeft(rest, " \t"); !strings.HasPrefix(rest, "<") {
			return a, errors.New("no address after the display name")
		}
	} else if i := strings.IndexByte(s, '<'); i >= 0 {
		a.display, rest = strings.TrimRight(s[:i], " \t"), s[i:]
		if strings.ContainsAny(a.display, "\",;:@>\\") {
			return a, errors.New("display name needs quotes")
		}
	}
	uri, params, hasParams := "", "", false
	if strings.HasPrefix(rest, "<") {
		uri, rest, hasParams = strings.Cut(rest[1:], ">")
		if !hasParams {
			return a, errors.New("unbalanced brackets")
		}
		before, after, found := strings.Cut(rest, ";")
		if strings.Trim(before, " \t") != "" {
			return a, errors.New("text after the address")
		}
		params, hasParams = after, found
	} else {
		uri, params, hasParams = strings.Cut(rest, ";")
		uri = strings.TrimRight(uri, " \t")
		if strings.ContainsAny(uri, "?,") { // §20: such a URI needs brackets
			return a, errors.New("address needs angle brackets")
		}
	}
	if hasParams {
		if a.params, err = parseParams(params); err != nil {
			return a, err
		}
	}
	a.uri, err = parseURI(uri)
	return a, err
}

var errScheme = errors.New("malformed URI scheme")

// parseURI reads a URI of any scheme; sip and sips are checked (§25.1).
func parseURI(s string) (sipmsg.Uri, error) {
	var u sipmsg.Uri
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || !consistsOf(scheme, "+-.") || '0' <= scheme[0] && scheme[0] <= '9' {
		return u, errScheme
	}
	if strings.ContainsAny(s, " \t<>\"") || hasControl(s) {
		return u, errors.New("character not allowed in a URI")
	}
	scheme = strings.ToLower(scheme)
	if scheme == "sip" || scheme == "sips" {
		return sipURI(scheme, rest)
	}
	if rest == "" || !consistsOf(scheme, "") { // sipgo writes only schemes of letters and digits
		return u, errScheme
	}
	return u, sipmsg.ParseUri(s, &u)
}

func sipURI(scheme, s string) (sipmsg.Uri, error) {
	u := sipmsg.Uri{Scheme: scheme}
	if user, rest, ok := strings.Cut(s, "@"); ok {
		name, password, has := strings.Cut(user, ":")
		if name == "" || !consistsOf(name, userChars) || has && (password == "" || !consistsOf(password, passwordChars)) || !escapesOK(user) {
			return u, errors.New("malformed user part")
		}
		u.User, u.Password, s = name, password, rest
	}
	s, headers, hasHeaders := strings.Cut(s, "?")
	hostport, params, hasParams := strings.Cut(s, ";")
	var err error
	if u.Host, u.Port, err = hostPort(hostport); err != nil {
		return u, err
	}
	if hasParams {
		if u.UriParams, err = uriParams(params); err != nil {
			return u, err
		}
	}
	if hasHeaders {
		u.Headers, err = uriHeaders(headers)
	}
	return u, err
}

func uriParams(s string) (sipmsg.HeaderParams, error) {
	var params sipmsg.HeaderParams
	for part := range strings.SplitSeq(s, ";") {
		if len(params) >= maxParams {
			return nil, errTooMany
		}
		name, value, _ := strings.Cut(part, "=")
		name = strings.ToLower(name)
		if name == "" || !consistsOf(name, paramChars) || !consistsOf(value, paramChars) || !escapesOK(part) {
			return nil, errors.New("malformed URI parameter")
		}
		if params.Has(name) {
			return nil, errors.New("URI parameter twice")
		}
		params = append(params, sipmsg.HeaderKV{K: name, V: value})
	}
	return params, nil
}

func uriHeaders(s string) (sipmsg.HeaderParams, error) {
	var headers sipmsg.HeaderParams
	for part := range strings.SplitSeq(s, "&") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || name == "" || !consistsOf(name, headerChars) || !consistsOf(value, headerChars) || !escapesOK(part) {
			return nil, errors.New("malformed URI header")
		}
		headers = append(headers, sipmsg.HeaderKV{K: name, V: value})
	}
	return headers, nil
}

func escapesOK(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			return false
		}
		i += 2
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// hostPort reads host [":" port]. The brackets of an IPv6 reference stay off;
// the message model writes them.
func hostPort(s string) (host string, port int, err error) {
	host, rest := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 || !isIPv6(s[1:end]) {
			return "", 0, errors.New("malformed IPv6 address")
		}
		host, rest = s[1:end], s[end+1:]
	} else {
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, rest = s[:i], s[i:]
		}
		if host == "" || !consistsOf(host, "-._") { // "_" is no host name, and common
			return "", 0, errors.New("malformed host")
		}
	}
	if rest == "" {
		return host, 0, nil
	}
	digits, ok := strings.CutPrefix(rest, ":")
	if !ok || !isDigits(digits) {
		return "", 0, errors.New("malformed port")
	}
	if port, err = strconv.Atoi(digits); err != nil || port < 1 || port > 65535 {
		return "", 0, errors.New("port out of range")
	}
	return host, port, nil
}
