package sip

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"

	"tutti/bridge"
	"tutti/codec"
	"tutti/codec/g711"
	"tutti/sip/auth"
	"tutti/sip/media"
	"tutti/webrtc"
)

// End to end: the whole way from socket to socket, with a real bridge, real ports and real peers. Only with TUTTI_E2E=1.

// running is a bridge with its user agent on the loopback address.
type running struct {
	t      *testing.T
	ua     *UserAgent
	bridge *bridge.Bridge
	ports  *media.Ports
	addr   netip.AddrPort
	tcp    netip.AddrPort

	browsers *webrtc.Endpoint
}

func endToEnd(t *testing.T) {
	t.Helper()
	if os.Getenv("TUTTI_E2E") == "" {
		t.Skip("end to end: set TUTTI_E2E=1")
	}
}

// start runs a bridge until the test ends.
func start(t *testing.T, change func(*Config)) *running {
	t.Helper()
	endToEnd(t)
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("TUTTI_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	b := bridge.New(bridge.Config{Domain: "127.0.0.1", Policy: bridge.Policy{AdHoc: true}, Logger: log})
	ports, err := media.NewPorts(32000, 33999)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Listen: []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0"}, Logger: log, Realm: "tutti",
		Limits: Limits{Rate: 1 << 20, RatePerSource: 1 << 20}}
	if change != nil {
		change(&cfg)
	}
	loopback, audio := netip.MustParseAddr("127.0.0.1"), []codec.Audio{g711.PCMU(), g711.PCMA()}
	browsers, err := webrtc.New(webrtc.Config{Addresses: []netip.Addr{loopback}, Audio: audio, Logger: log}, b)
	if err != nil {
		t.Fatal(err)
	}
	ua, err := New(cfg, b, Sessions{Browsers: browsers, RTP: media.Config{Ports: ports, Bind: loopback, Audio: audio, Logger: log}})
	if err != nil {
		t.Fatal(err)
	}
	b.SetDialer(ua)
	bound, err := ua.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = ua.Run(ctx) })
	wg.Go(func() { _ = browsers.Run(ctx) })
	wg.Go(func() { _ = b.Run(ctx, 2*time.Second) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return &running{t, ua, b, ports, bound[0], bound[1], browsers}
}

// softphone is a G.711 phone on the loopback address.
type softphone struct {
	t    *testing.T
	sip  *net.UDPConn
	rtp  *net.UDPConn
	dst  netip.AddrPort
	tag  string
	to   string
	peer netip.AddrPort // RTP of the bridge
}

func (r *running) softphone(name string) *softphone {
	r.t.Helper()
	open := func() *net.UDPConn {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { c.Close() })
		return c
	}
	return &softphone{t: r.t, sip: open(), rtp: open(), dst: r.addr, tag: name}
}

func (p *softphone) send(method string, seq int, body string) {
	to := "<sip:8001@127.0.0.1>" + p.to
	text := fmt.Sprintf("%s sip:8001@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%d%s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:%s@127.0.0.1>;tag=%s\r\nTo: %s\r\nCall-ID: %s@%s\r\nCSeq: %d %s\r\nContact: <sip:%s@%s>\r\n",
		method, p.dst, p.sip.LocalAddr(), p.tag, seq, method, p.tag, p.tag, to, p.tag, p.sip.LocalAddr(), seq, method, p.tag, p.sip.LocalAddr())
	if body != "" {
		text += "Content-Type: application/sdp\r\n"
	}
	text += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := p.sip.WriteToUDPAddrPort([]byte(text), p.dst); err != nil {
		p.t.Fatal(err)
	}
}

func (p *softphone) final() *sipmsg.Response {
	p.t.Helper()
	buf := make([]byte, 1<<16)
	_ = p.sip.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		n, err := p.sip.Read(buf)
		if err != nil {
			p.t.Fatal(err)
		}
		m, err := sipmsg.ParseMessage(buf[:n])
		if res, ok := m.(*sipmsg.Response); err == nil && ok && res.StatusCode >= 200 {
			return res
		}
	}
}

