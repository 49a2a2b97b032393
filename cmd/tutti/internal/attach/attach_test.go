package attach

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/rtp"
	"go.uber.org/goleak"

	"tutti/bridge"
	"tutti/cmd/tutti/internal/device"
	"tutti/codec"
	"tutti/codec/opus"
	"tutti/codec/vpx"
	"tutti/mixer"
	"tutti/webrtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 15 * time.Second

// world is a bridge behind a web server whose connections can be cut.
type world struct {
	t       *testing.T
	bridge  *bridge.Bridge
	server  *httptest.Server
	handler atomic.Pointer[http.Handler]
	mu      sync.Mutex // guards conns
	conns   []net.Conn
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	(*w.handler.Load()).ServeHTTP(rw, r)
}

// keeper remembers connections.
type keeper struct {
	net.Listener
	world *world
}

func (k keeper) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	if err == nil {
		k.world.mu.Lock()
		k.world.conns = append(k.world.conns, c)
		k.world.mu.Unlock()
	}
	return c, err
}

// cut breaks all TCP connections; media are not touched.
func (w *world) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

func newWorld(t *testing.T, policy bridge.Policy) *world {
	t.Helper()
	w := &world{t: t}
	w.restart(policy)
	w.server = httptest.NewUnstartedServer(w)
	w.server.Listener = keeper{w.server.Listener, w}
	t.Cleanup(func() { w.cut(); w.server.Close() })
	return w
}

// restart puts a new bridge behind the web server; the one before is not told.
func (w *world) restart(policy bridge.Policy) {
	w.t.Helper()
	b := bridge.New(bridge.Config{Policy: policy})
	e, err := webrtc.New(webrtc.Config{
		Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")},
		Audio:     []codec.Audio{opus.Opus()}, Video: []codec.Video{vpx.VP8()},
	}, b)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = b.Run(ctx, 5*time.Second) })
	all.Go(func() { _ = e.Run(ctx) })
	w.t.Cleanup(func() { cancel(); all.Wait() })
	h := e.Handler()
	w.bridge = b
	w.handler.Store(&h)
}

// guest is a Run under way.
type guest struct {
	t      *testing.T
	events chan Event
	ended  chan error
	leave  context.CancelFunc
}

