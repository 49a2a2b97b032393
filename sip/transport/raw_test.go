package transport

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func dialRaw(t *testing.T, to netip.AddrPort) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// frames feeds p in pieces of size n and returns what the framer finds.
func frames(p []byte, n int) (got []string) {
	f := framer{limit: 65535}
	for len(p) > 0 {
		n := min(n, len(p))
		f.feed(p[:n])
		p = p[n:]
		for {
			msg, ping, problem := f.next()
			if problem != nil {
				return append(got, problem.Reason)
			}
			if ping {
				got = append(got, "ping")
			} else if msg == nil {
				break
			} else {
				got = append(got, string(msg))
			}
		}
	}
	return got
}

// However a stream is cut by the network, the messages are the same.
func FuzzFramer(f *testing.F) {
	one := options(1)
	body := strings.Replace(options(2), "Content-Length: 0\r\n\r\n", "l : 4\r\n\r\nbody", 1)
	f.Add([]byte(one+body+"\r\n\r\n"+one), 7)
	f.Add([]byte("\r\n\r\n\r\n"+body), 1)
	f.Fuzz(func(t *testing.T, p []byte, n int) {
		if n < 1 || len(p) > 4096 {
			return
		}
		whole, pieces := frames(bytes.Clone(p), len(p)+1), frames(bytes.Clone(p), n)
		if strings.Join(whole, "|") != strings.Join(pieces, "|") {
			t.Fatalf("whole: %q\nin pieces of %d: %q", whole, n, pieces)
		}
	})
}

func TestFramer(t *testing.T) {
	one := options(1)
	body := strings.Replace(options(2), "Content-Length: 0\r\n\r\n", "l : 4\r\n\r\nbody", 1)
	got := frames([]byte(one+body+"\r\n\r\n"+one), 3)
	want := []string{one, body, "ping", one}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// No packet of the longest size costs more than it should: each of these took
// seconds where a list was walked for each of its elements.
func TestHostilePacketsAreCheap(t *testing.T) {
	const n = 65000
	head := "OPTIONS sip:b@x SIP/2.0\r\n"
	tests := map[string]string{
		"parameters":     head + "To: <sip:b@x>" + strings.Repeat(";a", n/2),
		"URI parameters": "OPTIONS sip:b@x" + strings.Repeat(";a", n/2) + " SIP/2.0\r\n",
		"folded lines":   head + "X: x" + strings.Repeat("\r\n x", n/4),
		"fields":         head + strings.Repeat("X:\r\n", n/4),
		"Vias":           head + "v: " + strings.Repeat("SIP/2.0/UDP x,", n/14) + "SIP/2.0/UDP x",
		"require":        head + "Require: " + strings.Repeat("a,", n/2),
		"quotes":         head + "m: " + strings.Repeat("\"\\\"", n/3),
	}
	for name, text := range tests {
		began := time.Now()
		judgement(t, []byte(text+"\r\n\r\n"))
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("%s took %v", name, took)
		}
	}
}
