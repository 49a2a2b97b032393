package sip

import (
	"testing"
	"testing/synctest"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/sip/transport"
)

// Which way our requests take, by what the Contact says and where the INVITE came from.
func TestKeepsFlow(t *testing.T) {
	tests := map[string]struct {
		hop    string
		remote string
		natted bool // Via names another address than the source
		want   bool
	}{
		"the Contact is where it came from":     {"sip:a@203.0.113.5:5060", "203.0.113.5:5060", false, true},
		"no port means 5060":                    {"sip:a@203.0.113.5", "203.0.113.5:5060", false, true},
		"another port at the same host":         {"sip:a@203.0.113.5:5080", "203.0.113.5:5060", false, false},
		"behind a NAT":                          {"sip:a@192.168.1.2:5060", "203.0.113.5:61000", true, true},
		"behind a carrier's NAT":                {"sip:a@100.64.1.2:5060", "203.0.113.5:61000", true, true},
		"link-local":                            {"sip:a@169.254.1.2", "203.0.113.5:61000", true, true},
		"another public host":                   {"sip:a@198.51.100.7", "203.0.113.5:5060", false, false},
		"a name":                                {"sip:a@pbx.example", "203.0.113.5:5060", false, false},
		"a name that nobody knows":              {"sip:a@abc.invalid", "203.0.113.5:5060", false, true},
		"a proxy hides that it is behind a NAT": {"sip:a@192.168.1.2", "203.0.113.5:5060", false, true},
		"NAT within the site":                   {"sip:a@10.0.0.7", "192.168.1.2:40000", true, true},
		"a proxy within the site":               {"sip:a@10.0.0.7", "10.0.0.9:5060", false, false},
	}
	synctest.Test(t, func(t *testing.T) {
		ether := &ether{ends: map[string]*end{}}
		flows := make(chan *transport.Flow, 1)
		l := transport.New(transport.Config{Handler: transport.HandlerFunc(func(r *transport.Request) { flows <- r.Flow })})
		if err := l.ServePacket(ether.listen(focusAddr)); err != nil {
			t.Fatal(err)
		}
		n := 0
		for name, tc := range tests {
			n++
			w := &world{t: t, ether: ether}
			p := w.phone(tc.remote)
			p.tag, p.callID = itoa(n), itoa(n)
			p.raw("ACK", 1, "z9hG4bK"+itoa(n), "")
			flow := <-flows
			var u sipmsg.Uri
			if err := sipmsg.ParseUri(tc.hop, &u); err != nil {
				t.Fatal(err)
			}
			if got := keepsFlow(u, flow, tc.natted); got != tc.want {
				t.Errorf("%s: keepsFlow(%s from %s) = %v, want %v", name, tc.hop, tc.remote, got, tc.want)
			}
		}
		_ = l.Close(t.Context())
	})
}
