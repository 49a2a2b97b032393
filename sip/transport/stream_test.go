package transport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// onPipe serves one end of a net.Pipe as a TCP connection, in a bubble.
func onPipe(t *testing.T, cfg Config) (*Layer, net.Conn) {
	t.Helper()
	l := New(cfg)
	ours, theirs := net.Pipe()
	s := l.addStream(TCP, ours, true)
	if s == nil {
		t.Fatal("connection was refused")
	}
	l.wg.Go(s.run)
	t.Cleanup(func() { theirs.Close(); _ = l.Close(t.Context()) })
	return l, theirs
}

func options(cseq int) string {
	return fmt.Sprintf("OPTIONS sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKq%d\r\n"+
		"From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: q\r\nCSeq: %d OPTIONS\r\nContent-Length: 0\r\n\r\n", cseq, cseq)
}

// closedAfter reads until the other side closes.
func closedAfter(c io.Reader) time.Duration {
	began := time.Now()
	_, _ = io.Copy(io.Discard, c)
	return time.Since(began)
}

func TestSilenceIsEnded(t *testing.T) {
	lim := DefaultLimits()
	tests := map[string]struct {
		say  string
		want time.Duration
	}{
		"nothing at all":                {"", lim.Handshake},
		"half a header":                 {"OPTIONS sip:b@192.0.2.1 SIP/2.0\r\nVia: SI", lim.Partial},
		"a body that stalls":            {strings.Replace(options(1), "Content-Length: 0", "Content-Length: 9", 1) + "half", lim.Partial},
		"one request, then nothing":     {options(1), lim.Idle},
		"keep-alives prove nothing yet": {"\r\n\r\n", lim.Handshake},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, c := onPipe(t, Config{Handler: HandlerFunc(answer200)})
				go io.WriteString(c, tt.say)
				if took := closedAfter(c); took != tt.want {
					t.Errorf("closed after %v, want %v", took, tt.want)
				}
				synctest.Wait()
				if n := l.Counters().Connections; n != 0 {
					t.Errorf("%d connections are left", n)
				}
			})
		})
	}
}

// A slow writer that always sends a little is no exception.
func TestSlowLoris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := onPipe(t, Config{Handler: HandlerFunc(answer200)})
		go func() {
			for _, b := range []byte(options(1)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		if took, want := closedAfter(c), DefaultLimits().Partial; took != want {
			t.Errorf("closed after %v, want %v", took, want)
		}
		time.Sleep(2 * time.Second) // the writer notices
	})
}

func TestRetainedFlowStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := onPipe(t, Config{Handler: HandlerFunc(func(r *Request) {
			if r.CSeq().SeqNo == 1 {
				r.Flow.Retain()
				time.AfterFunc(time.Hour, r.Flow.Release)
			}
			answer200(r)
		})})
		go io.WriteString(c, options(1))
		if took := closedAfter(c); took < time.Hour || took > time.Hour+2*DefaultLimits().Idle {
			t.Errorf("closed after %v, want an hour and idle", took)
		}
	})
}

func TestPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := onPipe(t, Config{Handler: HandlerFunc(answer200)})
		go io.WriteString(c, "\r\n\r\n"+options(1))
		r := bufio.NewReader(c)
		if pong, _ := r.ReadString('\n'); pong != "\r\n" {
			t.Errorf("got %q, want CR LF", pong)
		}
		if line, _ := r.ReadString('\n'); line != "SIP/2.0 200 OK\r\n" {
			t.Errorf("got %q, want 200", line)
		}
		if n := l.Counters().KeepAlives; n != 1 {
			t.Errorf("KeepAlives = %d", n)
		}
	})
}

// What cannot be framed is answered and ends the connection; the same holds
// for what is no SIP.
func TestBrokenFraming(t *testing.T) {
	tests := map[string]struct{ say, want string }{
		"no length":       {strings.Replace(options(1), "Content-Length: 0\r\n", "", 1), "SIP/2.0 400 Missing Content-Length"},
		"negative length": {strings.Replace(options(1), "Length: 0", "Length: -9", 1), "SIP/2.0 400 Malformed Content-Length"},
		"two lengths":     {strings.Replace(options(1), "Content-Length: 0", "l: 0\r\nContent-Length: 5", 1), "SIP/2.0 400 More than one Content-Length"},
		"huge body":       {strings.Replace(options(1), "Length: 0", "Length: 999999", 1), "SIP/2.0 513 Message Too Large"},
		"endless header":  {"OPTIONS sip:b@x SIP/2.0\r\nX: " + strings.Repeat("x", 70000), ""},
		"a web browser":   {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", ""},
		"TLS":             {"\x16\x03\x01\x02\x00\r\n\r\n", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c := onPipe(t, Config{Handler: HandlerFunc(answer200)})
				go io.WriteString(c, tt.say)
				began := time.Now()
				got, _ := io.ReadAll(c)
				line, _, _ := strings.Cut(string(got), "\r\n")
				if line != tt.want {
					t.Errorf("answered %q, want %q", line, tt.want)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("closed after %v, want at once", took)
				}
			})
		})
	}
}

