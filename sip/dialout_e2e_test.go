package sip

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/transport"
)

// ring waits for an INVITE, rings, and answers with the port of p.
func (p *softphone) ring() *sipmsg.Request {
	p.t.Helper()
	invite := p.request("INVITE")
	p.respond(invite, "180 Ringing", "")
	port := p.rtp.LocalAddr().(*net.UDPAddr).Port
	for line := range strings.Lines(string(invite.Body())) {
		var n uint16
		if _, err := fmt.Sscanf(line, "m=audio %d ", &n); err == nil {
			p.peer = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), n)
		}
	}
	p.respond(invite, "200 OK", fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n", port))
	p.request("ACK")
	return invite
}

func (p *softphone) request(method string) *sipmsg.Request {
	p.t.Helper()
	buf := make([]byte, 1<<16)
	_ = p.sip.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		n, err := p.sip.Read(buf)
		if err != nil {
			p.t.Fatalf("waiting for %s: %v", method, err)
		}
		m, err := sipmsg.ParseMessage(buf[:n])
		if req, ok := m.(*sipmsg.Request); err == nil && ok && string(req.Method) == method {
			return req
		}
	}
}

func (p *softphone) respond(req *sipmsg.Request, status, body string) {
	text := "SIP/2.0 " + status + "\r\n"
	for _, name := range []string{"via", "from", "to", "call-id", "cseq"} {
		v := req.GetHeader(name).Value()
		if name == "to" && !strings.Contains(v, "tag=") {
			v += ";tag=" + p.tag
		}
		text += name + ": " + v + "\r\n"
	}
	text += fmt.Sprintf("Contact: <sip:%s@%s>\r\n", p.tag, p.sip.LocalAddr())
	if body != "" {
		text += "Content-Type: application/sdp\r\n"
	}
	text += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := p.sip.WriteToUDPAddrPort([]byte(text), p.dst); err != nil {
		p.t.Fatal(err)
	}
}

// Somebody in the conference calls a phone into it: its states are in the roster, and both hear each other.
func TestAPhoneIsCalledIntoTheConference(t *testing.T) {
	r := start(t, func(c *Config) { c.Outbound = []Rule{{Match: "sip:*@127.0.0.1"}} })
	ann, bob := r.softphone("ann"), r.softphone("bob")
	ann.dial()
	target := "sip:bob@" + bob.sip.LocalAddr().String()
	dialled := make(chan error, 1)
	go func() {
		_, err := r.bridge.Dial(t.Context(), "8001", bridge.Operator("test"), target, "Bob")
		dialled <- err
	}()
	bob.ring()
	if err := <-dialled; err != nil {
		t.Fatal(err)
	}
	var a, b []float64
	var wg sync.WaitGroup
	wg.Go(func() { a = ann.talk(2*time.Second, 500, 500, 1200) })
	wg.Go(func() { b = bob.talk(2*time.Second, 1200, 500, 1200) })
	wg.Wait()
	t.Logf("ann hears 500 Hz %.0f, 1200 Hz %.0f; bob hears %.0f, %.0f", a[0], a[1], b[0], b[1])
	if a[1] < 4000 || b[0] < 4000 || a[0] > 400 || b[1] > 400 {
		t.Errorf("ann %v, bob %v", a, b)
	}
	if _, err := r.bridge.Dial(t.Context(), "8001", bridge.Operator("test"), "sip:x@192.0.2.1", "X"); err == nil {
		t.Error("a call went out that no rule allows")
	}
	ann.send("BYE", 2, "")
	ann.final()
	if err := r.bridge.Do(t.Context(), "8001", bridge.Operator("test"), bridge.End{}); err != nil {
		t.Fatal(err)
	}
	bye := bob.request("BYE")
	bob.respond(bye, "200 OK", "")
	r.idle()
}

// SIPp in Debian has no TLS, so this is a phone of our own: INVITE, ACK, and our BYE comes on the same connection.
func TestCallOverTLS(t *testing.T) {
	cert := selfSigned(t)
	r := start(t, func(c *Config) {
		c.Listen = append(c.Listen, "tls://127.0.0.1:0")
		c.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	})
	addr := r.ua.Addrs(transport.TLS)[0]
	conn, err := tls.Dial("tcp", addr.String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // our own certificate
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say := func(method string, seq int, to, body string) {
		typ := ""
		if body != "" {
			typ = "Content-Type: application/sdp\r\n"
		}
		fmt.Fprintf(conn, "%s sips:8001@%s SIP/2.0\r\nVia: SIP/2.0/TLS phone.invalid;branch=z9hG4bKt%s%d\r\nMax-Forwards: 70\r\nFrom: <sips:ann@phone.invalid>;tag=a\r\nTo: <sips:8001@%s>%s\r\n"+
			"Call-ID: tls\r\nCSeq: %d %s\r\nContact: <sips:ann@phone.invalid>\r\n%sContent-Length: %d\r\n\r\n%s", method, addr, method, seq, addr, to, seq, method, typ, len(body), body)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 1<<16)
	read := func(part string) string {
		t.Helper()
		got := ""
		for !strings.Contains(got, part) {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("waiting for %q: %v after %q", part, err, got)
			}
			got += string(buf[:n])
		}
		return got[strings.Index(got, part):]
	}
	say("INVITE", 1, "", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n")
	ok := read("SIP/2.0 200")
	if !strings.Contains(ok, "<sips:8001@") || !strings.Contains(ok, "transport=tls") {
		t.Errorf("Contact of the answer to sips: %s", ok)
	}
	_, tag, _ := strings.Cut(ok, "To: ")
	_, tag, _ = strings.Cut(tag, ";tag=")
	tag, _, _ = strings.Cut(tag, "\r\n")
	say("ACK", 1, ";tag="+tag, "")
	for len(r.bridge.Conferences()) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if err := r.bridge.Do(t.Context(), "8001", bridge.Operator("test"), bridge.End{}); err != nil {
		t.Fatal(err)
	}
	bye := read("BYE ")
	answer := "SIP/2.0 200 OK\r\n"
	for line := range strings.SplitSeq(bye, "\r\n") {
		if name, _, ok := strings.Cut(line, ":"); ok && strings.Contains(" Via From To Call-ID CSeq ", " "+name+" ") {
			answer += line + "\r\n"
		}
	}
	fmt.Fprint(conn, answer+"Content-Length: 0\r\n\r\n")
	r.idle()
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
