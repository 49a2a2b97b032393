package registrar

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

var start = time.Unix(1e9, 0)

// request is a REGISTER; lines are further header fields.
func request(t *testing.T, callID string, seq int, lines ...string) *sipmsg.Request {
	t.Helper()
	text := fmt.Sprintf("REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:a@x>\r\nCall-ID: %s\r\nCSeq: %d REGISTER\r\n", callID, seq)
	for _, l := range lines {
		text += l + "\r\n"
	}
	m, err := sipmsg.ParseMessage([]byte(text + "Content-Length: 0\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*sipmsg.Request)
}

func newRegistrar() *Registrar {
	return New(Config{Min: time.Minute, Max: time.Hour, Contacts: 2})
}

func show(list []Binding, now time.Time) string {
	var s []string
	for _, b := range list {
		s = append(s, fmt.Sprintf("%s/%d", b.URI.String(), int(b.Expires.Sub(now)/time.Second)))
	}
	return strings.Join(s, " ")
}

func TestRegister(t *testing.T) {
	type step struct {
		callID string
		seq    int
		lines  []string
		want   string
		err    error
	}
	tests := map[string][]step{
		"no interval asked for: the longest": {{"c", 1, []string{"Contact: <sip:a@p>"}, "sip:a@p/3600", nil}},
		"the contact's own interval counts":  {{"c", 1, []string{"Contact: <sip:a@p>;expires=120", "Expires: 600"}, "sip:a@p/120", nil}},
		"too long is shortened":              {{"c", 1, []string{"Contact: <sip:a@p>", "Expires: 99999999"}, "sip:a@p/3600", nil}},
		"too brief":                          {{"c", 1, []string{"Contact: <sip:a@p>", "Expires: 59"}, "", ErrBrief}},
		"a query changes nothing": {
			{"c", 1, []string{"Contact: <sip:a@p>"}, "sip:a@p/3600", nil},
			{"c", 2, nil, "sip:a@p/3600", nil},
		},
		"the same URI is renewed": {
			{"c", 1, []string{"Contact: <sip:a@p>"}, "sip:a@p/3600", nil},
			{"c", 2, []string{"Contact: <sip:a@P>;expires=60"}, "sip:a@P/60", nil},
		},
		"removed": {
			{"c", 1, []string{"Contact: <sip:a@p>"}, "sip:a@p/3600", nil},
			{"c", 2, []string{"Contact: <sip:a@p>;expires=0"}, "", nil},
		},
		"a copy that is late does nothing": {
			{"c", 5, []string{"Contact: <sip:a@p>"}, "sip:a@p/3600", nil},
			{"c", 4, []string{"Contact: <sip:a@p>;expires=0"}, "", ErrOld},
			{"c", 6, nil, "sip:a@p/3600", nil},
		},
		"all or nothing": {
			{"c", 1, []string{"Contact: <sip:a@p>", "Contact: <sip:a@q>;expires=1"}, "", ErrBrief},
			{"c", 2, nil, "", nil},
		},
		"one contact too many": {
			{"c", 1, []string{"Contact: <sip:a@p>", "Contact: <sip:a@q>"}, "sip:a@p/3600 sip:a@q/3600", nil},
			{"d", 1, []string{"Contact: <sip:a@r>"}, "", ErrFull},
		},
		"the same device from another port": {
			{"c", 1, []string{`Contact: <sip:a@p:1>;+sip.instance="<urn:uuid:1>";reg-id=1`}, "sip:a@p:1/3600", nil},
			{"d", 1, []string{`Contact: <sip:a@p:2>;+sip.instance="<urn:uuid:1>";reg-id=1`}, "sip:a@p:2/3600", nil},
		},
		"everything is taken back": {
			{"c", 1, []string{"Contact: <sip:a@p>", "Contact: <sip:a@q>"}, "sip:a@p/3600 sip:a@q/3600", nil},
			{"c", 2, []string{"Contact: *", "Expires: 0"}, "", nil},
		},
		"* must say 0":                 {{"c", 1, []string{"Contact: *", "Expires: 60"}, "", ErrWildcard}},
		"* must say something":         {{"c", 1, []string{"Contact: *"}, "", ErrWildcard}},
		"* stands alone":               {{"c", 1, []string{"Contact: *", "Contact: <sip:a@p>", "Expires: 0"}, "", ErrWildcard}},
		"nonsense counts as an hour":   {{"c", 1, []string{"Contact: <sip:a@p>;expires=soon"}, "sip:a@p/3600", nil}},
		"another transport is another": {{"c", 1, []string{"Contact: <sip:a@p>", "Contact: <sip:a@p;transport=tcp>"}, "sip:a@p/3600 sip:a@p;transport=tcp/3600", nil}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRegistrar()
			for i, s := range steps {
				got, err := r.Register("a", request(t, s.callID, s.seq, s.lines...), nil, start)
				if !errors.Is(err, s.err) || show(got, start) != s.want {
					t.Errorf("step %d: %q, %v; want %q, %v", i+1, show(got, start), err, s.want, s.err)
				}
			}
		})
	}
}

func TestContactsEnd(t *testing.T) {
	r := newRegistrar()
	if _, err := r.Register("a", request(t, "c", 1, "Contact: <sip:a@p>;expires=60", "Contact: <sip:a@q>;expires=120"), nil, start); err != nil {
		t.Fatal(err)
	}
	now := start.Add(90 * time.Second)
	if got := show(r.Contacts("a", now), now); got != "sip:a@q/30" {
		t.Errorf("after 90 s: %q", got)
	}
	r.Sweep(start.Add(time.Hour))
	if len(r.users) != 0 {
		t.Errorf("%d users are kept without a contact", len(r.users))
	}
}

func TestPath(t *testing.T) {
	r := newRegistrar()
	list, err := r.Register("a", request(t, "c", 1, "Contact: <sip:a@10.0.0.1>", "Path: <sip:edge.example;lr>, <sip:core.example;lr>"), nil, start)
	if err != nil {
		t.Fatal(err)
	}
	if p := list[0].Path; len(p) != 2 || p[0].Host != "edge.example" || p[1].Host != "core.example" {
		t.Errorf("Path = %v", p)
	}
}
