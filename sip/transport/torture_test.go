package transport

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	sipmsg "github.com/emiago/sipgo/sip"
)

// A recorder is a wire that keeps what is sent.
type recorder struct {
	sent []string
	to   netip.AddrPort // of the newest
}

func (r *recorder) send(to netip.AddrPort, p []byte) error {
	r.to, r.sent = to, append(r.sent, string(p))
	return nil
}
func (r *recorder) alive() bool           { return true }
func (r *recorder) over() <-chan struct{} { return nil }

// judgement receives one datagram and says what became of it: "to the handler",
// "dropped", or code and reason of the answer.
func judgement(t testing.TB, p []byte) (verdict string, got *Request) {
	t.Helper()
	wire := &recorder{}
	l := New(Config{Extensions: []string{"timer"}, Handler: HandlerFunc(func(r *Request) { got = r })})
	defer l.Close(t.Context())
	l.receive(&Flow{
		Network: UDP, wire: wire,
		Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("198.51.100.7:5062"),
	}, p, nil)
	switch {
	case got != nil:
		return "to the handler", got
	case len(wire.sent) == 1:
		line, _, _ := strings.Cut(wire.sent[0], "\r\n")
		return strings.TrimPrefix(line, "SIP/2.0 "), nil
	}
	return "dropped", nil
}

// The messages of RFC 4475 and what a user agent server owes each. "To the
// handler" means that the message is sound; what the text demands beyond that
// (401, 406, 415, 501 …) needs the core above.
func TestTorture(t *testing.T) {
	const handler, dropped = "to the handler", "dropped"
	tests := []struct{ section, file, want string }{
		{"3.1.1.1", "wsinv", handler},
		{"3.1.1.2", "intmeth", handler},
		{"3.1.1.3", "esc01", handler},
		{"3.1.1.4", "escnull", handler},
		{"3.1.1.5", "esc02", handler}, // 501: the method is RE%47IST%45R
		{"3.1.1.6", "lwsdisp", handler},
		{"3.1.1.7", "longreq", handler},
		{"3.1.1.8", "dblreq", handler}, // the second request in the datagram is noise
		{"3.1.1.9", "semiuri", handler},
		{"3.1.1.10", "transports", handler},
		{"3.1.1.11", "mpart01", handler},
		{"3.1.1.12", "unreason", dropped}, // sound responses; no transaction of ours
		{"3.1.1.13", "noreason", dropped},
		{"3.1.2.1", "badinv01", "400 Malformed Via"},
		{"3.1.2.2", "clerr", "400 Content-Length is larger than the body"},
		{"3.1.2.3", "ncl", "400 Malformed Content-Length"},
		{"3.1.2.4", "scalar02", "400 Malformed CSeq"},
		{"3.1.2.5", "scalarlg", dropped},
		{"3.1.2.6", "quotbal", "400 Malformed To"},
		{"3.1.2.7", "ltgtruri", "400 Malformed Request-URI"},
		{"3.1.2.8", "lwsruri", "400 Malformed Request-URI"},
		{"3.1.2.9", "lwsstart", "400 Malformed Request-URI"},
		{"3.1.2.10", "trws", "400 White space after the request line"},
		{"3.1.2.11", "escruri", "400 Request-URI with header fields"},
		{"3.1.2.12", "baddate", "400 Malformed Date"},
		{"3.1.2.13", "regbadct", "400 Malformed Contact"},
		{"3.1.2.14", "badaspec", "400 Malformed To"},
		{"3.1.2.15", "baddn", "400 Malformed From"},
		{"3.1.2.16", "badvers", "505 Version Not Supported"},
		{"3.1.2.17", "mismatch01", "400 CSeq method differs from the request"},
		{"3.1.2.18", "mismatch02", "400 CSeq method differs from the request"},
		{"3.1.2.19", "bigcode", dropped},
		{"3.2.1", "badbranch", handler}, // as a branch of RFC 2543
		{"3.3.1", "insuf", "400 Missing From"},
		{"3.3.2", "unkscm", "416 Unsupported URI Scheme"},
		{"3.3.3", "novelsc", "416 Unsupported URI Scheme"},
		{"3.3.4", "unksm2", handler}, // 404 or a 400 of the registrar
		{"3.3.5", "bext01", "420 Bad Extension"},
		{"3.3.6", "invut", handler},    // 415
		{"3.3.7", "regaut01", handler}, // 401
		{"3.3.8", "multi01", "400 More than one CSeq"},
		{"3.3.9", "mcl01", "400 More than one Content-Length"},
		{"3.3.10", "bcast", dropped},
		{"3.3.11", "zeromf", handler}, // only a proxy may not go on
		{"3.3.12", "cparam01", handler},
		{"3.3.13", "cparam02", handler},
		{"3.3.14", "regescrt", handler},
		{"3.3.15", "sdp01", handler}, // 406
		{"3.4.1", "inv2543", handler},
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		seen[tt.file+".dat"] = true
		t.Run(tt.section+" "+tt.file, func(t *testing.T) {
			got, req := judgement(t, torture(t, tt.file))
			if got != tt.want {
				t.Errorf("%s was %q, want %q", tt.file, got, tt.want)
			}
			if req != nil {
				roundTrip(t, req.Request)
			}
		})
	}
	files, err := filepath.Glob("../../testdata/rfc4475/*.dat")
	if err != nil || len(files) != len(tests) {
		t.Errorf("%d files, %d cases: %v", len(files), len(tests), err)
	}
	for _, f := range files {
		if !seen[filepath.Base(f)] {
			t.Errorf("%s has no case", f)
		}
	}
}

