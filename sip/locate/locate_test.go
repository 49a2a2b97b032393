package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tutti/sip/transport"

	sipmsg "github.com/emiago/sipgo/sip"
	"github.com/miekg/dns"
)

// A zone is a DNS of lines: "name NAPTR …", "name SRV …", "name A …".
type zone struct {
	lines []string
	fail  string // a name that makes the server fail
}

func (z zone) get(name, kind string) (rest [][]string, err error) {
	if name == z.fail {
		return nil, errors.New("server failure")
	}
	for _, line := range z.lines {
		f := strings.Fields(line)
		if strings.EqualFold(f[0], strings.TrimSuffix(name, ".")) && f[1] == kind {
			rest = append(rest, f[2:])
		}
	}
	return rest, nil
}

func (z zone) NAPTR(_ context.Context, name string) (out []NAPTR, err error) {
	lines, err := z.get(name, "NAPTR")
	for _, f := range lines {
		n := NAPTR{Flags: "s", Service: f[2], Replacement: f[3]}
		fmt.Sscan(f[0], &n.Order)
		fmt.Sscan(f[1], &n.Preference)
		out = append(out, n)
	}
	return out, err
}

func (z zone) SRV(_ context.Context, name string) (out []*net.SRV, err error) {
	lines, err := z.get(name, "SRV")
	for _, f := range lines {
		r := &net.SRV{Target: f[1]}
		fmt.Sscan(f[0], &r.Port)
		out = append(out, r)
	}
	return out, err
}

func (z zone) Addresses(_ context.Context, host string) (out []netip.Addr, err error) {
	lines, err := z.get(host, "A")
	for _, f := range lines {
		out = append(out, netip.MustParseAddr(f[0]))
	}
	return out, err
}

func TestTargets(t *testing.T) {
	// The zone of RFC 3263 §4.1 and §4.2.
	z := zone{fail: "broken.com", lines: []string{
		"example.com NAPTR 50 50 SIPS+D2T _sips._tcp.example.com",
		"example.com NAPTR 90 50 SIP+D2T _sip._tcp.example.com",
		"example.com NAPTR 100 50 SIP+D2U _sip._udp.example.com",
		"_sips._tcp.example.com SRV 5061 server1.example.com.",
		"_sip._tcp.example.com SRV 5060 server1.example.com.",
		"_sip._tcp.example.com SRV 5060 server2.example.com.",
		"_sip._udp.example.com SRV 5070 server2.example.com.",
		"server1.example.com A 192.0.2.1", "server2.example.com A 192.0.2.2", "server2.example.com A 2001:db8::2",
		"srv.com NAPTR 1 1 SIP+D2X _sip._x.srv.com",
		"_sip._udp.srv.com SRV 5080 server1.example.com.", "_sip._tcp.srv.com SRV 0 .",
		"gone.com SRV 1 .", "_sip._udp.half.com SRV 5060 nowhere.example.com.", "_sip._udp.half.com SRV 5060 server1.example.com.",
		"plain.com A 192.0.2.9",
	}}
	plain := []transport.Network{transport.UDP, transport.TCP}
	tests := map[string]struct {
		uri      string
		networks []transport.Network
		want     string
		err      error
	}{
		"address":                    {uri: "sip:192.0.2.7", want: "udp 192.0.2.7:5060"},
		"address of version 6":       {uri: "sip:bob@[2001:db8::7]:5070", want: "udp [2001:db8::7]:5070"},
		"address and transport":      {uri: "sip:192.0.2.7;transport=tcp", want: "tcp 192.0.2.7:5060!"},
		"sips address":               {uri: "sips:192.0.2.7", want: "tls 192.0.2.7:5061"},
		"maddr":                      {uri: "sip:example.com;maddr=192.0.2.7", want: "udp 192.0.2.7:5060"},
		"port: no NAPTR, no SRV":     {uri: "sip:plain.com:5099", want: "udp 192.0.2.9:5099"},
		"NAPTR decides":              {uri: "sip:example.com", networks: plain, want: "tcp 192.0.2.1:5060 tcp 192.0.2.2:5060 tcp [2001:db8::2]:5060 udp 192.0.2.2:5070 udp [2001:db8::2]:5070"},
		"NAPTR for sips":             {uri: "sips:example.com", want: "tls 192.0.2.1:5061"},
		"transport: only its SRV":    {uri: "sip:example.com;transport=udp", want: "udp 192.0.2.2:5070! udp [2001:db8::2]:5070!"},
		"sips and transport=tcp":     {uri: "sips:example.com;transport=tcp", want: "tls 192.0.2.1:5061!"},
		"no useful NAPTR: SRV":       {uri: "sip:srv.com", want: "udp 192.0.2.1:5080"},
		"a host without an address":  {uri: "sip:half.com", want: "udp 192.0.2.1:5060"},
		"neither NAPTR nor SRV":      {uri: "sip:plain.com", want: "udp 192.0.2.9:5060"},
		"transport, and only A":      {uri: "sip:plain.com;transport=tcp", want: "tcp 192.0.2.9:5060!"},
		"nothing":                    {uri: "sip:nothing.com", err: ErrNotFound},
		"tel":                        {uri: "tel:+123456", err: ErrUnsupported},
		"transport that we cannot":   {uri: "sip:plain.com;transport=sctp", err: ErrUnsupported},
		"sips, and transport=udp":    {uri: "sips:plain.com;transport=udp", err: ErrUnsupported},
		"sips where we dial no TLS":  {uri: "sips:plain.com", networks: plain, err: ErrUnsupported},
		"the name server has failed": {uri: "sip:broken.com", err: errAny},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var uri sipmsg.Uri
			if err := sipmsg.ParseUri(tt.uri, &uri); err != nil {
				t.Fatal(err)
			}
			targets, err := (&Locator{DNS: z, Networks: tt.networks}).Targets(t.Context(), uri)
			if tt.err != nil {
				if err == nil || tt.err != errAny && !errors.Is(err, tt.err) {
					t.Fatalf("Targets() = %v, %v, want %v", targets, err, tt.err)
				}
				return
			}
			var got []string
			for _, target := range targets {
				s := fmt.Sprintf("%s %s", target.Network, target.Addr)
				if target.Fixed {
					s += "!"
				}
				got = append(got, s)
			}
			if s := strings.Join(got, " "); s != tt.want || err != nil {
				t.Errorf("Targets(%s) = %s, %v\nwant %s", tt.uri, s, err, tt.want)
			}
		})
	}
}

