package offer

import (
	"fmt"
	"strconv"
	"strings"
)

// What a description may hold at most. Real offers stay far below: a WebRTC one with simulcast has some 8 kB and 250 lines.
const (
	maxSize     = 64 << 10 // bytes
	maxLines    = 2000
	maxSections = 32
	maxFormats  = 128 // in one m-line: as many payload types as there are
)

// Session is one session description (RFC 8866). What we do not know is kept as an Attribute.
type Session struct {
	Origin     Origin
	Name       string
	Connection Connection  // of the session, for sections without their own; zero for none
	Bandwidth  []Bandwidth // of the session
	Attributes Attributes
	Sections   []Section
}

// Section is one m-line and what belongs to it. Once offered it keeps its place for the life of the dialog (RFC 3264 §8).
type Section struct {
	Line       int    // of the text it was read from, for errors; 0 is not read
	Media      string // "audio", "video", "application", …
	Port       uint16 // 0 is a rejected or ended stream, unless a=bundle-only (RFC 8843 §6)
	Proto      string // "RTP/AVP", …
	Formats    []string
	Connection Connection
	Bandwidth  []Bandwidth
	Attributes Attributes
}

// Origin is o=: who made the description, and which version of it this is. The numbers of the far end are kept as text,
// for they may be longer than 64 bits.
type Origin struct {
	Username, ID, Version string
	Type, Address         string // "IP4" or "IP6", and an address or a name
}

// Connection is c=. The zero value is none.
type Connection struct {
	Type    string // "IP4" or "IP6"
	Address string // an address or a name, without TTL
}

// Bandwidth is b=: "AS" in kbit/s (RFC 8866 §5.8), "TIAS" in bit/s (RFC 3890), others unread.
type Bandwidth struct {
	Type  string
	Value int
}

// Attribute is a=NAME or a=NAME:VALUE.
type Attribute struct {
	Name, Value string
}

// Attributes are in the order of the text.
type Attributes []Attribute

