package webrtc

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/interceptor"
	pion "github.com/pion/webrtc/v4"
)

// page is a browser's tab as a test plays it: a WebSocket and a pion PeerConnection.
type page struct {
	t        *testing.T
	conn     *websocket.Conn
	messages chan outboundIn
	bridge   chan json.RawMessage // candidates of the bridge
	settings func(*pion.SettingEngine)
	network  interceptor.Factory // between the page and the bridge; may be nil
	closed   chan error
	pc       *pion.PeerConnection

	answer     string // the last one
	candidates int    // of the bridge, trickled

	mu      sync.Mutex
	next    int64
	answers map[int64]chan answerIn
}

type outboundIn struct {
	Kind, Method string
	Params       json.RawMessage
	Version      uint64
	Patch        json.RawMessage
}

type answerIn struct {
	ID     int64
	Result json.RawMessage
	Error  *problem
}

// dial opens a WebSocket to an endpoint behind a test server.
func dial(t *testing.T, s *httptest.Server) *page {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(s.URL, "http", "ws", 1)+"/ws",
		&websocket.DialOptions{Subprotocols: []string{Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	p := &page{t: t, conn: conn, messages: make(chan outboundIn, 1000), bridge: make(chan json.RawMessage, 100),
		closed: make(chan error, 1), answers: make(map[int64]chan answerIn)}
	done := make(chan struct{})
	go func() { defer close(done); p.read() }()
	t.Cleanup(func() {
		conn.CloseNow()
		<-done
		if p.pc != nil {
			_ = p.pc.GracefulClose()
		}
	})
	return p
}

func (p *page) read() {
	for {
		_, data, err := p.conn.Read(context.Background())
		if err != nil {
			p.closed <- err
			return
		}
		var kind struct{ Kind string }
		_ = json.Unmarshal(data, &kind)
		if kind.Kind != kindResponse {
			var m outboundIn
			_ = json.Unmarshal(data, &m)
			if m.Method == "candidate" {
				p.bridge <- m.Params
			} else {
				p.messages <- m
			}
			continue
		}
		var a answerIn
		_ = json.Unmarshal(data, &a)
		p.mu.Lock()
		c := p.answers[a.ID]
		p.mu.Unlock()
		if c != nil {
			c <- a
		}
	}
}

func (p *page) write(v any) {
	p.t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.conn.Write(p.t.Context(), websocket.MessageText, data); err != nil {
		p.t.Fatal(err)
	}
}

type object map[string]any

// ask sends a request and waits for the answer.
func (p *page) ask(method string, params any) answerIn {
	p.t.Helper()
	p.mu.Lock()
	p.next++
	id, c := p.next, make(chan answerIn, 1)
	p.answers[id] = c
	p.mu.Unlock()
	kind := kindRequest
	if method == "" {
		kind = kindSubscribe
	}
	p.write(object{"kind": kind, "id": id, "method": method, "params": params})
	return next(p.t, c, "answer to "+method)
}

// message waits for a message of a method; others are skipped.
func (p *page) message(method string) outboundIn {
	p.t.Helper()
	for {
		if m := next(p.t, p.messages, "message "+method); m.Method == method {
			return m
		}
	}
}

// connect makes the PeerConnection of a page. sdp may be set up by the caller before offer.
func (p *page) connect() *pion.PeerConnection {
	p.t.Helper()
	m := &pion.MediaEngine{}
	if err := m.RegisterDefaultCodecs(); err != nil {
		p.t.Fatal(err)
	}
	chain := &interceptor.Registry{}
	if p.network != nil {
		chain.Add(p.network) // the first to see what arrives
	}
	if err := pion.RegisterDefaultInterceptors(m, chain); err != nil {
		p.t.Fatal(err)
	}
	var s pion.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.LoggerFactory = pionLoggers{nolog}
	if p.settings != nil {
		p.settings(&s)
	}
	pc, err := pion.NewAPI(pion.WithMediaEngine(m), pion.WithInterceptorRegistry(chain), pion.WithSettingEngine(s)).
		NewPeerConnection(pion.Configuration{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.pc = pc
	pc.OnICECandidate(func(c *pion.ICECandidate) {
		if c != nil {
			data, _ := json.Marshal(object{"kind": kindMessage, "method": "candidate", "params": c.ToJSON()})
			_ = p.conn.Write(context.Background(), websocket.MessageText, data)
		}
	})
	return pc
}

// offer negotiates what the PeerConnection has now.
func (p *page) offer(o *pion.OfferOptions) {
	p.t.Helper()
	offer, err := p.pc.CreateOffer(o)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.pc.SetLocalDescription(offer); err != nil {
		p.t.Fatal(err)
	}
	p.accept(p.ask("offer", object{"sdp": offer.SDP}))
}

func (p *page) accept(a answerIn) {
	p.t.Helper()
	if a.Error != nil {
		p.t.Fatalf("offer refused: %+v", *a.Error)
	}
	var answer struct{ SDP string }
	if err := json.Unmarshal(a.Result, &answer); err != nil {
		p.t.Fatal(err)
	}
	if err := p.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: answer.SDP}); err != nil {
		p.t.Fatalf("%v\n%s", err, answer.SDP)
	}
	p.answer = answer.SDP
	p.trickle()
}

// trickle takes the bridge's candidates up to the last.
func (p *page) trickle() {
	p.t.Helper()
	for {
		var c pion.ICECandidateInit
		if err := json.Unmarshal(next(p.t, p.bridge, "candidate of the bridge"), &c); err != nil {
			p.t.Fatal(err)
		}
		if c.Candidate == "" {
			return
		}
		p.candidates++
		if err := p.pc.AddICECandidate(c); err != nil {
			p.t.Fatal(err)
		}
	}
}

// join does what a page does up to its membership: microphone up, mix down.
func (p *page) join(conference, resume string) announcement {
	p.t.Helper()
	if a := p.ask("join", object{"conference": conference, "name": "Ada", "resume": resume}); a.Error != nil {
		p.t.Fatalf("join refused: %+v", *a.Error)
	}
	p.connect()
	p.microphone()
	p.offer(nil)
	return p.joined()
}

func (p *page) joined() announcement {
	p.t.Helper()
	var a announcement
	if err := json.Unmarshal(p.message("joined").Params, &a); err != nil {
		p.t.Fatal(err)
	}
	return a
}

// microphone adds a sendrecv audio transceiver that sends Opus packets until the test ends.
func (p *page) microphone() {
	p.t.Helper()
	track, err := pion.NewTrackLocalStaticSample(pion.RTPCodecCapability{MimeType: pion.MimeTypeOpus}, "mic", "page")
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.pc.AddTransceiverFromTrack(track); err != nil {
		p.t.Fatal(err)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	go func() {
		defer ticker.Stop()
		for range ticker.C {
			if p.t.Context().Err() != nil {
				return
			}
			_ = track.WriteSample(sample)
		}
	}()
}