// One address gets its share of connections, and idle ones make room for new ones.
func TestConnectionLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Handler: HandlerFunc(answer200), Limits: Limits{Connections: 3, ConnectionsPerSource: 2}})
		t.Cleanup(func() { _ = l.Close(t.Context()) })
		open := func(ip string) *stream {
			ours, theirs := net.Pipe()
			t.Cleanup(func() { theirs.Close() })
			s := l.newStream(TCP, netip.AddrPort{}, netip.AddrPortFrom(netip.MustParseAddr(ip), 4000), true)
			s.pipe = &bytePipe{stream: s, conn: ours, framer: framer{limit: 65535}}
			if !l.register(s) {
				return nil
			}
			l.wg.Go(s.run)
			return s
		}
		first := open("192.0.2.1")
		time.Sleep(2 * time.Second)
		if open("192.0.2.1") == nil || open("192.0.2.1") != nil {
			t.Error("want two connections of one address, not three")
		}
		open("192.0.2.2")
		if s := open("192.0.2.3"); s == nil {
			t.Error("no room was made")
		}
		if first.alive() {
			t.Error("the oldest connection is still there")
		}
		if n := len(l.sources); n != 3 {
			t.Errorf("%d sources are kept, want 3", n)
		}
	})
}

// Noise from many addresses leaves nothing behind.
func TestGarbageFlood(t *testing.T) {
	l := New(Config{Handler: HandlerFunc(answer200)})
	defer l.Close(t.Context())
	before := runtime.NumGoroutine()
	for i := range 5000 {
		ip := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		s := &packetSocket{layer: l, pc: newMemSocket()}
		s.packet(netip.AddrPortFrom(ip, 5060), []byte("\x80garbage of no meaning\r\n\r\n"))
	}
	c := l.Counters()
	if c.Malformed != 5000 || c.Connections+c.ServerTransactions+len(l.sources) != 0 {
		t.Errorf("Counters() = %+v, %d sources", c, len(l.sources))
	}
	if n := runtime.NumGoroutine(); n > before+1 {
		t.Errorf("%d goroutines, before %d", n, before)
	}
}

func TestTransactionLimitPerSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemSocket()
		l := New(Config{Handler: HandlerFunc(func(*Request) {}), Limits: Limits{TransactionsPerSource: 2}})
		t.Cleanup(func() { _ = l.Close(t.Context()) })
		_ = l.ServePacket(s)
		for i := range 3 {
			s.in <- []byte(options(i + 1))
		}
		synctest.Wait()
		if sent := lines(s.take()); sent != "503 Service Unavailable" {
			t.Errorf("sent %q, want one 503", sent)
		}
		time.Sleep(time.Minute) // a handler that never answers keeps nothing for ever
		if c := l.Counters(); c.ServerTransactions != 0 || len(l.sources) != 0 {
			t.Errorf("Counters() = %+v, %d sources", c, len(l.sources))
		}
	})
}

func TestSTUN(t *testing.T) {
	// The request and answer of RFC 5769 §2.1 and §2.2, without their attributes.
	id := []byte{0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae}
	req := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, id...)
	if !isSTUN(req) {
		t.Fatal("not recognised")
	}
	got := answerSTUN(req, netip.MustParseAddrPort("192.0.2.1:32853"))
	want := append(append([]byte{1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42}, id...), 0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43)
	if string(got) != string(want) {
		t.Errorf("answered % x\nwant     % x", got, want)
	}
	req[1] = 2
	if answerSTUN(req, netip.MustParseAddrPort("192.0.2.1:1")) != nil {
		t.Error("answered what is no binding request")
	}
}