var errAny = errors.New("any")

// A DNS that says a thousand times yes does not make us try a thousand hosts.
func TestTargetsAreBounded(t *testing.T) {
	z := zone{}
	for i := range 1000 {
		z.lines = append(z.lines, fmt.Sprintf("big.com A 10.0.%d.%d", i/256, i%256))
	}
	targets, err := (&Locator{DNS: z}).Targets(t.Context(), sipmsg.Uri{Host: "big.com"})
	if err != nil || len(targets) != maxTargets {
		t.Errorf("%d targets, %v", len(targets), err)
	}
}

// A certificate has to name what the user typed, not what the DNS said.
func TestServerName(t *testing.T) {
	z := zone{lines: []string{"_sips._tcp.example.com SRV 5061 host.provider.net.", "host.provider.net A 192.0.2.1"}}
	targets, err := (&Locator{DNS: z}).Targets(t.Context(), sipmsg.Uri{Scheme: "sips", Host: "example.com"})
	if err != nil || len(targets) != 1 || targets[0].ServerName != "example.com" {
		t.Errorf("Targets() = %+v, %v", targets, err)
	}
}

// NAPTR from a name server on loopback.
func TestNAPTRQuestion(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		if q.Question[0].Name == "example.com." {
			rr, _ := dns.NewRR(`example.com. 60 IN NAPTR 90 50 "s" "SIP+D2T" "" _sip._tcp.example.com.`)
			a.Answer = append(a.Answer, rr)
		} else {
			a.Rcode = dns.RcodeServerFailure
		}
		_ = w.WriteMsg(a)
	})}
	go server.ActivateAndServe()
	defer server.Shutdown()
	s := &System{servers: []string{pc.LocalAddr().String()}}
	got, err := s.NAPTR(t.Context(), "example.com")
	want := []NAPTR{{Order: 90, Preference: 50, Flags: "s", Service: "SIP+D2T", Replacement: "_sip._tcp.example.com"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("NAPTR() = %v, %v", got, err)
	}
	if got, err := s.NAPTR(t.Context(), "broken.com"); err != nil || got != nil {
		t.Errorf("a name server that fails: %v, %v, want nothing", got, err)
	}
}
