package transport

import (
	"net/netip"
	"strings"
	"testing"

	sipmsg "github.com/emiago/sipgo/sip"
)

// ask sends one OPTIONS with these fields from 198.51.100.7:5062 and returns
// the answer and where it went.
func ask(t *testing.T, h Handler, fields ...string) (*message, netip.AddrPort) {
	t.Helper()
	wire := &recorder{}
	l := New(Config{Handler: h})
	defer l.Close(t.Context())
	all := append([]string{"OPTIONS sip:bob@192.0.2.1 SIP/2.0"}, fields...)
	all = append(all, "From: <sip:alice@example.com>;tag=a1", "To: <sip:bob@example.com>", "Call-ID: c1", "CSeq: 1 OPTIONS")
	l.receive(&Flow{Network: UDP, wire: wire, Remote: netip.MustParseAddrPort("198.51.100.7:5062")}, sip(all...), nil)
	if len(wire.sent) != 1 {
		t.Fatalf("%d answers to\n%s", len(wire.sent), strings.Join(all, "\n"))
	}
	m, err := read([]byte(wire.sent[0]))
	if err != nil || m.res == nil || m.problem != nil {
		t.Fatalf("answer cannot be read: %v, %v", err, wire.sent)
	}
	return m, wire.to
}

// Where answers over UDP go (RFC 3261 §18.2.2, RFC 3581 §4).
func TestWhereAnswersGo(t *testing.T) {
	tests := map[string]struct{ via, to, received, rport string }{
		"sent-by is the source":       {"198.51.100.7:5070", "198.51.100.7:5070", "", ""},
		"sent-by without port":        {"198.51.100.7", "198.51.100.7:5060", "", ""},
		"sent-by is private":          {"10.0.0.5:5070", "198.51.100.7:5070", "198.51.100.7", ""},
		"sent-by is a name":           {"host.example.com", "198.51.100.7:5060", "198.51.100.7", ""},
		"rport":                       {"10.0.0.5:5070;rport", "198.51.100.7:5062", "198.51.100.7", "5062"},
		"a forged rport":              {"10.0.0.5;rport=9;received=203.0.113.1", "198.51.100.7:5062", "198.51.100.7", "5062"},
		"maddr points at a victim":    {"10.0.0.5;maddr=203.0.113.1", "198.51.100.7:5060", "198.51.100.7", ""},
		"received points at a victim": {"10.0.0.5;received=203.0.113.1", "198.51.100.7:5060", "198.51.100.7", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, to := ask(t, HandlerFunc(answer200), "Via: SIP/2.0/UDP "+tt.via+";branch=z9hG4bK1")
			via := m.res.Via()
			received, rport := via.Params.GetOr("received", ""), via.Params.GetOr("rport", "")
			if to.String() != tt.to || received != tt.received || rport != tt.rport {
				t.Errorf("to %s with received=%s rport=%s\nwant %s, %s, %s", to, received, rport, tt.to, tt.received, tt.rport)
			}
		})
	}
}

func TestAnswerEchoes(t *testing.T) {
	routes := []string{`<sip:p1.example.com;lr>;new="a b"`, "<sip:p2.example.com;lr>, <sip:p3.example.com;lr>"}
	m, _ := ask(t, HandlerFunc(answer200),
		"Via: SIP/2.0/UDP p1.example.com;branch=z9hG4bK1, SIP/2.0/TCP p2.example.com;branch=z9hG4bK2",
		"Record-Route: "+routes[0], "v: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK3;x=\"q;q\"", "Record-Route: "+routes[1])
	if got := m.all("record-route"); strings.Join(got, "|") != strings.Join(routes, "|") {
		t.Errorf("Record-Route: %q, want %q", got, routes)
	}
	var branches []string
	for _, h := range m.res.GetHeaders("Via") {
		branches = append(branches, h.(*sipmsg.ViaHeader).Params.GetOr("branch", ""))
	}
	if got := strings.Join(branches, " "); got != "z9hG4bK1 z9hG4bK2 z9hG4bK3" {
		t.Errorf("Vias: %s", got)
	}
	if v := m.all("via")[2]; !strings.Contains(v, `x="q;q"`) {
		t.Errorf("a quoted parameter became %s", v)
	}
}

// An answer that the handler made by itself gets the tag of the transaction.
func TestAnswerWithoutTag(t *testing.T) {
	var tag string
	m, _ := ask(t, HandlerFunc(func(r *Request) {
		tag = r.Tx.Tag()
		res := sipmsg.NewResponse(200, "OK")
		for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
			sipmsg.CopyHeaders(name, r.Request, res)
		}
		_ = r.Tx.Respond(res)
	}), "Via: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1")
	if got := m.res.To().Params.GetOr("tag", ""); got != tag || tag == "" {
		t.Errorf("To tag %q, want %q", got, tag)
	}
}

