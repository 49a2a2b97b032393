package webrtc

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"tutti/bridge"
)

var noPreference bridge.Preferences

// A message that is not of the protocol closes the WebSocket with the right code and a reason.
func TestGarbage(t *testing.T) {
	tests := map[string]struct {
		kind websocket.MessageType
		text string
		code websocket.StatusCode
	}{
		"binary":           {websocket.MessageBinary, `{"kind":"request"}`, websocket.StatusUnsupportedData},
		"not UTF-8":        {websocket.MessageText, "{\"kind\":\"\xff\"}", websocket.StatusInvalidFramePayloadData},
		"not JSON":         {websocket.MessageText, "hello", websocket.StatusInvalidFramePayloadData},
		"array":            {websocket.MessageText, `[1]`, websocket.StatusInvalidFramePayloadData},
		"two objects":      {websocket.MessageText, `{"kind":"message"}{}`, websocket.StatusInvalidFramePayloadData},
		"unknown field":    {websocket.MessageText, `{"kind":"request","id":1,"method":"join","param":{}}`, websocket.StatusInvalidFramePayloadData},
		"wrong type":       {websocket.MessageText, `{"kind":"request","id":"1","method":"join"}`, websocket.StatusInvalidFramePayloadData},
		"unknown kind":     {websocket.MessageText, `{"kind":"shout"}`, websocket.StatusUnsupportedData},
		"a kind of ours":   {websocket.MessageText, `{"kind":"notify","id":1,"method":"x"}`, websocket.StatusUnsupportedData},
		"no id":            {websocket.MessageText, `{"kind":"request","method":"join"}`, websocket.StatusUnsupportedData},
		"no method":        {websocket.MessageText, `{"kind":"request","id":1}`, websocket.StatusUnsupportedData},
		"unknown message":  {websocket.MessageText, `{"kind":"message","method":"x"}`, websocket.StatusUnsupportedData},
		"bad candidate":    {websocket.MessageText, `{"kind":"message","method":"candidate","params":{"candidate":7}}`, websocket.StatusInvalidFramePayloadData},
		"larger than life": {websocket.MessageText, `{"kind":"` + strings.Repeat("x", maxMessage) + `"}`, websocket.StatusMessageTooBig},
		"deep":             {websocket.MessageText, strings.Repeat(`{"a":`, 20000), websocket.StatusInvalidFramePayloadData},
	}
	s := startServer(t, startEndpoint(t, newFakeFocus(), Limits{}))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := dial(t, s)
			if err := p.conn.Write(t.Context(), test.kind, []byte(test.text)); err != nil {
				t.Fatal(err)
			}
			if err := next(t, p.closed, "close"); websocket.CloseStatus(err) != test.code {
				t.Errorf("closed with %v, want %d", err, test.code)
			}
		})
	}
}

// A request that is wrong in itself is answered with what is wrong, and the WebSocket lives on.
func TestBadRequests(t *testing.T) {
	p := dial(t, startServer(t, startEndpoint(t, newFakeFocus(), Limits{})))
	tests := []struct {
		method string
		params any
		rule   string
		detail string
	}{
		{"dance", nil, "invalid", `no request "dance"`},
		{"offer", object{"sdp": "x"}, "invalid", "after join"},
		{"mute", object{}, "invalid", "not in the conference"},
		{"", object{"events": "conference"}, "invalid", "after offer"},
		{"", object{"events": "weather"}, "invalid", "weather"},
		{"join", object{"conference": ""}, "invalid", "conference is missing"},
		{"join", object{"conference": "8001", "colour": "red"}, "invalid", "colour"},
		{"join", object{"conference": 8001}, "invalid", "conference"},
		{"join", object{"conference": strings.Repeat("8", 65)}, "invalid", "64 are allowed"},
		{"join", object{"conference": "locked"}, "locked", ""},
		{"join", object{"conference": "8001"}, "", ""},
		{"offer", object{"sdp": "x"}, "offer", "no audio or video"},
		{"offer", object{"sdp": "m=audio x y z\r\n"}, "offer", "no session description"},
		{"offer", object{"sdp": bundle("0") + mline("audio", "0", "sendrecv", "a=mid:1\r\n")}, "", ""},
	}
	for _, test := range tests {
		a := p.ask(test.method, test.params)
		switch {
		case test.rule == "" && a.Error != nil:
			t.Errorf("%s %v: %+v", test.method, test.params, *a.Error)
		case test.rule == "":
		case a.Error == nil || a.Error.Rule != test.rule || !strings.Contains(a.Error.Detail, test.detail) || a.Error.Title == "":
			t.Errorf("%s %v: %+v, want rule %s on %q", test.method, test.params, a.Error, test.rule, test.detail)
		}
	}
}

