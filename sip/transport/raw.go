package transport

import (
	"bytes"
	"errors"
	"strings"
)

// A raw message is cut into lines and not yet understood.
type raw struct {
	start   string
	fields  []field
	body    []byte // aliases the input
	endless bool   // no empty line ends the header fields
	problem *Problem
}

// A field is one header field, unfolded (RFC 3261 §7.3.1).
type field struct {
	key   string // long form, lower case
	name  string // as it was written
	value string // without white space around it
}

// A Problem is why a request cannot go to the handler, and its answer.
type Problem struct {
	Code    int      // 400–699
	Reason  string   // reason phrase, sent on the wire
	Headers []string // further header fields of the answer, "Name: value"
}

func (p *Problem) Error() string { return p.Reason }

func bad(reason string) *Problem { return &Problem{Code: 400, Reason: reason} }

var errEmpty = errors.New("transport: empty message")

// The longest message of RFC 4475 has 60 lines; folding and look-ups cost more than linear time.
const maxLines = 1000

const headEnd = "\r\n\r\n"

// cut splits one message into start line, header fields and body. What is
// wrong with single fields is noted as the problem; the error is for what is
// no message at all.
func cut(p []byte) (*raw, error) {
	p = bytes.TrimLeft(p, "\r\n") // RFC 3261 §7.5
	if len(p) == 0 {
		return nil, errEmpty
	}
	head, body, ended := bytes.Cut(p, []byte(headEnd))
	head = bytes.TrimSuffix(head, []byte("\r\n"))
	lines := strings.Split(string(head), "\r\n")
	if len(lines) > maxLines {
		return nil, errTooMany
	}
	m := &raw{start: lines[0], body: body, endless: !ended}
	for _, line := range lines[1:] {
		m.addLine(line)
	}
	for i := range m.fields {
		f := &m.fields[i]
		f.value = strings.Trim(f.value, " \t")
		if hasControl(f.value) {
			m.note(bad("Control character in " + f.name))
		}
	}
	return m, nil
}

func (m *raw) addLine(line string) {
	if line != "" && (line[0] == ' ' || line[0] == '\t') { // a folded line
		if n := len(m.fields); n > 0 {
			last := &m.fields[n-1]
			last.value = strings.TrimRight(last.value, " \t") + " " + strings.Trim(line, " \t")
			return
		}
		m.note(bad("White space before the first header field"))
		return
	}
	name, value, ok := strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t")
	if !ok || !isToken(name) {
		m.note(bad("Malformed header field line"))
		return
	}
	m.fields = append(m.fields, field{key: longName(name), name: name, value: value})
}

// note keeps the first problem: it is the one the answer names.
func (m *raw) note(p *Problem) {
	if m.problem == nil {
		m.problem = p
	}
}

// all lists the values of the fields called key.
func (m *raw) all(key string) []string {
	var values []string
	for _, f := range m.fields {
		if f.key == key {
			values = append(values, f.value)
		}
	}
	return values
}

// longName maps a header field name to lower case and from its compact to its
// long form (RFC 3261 §7.3.3 and the IANA registry).
func longName(name string) string {
	name = strings.ToLower(name)
	if len(name) != 1 {
		return name
	}
	switch name[0] {
	case 'v':
		return "via"
	case 'f':
		return "from"
	case 't':
		return "to"
	case 'i':
		return "call-id"
	case 'm':
		return "contact"
	case 'l':
		return "content-length"
	case 'c':
		return "content-type"
	case 'e':
		return "content-encoding"
	case 'k':
		return "supported"
	case 's':
		return "subject"
	case 'o':
		return "event"
	case 'u':
		return "allow-events"
	case 'r':
		return "refer-to"
	case 'b':
		return "referred-by"
	case 'x':
		return "session-expires"
	case 'd':
		return "request-disposition"
	case 'a':
		return "accept-contact"
	case 'j':
		return "reject-contact"
	}
	return name
}

// fullNames spells header fields the way the message model's typed look-ups expect.
func fullName(key, written string) string {
	if len(written) > 1 {
		return written
	}
	words := strings.Split(key, "-")
	for i, w := range words {
		if w == "" || w == "id" {
			words[i] = strings.ToUpper(w)
			continue
		}
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "-")
}
