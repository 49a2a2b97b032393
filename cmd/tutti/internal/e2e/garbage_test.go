package e2e

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// While two phones talk, strangers throw broken RTP, RTCP, STUN, DTLS, SIP, HTTP and WebSocket frames at every port that the
// bridge has open. The phones go on hearing each other, and the log stays short.
func TestGarbageHarmsNobody(t *testing.T) {
	b := newBridge(t, "")
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440})
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMA", tone: 1000, encrypt: "srtp-mand"})
	alice.dial(b.uri("8001"))
	bob.dial(b.uri("8001"))
	b.waitFor("8001", 2)
	udp, tcp := b.open("udp"), b.open("tcp")
	if len(udp) < 6 || len(tcp) < 3 { // SIP, browsers, and RTP and RTCP of each phone; SIP, HTTP, browsers
		t.Fatalf("the bridge has UDP ports %v and TCP ports %v open", udp, tcp)
	}
	before, lines, began := b.usage(), strings.Count(b.output(), "\n"), time.Now()

	ctx, stop := context.WithCancel(t.Context())
	var sent atomic.Int64
	var wg sync.WaitGroup
	for _, port := range udp {
		wg.Go(func() { throwPackets(ctx, port, &sent) })
	}
	for _, port := range tcp {
		wg.Go(func() { throwStreams(ctx, port, &sent) })
	}
	for _, door := range []string{"/ws tutti.1", "/sip sip"} {
		wg.Go(func() { throwFrames(ctx, b, door, &sent) })
	}
	tones(t, "alice", alice.heard, map[float64]float64{1000: -20}, 440)
	tones(t, "bob", bob.heard, map[float64]float64{440: -20}, 1000)
	eventually(t, 15*time.Second, "much garbage", func() bool { return sent.Load() > 3000 })
	stop()
	wg.Wait()

	hears(t, "alice", alice.heard, map[float64]float64{1000: -20}, 440)
	hears(t, "bob", bob.heard, map[float64]float64{440: -20}, 1000)
	r, err := http.Get(b.http + "/healthz")
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("health after garbage: %v %v", r, err)
	}
	r.Body.Close()
	if s := b.waitFor("8001", 2); s.user("alice") == "" || s.user("bob") == "" {
		t.Errorf("after garbage the roster is %+v", s.Users)
	}
	more, allowed := strings.Count(b.output(), "\n")-lines, 12*int(time.Since(began).Seconds()+1) // ten refusals a second and a summary
	t.Logf("%d pieces of garbage, %d lines of log", sent.Load(), more)
	if more > allowed {
		t.Errorf("%d pieces of garbage wrote %d lines into the log, want at most %d", sent.Load(), more, allowed)
	}
	b.returns(before)
}

// tones waits until somebody hears tones at their levels; unlike hears it forgives the gaps that a machine tears which is busy with
// what the test does to it.
func tones(t *testing.T, who string, heard func() sound, want map[float64]float64, not float64) {
	t.Helper()
	eventually(t, 20*time.Second, who+"'s sound", func() bool {
		s := heard()
		return s.seconds() >= window && unlike(s.last(window), want, not) == ""
	}, func() { t.Errorf("%s %s", who, unlike(heard().last(window), want, not)) })
}

// open are the ports of loopback that the bridge's process listens at, from the kernel's tables.
func (b *bridge) open(network string) []int {
	b.t.Helper()
	own := map[string]bool{}
	files := fmt.Sprintf("/proc/%d/fd", b.cmd.Process.Pid)
	entries, err := os.ReadDir(files)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range entries {
		if link, err := os.Readlink(files + "/" + e.Name()); err == nil && strings.HasPrefix(link, "socket:[") {
			own[strings.Trim(link, "socket:[]")] = true
		}
	}
	ports := map[int]bool{}
	for _, table := range []string{network, network + "6"} {
		text, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 10 || !own[f[9]] || network == "tcp" && f[3] != "0A" { // 0A: listens
				continue
			}
			var port int
			if _, err := fmt.Sscanf(f[1][strings.LastIndex(f[1], ":"):], ":%x", &port); err == nil {
				ports[port] = true
			}
		}
	}
	var all []int
	for p := range ports {
		all = append(all, p)
	}
	return all
}

