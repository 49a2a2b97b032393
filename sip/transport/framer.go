package transport

import (
	"bytes"
	"strings"
)

// A framer cuts a byte stream into messages by Content-Length (RFC 3261 §18.3).
type framer struct {
	limit   int // longest message, bytes
	buf     []byte
	scanned int // bytes of buf that hold no end of head
	total   int // length of the message whose head is there; 0 is unknown
	crlf    int // CR LF in a row before the next message
}

// feed takes a copy of p.
func (f *framer) feed(p []byte) { f.buf = append(f.buf, p...) }

// partial says whether an unfinished message is held.
func (f *framer) partial() bool { return len(f.buf) > 0 }

// next lends one message; nil means that more bytes are needed. ping reports a
// double CRLF (RFC 5626 §3.5.1). With a problem, what is lent is only the
// head, the place of the next message is unknown and the stream must end.
func (f *framer) next() (p []byte, ping bool, problem *Problem) {
	if f.skipBlank() {
		return nil, true, nil
	}
	if f.total > 0 {
		return f.take(), false, nil
	}
	from := max(0, f.scanned-len(headEnd)+1)
	i := bytes.Index(f.buf[from:], []byte(headEnd))
	if i < 0 {
		f.scanned = len(f.buf)
		if len(f.buf) > f.limit {
			return f.buf, false, &Problem{Code: 513, Reason: "Message Too Large"}
		}
		return nil, false, nil
	}
	head := from + i + len(headEnd)
	length, problem := contentLength(f.buf[:head])
	if problem == nil && head+length > f.limit {
		problem = &Problem{Code: 513, Reason: "Message Too Large"}
	}
	if problem != nil {
		return f.buf[:head], false, problem
	}
	f.total = head + length
	return f.take(), false, nil
}

// take lends the message whose length is known, once it is there.
func (f *framer) take() []byte {
	if len(f.buf) < f.total {
		return nil
	}
	p := f.buf[:f.total:f.total]
	f.buf = f.buf[f.total:]
	f.scanned, f.crlf, f.total = 0, 0, 0
	return p
}

// skipBlank drops CR LF before a message and reports every second one.
func (f *framer) skipBlank() (ping bool) {
	for bytes.HasPrefix(f.buf, []byte("\r\n")) {
		f.buf = f.buf[2:]
		f.scanned = 0
		if f.crlf++; f.crlf == 2 {
			f.crlf = 0
			return true
		}
	}
	if len(f.buf) == 0 {
		f.buf = nil // what was lent is done with; let the array go
	}
	return false
}

// contentLength looks for the one field that framing needs.
func contentLength(head []byte) (int, *Problem) {
	m, err := cut(head)
	if err != nil {
		return 0, bad("Malformed header")
	}
	values := m.all("content-length")
	switch len(values) {
	case 0:
		return 0, bad("Missing Content-Length")
	case 1:
	default:
		return 0, bad("More than one Content-Length")
	}
	n, err := number(strings.Trim(values[0], " \t"), 1<<31-1)
	if err != nil {
		return 0, bad("Malformed Content-Length")
	}
	return int(n), nil
}