// A page that sends without end is slowed down, then closed.
func TestFlood(t *testing.T) {
	p := dial(t, startServer(t, startEndpoint(t, newFakeFocus(), Limits{Requests: 1})))
	var limited int
	for range 10 {
		p.ask("dance", nil)
	}
	for range 9 {
		if a := p.ask("dance", nil); a.Error.Rule == "limit" {
			limited++
		}
	}
	if limited < 8 {
		t.Errorf("%d of 9 requests limited", limited)
	}
	for range 5 {
		_ = p.conn.Write(t.Context(), websocket.MessageText, []byte(`{"kind":"message","method":"candidate","params":{"candidate":""}}`))
	}
	if err := next(t, p.closed, "close"); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("closed with %v, want 1008", err)
	}
}

// A page that never reads is closed after a while, and nobody else notices.
func TestSlowReader(t *testing.T) {
	f := newFakeFocus()
	e := startEndpoint(t, f, Limits{Write: 200 * time.Millisecond, Requests: 1e9})
	s := httptest.NewUnstartedServer(e.Handler())
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetWriteBuffer(4096) // so that little is enough to fill it
		return ctx
	}
	s.Start()
	t.Cleanup(s.Close)
	conn, _, err := websocket.Dial(t.Context(), s.URL+"/ws", &websocket.DialOptions{Subprotocols: []string{Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := 0; err == nil; i++ {
		err = conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"kind":"request","id":%d,"method":"dance"}`, i))
	}
	if ctx.Err() != nil {
		t.Fatal("a WebSocket that is never read lives on")
	}
	dial(t, s).join("8001", "")
	next(t, f.legs, "leg of somebody else")
}

// A hundred people come and go; nothing is left of them.
func TestNothingIsLeft(t *testing.T) {
	f := newFakeFocus()
	e := startEndpoint(t, f, Limits{Pending: 200})
	s := startServer(t, e)
	before := 0
	for round := range 5 {
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				t.Run(fmt.Sprint(round, ".", i), func(t *testing.T) {
					p := dial(t, s)
					who := p.join("8001", "")
					if i%2 == 0 {
						p.ask("leave", nil)
						return
					}
					f.leg(who.Leg).request.Actor.Hangup(bridge.Reason{Method: bridge.Booted})
					p.message("hangup")
				})
			})
		}
		all.Wait()
		eventually(t, "nobody", func() bool {
			s := e.Stats()
			e.mu.Lock()
			defer e.mu.Unlock()
			return s.Peers == 0 && s.Pending == 0 && len(e.sessions) == 0 && len(e.sockets) == 0
		})
		if n := runtime.NumGoroutine(); round == 0 {
			before = n
		} else if n > before+20 {
			t.Errorf("round %d: %d goroutines, %d after the first", round, n, before)
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(`{"kind":"request","id":1,"method":"join","params":{"conference":"8001"}}`)
	f.Add(`{"kind":"message","method":"candidate","params":{"candidate":"","sdpMid":null}}`)
	f.Fuzz(func(t *testing.T, text string) {
		in, err := parseMessage(websocket.MessageText, []byte(text))
		if b, ok := err.(*breach); err != nil && (!ok || len(b.reason) > 123 || b.code < 1000) {
			t.Fatalf("error %#v cannot close a WebSocket", err)
		}
		if err == nil && in.Kind != kindMessage && in.ID == nil {
			t.Fatalf("%+v wants an answer and has no id", in)
		}
		_, _ = params[joinParams](in.Params)
		_, _ = params[candidate](in.Params)
	})
}

// Limits hold for an address, and for the IPv6 network that one customer has.
func TestSubscriber(t *testing.T) {
	for source, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "::ffff:192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "::1": "::1", "": "", "@": "@",
	} {
		if got := subscriber(source); got != want {
			t.Errorf("subscriber(%q) = %q, want %q", source, got, want)
		}
	}
}

// One source cannot open WebSockets without end, and makes room by closing them.
func TestSocketsAreCounted(t *testing.T) {
	e := startEndpoint(t, newFakeFocus(), Limits{Sockets: 2})
	s := startServer(t, e)
	first, _ := dial(t, s), dial(t, s)
	if _, r, err := websocket.Dial(t.Context(), s.URL+"/ws", nil); err == nil || r == nil || r.StatusCode != 503 {
		t.Errorf("third WebSocket: %v, want 503", err)
	}
	first.conn.CloseNow()
	eventually(t, "one socket", func() bool { return e.Stats().Sockets == 1 })
	dial(t, s)
}

// A page of another host cannot use the visitor's browser to talk to us.
func TestOrigin(t *testing.T) {
	s := startServer(t, startEndpoint(t, newFakeFocus(), Limits{}))
	_, r, err := websocket.Dial(t.Context(), s.URL+"/ws", &websocket.DialOptions{
		Subprotocols: []string{Subprotocol}, HTTPHeader: map[string][]string{"Origin": {"https://evil.example"}},
	})
	if err == nil || r == nil || r.StatusCode != 403 {
		t.Errorf("WebSocket from another origin: %v, want 403", err)
	}
}
