package bench

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
	"golang.org/x/sys/unix"
)

const conference = "8001"

// phone is a PCMU phone on the loopback address. Its RTP socket is raw: a pacer sends on it, an ear drains it.
type phone struct {
	t    testing.TB
	name string
	sip  *net.UDPConn
	dst  netip.AddrPort // SIP of the bridge
	to   string         // tag of the bridge
	rtp  *socket
	rtcp *socket             // the bridge's reports; never read
	peer *unix.SockaddrInet4 // RTP of the bridge
}

// newPhone opens the sockets; they close with the test at the latest.
func newPhone(t testing.TB, bridge netip.AddrPort, name string) *phone {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := &phone{t: t, name: name, sip: c, dst: bridge}
	p.rtp, p.rtcp = openPair(t)
	return p
}

// request is the text of one.
func (p *phone) request(method string, seq int, body string) []byte {
	us := p.sip.LocalAddr()
	var b strings.Builder
	fmt.Fprintf(&b, "%s sip:%s@%s SIP/2.0\r\n", method, conference, p.dst)
	fmt.Fprintf(&b, "Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%d%s;rport\r\nMax-Forwards: 70\r\n", us, p.name, seq, method)
	fmt.Fprintf(&b, "From: <sip:%s@127.0.0.1>;tag=%s\r\nTo: <sip:%s@127.0.0.1>%s\r\n", p.name, p.name, conference, p.to)
	fmt.Fprintf(&b, "Call-ID: %s@%s\r\nCSeq: %d %s\r\nContact: <sip:%s@%s>\r\n", p.name, us, seq, method, p.name, us)
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return []byte(b.String())
}

// ask sends a request until it has its final response.
func (p *phone) ask(method string, seq int, body string) *sipmsg.Response {
	p.t.Helper()
	buf := make([]byte, 1<<16)
	heard := false
	for range 20 {
		if !heard {
			p.tell(method, seq, body)
		}
		_ = p.sip.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		for {
			n, err := p.sip.Read(buf)
			if errors.Is(err, unix.ECONNREFUSED) {
				continue
			}
			if err != nil {
				break
			}
			m, err := sipmsg.ParseMessage(buf[:n])
			res, ok := m.(*sipmsg.Response)
			if err != nil || !ok || res.CSeq().SeqNo != uint32(seq) {
				continue
			}
			if res.StatusCode >= 200 {
				return res
			}
			heard = true
		}
	}
	p.t.Fatalf("%s: no answer to %s in 10 s", p.name, method)
	return nil
}

func (p *phone) tell(method string, seq int, body string) {
	p.t.Helper()
	if _, err := p.sip.WriteToUDPAddrPort(p.request(method, seq, body), p.dst); err != nil {
		p.t.Fatal(err)
	}
}

// dial joins the conference.
func (p *phone) dial() {
	p.t.Helper()
	sdp := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
		"m=audio %d RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n", p.rtp.port)
	res := p.ask("INVITE", 1, sdp)
	if res.StatusCode != 200 {
		p.t.Fatalf("%s: %s", p.name, res.StartLine())
	}
	p.to = ";tag=" + res.To().Params.GetOr("tag", "")
	for line := range strings.Lines(string(res.Body())) {
		var port int
		if _, err := fmt.Sscanf(line, "m=audio %d ", &port); err == nil {
			p.peer = loopback(port)
		}
	}
	if p.peer == nil {
		p.t.Fatalf("%s: no audio in\n%s", p.name, res.Body())
	}
	p.tell("ACK", 1, "")
}

// hangUp leaves the conference and closes the sockets.
func (p *phone) hangUp() {
	p.t.Helper()
	if res := p.ask("BYE", 2, ""); res.StatusCode != 200 {
		p.t.Errorf("%s: BYE: %s", p.name, res.StartLine())
	}
	p.sip.Close()
	p.rtp.close()
	p.rtcp.close()
}

// dialAll lets n phones join, one after the other.
func dialAll(t testing.TB, b *bridge, round string, n int) []*phone {
	t.Helper()
	phones := make([]*phone, n)
	for i := range phones {
		phones[i] = newPhone(t, b.sip, fmt.Sprintf("p%sx%d", round, i))
		phones[i].dial()
		nap(8 * time.Millisecond) // the bridge takes 200 new calls a second
	}
	b.awaitLegs(n)
	return phones
}

func hangUpAll(phones []*phone) {
	for _, p := range phones {
		p.t.Helper()
		p.hangUp()
	}
}