// The ACK to what was refused without state is nobody's business.
func TestAckToStatelessRefusal(t *testing.T) {
	wire := &recorder{}
	seen := 0
	l := New(Config{Handler: HandlerFunc(func(*Request) { seen++ })})
	f := &Flow{Network: UDP, wire: wire, Remote: netip.MustParseAddrPort("198.51.100.7:5062")}
	l.receive(f, []byte(strings.Replace(string(incoming("INVITE", "z9hG4bK1")), "Max-Forwards", "Require: x\r\nMax-Forwards", 1)), nil)
	m, err := read([]byte(wire.sent[0]))
	if err != nil || m.res.StatusCode != 420 {
		t.Fatalf("answered %q", wire.sent)
	}
	ack := strings.Replace(string(incoming("ACK", "z9hG4bK1")), "<sip:bob@example.com>", m.res.To().Value(), 1)
	l.receive(f, []byte(ack), nil)
	if seen != 0 || len(wire.sent) != 1 {
		t.Errorf("the handler saw %d requests, %d answers were sent", seen, len(wire.sent))
	}
	l.receive(f, incoming("ACK", "z9hG4bK2"), nil) // any other one may be for a dialog
	if seen != 1 {
		t.Errorf("the handler saw %d requests, want the other ACK", seen)
	}
}

func TestGrammar(t *testing.T) {
	tests := map[string]struct {
		field, value string
		want         string // as the message model writes it; "" is refused
	}{
		"bare address":             {"to", "sip:a@b;tag=1", "<sip:a@b>;tag=1"},
		"parameter of the URI":     {"to", "<sip:a@b;user=phone>;Tag=1", "<sip:a@b;user=phone>;tag=1"},
		"token display name":       {"from", "Bob  Smith <sip:a@b>", `"Bob  Smith" <sip:a@b>`},
		"utf-8 display name":       {"from", "Zoë <sip:a@b>", `"Zoë" <sip:a@b>`},
		"escaped quote":            {"from", `"a\"b" <sip:a@b>`, `"a\"b" <sip:a@b>`},
		"bracket in quotes":        {"from", `"a<b>" <sip:a@b>`, `"a<b>" <sip:a@b>`},
		"tel":                      {"to", "<tel:+49-30-1234;phone-context=x>", "<tel:+49-30-1234;phone-context=x>"},
		"IPv6":                     {"contact", "<sip:a@[2001:db8::1]:5070>", "<sip:a@[2001:db8::1]:5070>"},
		"instance":                 {"contact", `<sip:a@b>;+sip.instance="<urn:uuid:1>"`, `<sip:a@b>;+sip.instance="<urn:uuid:1>"`},
		"star":                     {"contact", "*", "*"},
		"IPv6 sent-by":             {"via", "SIP/2.0/TLS [2001:db8::1]:5061;branch=x", "SIP/2.0/TLS [2001:db8::1]:5061;branch=x"},
		"spaces around everything": {"via", "SIP / 2.0 / udp  h : 5060 ; branch = x", "SIP/2.0/UDP h:5060;branch=x"},
		"tag twice":                {"to", "<sip:a@b>;tag=1;tag=2", ""},
		"empty parameter":          {"to", "<sip:a@b>;;tag=1", ""},
		"no bracket":               {"to", "<sip:a@b", ""},
		"text after the bracket":   {"to", "<sip:a@b> x;tag=1", ""},
		"no host":                  {"to", "<sip:a@>", ""},
		"empty user":               {"to", "<sip:@b>", ""},
		"two at":                   {"to", "<sip:a@b@c>", ""},
		"port too large":           {"contact", "<sip:a@b:65536>", ""},
		"port zero":                {"contact", "<sip:a@b:0>", ""},
		"broken escape":            {"contact", "<sip:a%4@b>", ""},
		"broken IPv6":              {"contact", "<sip:a@[2001:db8::g]>", ""},
		"scheme only":              {"to", "<sip:>", ""},
		"route without bracket":    {"route", "sip:a@b;lr", ""},
		"Via without transport":    {"via", "SIP/2.0 h;branch=x", ""},
		"other version in Via":     {"via", "SIP/3.0/UDP h;branch=x", ""},
		"CSeq without method":      {"cseq", "1", ""},
		"CSeq of 2³¹":              {"cseq", "2147483648 INVITE", ""},
		"largest CSeq":             {"cseq", "2147483647\tINVITE", "2147483647 INVITE"},
		"negative length":          {"content-length", "-1", ""},
		"length with sign":         {"content-length", "+1", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			hs, err := typed(field{key: tt.field, name: tt.field, value: tt.value})
			got := ""
			if err == nil {
				got = hs[0].Value()
			}
			if got != tt.want {
				t.Errorf("%s: %q is %q (%v), want %q", tt.field, tt.value, got, err, tt.want)
			}
		})
	}
}
