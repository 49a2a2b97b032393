package transport

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// Every torture message over UDP and over a connection of its own; then the
// layer still serves and keeps nothing of them but transactions that will end.
func TestSurvivesTortureOnSockets(t *testing.T) {
	server := start(t, Config{Handler: HandlerFunc(answer200)}, UDP, TCP)
	files, _ := filepath.Glob("../../testdata/rfc4475/*.dat")
	if len(files) == 0 {
		t.Fatal("no messages")
	}
	udp, err := net.Dial("udp", server.Addrs(UDP)[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, f := range files {
		p, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := udp.Write(p); err != nil {
			t.Fatal(err)
		}
		c := dialRaw(t, server.Addrs(TCP)[0])
		_, _ = c.Write(p)
		_ = c.(*net.TCPConn).CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil && os.IsTimeout(err) {
			t.Errorf("%s: the connection hangs", filepath.Base(f))
		}
	}
	client := start(t, Config{}, UDP, TCP)
	for i, n := range []Network{UDP, TCP} {
		tx, err := client.Send(t.Context(), newRequest(sipmsg.OPTIONS, uint32(i+1)), Target{Network: n, Addr: server.Addrs(n)[0]})
		if err != nil {
			t.Fatal(err)
		}
		if res := final(t, tx); res.StatusCode != 200 {
			t.Errorf("%s: answered %d", n, res.StatusCode)
		}
	}
	if n := server.Counters().Connections; n > 1 {
		t.Errorf("%d connections are left, want that of the client", n)
	}
}