func (w *world) attach(o Options) *guest {
	w.t.Helper()
	if w.server.URL == "" {
		w.server.Start()
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	g := &guest{t: w.t, events: make(chan Event, 100), ended: make(chan error, 1), leave: cancel}
	o.Server, o.Conference, o.Name = w.server.URL, "8001", "Room"
	o.Tell = func(e Event) { g.events <- e }
	if o.Camera+o.Microphone == "" {
		o.Camera, o.Microphone = device.VideoTest, device.Phrase
	}
	done := make(chan struct{})
	go func() { defer close(done); g.ended <- Run(ctx, o) }()
	w.t.Cleanup(func() { cancel(); <-done })
	return g
}

// told waits for an event.
func (g *guest) told(what string, is func(Event) bool) {
	g.t.Helper()
	select {
	case e := <-g.events:
		if !is(e) {
			g.t.Fatalf("told %+v, want %s", e, what)
		}
	case err := <-g.ended:
		g.t.Fatalf("ended with %v, want %s", err, what)
	case <-time.After(patience):
		g.t.Fatalf("not told: %s", what)
	}
}

func (g *guest) joined() { g.t.Helper(); g.told("joined", func(e Event) bool { return e.Joined }) }
func (g *guest) lost()   { g.t.Helper(); g.told("lost", func(e Event) bool { return e.Lost != nil }) }

func (g *guest) over() error {
	g.t.Helper()
	select {
	case err := <-g.ended:
		return err
	case <-time.After(patience):
		g.t.Fatal("Run does not return")
		return nil
	}
}

// legs are the endpoints of everybody in 8001.
func (w *world) legs() map[string]bridge.EndpointView {
	all := make(map[string]bridge.EndpointView)
	c, err := w.bridge.Conference("8001")
	if err != nil {
		return all
	}
	for _, u := range bridge.View(c.State(), bridge.Viewer{}).Users {
		for id, e := range u.Endpoints {
			all[id] = e
		}
	}
	return all
}

// packets that came from the guest, by kind of media.
func (w *world) packets() map[mixer.Kind]uint64 {
	all := make(map[mixer.Kind]uint64)
	for _, l := range w.bridge.Stats().Media["8001"].Legs {
		for _, s := range l.Streams {
			all[s.Kind] += uint64(s.Received.Packets)
		}
	}
	return all
}

// flow waits until sound and picture come on.
func (w *world) flow() {
	w.t.Helper()
	before := w.packets()
	eventually(w.t, "sound and picture", func() bool {
		now := w.packets()
		return now[mixer.Audio] > before[mixer.Audio]+5 && now[mixer.Video] > before[mixer.Video]+5
	})
}

func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(patience), time.NewTicker(10*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !yes() {
		select {
		case <-deadline.C:
			t.Fatalf("no %s within %v", what, patience)
		case <-tick.C:
		}
	}
}

func TestComesAndGoes(t *testing.T) {
	w := newWorld(t, bridge.Policy{AdHoc: true})
	g := w.attach(Options{})
	g.joined()
	w.flow()
	all := w.legs()
	if len(all) != 1 {
		t.Fatalf("legs = %v, want one", all)
	}
	for _, e := range all {
		if e.Kind != bridge.WebRTC || e.Status != bridge.Connected || e.Media["0"].Codec != "opus" || e.Media["1"].Codec != "VP8" ||
			e.Media["0"].Status != bridge.SendOnly || e.Media["1"].Status != bridge.SendOnly {
			t.Errorf("endpoint = %+v, want Opus and VP8 that only send", e)
		}
	}
	g.leave()
	if err := g.over(); err != nil {
		t.Errorf("Run() = %v after its context ended, want nil", err)
	}
	g.told("left", func(e Event) bool { return e.Left })
	if all := w.legs(); len(all) != 0 { // at once: it said goodbye
		t.Errorf("a ghost is left: %v", all)
	}
}

// The WebSocket breaks; the leg and its media go on, and nothing of the old one stays.
func TestBrokenWebSocket(t *testing.T) {
	w := newWorld(t, bridge.Policy{AdHoc: true})
	g := w.attach(Options{})
	g.joined()
	w.flow()
	before := w.legs()
	w.cut()
	g.lost()
	w.flow() // meanwhile
	g.joined()
	after := w.legs()
	for id := range before {
		if _, same := after[id]; !same || len(after) != 1 {
			t.Errorf("legs = %v, want %v as before", after, before)
		}
	}
	w.flow()
	g.leave()
	if err := g.over(); err != nil {
		t.Error(err)
	}
	if all := w.legs(); len(all) != 0 {
		t.Errorf("a ghost is left: %v", all)
	}
}

// The bridge crashed and came back: it knows neither the leg nor the PeerConnection.
func TestBridgeStartedAnew(t *testing.T) {
	w := newWorld(t, bridge.Policy{AdHoc: true})
	g := w.attach(Options{})
	g.joined()
	w.restart(bridge.Policy{AdHoc: true})
	w.cut()
	g.lost()
	g.joined()
	w.flow()
}

// While nobody answers it tries again; once said, not each time.
func TestBridgeAway(t *testing.T) {
	w := newWorld(t, bridge.Policy{AdHoc: true})
	g := w.attach(Options{})
	g.joined()
	back := w.handler.Load()
	var away http.Handler = http.NotFoundHandler()
	w.handler.Store(&away)
	w.cut()
	g.lost()
	select {
	case e := <-g.events:
		t.Errorf("told %+v while nobody answers", e)
	case <-time.After(1500 * time.Millisecond):
	}
	w.handler.Store(back)
	g.joined()
	w.flow()
}

// How the bridge ends it is how Run ends.
func TestTheEnd(t *testing.T) {
	tests := map[string]struct {
		command func(user bridge.UserID) bridge.Command
		hung    string // of the error; "" is none
	}{
		"expelled":       {func(u bridge.UserID) bridge.Command { return bridge.Expel{User: u, Reason: "be gone"} }, "be gone"},
		"conference end": {func(bridge.UserID) bridge.Command { return bridge.End{} }, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, bridge.Policy{AdHoc: true})
			g := w.attach(Options{Microphone: device.Phrase})
			g.joined()
			c, err := w.bridge.Conference("8001")
			if err != nil {
				t.Fatal(err)
			}
			var user bridge.UserID
			for id := range bridge.View(c.State(), bridge.Viewer{}).Users {
				user = bridge.UserID(id)
			}
			if err := w.bridge.Do(t.Context(), "8001", bridge.Operator("test"), test.command(user)); err != nil {
				t.Fatal(err)
			}
			err = g.over()
			var hung *HungUp
			if test.hung == "" && err != nil || test.hung != "" && (!errors.As(err, &hung) || !strings.Contains(err.Error(), test.hung)) {
				t.Errorf("Run() = %v, want %q", err, test.hung)
			}
		})
	}
}

