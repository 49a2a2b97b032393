package sip

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// phone is a scripted user agent.
type phone struct {
	*world
	sock    *end
	addr    string
	tag     string
	callID  string
	theirs  string // tag of the focus
	seq     int
	target  string // Contact of the focus
	last    *sipmsg.Request
	branch  int
	contact string
	feature string // parameters of Contact
}

func (w *world) phone(addr string) *phone {
	return &phone{world: w, sock: w.ether.listen(addr), addr: addr, tag: "phone", callID: "call-" + addr, target: "sip:8001@198.51.100.1", contact: "sip:ann@" + addr}
}

// request writes a request; lines are further header fields, body an SDP unless lines name another type.
func (p *phone) request(method, body string, lines ...string) {
	if method != "ACK" && method != "CANCEL" {
		p.seq++
		p.branch++
	}
	if method == "ACK" {
		p.branch++
	}
	p.raw(method, p.seq, fmt.Sprintf("z9hG4bK-%s-%d", p.tag, p.branch), body, lines...)
}

func (p *phone) raw(method string, seq int, branch, body string, lines ...string) {
	to := "<sip:8001@198.51.100.1>"
	if p.theirs != "" && method != "CANCEL" {
		to += ";tag=" + p.theirs
	}
	text := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: \"Ann\" <sip:ann@example.org>;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <%s>%s\r\n",
		method, p.target, p.addr, branch, p.tag, to, p.callID, seq, method, p.contact, p.feature)
	typed := false
	for _, l := range lines {
		text += l + "\r\n"
		typed = typed || strings.HasPrefix(l, "Content-Type")
	}
	if body != "" && !typed {
		text += "Content-Type: application/sdp\r\n"
	}
	text += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	p.say(text)
}

func (p *phone) say(text string) {
	_, _ = p.sock.WriteTo([]byte(text), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(focusAddr)))
}

// next is the next message, nil after within of silence.
func (p *phone) next(within time.Duration) sipmsg.Message {
	p.t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case d := <-p.sock.in:
		m, err := sipmsg.ParseMessage(d.data)
		if err != nil {
			p.t.Fatalf("focus sent %q: %v", d.data, err)
		}
		return m
	case <-timer.C:
		return nil
	}
}

// answer is the next response; 100 is passed over.
func (p *phone) answer(code int) *sipmsg.Response {
	p.t.Helper()
	for {
		m := p.next(40 * time.Second)
		res, ok := m.(*sipmsg.Response)
		if !ok {
			p.t.Fatalf("got %v, want %d", m, code)
		}
		if res.StatusCode == 100 && code != 100 {
			continue
		}
		if res.StatusCode != code {
			p.t.Fatalf("got %s, want %d\n%s", res.StartLine(), code, res)
		}
		if tag, ok := res.To().Params.Get("tag"); ok {
			if p.theirs != "" && tag != p.theirs {
				p.t.Errorf("%s has To tag %q, the one before had %q", res.StartLine(), tag, p.theirs)
			}
			if res.CSeq().MethodName == "INVITE" && code < 300 {
				p.theirs = tag
			}
		}
		if c := res.Contact(); c != nil && code < 300 {
			p.target = c.Address.String()
		}
		return res
	}
}

// asks is the next request of the focus.
func (p *phone) asks(method string) *sipmsg.Request {
	p.t.Helper()
	m := p.next(time.Hour)
	req, ok := m.(*sipmsg.Request)
	if !ok || string(req.Method) != method {
		p.t.Fatalf("got %v, want %s", m, method)
	}
	p.last = req
	return req
}

// reply answers the last request of the focus.
func (p *phone) reply(code int, reason, body string, lines ...string) {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", code, reason)
	for _, name := range []string{"via", "from", "to", "call-id", "cseq"} {
		for _, h := range p.last.GetHeaders(name) {
			v := h.Value()
			if name == "to" && !strings.Contains(v, "tag=") && code > 100 {
				v += ";tag=" + p.tag
			}
			fmt.Fprintf(&b, "%s: %s\r\n", h.Name(), v)
		}
	}
	fmt.Fprintf(&b, "Contact: <%s>\r\n", p.contact)
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	p.say(b.String())
}

// quiet fails if the focus says something within d.
func (p *phone) quiet(d time.Duration) {
	p.t.Helper()
	if m := p.next(d); m != nil {
		p.t.Errorf("focus said %v, want silence", m)
	}
}

// call sets up a call with an offer.
func (p *phone) call(lines ...string) *sipmsg.Response {
	p.t.Helper()
	p.request("INVITE", "audio", lines...)
	p.answer(180)
	res := p.answer(200)
	p.request("ACK", "")
	return res
}

func (p *phone) hangUp() {
	p.t.Helper()
	p.request("BYE", "")
	p.answer(200)
	synctest.Wait()
}

func field(m message, name string) string {
	if h := m.GetHeader(name); h != nil {
		return h.Value()
	}
	return ""
}
