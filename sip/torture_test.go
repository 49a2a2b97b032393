package sip

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The messages of RFC 4475 and some worse ones reach the running bridge by UDP and TCP; afterwards it takes a call, and
// nothing of them is left.
func TestTorture(t *testing.T) {
	r := start(t, withAlice)
	files, err := filepath.Glob(filepath.Join("..", "testdata", "rfc4475", "*.dat"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d messages found, %v", len(files), err)
	}
	udp, err := net.Dial("udp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	messages := [][]byte{
		[]byte("INVITE sip:8001@x SIP/2.0\r\n\r\n"), []byte("\x00\x00\x00"), make([]byte, 60000),
		[]byte("INVITE sip:8001@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKw\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:8001@x>\r\nCall-ID: w\r\nCSeq: 1 INVITE\r\n" +
			"Contact: <sip:a@b>\r\nContent-Type: multipart/mixed;boundary=\"\r\nContent-Length: 3\r\n\r\n--x"),
	}
	for _, f := range files {
		p, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, p)
	}
	for _, m := range messages {
		if _, err := udp.Write(m); err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Dial("tcp", r.tcp.String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = tcp.Write(m)
		tcp.Close()
	}
	time.Sleep(200 * time.Millisecond)
	p := r.softphone("after")
	p.dial()
	p.send("BYE", 2, "")
	p.final()
	r.sipp("basic")
}
