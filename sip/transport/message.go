package transport

import (
	"errors"
	"net/textproto"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

// A message is one that was read: a request or a response, with what is wrong with it.
type message struct {
	*raw
	req *sipmsg.Request  // nil in a response
	res *sipmsg.Response // nil in a request
}

var errStartLine = errors.New("transport: malformed start line")

// read understands one whole message. Datagrams and WebSocket frames may leave
// out Content-Length, and datagrams may carry more than it says (RFC 3261
// §18.3). The error is for what can be neither answered nor used; what can be
// answered has a problem.
func read(p []byte) (*message, error) {
	r, err := cut(p)
	if err != nil {
		return nil, err
	}
	m := &message{raw: r}
	if strings.HasPrefix(strings.ToUpper(r.start), "SIP/") {
		err = m.statusLine()
	} else {
		err = m.requestLine()
	}
	if err != nil {
		return nil, err
	}
	m.headers()
	m.content()
	if m.endless {
		m.note(bad("No empty line after the header fields"))
	}
	return m, nil
}

// requestLine reads "Method SP Request-URI SP SIP/2.0" (§7.1).
func (m *message) requestLine() error {
	method, rest, ok := strings.Cut(m.start, " ")
	last := strings.LastIndexByte(strings.TrimRight(rest, " \t"), ' ')
	if !ok || !isToken(method) || last < 0 {
		return errStartLine
	}
	uri, version := rest[:last], rest[last+1:]
	if v := strings.ToUpper(strings.TrimRight(version, " \t")); !strings.HasPrefix(v, "SIP/") {
		return errStartLine
	} else if v != "SIP/2.0" {
		m.note(&Problem{Code: 505, Reason: "Version Not Supported"})
	}
	recipient, problem := requestURI(uri)
	if problem == nil && version != strings.TrimRight(version, " \t") {
		problem = bad("White space after the request line")
	}
	if problem != nil {
		// The URI outranks what the lines below have: it is the first thing a server reads.
		if m.problem == nil || m.problem.Code != 505 {
			m.problem = problem
		}
	}
	m.req = sipmsg.NewRequest(sipmsg.RequestMethod(method), recipient)
	return nil
}

func requestURI(s string) (sipmsg.Uri, *Problem) {
	scheme, _, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || strings.ContainsAny(s, " \t<>") || !consistsOf(scheme, "+-.") {
		return sipmsg.Uri{}, bad("Malformed Request-URI")
	}
	switch strings.ToLower(scheme) {
	case "sip", "sips":
	case "tel": // RFC 3966; a phone may dial so
	default:
		return sipmsg.Uri{}, &Problem{Code: 416, Reason: "Unsupported URI Scheme"}
	}
	u, err := parseURI(s)
	if err != nil {
		return u, bad("Malformed Request-URI")
	}
	if len(u.Headers) > 0 || u.UriParams.Has("method") { // §19.1.1, table 1
		return u, bad("Request-URI with header fields")
	}
	return u, nil
}

// statusLine reads "SIP/2.0 SP Status-Code SP Reason-Phrase" (§7.2).
func (m *message) statusLine() error {
	version, rest, _ := strings.Cut(m.start, " ")
	code, reason, ok := strings.Cut(rest, " ")
	n, err := number(code, 699)
	if !ok && reason != "" || !strings.EqualFold(version, "SIP/2.0") || len(code) != 3 || err != nil || n < 100 {
		return errStartLine
	}
	if hasControl(reason) {
		return errStartLine
	}
	m.res = sipmsg.NewResponse(int(n), reason)
	return nil
}

// once names the header fields that may stand only once and that we use.
func once(key string) bool {
	switch key {
	case "from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type", "expires",
		"session-expires", "min-se", "event", "date", "refer-to", "replaces", "rack", "rseq":
		return true
	}
	return false
}

func (m *message) headers() {
	seen := make(map[string]bool, len(m.fields))
	for _, f := range m.fields {
		if once(f.key) && seen[f.key] {
			m.note(bad("More than one " + canonical(f.key)))
		}
		seen[f.key] = true
		hs, err := typed(f)
		if err != nil {
			m.note(bad("Malformed " + canonical(f.key)))
			continue
		}
		for _, h := range hs {
			m.msg().AppendHeader(h)
		}
	}
}

// content takes the body that Content-Length delimits.
func (m *message) content() {
	h := m.msg().ContentLength()
	switch {
	case h != nil && int(*h) > len(m.body):
		m.note(bad("Content-Length is larger than the body"))
	case h != nil:
		m.body = m.body[:*h] // §18.3: the rest of a datagram is discarded
	}
	if len(m.body) == 0 {
		m.body = nil
		return
	}
	m.msg().SetBody(append([]byte(nil), m.body...))
}

func (m *message) msg() sipmsg.Message {
	if m.req != nil {
		return m.req
	}
	return m.res
}

func canonical(key string) string {
	switch key {
	case "call-id":
		return "Call-ID"
	case "cseq":
		return "CSeq"
	case "min-se":
		return "Min-SE"
	}
	return textproto.CanonicalMIMEHeaderKey(key)
}
