package e2e

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// caller speaks SIP over UDP word by word, for what no real phone would send.
type caller struct {
	b    *bridge
	conn net.Conn
	name string
	to   string // our To, with the bridge's tag once it is known
	next string // Request-URI within the dialog
	seq  int
}

func (b *bridge) caller(name string) *caller {
	b.t.Helper()
	conn, err := net.Dial("udp", b.sip)
	if err != nil {
		b.t.Fatal(err)
	}
	return &caller{b: b, conn: conn, name: name, to: "<" + b.uri("8001") + ">", next: b.uri("8001")}
}

func (c *caller) close() { c.conn.Close() }

// reply is a SIP response.
type reply struct {
	code int
	head string
	body string
}

// field is the value of the first header field of that name.
func (r reply) field(name string) string {
	for line := range strings.SplitSeq(r.head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (c *caller) send(method, contentType, body string, fields ...string) {
	c.b.t.Helper()
	if method != "ACK" {
		c.seq++
	}
	local := c.conn.LocalAddr().String()
	head := []string{
		method + " " + c.next + " SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%d%s;rport", local, c.name, c.seq, method),
		"Max-Forwards: 70",
		fmt.Sprintf("From: <sip:%s@%s>;tag=%s", c.name, local, c.name),
		"To: " + c.to,
		fmt.Sprintf("Call-ID: %s@%s", c.name, local),
		fmt.Sprintf("CSeq: %d %s", c.seq, method),
		fmt.Sprintf("Contact: <sip:%s@%s>", c.name, local),
	}
	head = append(head, fields...)
	if body != "" {
		head = append(head, "Content-Type: "+contentType)
	}
	head = append(head, "Content-Length: "+strconv.Itoa(len(body)), "", body)
	if _, err := c.conn.Write([]byte(strings.Join(head, "\r\n"))); err != nil {
		c.b.t.Fatal(err)
	}
}

// final waits for the final response to the last request.
func (c *caller) final() reply {
	c.b.t.Helper()
	buf := make([]byte, 1<<16)
	c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		n, err := c.conn.Read(buf)
		if err != nil {
			c.b.t.Fatalf("%s waits for an answer: %v", c.name, err)
		}
		head, body, _ := strings.Cut(string(buf[:n]), "\r\n\r\n")
		r := reply{head: head, body: body}
		if _, err := fmt.Sscanf(head, "SIP/2.0 %d", &r.code); err == nil && r.code >= 200 && strings.HasPrefix(r.field("CSeq"), strconv.Itoa(c.seq)+" ") {
			return r
		}
	}
}

// invite calls with an offer; "" calls without.
func (c *caller) invite(offer string) reply {
	c.b.t.Helper()
	c.send("INVITE", "application/sdp", offer)
	r := c.final()
	if r.code == 200 {
		c.to = r.field("To")
		c.next = strings.TrimPrefix(r.field("Contact"), "<")
		c.next, _, _ = strings.Cut(c.next, ">")
	}
	return r
}

// ack acknowledges a final response to INVITE; to a refusal within its transaction (RFC 3261 §17.1.1.3).
func (c *caller) ack(r reply) {
	c.b.t.Helper()
	if r.code == 200 {
		c.send("ACK", "", "")
		return
	}
	local := c.conn.LocalAddr().String()
	fmt.Fprintf(c.conn, "ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%dINVITE;rport\r\nMax-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=%s\r\nTo: %s\r\nCall-ID: %s@%s\r\nCSeq: %d ACK\r\nContent-Length: 0\r\n\r\n",
		c.next, local, c.name, c.seq, c.name, local, c.name, r.field("To"), c.name, local, c.seq)
}

func (c *caller) bye() reply {
	c.b.t.Helper()
	c.send("BYE", "", "")
	return c.final()
}

// plainOffer is G.711 at a port of loopback.
func plainOffer(port int) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n", port)
}