// Get returns the value of the first attribute of that name.
func (as Attributes) Get(name string) (string, bool) {
	for _, a := range as {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// Has says whether there is an attribute of that name.
func (as Attributes) Has(name string) bool {
	_, ok := as.Get(name)
	return ok
}

// All returns the values of all attributes of that name.
func (as Attributes) All(name string) []string {
	var vs []string
	for _, a := range as {
		if a.Name == name {
			vs = append(vs, a.Value)
		}
	}
	return vs
}

func (as *Attributes) add(name, value string) {
	*as = append(*as, Attribute{name, value})
}

// A SyntaxError says which line of a description cannot be read. SIP answers it with 400.
type SyntaxError struct {
	Line int    // counted from 1
	Text string // the line, shortened
	Why  string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("sdp: line %d %q: %s", e.Line, e.Text, e.Why)
}

// Parse reads a session description. It borrows text. Lines may end in CRLF or LF, s= and t= may be missing and
// unknown lines are skipped, as phones do all of that. The error is a *SyntaxError.
func Parse(text []byte) (*Session, error) {
	p := parser{session: &Session{}}
	if len(text) > maxSize {
		return nil, &SyntaxError{1, "", fmt.Sprintf("the description has %d bytes, at most %d are read", len(text), maxSize)}
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		p.line++
		if p.line > maxLines {
			return nil, p.fail(line, fmt.Sprintf("more than %d lines", maxLines))
		}
		line = strings.TrimRight(line, "\r \t")
		if line == "" {
			continue
		}
		if why := p.read(line); why != "" {
			return nil, p.fail(line, why)
		}
	}
	if !p.version {
		return nil, p.fail("", "an empty description")
	}
	if p.session.Origin == (Origin{}) {
		return nil, p.fail("", "no o= line")
	}
	return p.session, nil
}

type parser struct {
	session *Session
	line    int
	version bool // v=0 was read
}

func (p *parser) fail(text, why string) error {
	const shown = 60
	if len(text) > shown {
		text = text[:shown] + "…"
	}
	return &SyntaxError{p.line, text, why}
}

// section is the m-line that is being read, nil before the first.
func (p *parser) section() *Section {
	if n := len(p.session.Sections); n > 0 {
		return &p.session.Sections[n-1]
	}
	return nil
}

// read takes one line and returns why it is refused, or "".
func (p *parser) read(line string) string {
	if len(line) < 2 || line[1] != '=' {
		return "want a letter and ="
	}
	if strings.ContainsRune(line, 0) || strings.ContainsRune(line, '\r') {
		return "a control character"
	}
	value := line[2:]
	if !p.version {
		if line != "v=0" {
			return "want v=0 first"
		}
		p.version = true
		return ""
	}
	switch line[0] {
	case 'v':
		return "a second v= line"
	case 'o':
		return p.readOrigin(value)
	case 's':
		p.session.Name = value
	case 'c':
		return p.readConnection(value)
	case 'b':
		return p.readBandwidth(value)
	case 'm':
		return p.readMedia(value)
	case 'a':
		return p.readAttribute(value)
	}
	return ""
}

func (p *parser) readOrigin(value string) string {
	f := strings.Fields(value)
	if len(f) != 6 || f[3] != "IN" {
		return "want USER ID VERSION IN IP4|IP6 ADDRESS"
	}
	p.session.Origin = Origin{Username: f[0], ID: f[1], Version: f[2], Type: f[4], Address: f[5]}
	return ""
}

func (p *parser) readConnection(value string) string {
	f := strings.Fields(value)
	if len(f) != 3 || f[0] != "IN" || f[1] != "IP4" && f[1] != "IP6" {
		return "want IN IP4|IP6 ADDRESS"
	}
	address, _, _ := strings.Cut(f[2], "/") // TTL and count of multicast
	c := Connection{Type: f[1], Address: address}
	if s := p.section(); s == nil {
		p.session.Connection = c
	} else if s.Connection == (Connection{}) {
		s.Connection = c
	}
	return ""
}

func (p *parser) readBandwidth(value string) string {
	kind, number, ok := strings.Cut(value, ":")
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
	if !ok || err != nil {
		return "want TYPE:NUMBER"
	}
	b := Bandwidth{Type: kind, Value: int(min(n, 1<<31-1))}
	if s := p.section(); s == nil {
		p.session.Bandwidth = append(p.session.Bandwidth, b)
	} else {
		s.Bandwidth = append(s.Bandwidth, b)
	}
	return ""
}

func (p *parser) readMedia(value string) string {
	f := strings.Fields(value)
	if len(f) < 4 {
		return "want MEDIA PORT PROTO FORMAT…"
	}
	if len(p.session.Sections) >= maxSections {
		return fmt.Sprintf("more than %d m-lines", maxSections)
	}
	if len(f)-3 > maxFormats {
		return fmt.Sprintf("more than %d formats", maxFormats)
	}
	number, _, _ := strings.Cut(f[1], "/") // the number of port pairs is of layered coding only
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return "the port is not in 0–65535"
	}
	p.session.Sections = append(p.session.Sections, Section{
		Line: p.line, Media: f[0], Port: uint16(port), Proto: f[2], Formats: f[3:],
	})
	return ""
}

func (p *parser) readAttribute(value string) string {
	name, v, _ := strings.Cut(value, ":")
	if name == "" {
		return "an attribute without a name"
	}
	if s := p.section(); s == nil {
		p.session.Attributes.add(name, v)
	} else {
		s.Attributes.add(name, v)
	}
	return ""
}

// Bytes writes the description as RFC 8866 §5 orders its lines.
func (s *Session) Bytes() []byte {
	var b strings.Builder
	o := s.Origin
	fmt.Fprintf(&b, "v=0\r\no=%s %s %s IN %s %s\r\n", o.Username, o.ID, o.Version, o.Type, o.Address)
	name := s.Name
	if name == "" {
		name = "-"
	}
	fmt.Fprintf(&b, "s=%s\r\n", name)
	writeConnection(&b, s.Connection)
	writeBandwidth(&b, s.Bandwidth)
	b.WriteString("t=0 0\r\n")
	writeAttributes(&b, s.Attributes)
	for i := range s.Sections {
		m := &s.Sections[i]
		fmt.Fprintf(&b, "m=%s %d %s %s\r\n", m.Media, m.Port, m.Proto, strings.Join(m.Formats, " "))
		writeConnection(&b, m.Connection)
		writeBandwidth(&b, m.Bandwidth)
		writeAttributes(&b, m.Attributes)
	}
	return []byte(b.String())
}

func writeConnection(b *strings.Builder, c Connection) {
	if c != (Connection{}) {
		fmt.Fprintf(b, "c=IN %s %s\r\n", c.Type, c.Address)
	}
}

func writeBandwidth(b *strings.Builder, bs []Bandwidth) {
	for _, w := range bs {
		fmt.Fprintf(b, "b=%s:%d\r\n", w.Type, w.Value)
	}
}

func writeAttributes(b *strings.Builder, as Attributes) {
	for _, a := range as {
		b.WriteString("a=" + a.Name)
		if a.Value != "" {
			b.WriteString(":" + a.Value)
		}
		b.WriteString("\r\n")
	}
}