func (p *softphone) dial() {
	p.t.Helper()
	port := p.rtp.LocalAddr().(*net.UDPAddr).Port
	p.send("INVITE", 1, fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\na=sendrecv\r\n", port))
	res := p.final()
	if res.StatusCode != 200 {
		p.t.Fatalf("%s: %s", p.tag, res.StartLine())
	}
	p.to = ";tag=" + res.To().Params.GetOr("tag", "")
	for line := range strings.Lines(string(res.Body())) {
		var n uint16
		if _, err := fmt.Sscanf(line, "m=audio %d ", &n); err == nil {
			p.peer = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), n)
		}
	}
	p.send("ACK", 1, "")
}

// talk sends a tone for d and returns how strong each of the tones was in what came in the second half.
func (p *softphone) talk(d time.Duration, hz float64, listen ...float64) []float64 {
	enc, _ := g711.PCMU().NewEncoder(codec.AudioParams{})
	dec, _ := g711.PCMU().NewDecoder(codec.AudioParams{})
	var mu sync.Mutex
	var heard []int16
	stop := make(chan struct{})
	var wg sync.WaitGroup
	begin := time.Now()
	wg.Go(func() {
		buf, pcm := make([]byte, 2048), make([]int16, 2000)
		for {
			_ = p.rtp.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			n, err := p.rtp.Read(buf)
			select {
			case <-stop:
				return
			default:
			}
			var pkt rtp.Packet
			if err != nil || pkt.Unmarshal(buf[:n]) != nil || pkt.PayloadType != 0 || time.Since(begin) < d/2 {
				continue
			}
			k, _ := dec.Decode(pcm, pkt.Payload)
			mu.Lock()
			heard = append(heard, pcm[:k]...)
			mu.Unlock()
		}
	})
	frame := make([]int16, 160)
	next := time.Now()
	for i := 0; time.Since(begin) < d; i++ {
		sine(frame, hz, i*160)
		payload, _ := enc.Encode(nil, frame)
		pkt := rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(i * 160), SSRC: uint32(hz)}, Payload: payload}
		raw, _ := pkt.Marshal()
		_, _ = p.rtp.WriteToUDPAddrPort(raw, p.peer)
		next = next.Add(20 * time.Millisecond)
		time.Sleep(time.Until(next))
	}
	close(stop)
	wg.Wait()
	levels := make([]float64, len(listen))
	for i, f := range listen {
		levels[i] = goertzel(heard, f)
	}
	return levels
}

// sine fills pcm with a tone, sample number from on.
func sine(pcm []int16, hz float64, from int) {
	for k := range pcm {
		pcm[k] = int16(8000 * math.Sin(2*math.Pi*hz*float64(from+k)/8000))
	}
}

