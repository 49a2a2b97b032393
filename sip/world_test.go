package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/mixer"
)

// The world of these tests: a user agent and scripted phones on an in-memory network, in a bubble of fake time.

// ether is a network of datagrams. Nothing is lost.
type ether struct {
	mu   sync.Mutex
	ends map[string]*end
}

func (e *ether) listen(addr string) *end {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := &end{ether: e, addr: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)), in: make(chan datagram, 1024), done: make(chan struct{})}
	e.ends[addr] = n
	return n
}

type datagram struct {
	from net.Addr
	data []byte
}

// end is one socket.
type end struct {
	ether *ether
	addr  net.Addr
	in    chan datagram
	once  sync.Once
	done  chan struct{}
}

func (n *end) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case d := <-n.in:
		return copy(p, d.data), d.from, nil
	case <-n.done:
		return 0, nil, net.ErrClosed
	}
}

func (n *end) WriteTo(p []byte, to net.Addr) (int, error) {
	n.ether.mu.Lock()
	dst := n.ether.ends[to.String()]
	n.ether.mu.Unlock()
	if dst != nil {
		select {
		case dst.in <- datagram{n.addr, slices.Clone(p)}:
		default:
		}
	}
	return len(p), nil
}

func (n *end) Close() error                     { n.once.Do(func() { close(n.done) }); return nil }
func (n *end) LocalAddr() net.Addr              { return n.addr }
func (n *end) SetDeadline(time.Time) error      { return nil }
func (n *end) SetReadDeadline(time.Time) error  { return nil }
func (n *end) SetWriteDeadline(time.Time) error { return nil }

// world is one test.
type world struct {
	t     *testing.T
	ether *ether
	ua    *UserAgent
	focus *fakeFocus
	media *fakeMedia
	stop  func()
}

const focusAddr = "198.51.100.1:5060"

// inWorld runs story in a bubble with a user agent at focusAddr; at its end nothing may be left.
func inWorld(t *testing.T, change func(*Config), story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Realm: "tutti"}
		if change != nil {
			change(&cfg)
		}
		w := &world{t: t, ether: &ether{ends: map[string]*end{}}, focus: &fakeFocus{}, media: &fakeMedia{}}
		ua, err := newAgent(cfg, w.focus, w.media)
		if err != nil {
			t.Fatal(err)
		}
		w.ua = ua
		if err := ua.layer.ServePacket(w.ether.listen(focusAddr)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ua.Run(ctx) }()
		w.stop = cancel
		story(w)
		cancel()
		<-done
		if n := ua.Calls(); n != 0 {
			t.Errorf("%d calls are left", n)
		}
		if n := w.media.open(); n != 0 {
			t.Errorf("%d sessions are left open", n)
		}
	})
}

// fakeFocus admits all, or refuses.
type fakeFocus struct {
	mu      sync.Mutex
	refusal *bridge.Refusal
	late    *bridge.Refusal // Join refuses what Admit let in
	legs    []*fakeLeg
}

func (f *fakeFocus) Admit(bridge.JoinRequest) (bridge.Preferences, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refusal != nil {
		return bridge.Preferences{}, f.refusal
	}
	return bridge.Preferences{}, nil
}

func (f *fakeFocus) Join(_ context.Context, r bridge.JoinRequest) (leg, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.late != nil {
		return nil, f.late
	}
	l := &fakeLeg{request: r}
	f.legs = append(f.legs, l)
	return l, nil
}

// joined is the last leg, nil for none.
func (w *world) joined() *fakeLeg {
	synctest.Wait()
	w.focus.mu.Lock()
	defer w.focus.mu.Unlock()
	if len(w.focus.legs) == 0 {
		return nil
	}
	return w.focus.legs[len(w.focus.legs)-1]
}

type fakeLeg struct {
	request bridge.JoinRequest
	mu      sync.Mutex
	events  []string
}

func (l *fakeLeg) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, fmt.Sprintf(format, args...))
}

// story is what happened to the leg, in order.
func (l *fakeLeg) story() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.events, " ")
}

func (l *fakeLeg) Attach(s []mixer.Stream) ([]mixer.Inlet, error) {
	l.note("attach(%d)", len(s))
	return make([]mixer.Inlet, len(s)), nil
}
func (l *fakeLeg) SetStatus(s bridge.Status)     { l.note("%s", s) }
func (l *fakeLeg) Press(key rune)                { l.note("press(%c)", key) }
func (l *fakeLeg) RequestKeyFrame(stream string) { l.note("keyframe(%s)", stream) }
func (l *fakeLeg) Leave(r bridge.Reason)         { l.note("leave(%s,%d)", r.Method, r.Code) }

// fakeMedia makes sessions whose descriptions are words.
type fakeMedia struct {
	mu       sync.Mutex
	sessions []*fakeSession
}

func (m *fakeMedia) WantsICE(o []byte) bool { return strings.Contains(string(o), "ice") }

func (m *fakeMedia) NewSession(r SessionRequest) (Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &fakeSession{request: r, media: m}
	m.sessions = append(m.sessions, s)
	return s, nil
}

func (m *fakeMedia) open() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.sessions {
		if !s.closed {
			n++
		}
	}
	return n
}

// fakeSession understands offers "audio", "audio video", "hold"; anything with "bad" does not fit.
type fakeSession struct {
	request SessionRequest
	media   *fakeMedia
	now     string
	open    bool
	closed  bool
}

var errFakeMedia = &MediaError{Code: 488, Warning: 305, Text: "No common format"}

func (s *fakeSession) take(sdp []byte) error {
	text := strings.TrimSpace(string(sdp))
	if strings.Contains(text, "bad") {
		return errFakeMedia
	}
	s.now = text
	return nil
}

func (s *fakeSession) Answer(_ context.Context, o []byte) ([]byte, error) {
	if err := s.take(o); err != nil {
		return nil, err
	}
	return []byte("answer to " + s.now), nil
}
func (s *fakeSession) Offer(context.Context) ([]byte, error) {
	s.open = true
	return []byte("our offer"), nil
}
func (s *fakeSession) Complete(a []byte) error {
	if !s.open {
		return errors.New("no offer")
	}
	if err := s.take(a); err != nil {
		return err
	}
	s.open = false
	return nil
}
func (s *fakeSession) Rollback() { s.open = false }
func (s *fakeSession) Confirm()  {}
func (s *fakeSession) Streams() []mixer.Stream {
	list := []mixer.Stream{{ID: "0", Kind: mixer.Audio, Send: &mixer.Encoding{}}}
	if strings.Contains(s.now, "video") {
		list = append(list, mixer.Stream{ID: "1", Kind: mixer.Video, Send: &mixer.Encoding{}})
	}
	return list
}
func (s *fakeSession) Connect([]mixer.Inlet) {}
func (s *fakeSession) Held() bool            { return strings.Contains(s.now, "hold") }
func (s *fakeSession) Close() {
	s.media.mu.Lock()
	defer s.media.mu.Unlock()
	s.closed = true
}

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
	routes  string
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
	text := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: \"Ann\" <sip:ann@example.org>;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <%s>\r\n",
		method, p.target, p.addr, branch, p.tag, to, p.callID, seq, method, p.contact)
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
