package transport

import (
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

// judge says what a request deserves: nil lets it go to a transaction, a
// Problem is its answer. It is pure. The order of checks is that of RFC 3261
// §8.2: what cannot be understood first, extensions last.
func judge(m *message, extensions []string) *Problem {
	if m.problem != nil && m.problem.Code == 505 {
		return m.problem
	}
	if p := mandatory(m.req); p != nil && m.problem == nil {
		return p
	}
	if m.problem != nil {
		return m.problem
	}
	if m.req.CSeq().MethodName != m.req.Method { // §8.1.1.5
		return bad("CSeq method differs from the request")
	}
	for _, date := range m.all("date") { // §20.17: only GMT; nothing else of it matters to us
		if !strings.HasSuffix(date, " GMT") {
			return bad("Malformed Date")
		}
	}
	if m.req.Method == sipmsg.ACK || m.req.Method == sipmsg.CANCEL {
		return nil // §8.2.2.3: Require is not looked at
	}
	return required(m, extensions)
}

// mandatory checks the header fields of §8.1.1. Max-Forwards is missing in
// requests of RFC 2543 elements, which we serve.
func mandatory(r *sipmsg.Request) *Problem {
	switch {
	case r.Via() == nil:
		return bad("Missing Via")
	case r.From() == nil:
		return bad("Missing From")
	case r.To() == nil:
		return bad("Missing To")
	case r.CallID() == nil:
		return bad("Missing Call-ID")
	case r.CSeq() == nil:
		return bad("Missing CSeq")
	}
	return nil
}

// required checks Require against the extensions we know; 420 names the rest (§8.2.2.3).
func required(m *message, known []string) *Problem {
	var unknown []string
	for _, value := range m.all("require") {
		for tag := range strings.SplitSeq(value, ",") {
			tag = strings.Trim(tag, " \t")
			if tag != "" && isToken(tag) && !containsFold(known, tag) {
				unknown = append(unknown, tag)
			}
		}
	}
	if unknown == nil {
		return nil
	}
	return &Problem{Code: 420, Reason: "Bad Extension", Headers: []string{"Unsupported: " + strings.Join(unknown, ", ")}}
}

func containsFold(list []string, s string) bool {
	for _, v := range list {
		if strings.EqualFold(v, s) {
			return true
		}
	}
	return false
}

// acceptable says whether a response may go to its transaction: the five
// mandatory fields are there and sound, and its only Via is ours (§8.1.3.3).
func acceptable(m *message) bool {
	r := m.res
	return m.problem == nil && r.Via() != nil && r.From() != nil && r.To() != nil && r.CallID() != nil &&
		r.CSeq() != nil && len(r.GetHeaders("via")) == 1
}
