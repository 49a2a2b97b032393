package event

import (
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// Conference is the event package of RFC 4575, ConferenceType its documents.
const (
	Conference     = "conference"
	ConferenceType = "application/conference-info+xml"
)

// Refer is the event package of RFC 3515, ReferType its documents. Nobody subscribes to it: a REFER does.
const (
	Refer     = "refer"
	ReferType = "message/sipfrag;version=2.0"
)

// Terms bound how long a subscription lasts before it must be refreshed. Zero fields take defaults.
type Terms struct {
	Min     time.Duration // 0 is 60 s
	Max     time.Duration // 0 is 1 h
	Default time.Duration // where the subscriber names none; 0 is 1 h (RFC 4575 §3.4)
}

func (t Terms) withDefaults() Terms {
	if t.Min == 0 {
		t.Min = time.Minute
	}
	if t.Max == 0 {
		t.Max = time.Hour
	}
	if t.Default == 0 {
		t.Default = time.Hour
	}
	t.Max = max(t.Max, t.Min)
	t.Default = min(t.Default, t.Max)
	return t
}

// Ask is what a SUBSCRIBE asks for.
type Ask struct {
	Event   string        // the package, in lower case
	ID      string        // tells subscriptions of one dialog apart; "" for none
	Expires time.Duration // granted; 0 ends the subscription
}

// Value is the Event header field of the NOTIFYs.
func (a Ask) Value() string {
	if a.ID == "" {
		return a.Event
	}
	return a.Event + ";id=" + a.ID
}

// Refusal is the final answer to a SUBSCRIBE that cannot be accepted. Fields are names and values in turn.
type Refusal struct {
	Code   int
	Text   string
	Fields []string
}

type message interface {
	GetHeaders(string) []sipmsg.Header
}

// Read reads a SUBSCRIBE (RFC 6665 §4.2.1). Its package is not judged here: see ReadConference.
func Read(m message, terms Terms) (Ask, *Refusal) {
	events := m.GetHeaders("event")
	if len(events) != 1 {
		return Ask{}, badEvent()
	}
	name, params, _ := strings.Cut(events[0].Value(), ";")
	a := Ask{Event: strings.ToLower(strings.TrimSpace(name))}
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), "id") {
			a.ID = strings.TrimSpace(v)
		}
	}
	if len(a.ID) > maxID || !isToken(a.ID) {
		return Ask{}, &Refusal{Code: 400, Text: "Malformed Event"}
	}
	var refusal *Refusal
	a.Expires, refusal = expires(m, terms.withDefaults())
	return a, refusal
}

const maxID = 128

// isToken says that s can be given back in a header field.
func isToken(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func badEvent() *Refusal {
	return &Refusal{489, "Bad Event", []string{"Allow-Events", Conference}}
}

func expires(m message, t Terms) (time.Duration, *Refusal) {
	fields := m.GetHeaders("expires")
	if len(fields) == 0 {
		return t.Default, nil
	}
	n, err := strconv.ParseUint(strings.TrimSpace(fields[0].Value()), 10, 32)
	if err != nil {
		return 0, &Refusal{Code: 400, Text: "Malformed Expires"}
	}
	d := min(time.Duration(n)*time.Second, t.Max)
	if d > 0 && d < t.Min {
		return 0, &Refusal{423, "Interval Too Brief", []string{"Min-Expires", strconv.Itoa(int(t.Min / time.Second))}}
	}
	return d, nil
}

// ReadConference reads a SUBSCRIBE to the conference package, the only one there is.
func ReadConference(m message, terms Terms) (Ask, *Refusal) {
	a, refusal := Read(m, terms)
	switch {
	case refusal != nil:
		return a, refusal
	case a.Event != Conference:
		return a, badEvent()
	case !accepts(m, ConferenceType):
		return a, &Refusal{406, "Not Acceptable", []string{"Accept", ConferenceType}}
	}
	return a, nil
}

// accepts reads Accept (RFC 3261 §20.1); without one the package's own type is meant (RFC 4575 §3.5).
func accepts(m message, want string) bool {
	fields := m.GetHeaders("accept")
	if len(fields) == 0 {
		return true
	}
	major, _, _ := strings.Cut(want, "/")
	for _, h := range fields {
		for v := range strings.SplitSeq(h.Value(), ",") {
			typ, _, _ := strings.Cut(v, ";")
			switch strings.ToLower(strings.TrimSpace(typ)) {
			case want, major + "/*", "*/*":
				return true
			}
		}
	}
	return false
}