// packet is one piece of garbage that begins like something that the port expects.
func packet() []byte {
	p := make([]byte, rand.IntN(300))
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	if len(p) < 20 {
		return p
	}
	switch rand.IntN(8) {
	case 0: // RTP of the payload type in use, with CSRCs and an extension that may not be there
		p[0], p[1] = 0x80|p[0]&0x3f, p[1]&0x80
	case 1: // RTCP of any type and any length
		p[0], p[1] = 0x80|p[0]&0x3f, 192+p[1]%24
	case 2: // a report that ends in the middle
		p[0], p[1] = 0x9f, 200
		binary.BigEndian.PutUint16(p[2:], 0xffff)
	case 3: // STUN with attributes of any length
		p[0], p[1] = 0, 1
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)-20))
		binary.BigEndian.PutUint32(p[4:], 0x2112A442)
	case 4: // DTLS
		p[0], p[1], p[2] = 20+p[0]%5, 254, 253
	case 5: // SIP
		p = append([]byte("INVITE sip:8001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP "), p...)
	case 6: // SIP with a description that is none
		body := "v=0\r\nm=audio " + string(p)
		p = fmt.Appendf(nil, "INVITE sip:8001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\nFrom: <sip:x@127.0.0.1>;tag=%d\r\nTo: <sip:8001@127.0.0.1>\r\nCall-ID: %d\r\nCSeq: 1 INVITE\r\nContact: <sip:x@127.0.0.1:9>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
			rand.Uint64(), rand.Uint64(), rand.Uint64(), len(body), body)
	}
	return p
}

// throwPackets sends some 100 packets a second.
func throwPackets(ctx context.Context, port int, sent *atomic.Int64) {
	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return
	}
	defer conn.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			conn.Write(packet())
			sent.Add(1)
		}
	}
}

// throwStreams opens connections that say nonsense: bytes, frames of RFC 4571, broken HTTP, halves of requests.
func throwStreams(ctx context.Context, port int, sent *atomic.Int64) {
	starts := []string{"", "\x00\x14", "\xff\xff", "GET / HTTP/1.1\r\nHost: ", "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ", "\r\n\r\n\r\n",
		"POST /api/conferences HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "OPTIONS sip:x@localhost SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n"}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("localhost:%d", port), time.Second)
		if err != nil {
			continue
		}
		conn.SetDeadline(time.Now().Add(50 * time.Millisecond))
		conn.Write(append([]byte(starts[rand.IntN(len(starts))]), packet()...))
		io.Copy(io.Discard, bufio.NewReader(conn))
		conn.Close()
		sent.Add(1)
	}
}

// throwFrames opens WebSockets and sends what is no message. Each must be closed, or answered, never hang.
func throwFrames(ctx context.Context, b *bridge, door string, sent *atomic.Int64) {
	path, protocol, _ := strings.Cut(door, " ")
	texts := []string{"", "{", "[]", `{"kind":"request"}`, `{"kind":"request","id":1,"method":"join","params":{"conference":7}}`, `{"kind":"request","id":1,"method":"offer","params":{"sdp":"v=0"}}`,
		`{"kind":"message","method":"candidate","params":{"candidate":"candidate:x"}}`, strings.Repeat("[", 10000), "INVITE sip:8001@localhost SIP/2.0\r\n\r\n", "\xff\xfe"}
	for ctx.Err() == nil {
		dial, cancel := context.WithTimeout(ctx, 2*time.Second)
		conn, _, err := websocket.Dial(dial, strings.Replace(b.http, "http:", "ws:", 1)+path, &websocket.DialOptions{Subprotocols: []string{protocol}})
		if err == nil {
			kind := websocket.MessageText
			if rand.IntN(4) == 0 {
				kind = websocket.MessageBinary
			}
			conn.Write(dial, kind, []byte(texts[rand.IntN(len(texts))]))
			conn.Write(dial, kind, packet())
			conn.CloseNow()
			sent.Add(1)
		}
		cancel()
		select {
		case <-ctx.Done():
		case <-time.After(150 * time.Millisecond):
		}
	}
}

// What a description may be wrong in is answered with what is wrong, not with silence or a call.
func TestBrokenDescriptionsAreRefused(t *testing.T) {
	tests := map[string]struct {
		body string
		want int
	}{
		"no description":        {"hello", 400},
		"cut in the middle":     {"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio", 400},
		"port out of range":     {strings.Replace(plainOffer(40000), "40000", "99999", 1), 400},
		"codecs we do not have": {"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 4 18\r\n", 488},
		"unknown protocol":      {strings.Replace(plainOffer(40000), "RTP/AVP", "RTP/XYZ", 1), 488},
		"broken key":            {strings.Replace(plainOffer(40000), "RTP/AVP", "RTP/SAVP", 1) + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:short\r\n", 488},
	}
	b := newBridge(t, "")
	n := 0
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			n++
			c := b.caller(fmt.Sprintf("broken%d", n))
			defer c.close()
			res := c.invite(tc.body)
			c.ack(res)
			if res.code != tc.want || res.field("Warning") == "" {
				t.Errorf("answered %d with Warning %q, want %d with a warning", res.code, res.field("Warning"), tc.want)
			}
			if res.code == 200 {
				c.bye()
			}
		})
	}
	if s := b.state("8001"); s != nil {
		t.Errorf("a conference is left: %+v", s)
	}
}
