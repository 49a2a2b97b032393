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

// browserPhone is alice's phone in a browser, registered.
func (r *running) browserPhone() *wsPhone {
	r.t.Helper()
	server := httptest.NewServer(r.ua.WebSocket())
	r.t.Cleanup(server.Close)
	conn, _, err := websocket.Dial(r.t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), &websocket.DialOptions{Subprotocols: []string{"sip"}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	p := &wsPhone{r.t, conn}
	p.register()
	return p
}

// The bridge dials a user whose phone lives in a browser: the INVITE goes down the WebSocket with an offer as browsers make them.
func TestDialABrowserPhone(t *testing.T) {
	r := start(t, withAlice)
	p := r.browserPhone()
	l := &fakeLeg{}
	actor, err := r.ua.dial(l, "8001", "alice")
	if err != nil {
		t.Fatal(err)
	}
	invite := p.next().(*sipmsg.Request)
	if invite.Method != "INVITE" || !strings.Contains(string(invite.Body()), "UDP/TLS/RTP/SAVPF") || !strings.Contains(field(invite, "contact"), "transport=ws") {
		t.Fatalf("INVITE = %s", invite)
	}
	pc := newBrowser(t)
	connected := make(chan struct{})
	var once sync.Once
	pc.OnConnectionStateChange(func(s pion.PeerConnectionState) {
		if s == pion.PeerConnectionStateConnected {
			once.Do(func() { close(connected) })
		}
	})
	p.reply(invite, 180, "")
	p.reply(invite, 200, answerTo(t, pc, string(invite.Body())))
	ack := p.next().(*sipmsg.Request)
	if ack.Method != "ACK" || len(ack.Body()) != 0 {
		t.Fatalf("ACK = %s", ack)
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
	if got := l.told(); got != "alerting attach(1) connected leave(departed,0)" {
		t.Errorf("leg: %s", got)
	}
}

// A browser phone that answers without media, as JsSIP does to an INVITE without an offer, is hung up and the roster told why.
func TestBrowserPhoneAnswersNothing(t *testing.T) {
	r := start(t, withAlice)
	p := r.browserPhone()
	l := &fakeLeg{}
	if _, err := r.ua.dial(l, "8001", "alice"); err != nil {
		t.Fatal(err)
	}
	invite := p.next().(*sipmsg.Request)
	p.reply(invite, 200, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n")
	p.next() // ACK
	bye := p.next().(*sipmsg.Request)
	if bye.Method != "BYE" || !strings.Contains(field(bye, "reason"), "media do not fit") {
		t.Errorf("got %s", bye)
	}
	p.reply(bye, 200, "")
	r.idle()
	if got := l.told(); got != "leave(failed,488)" {
		t.Errorf("leg: %s", got)
	}
}

// A user with a desk phone and a phone in a browser: each rings with an offer of its own kind, and the browser is left alone
// when the desk phone wins.
func TestDialADeskPhoneAndABrowserPhone(t *testing.T) {
	r := start(t, withAlice)
	p := r.browserPhone()
	desk := r.softphone("desk")
	r.bind("alice", desk)
	l := &fakeLeg{}
	actor, err := r.ua.dial(l, "8001", "alice")
	if err != nil {
		t.Fatal(err)
	}
	invite := p.next().(*sipmsg.Request)
	p.reply(invite, 180, "")
	if body := string(desk.ring().Body()); !strings.Contains(body, "RTP/AVP") || strings.Contains(body, "a=ice-ufrag") {
		t.Errorf("offer to the desk phone:\n%s", body)
	}
	cancel := p.next().(*sipmsg.Request)
	if cancel.Method != "CANCEL" {
		t.Fatalf("got %s, want CANCEL", cancel.StartLine())
	}
	p.reply(cancel, 200, "")
	p.reply(invite, 487, "")
	p.next() // ACK
	actor.Hangup(bridge.Reason{Method: "departed"})
	desk.respond(desk.request("BYE"), "200 OK", "")
	r.idle()
	if all, pending := r.browsers.Count(); all != 0 || pending != 0 {
		t.Errorf("%d PeerConnections are left, %d pending", all, pending)
	}
}

// bind registers a desk phone for a user.
func (r *running) bind(user string, p *softphone) {
	r.t.Helper()
	text := fmt.Sprintf("REGISTER sip:tutti.example SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKb\r\nFrom: <sip:%s@tutti.example>;tag=b\r\nTo: <sip:%s@tutti.example>\r\n"+
		"Call-ID: %s\r\nCSeq: 1 REGISTER\r\nContact: <sip:%s@%s>\r\nContent-Length: 0\r\n\r\n", p.sip.LocalAddr(), user, user, p.tag, p.tag, p.sip.LocalAddr())
	m, err := sipmsg.ParseMessage([]byte(text))
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.ua.phones.registrar.Register(user, m.(*sipmsg.Request), nil, time.Now()); err != nil {
		r.t.Fatal(err)
	}
}

// told is what a leg was told, outside of a bubble.
func (l *fakeLeg) told() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.events, " ")
}

// answerTo is the answer of a client, with all its candidates.
func answerTo(t *testing.T, pc *pion.PeerConnection, offer string) string {
	t.Helper()
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: offer}); err != nil {
		t.Fatal(err)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := pion.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return pc.LocalDescription().SDP
}
