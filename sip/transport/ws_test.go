package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/coder/websocket"
)

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: pool}
}

// A client that opens a TLS connection and says nothing holds up nobody.
func TestTLS(t *testing.T) {
	cfg := Config{Handler: HandlerFunc(answer200), TLS: certificate(t)}
	server := start(t, cfg, TLS)
	client := start(t, cfg, UDP)
	silent := dialRaw(t, server.Addrs(TLS)[0])
	defer silent.Close()
	tx, err := client.Send(t.Context(), newRequest(sipmsg.OPTIONS, 1), Target{Network: TLS, Addr: server.Addrs(TLS)[0]})
	if err != nil {
		t.Fatal(err)
	}
	if res := final(t, tx); res.StatusCode != 200 || res.Via().Transport != "TLS" {
		t.Errorf("answer = %s", res)
	}
}

// A browser calls and is called on its one WebSocket.
func TestWebSocket(t *testing.T) {
	flows := make(chan *Flow, 1)
	server := start(t, Config{Handler: HandlerFunc(func(r *Request) {
		answer200(r)
		flows <- r.Flow
	})})
	web := httptest.NewServer(server)
	defer web.Close()
	ctx := t.Context()
	if c, _, err := websocket.Dial(ctx, web.URL, nil); err == nil {
		if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("without subprotocol: %v", err)
		}
	}
	c, _, err := websocket.Dial(ctx, web.URL, &websocket.DialOptions{Subprotocols: []string{"sip"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	_ = c.Write(ctx, websocket.MessageText, []byte("\r\n\r\n"))
	if _, p, err := c.Read(ctx); string(p) != "\r\n" {
		t.Errorf("keep-alive was answered %q, %v", p, err)
	}
	// JsSIP has an invalid host in Via and may leave out Content-Length.
	msg := strings.NewReplacer("SIP/2.0/TCP 192.0.2.9", "SIP/2.0/WS df7jal23ls0d.invalid", "Content-Length: 0\r\n", "").Replace(options(1))
	_ = c.Write(ctx, websocket.MessageText, []byte(msg))
	_, p, err := c.Read(ctx)
	if err != nil || !strings.HasPrefix(string(p), "SIP/2.0 200 OK\r\n") {
		t.Fatalf("answered %q, %v", p, err)
	}
	// And back: a large request, a transaction on the flow.
	big := newRequest(sipmsg.MESSAGE, 7)
	big.SetBody([]byte(strings.Repeat("x", 60000)))
	tx, err := server.Send(ctx, big, Target{Flow: <-flows})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 17)
	_, p, err = c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m, err := read(p)
	if err != nil || m.problem != nil || len(m.req.Body()) != 60000 || m.req.Via().Transport != "WS" {
		t.Fatalf("arrived: %v %v", err, m)
	}
	_ = c.Write(ctx, websocket.MessageText, marshal(respond(m.raw, m.req, 202, "Accepted", "x")))
	if res := final(t, tx); res.StatusCode != 202 {
		t.Errorf("answer = %d", res.StatusCode)
	}
	// The refused connection is forgotten when its goroutine has seen the close.
	for range 200 {
		if server.Counters().Connections == 1 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("Connections = %d, want 1", server.Counters().Connections)
}

// What the bridge says last reaches a browser too, and an open WebSocket does
// not hold up the end.
func TestCloseWithWebSocket(t *testing.T) {
	flows := make(chan *Flow, 1)
	l := New(Config{Handler: HandlerFunc(func(r *Request) { flows <- r.Flow })})
	web := httptest.NewServer(l)
	defer web.Close()
	c, _, err := websocket.Dial(t.Context(), web.URL, &websocket.DialOptions{Subprotocols: []string{"sip"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	_ = c.Write(t.Context(), websocket.MessageText, []byte(options(1)))
	if _, err := l.Send(t.Context(), newRequest(sipmsg.BYE, 1), Target{Flow: <-flows}); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		_, p, _ := c.Read(t.Context())
		_, _, _ = c.Read(t.Context())
		read <- string(p)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if p := <-read; !strings.HasPrefix(p, "BYE ") {
		t.Errorf("the browser got %q, want the BYE", p)
	}
	if _, _, err := websocket.Dial(t.Context(), web.URL, nil); err == nil {
		t.Error("a WebSocket was opened after Close")
	}
}
