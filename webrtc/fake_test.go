package webrtc

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"go.uber.org/goleak"

	"tutti/bridge"
	"tutti/codec"
	"tutti/mixer"
	"tutti/mixer/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come. Nothing waits for it where all is well.
const patience = 15 * time.Second

// fakeFocus lets everybody in whose conference is not called "locked".
type fakeFocus struct {
	pref bridge.Preferences
	legs chan *fakeLeg

	mu  sync.Mutex
	all map[string]*fakeLeg
}

func newFakeFocus() *fakeFocus {
	return &fakeFocus{legs: make(chan *fakeLeg, 1000), all: make(map[string]*fakeLeg)}
}

func (f *fakeFocus) Admit(r bridge.JoinRequest) (bridge.Preferences, error) {
	if r.Conference == "locked" {
		return bridge.Preferences{}, &bridge.Refusal{Rule: "locked", Text: "The conference is locked."}
	}
	return f.pref, nil
}

func (f *fakeFocus) Join(_ context.Context, r bridge.JoinRequest) (leg, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := plan.LegID(fmt.Sprint("leg", len(f.all)))
	l := &fakeLeg{id: id, request: r, done: make(chan struct{}), attached: make(chan []mixer.Stream, 100),
		rtp: make(chan packet, 1000), rtcp: make(chan packet, 1000), left: make(chan bridge.Reason, 1)}
	f.all[string(id)] = l
	f.legs <- l
	return l, nil
}

func (f *fakeFocus) leg(id string) *fakeLeg {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[id]
}

// packet is one that arrived, copied.
type packet struct {
	stream, rid string
	data        []byte
}

type fakeLeg struct {
	id        plan.LegID
	request   bridge.JoinRequest
	done      chan struct{}
	attached  chan []mixer.Stream
	rtp, rtcp chan packet
	once      sync.Once
	left      chan bridge.Reason
}

func (l *fakeLeg) ID() plan.LegID        { return l.id }
func (l *fakeLeg) Token() string         { return "token-" + string(l.id) }
func (l *fakeLeg) Done() <-chan struct{} { return l.done }
func (l *fakeLeg) Attach(s []mixer.Stream) ([]mixer.Inlet, error) {
	all := make([]mixer.Inlet, len(s))
	for i := range s {
		all[i] = fakeInlet{l, s[i].ID}
	}
	l.attached <- s
	return all, nil
}

func (l *fakeLeg) Leave(r bridge.Reason) {
	l.once.Do(func() { l.left <- r; close(l.done) })
}

func (l *fakeLeg) Do(context.Context, bridge.Command) error                    { return nil }
func (l *fakeLeg) Dial(context.Context, string, string) (bridge.UserID, error) { return "", nil }
func (l *fakeLeg) User() bridge.UserID                                         { return "user-" + bridge.UserID(l.id) }
func (l *fakeLeg) Watch() *bridge.Watcher                                      { return nil }
func (l *fakeLeg) Viewer() bridge.Viewer                                       { return bridge.Viewer{} }

type fakeInlet struct {
	leg *fakeLeg
	id  string
}

func (i fakeInlet) ReceiveRTP(p mixer.Packet)  { i.put(i.leg.rtp, p) }
func (i fakeInlet) ReceiveRTCP(p mixer.Packet) { i.put(i.leg.rtcp, p) }
func (i fakeInlet) put(c chan packet, p mixer.Packet) {
	select {
	case c <- packet{i.id, p.RID, append([]byte(nil), p.Data...)}:
	default:
	}
}

func testAudio() []codec.Audio {
	return []codec.Audio{
		{Format: codec.Format{Name: "opus", ClockRate: 48000, Channels: 2}, SampleRate: 48000, PayloadType: 111, Fmtp: "minptime=10;useinbandfec=1"},
		{Format: codec.Format{Name: "PCMU", ClockRate: 8000}, SampleRate: 8000},
	}
}

func testVideo() []codec.Video {
	return []codec.Video{
		{Format: codec.Format{Name: "VP8", ClockRate: 90000}, PayloadType: 96},
		{Format: codec.Format{Name: "H264", ClockRate: 90000}, PayloadType: 102, Fmtp: "profile-level-id=42e01f;packetization-mode=1"},
	}
}

// startEndpoint runs an endpoint on loopback for the length of a test.
func startEndpoint(t *testing.T, f focus, l Limits) *Endpoint {
	t.Helper()
	e, err := newEndpoint(Config{
		Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")},
		Audio:     testAudio(), Video: testVideo(), Limits: l,
	}, f)
	if err != nil {
		t.Fatal(err)
	}
	end := runEndpoint(e)
	t.Cleanup(func() {
		if !end() {
			t.Error("Run did not return")
		}
	})
	return e
}

// runEndpoint runs an endpoint until end is called, which says whether Run returned.
func runEndpoint(e *Endpoint) (end func() bool) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = e.Run(ctx) }()
	return func() bool {
		cancel()
		select {
		case <-ended:
			return true
		case <-time.After(patience):
			return false
		}
	}
}

// next takes the next value, or fails the test.
func next[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s within %v", what, patience)
	}
	panic("unreachable")
}

// header is an RTP header for a stream that we send.
func header(s mixer.Stream, seq uint16) *rtp.Header {
	return &rtp.Header{Version: 2, SSRC: s.Send.SSRC, PayloadType: s.Send.PayloadType, SequenceNumber: seq, Timestamp: uint32(seq) * 960}
}