// A request whose connection breaks fails at once, not after 32 s.
func TestConnectionBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := onPipe(t, Config{})
		go io.Copy(io.Discard, c)
		var flow *Flow
		for s := range l.streams {
			flow = s.flow
		}
		tx, err := l.Send(t.Context(), newRequest(sipmsg.INVITE, 1), Target{Flow: flow})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		began := time.Now()
		c.Close()
		for range tx.Responses() {
		}
		<-flow.Done()
		if tx.Err() == nil || time.Since(began) > time.Second || flow.Alive() {
			t.Errorf("Err() = %v after %v", tx.Err(), time.Since(began))
		}
	})
}

// A peer that takes its answers slowly gets them all; one that takes none loses the connection.
func TestBackPressure(t *testing.T) {
	const n = 500
	requests := func(c net.Conn) {
		for i := range n {
			if _, err := io.WriteString(c, options(i+1)); err != nil {
				return
			}
		}
	}
	limits := Limits{Queue: 8}
	synctest.Test(t, func(t *testing.T) {
		_, c := onPipe(t, Config{Handler: HandlerFunc(answer200), Limits: limits})
		go requests(c)
		r := bufio.NewReader(c)
		for i := range n {
			time.Sleep(10 * time.Millisecond)
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					t.Fatalf("ended after %d of %d answers: %v", i, n, err)
				}
				if line == "\r\n" {
					break
				}
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l, c := onPipe(t, Config{Handler: HandlerFunc(answer200), Limits: limits})
		go requests(c)
		time.Sleep(DefaultLimits().Write + time.Second)
		if n := l.Counters().Connections; n != 0 {
			t.Error("the connection is still there")
		}
	})
}

// What was sent before Close still leaves: the BYEs of a bridge that stops.
func TestCloseFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := onPipe(t, Config{})
		var flow *Flow
		for s := range l.streams {
			flow = s.flow
		}
		for i := range uint32(5) {
			if _, err := l.Send(t.Context(), newRequest(sipmsg.BYE, i+1), Target{Flow: flow}); err != nil {
				t.Fatal(err)
			}
		}
		closed := make(chan error)
		go func() { closed <- l.Close(t.Context()) }()
		got, _ := io.ReadAll(c)
		if n := strings.Count(string(got), "BYE sip:"); n != 5 {
			t.Errorf("%d of 5 requests left", n)
		}
		if err := <-closed; err != nil {
			t.Errorf("Close() = %v", err)
		}
		if _, err := l.Send(t.Context(), newRequest(sipmsg.BYE, 9), Target{Flow: flow}); err == nil {
			t.Error("sent after Close")
		}
	})
}

// A socket for all addresses serves both families and says which of them is ours.
func TestWildcardSocket(t *testing.T) {
	server, client := New(Config{Handler: HandlerFunc(answer200)}), New(Config{})
	defer server.Close(t.Context())
	defer client.Close(t.Context())
	addr, err := server.Listen(UDP, ":0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Listen(UDP, ":0"); err != nil {
		t.Fatal(err)
	}
	for i, ip := range []string{"127.0.0.1", "::1"} {
		if c, err := net.ListenPacket("udp", net.JoinHostPort(ip, "0")); err != nil {
			t.Log("no ", ip)
			continue
		} else {
			c.Close()
		}
		to := netip.AddrPortFrom(netip.MustParseAddr(ip), addr.Port())
		tx, err := client.Send(t.Context(), newRequest(sipmsg.OPTIONS, uint32(i+1)), Target{Addr: to})
		if err != nil {
			t.Fatal(err)
		}
		res := final(t, tx)
		if host := res.Via().Host; host != ip {
			t.Errorf("towards %s we are %s", ip, host)
		}
		if _, ok := res.Via().Params.Get("received"); !ok {
			t.Errorf("no received in %s", res.Via().Value())
		}
	}
}

// A forgotten INVITE ends.
func TestForgottenInvite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(keep, 1)
		l, s := overMem(t, got)
		s.in <- incoming("INVITE", "z9hG4bK1")
		<-got
		time.Sleep(DefaultLimits().Ringing + time.Second)
		if sent := lines(s.take()); !strings.HasPrefix(sent, "100 Trying, 408 Request Timeout") {
			t.Errorf("sent %q", sent)
		}
		time.Sleep(time.Minute)
		if n := l.Counters().ServerTransactions; n != 0 {
			t.Errorf("%d transactions are left", n)
		}
	})
}