// goertzel is the amplitude of one frequency.
func goertzel(pcm []int16, hz float64) float64 {
	if len(pcm) == 0 {
		return 0
	}
	var re, im float64
	for i, s := range pcm {
		a := 2 * math.Pi * hz * float64(i) / 8000
		re += float64(s) * math.Cos(a)
		im += float64(s) * math.Sin(a)
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

func TestTwoPhonesHearEachOther(t *testing.T) {
	r := start(t, nil)
	ann, bob := r.softphone("ann"), r.softphone("bob")
	ann.dial()
	bob.dial()
	var a, b []float64
	var wg sync.WaitGroup
	wg.Go(func() { a = ann.talk(2*time.Second, 500, 500, 1200) })
	wg.Go(func() { b = bob.talk(2*time.Second, 1200, 500, 1200) })
	wg.Wait()
	t.Logf("ann hears 500 Hz %.0f, 1200 Hz %.0f; bob hears %.0f, %.0f", a[0], a[1], b[0], b[1])
	if a[1] < 4000 || b[0] < 4000 {
		t.Errorf("they do not hear each other: ann %v, bob %v", a, b)
	}
	if a[0] > 400 || b[1] > 400 {
		t.Errorf("somebody hears themself: ann %v, bob %v", a, b)
	}
	ann.send("BYE", 2, "")
	bob.send("BYE", 2, "")
	for _, p := range []*softphone{ann, bob} {
		if res := p.final(); res.StatusCode != 200 {
			t.Errorf("BYE: %s", res.StartLine())
		}
	}
}

// sipp runs a scenario of testdata/sipp against the bridge.
func (r *running) sipp(scenario string, args ...string) {
	r.t.Helper()
	path, err := exec.LookPath("sipp")
	if err != nil {
		r.t.Fatal("sipp is not installed (apt install sip-tester)")
	}
	dir := r.t.TempDir()
	file, err := filepath.Abs(filepath.Join("..", "testdata", "sipp", scenario+".xml"))
	if err != nil {
		r.t.Fatal(err)
	}
	all := append([]string{r.addr.String(), "-sf", file, "-s", "8001", "-i", "127.0.0.1", "-m", "1", "-nostdin",
		"-timeout", "90s", "-timeout_error", "-trace_err", "-error_file", filepath.Join(dir, "errors"),
		"-trace_msg", "-message_file", filepath.Join(dir, "messages")}, args...)
	cmd := exec.CommandContext(r.t.Context(), path, all...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TERM=dumb")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	errors, _ := os.ReadFile(filepath.Join(dir, "errors"))
	messages, _ := os.ReadFile(filepath.Join(dir, "messages"))
	r.t.Fatalf("sipp %s: %v\n%s\n%s\n%s", scenario, err, tail(out, 1500), tail(errors, 3000), tail(messages, 6000))
}

func tail(p []byte, n int) []byte { return p[max(0, len(p)-n):] }

func TestSIPp(t *testing.T) {
	endToEnd(t)
	quick := func(c *Config) { c.MinSessionExpires = 2 * time.Second }
	hasty := func(c *Config) { c.Timers.T1 = 50 * time.Millisecond }
	md5 := func(c *Config) { withAlice(c); c.Digests = []auth.Algorithm{auth.MD5} } // SIPp reads only the first challenge
	tests := map[string]func(*Config){
		"basic": nil, "lateoffer": nil, "cancel": nil, "reliable": nil, "hold": nil, "update": nil, "info": nil, "mlines": nil,
		"unfit": nil, "timer": quick, "timerreinvite": quick, "expired": quick, "noack": hasty, "register": md5,
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			r := start(t, change)
			r.sipp(name)
			r.idle()
		})
	}
	t.Run("tcp", func(t *testing.T) {
		r := start(t, nil)
		r.addr = r.tcp
		r.sipp("basic", "-t", "t1")
		r.idle()
	})
	t.Run("tcp, and we hang up", func(t *testing.T) { // on the phone's connection: nothing listens at its Contact
		r := start(t, quick)
		r.addr = r.tcp
		r.sipp("expired", "-t", "t1")
		r.idle()
	})
}

// After 1,000 calls ports, goroutines and memory are where they were.
func TestThousandCalls(t *testing.T) {
	r := start(t, func(c *Config) { c.Timers.T1 = 20 * time.Millisecond }) // transactions linger for 64·T1
	r.sipp("basic")
	r.idle()
	before := settled()
	begin := time.Now()
	r.sipp("basic", "-m", "1000", "-r", "100", "-l", "100")
	t.Logf("1,000 calls in %v", time.Since(begin).Round(time.Millisecond))
	r.idle()
	time.Sleep(64*20*time.Millisecond + 500*time.Millisecond)
	after := settled()
	t.Logf("goroutines %d → %d, heap %d → %d kB", before.goroutines, after.goroutines, before.heap>>10, after.heap>>10)
	if after.goroutines > before.goroutines+3 {
		buf := make([]byte, 1<<16)
		t.Errorf("goroutines: %d, before %d\n%s", after.goroutines, before.goroutines, buf[:runtime.Stack(buf, true)])
	}
	if after.heap > before.heap+2<<20 {
		t.Errorf("heap: %d kB, before %d kB", after.heap>>10, before.heap>>10)
	}
}

type usage struct {
	goroutines int
	heap       uint64 // bytes
}

func settled() usage {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), m.HeapAlloc}
}

// idle waits until nothing of the calls is left.
func (r *running) idle() {
	r.t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for r.ua.Calls() > 0 || r.ports.Free() != 1000 {
		if time.Now().After(deadline) {
			r.t.Fatalf("%d calls and %d port pairs are left", r.ua.Calls(), 1000-r.ports.Free())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
