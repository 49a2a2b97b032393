package sip

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	sipmsg "github.com/emiago/sipgo/sip"
	pion "github.com/pion/webrtc/v4"

	"tutti/bridge"
	"tutti/sip/auth"
)

// wsPhone is a WebRTC client over SIP over WebSocket (RFC 7118), as JsSIP is one.
type wsPhone struct {
	t    *testing.T
	conn *websocket.Conn
}

func (p *wsPhone) say(text string) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *wsPhone) next() sipmsg.Message {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Second)
	defer cancel()
	_, data, err := p.conn.Read(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	m, err := sipmsg.ParseMessage(data)
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// register registers alice, as a browser does: with a Contact that no DNS knows.
func (p *wsPhone) register() {
	p.t.Helper()
	text := func(seq int, extra string) string {
		return fmt.Sprintf("REGISTER sip:tutti.example SIP/2.0\r\nVia: SIP/2.0/WS abc.invalid;branch=z9hG4bKr%d\r\nMax-Forwards: 70\r\nFrom: <sip:alice@tutti.example>;tag=r\r\n"+
			"To: <sip:alice@tutti.example>\r\nCall-ID: reg\r\nCSeq: %d REGISTER\r\nContact: <sip:alice@abc.invalid;transport=ws>;expires=600\r\n%sContent-Length: 0\r\n\r\n", seq, seq, extra)
	}
	p.say(text(1, ""))
	challenge := p.next().(*sipmsg.Response)
	first, err := sipmsg.ParseMessage([]byte(text(1, "")))
	if err != nil {
		p.t.Fatal(err)
	}
	again, err := auth.NewClient("alice", "secret").Answer(first.(*sipmsg.Request), challenge)
	if err != nil {
		p.t.Fatal(err)
	}
	p.say(text(2, "Authorization: "+field(again, "authorization")+"\r\n"))
	if res := p.next().(*sipmsg.Response); res.StatusCode != 200 {
		p.t.Fatalf("REGISTER: %s", res.StartLine())
	}
}

func (p *wsPhone) reply(req *sipmsg.Request, code int, body string) {
	text := fmt.Sprintf("SIP/2.0 %d Fine\r\n", code)
	for _, name := range []string{"via", "from", "to", "call-id", "cseq"} {
		h := req.GetHeader(name)
		v := h.Value()
		if name == "to" && !strings.Contains(v, "tag=") {
			v += ";tag=ws"
		}
		text += h.Name() + ": " + v + "\r\n"
	}
	text += "Contact: <sip:alice@abc.invalid;transport=ws>\r\n"
	if body != "" {
		text += "Content-Type: application/sdp\r\n"
	}
	p.say(text + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
}

// The bridge dials a user whose phone lives in a browser: the INVITE goes down the WebSocket, the browser makes the offer.
func TestDialABrowserPhone(t *testing.T) {
	r := start(t, withAlice)
	ctx := t.Context()
	server := httptest.NewServer(r.ua.WebSocket())
	defer server.Close()
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http"), &websocket.DialOptions{Subprotocols: []string{"sip"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	p := &wsPhone{t, conn}
	p.register()

	l := &fakeLeg{}
	actor, err := r.ua.dial(l, "8001", "alice")
	if err != nil {
		t.Fatal(err)
	}
	invite := p.next().(*sipmsg.Request)
	if invite.Method != "INVITE" || len(invite.Body()) != 0 || !strings.Contains(field(invite, "contact"), "transport=ws") {
		t.Fatalf("INVITE = %s", invite)
	}
	pc := browser(t)
	p.reply(invite, 180, "")
	p.reply(invite, 200, pc.LocalDescription().SDP)
	ack := p.next().(*sipmsg.Request)
	if ack.Method != "ACK" || len(ack.Body()) == 0 {
		t.Fatalf("ACK = %s", ack)
	}
	connected := make(chan struct{})
	var once sync.Once
	pc.OnConnectionStateChange(func(s pion.PeerConnectionState) {
		if s == pion.PeerConnectionStateConnected {
			once.Do(func() { close(connected) })
		}
	})
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: string(ack.Body())}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-connected:
	case <-time.After(5 * time.Second):
		t.Error("no media connection")
	}
	actor.Hangup(bridge.Reason{Method: "departed"})
	bye := p.next().(*sipmsg.Request)
	if bye.Method != "BYE" {
		t.Errorf("got %s, want BYE on the WebSocket", bye.StartLine())
	}
	p.reply(bye, 200, "")
	r.idle()
	l.mu.Lock()
	defer l.mu.Unlock()
	if got := strings.Join(l.events, " "); got != "alerting attach(1) connected leave(departed,0)" {
		t.Errorf("leg: %s", got)
	}
}
