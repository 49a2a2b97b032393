package event

import (
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

func subscribe(fields ...string) *sipmsg.Request {
	r := sipmsg.NewRequest(sipmsg.SUBSCRIBE, sipmsg.Uri{Scheme: "sip", User: "8001", Host: "192.0.2.1"})
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.AppendHeader(sipmsg.NewHeader(name, value))
	}
	return r
}

func TestSubscribeIsRead(t *testing.T) {
	tests := []struct {
		fields  string // separated by |
		code    int
		value   string
		expires time.Duration
	}{
		{"Event: conference", 0, "conference", time.Hour},
		{"Event: Conference;id=7|Expires: 600", 0, "conference;id=7", 10 * time.Minute},
		{"Event: conference|Expires: 0", 0, "conference", 0},
		{"Event: conference|Expires: 4294967295", 0, "conference", time.Hour},
		{"Event: conference|Accept: application/conference-info+xml", 0, "conference", time.Hour},
		{"Event: conference|Accept: text/plain, Application/*;q=0.5", 0, "conference", time.Hour},
		{"Event: conference|Accept: text/plain|Accept: */*", 0, "conference", time.Hour},
		{"Event: conference|Accept: application/pidf+xml", 406, "", 0},
		{"Event: conference|Expires: 10", 423, "", 0},
		{"Event: conference|Expires: soon", 400, "", 0},
		{"Event: conference|Expires: -1", 400, "", 0},
		{"Event: conference;id=a b", 400, "", 0},
		{"Event: conference;id=" + strings.Repeat("7", 200), 400, "", 0},
		{"Event: presence", 489, "", 0},
		{"Event: refer", 489, "", 0},
		{"Event: conference|Event: conference", 489, "", 0},
		{"Expires: 600", 489, "", 0},
		{"Event: ", 489, "", 0},
	}
	for _, test := range tests {
		a, refusal := ReadConference(subscribe(strings.Split(test.fields, "|")...), Terms{})
		code := 0
		if refusal != nil {
			code = refusal.Code
		}
		if code != test.code || code == 0 && (a.Value() != test.value || a.Expires != test.expires) {
			t.Errorf("%s: %d %q %v, want %d %q %v", test.fields, code, a.Value(), a.Expires, test.code, test.value, test.expires)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("conference;id=1", "3600", "application/conference-info+xml")
	f.Add(";;=", "-", "/;,")
	f.Fuzz(func(t *testing.T, event, expires, accept string) {
		r := subscribe()
		for name, v := range map[string]string{"Event": event, "Expires": expires, "Accept": accept} {
			r.AppendHeader(sipmsg.NewHeader(name, v))
		}
		a, refusal := ReadConference(r, Terms{})
		if refusal == nil && (strings.ContainsAny(a.Value(), "\r\n\x00") || a.Expires < 0 || a.Expires > time.Hour) {
			t.Errorf("%q is given back as %q, %v", event, a.Value(), a.Expires)
		}
	})
}