func torture(t testing.TB, name string) []byte {
	t.Helper()
	p, err := os.ReadFile("../../testdata/rfc4475/" + name + ".dat")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// roundTrip writes a request that was judged sound and reads it again.
func roundTrip(t testing.TB, req *sipmsg.Request) {
	t.Helper()
	first := marshal(req)
	m, err := read(first)
	if err != nil {
		t.Fatalf("what we wrote cannot be read: %v\n%s", err, first)
	}
	if p := judge(m, []string{"timer"}); p != nil {
		t.Fatalf("what we wrote deserves %d %s:\n%s", p.Code, p.Reason, first)
	}
	if second := marshal(m.req); string(second) != string(first) {
		t.Fatalf("changed by a round trip:\n%q\n%q", first, second)
	}
}

// The details that make wsinv tortuous.
func TestTortuousInvite(t *testing.T) {
	_, r := judgement(t, torture(t, "wsinv"))
	if r == nil {
		t.Fatal("wsinv did not reach the handler")
	}
	tag, _ := r.To().Params.Get("tag")
	q, _ := r.Contact().Params.Get("q")
	facts := map[string][2]string{
		"To tag":       {tag, "1918181833n"},
		"From name":    {r.From().DisplayName, `J Rosenberg \\\"`},
		"CSeq":         {r.CSeq().Value(), "9 INVITE"},
		"Max-Forwards": {strconv.Itoa(int(*r.MaxForwards())), "68"},
		"Vias":         {strconv.Itoa(len(r.GetHeaders("Via"))), "3"},
		"top Via":      {r.Via().Host, "192.0.2.2"},
		"received":     {r.Via().Params.GetOr("received", ""), "198.51.100.7"},
		"q":            {q, "0.33"},
		"folded":       {r.GetHeader("NewFangledHeader").Value(), "newfangled value continued newfangled value"},
		"body":         {strconv.Itoa(len(r.Body())), "150"},
	}
	for name, f := range facts {
		if f[0] != f[1] {
			t.Errorf("%s = %q, want %q", name, f[0], f[1])
		}
	}
}

// 420 says which extension; a refusal has the same tag for every copy.
func TestRefusal(t *testing.T) {
	wire := &recorder{}
	l := New(Config{Handler: HandlerFunc(func(*Request) { t.Error("the handler saw it") })})
	f := &Flow{Network: UDP, wire: wire, Remote: netip.MustParseAddrPort("198.51.100.7:5062")}
	p := torture(t, "bext01")
	l.receive(f, p, nil)
	l.receive(f, p, nil)
	if len(wire.sent) != 2 || wire.sent[0] != wire.sent[1] {
		t.Fatalf("answers differ: %q", wire.sent)
	}
	m, err := read([]byte(wire.sent[0]))
	if err != nil || m.problem != nil {
		t.Fatal(err, m.problem)
	}
	if got := m.res.GetHeader("Unsupported").Value(); got != "nothingSupportsThis, nothingSupportsThisEither" {
		t.Errorf("Unsupported = %q", got)
	}
	if got := l.Counters(); got.Refused != 2 || got.ServerTransactions != 0 {
		t.Errorf("Counters() = %+v, want 2 refused and nothing kept", got)
	}
}

func FuzzReceive(f *testing.F) {
	files, _ := filepath.Glob("../../testdata/rfc4475/*.dat")
	for _, name := range files {
		p, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if _, r := judgement(t, p); r != nil {
			roundTrip(t, r.Request)
			if r.Tx != nil {
				if _, err := read(marshal(r.Response(200, "OK"))); err != nil {
					t.Fatalf("our answer cannot be read: %v", err)
				}
			}
		}
	})
}