// Who is refused hears why, in the bridge's words, and does not try again.
func TestRefused(t *testing.T) {
	w := newWorld(t, bridge.Policy{})
	err := w.attach(Options{Microphone: device.Phrase}).over()
	var refusal *Refusal
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "8001") {
		t.Errorf("Run() = %v, want the refusal of an unknown conference", err)
	}
}

func TestCertificate(t *testing.T) {
	w := newWorld(t, bridge.Policy{AdHoc: true})
	w.server.Config.ErrorLog = nil
	w.server.StartTLS()
	if err := w.attach(Options{Microphone: device.Phrase}).over(); err == nil || !strings.Contains(err.Error(), "--insecure") {
		t.Errorf("Run() = %v, want an error that names --insecure", err)
	}
	w.attach(Options{Microphone: device.Phrase, Insecure: true}).joined()
}

func TestNobodyThere(t *testing.T) {
	w := newWorld(t, bridge.Policy{AdHoc: true})
	var other http.Handler = http.NotFoundHandler()
	w.handler.Store(&other)
	if err := w.attach(Options{Microphone: device.Phrase}).over(); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("Run() = %v, want an error that says 404", err)
	}
	w.server.Close()
	if err := w.attach(Options{Microphone: device.Phrase}).over(); err == nil || !strings.Contains(err.Error(), "no bridge answers") {
		t.Errorf("Run() = %v, want an error that says that nobody answers", err)
	}
}

// An offer that was never answered leaves a PeerConnection that is good for nothing: the next try has a new one.
func TestOfferWithoutAnswer(t *testing.T) {
	w := newWorld(t, bridge.Policy{AdHoc: true})
	g := w.attach(Options{})
	g.joined()
	real := w.handler.Load()
	var once sync.Once
	var deaf http.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(rw, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		if _, _, err := conn.Read(r.Context()); err != nil { // join
			return
		}
		_ = conn.Write(r.Context(), websocket.MessageText, []byte(`{"kind":"response","id":1,"result":{"conference":"8001","iceServers":[]}}`))
		if _, _, err := conn.Read(r.Context()); err == nil { // offer
			once.Do(func() { w.handler.Store(real) })
		}
	})
	w.handler.Store(&deaf)
	w.cut()
	g.lost()
	g.joined()
	w.flow()
	if all := w.legs(); len(all) != 1 {
		t.Errorf("legs = %v, want one", all)
	}
}

// viewer is somebody who is shown the conference.
type viewer struct{ leg *bridge.Leg }

func (v *viewer) Hangup(r bridge.Reason)           { v.leg.Leave(r) }
func (*viewer) WriteRTP(*rtp.Header, []byte) error { return nil }
func (*viewer) WriteRTCP([]byte) error             { return nil }

// Who comes later sees the picture: the bridge asks for a key frame, gets it, and can decode what follows.
func TestPictureIsDecoded(t *testing.T) {
	w := newWorld(t, bridge.Policy{AdHoc: true})
	w.attach(Options{Camera: device.VideoTest}).joined()
	eventually(t, "picture", func() bool { return w.packets()[mixer.Video] > 20 }) // the first key frame is gone by
	v, format := &viewer{}, vpx.VP8()
	var err error
	if v.leg, err = w.bridge.Join(t.Context(), bridge.JoinRequest{Conference: "8001", Kind: bridge.SIP, Actor: v}); err != nil {
		t.Fatal(err)
	}
	defer v.leg.Leave(bridge.Reason{Method: bridge.Departed})
	send := &mixer.Encoding{SSRC: 1, PayloadType: 96, Video: &format, Width: 640, Height: 360}
	if _, err := v.leg.Attach([]mixer.Stream{{ID: "1", Kind: mixer.Video, Wire: v, Send: send}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "decoded picture", func() bool { return w.bridge.Stats().Media["8001"].Video.Decoded > 20 })
	if s := w.bridge.Stats().Media["8001"].Video; s.DecodeErrors > 0 || s.KeyFramesAsked > 3 {
		t.Errorf("%d frames could not be decoded, %d key frames were asked for", s.DecodeErrors, s.KeyFramesAsked)
	}
}
