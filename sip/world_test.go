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

	"tutti/bridge"
	"tutti/mixer"
	"tutti/sip/event"
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
		cfg := Config{Realm: "tutti", Document: titles{}}
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
		if n := ua.events.Len(); n != 0 || len(ua.solos) != 0 || len(ua.members) != 0 {
			t.Errorf("%d subscriptions, %d dialogs of theirs and %d members are left", n, len(ua.solos), len(ua.members))
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
	states  map[string]*fakeStates // conferences that can be subscribed to
}

// fakeStates is a conference whose states a test makes.
type fakeStates struct {
	states chan *bridge.State // closed at the end
	last   *bridge.State
}

func (f *fakeStates) Next(ctx context.Context) (prev, cur *bridge.State, err error) {
	prev = f.last
	select {
	case s, ok := <-f.states:
		if !ok {
			return prev, nil, errors.New("over")
		}
		f.last = s
		return prev, s, nil
	case <-ctx.Done():
		return prev, nil, ctx.Err()
	}
}

func (f *fakeFocus) Watch(name string) (event.Watcher, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.states[name]; s != nil {
		return s, nil
	}
	return nil, &bridge.Refusal{Rule: bridge.RuleUnknown, Text: "no such conference"}
}

// titled adds a conference whose document is its title.
func (w *world) titled(name, title string) chan *bridge.State {
	w.focus.mu.Lock()
	defer w.focus.mu.Unlock()
	if w.focus.states == nil {
		w.focus.states = map[string]*fakeStates{}
	}
	ch := make(chan *bridge.State, 100)
	w.focus.states[name] = &fakeStates{states: ch}
	ch <- entitled(title)
	return ch
}

func entitled(title string) *bridge.State {
	return &bridge.State{Conference: bridge.Description{Title: title}}
}

// titles are documents that hold no more than that.
type titles struct{}

func (titles) Full(s *bridge.State, v uint32) ([]byte, error) {
	return fmt.Appendf(nil, "full %d %s", v, s.Conference.Title), nil
}

func (titles) Partial(prev, now *bridge.State, v uint32) ([]byte, bool) {
	return fmt.Appendf(nil, "partial %d %s", v, now.Conference.Title), prev.Conference.Title != now.Conference.Title
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
	request  bridge.JoinRequest
	mu       sync.Mutex
	events   []string
	refuse   error // of Do
	commands []bridge.Command
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
func (l *fakeLeg) User() bridge.UserID           { return "ann" }
func (l *fakeLeg) Token() string                 { return "token" }
func (l *fakeLeg) Do(_ context.Context, c bridge.Command) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = append(l.commands, c)
	return l.refuse
}

// command is the last one, nil for none.
func (l *fakeLeg) command() bridge.Command {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.commands) == 0 {
		return nil
	}
	return l.commands[len(l.commands)-1]
}

func (l *fakeLeg) Leave(r bridge.Reason) { l.note("leave(%s,%d)", r.Method, r.Code) }

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
