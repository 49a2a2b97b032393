package bench

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bridge is a running tutti serve with room for many phones of one address.
type bridge struct {
	*process
	sip  netip.AddrPort
	http string
	log  string // file
}

func newBridge(t testing.TB, binary string) *bridge {
	t.Helper()
	dir := t.TempDir()
	sip, web := freePort(t), freePort(t)
	b := &bridge{
		sip: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(sip)), http: fmt.Sprintf("http://localhost:%d", web),
		log: filepath.Join(dir, "log"),
	}
	config := filepath.Join(dir, "tutti.yaml")
	text := fmt.Sprintf(`sip: {listen: ["udp://%s"], max_calls_per_source: 2000, call_rate: 2000}
http: {listen: "localhost:%d", tls: {listen: ""}}
media: {address: 127.0.0.1, webrtc_port: %d, rtp_ports: 16000-17999}
policy: {max_per_source: 2000}
state: {directory: %s}
control: {socket: %s}
log: {level: warn}
`, b.sip, web, freePort(t), dir, filepath.Join(dir, "control.sock"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(b.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := favoured(binary, "serve", "--config", config)
	cmd.Stdout, cmd.Stderr = log, log
	b.process = start(t, cmd)
	t.Cleanup(func() {
		if t.Failed() {
			said, _ := os.ReadFile(b.log)
			t.Logf("the bridge said:\n%s", said)
		}
	})
	eventually(t, 15*time.Second, "the bridge's health", func() bool {
		r, err := http.Get(b.http + "/healthz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return b
}

// metrics are the sums of what the bridge tells Prometheus, by name: labels are left out.
func (b *bridge) metrics() map[string]float64 {
	b.t.Helper()
	r, err := http.Get(b.http + "/metrics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	sums := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i := strings.LastIndex(line, "} "); i >= 0 {
			name, _, _ = strings.Cut(line, "{")
			value = strings.TrimSpace(line[i+2:])
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			sums[name] += v
		}
	}
	return sums
}

func (b *bridge) awaitLegs(n int) {
	b.t.Helper()
	eventually(b.t, 15*time.Second, fmt.Sprintf("%d legs", n), func() bool {
		m := b.metrics()
		return m["tutti_legs"] == float64(n) && m["tutti_sip_calls"] == float64(n)
	})
}

// process is one that the test started.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
}

// favoured is a command that goes before others on a busy machine, where we may say so (as root). What is compared with each
// other is started alike.
func favoured(name string, args ...string) *exec.Cmd {
	return exec.Command("nice", append([]string{"-n", "-10", name}, args...)...)
}

// start runs cmd until the test ends.
func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t, cmd}
	t.Cleanup(p.end)
	return p
}

func (p *process) end() {
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(15*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Wait()
}

// cpu is the time that the process has used, user and system. Its unit is 10 ms.
func (p *process) cpu() time.Duration {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name may hold blanks
	fields := strings.Fields(after)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / 100 // USER_HZ
}

// rss is the resident memory, octets.
func (p *process) rss() float64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kB float64
		if _, err := fmt.Sscanf(line, "VmRSS: %g kB", &kB); err == nil {
			return kB * 1024
		}
	}
	p.t.Fatal("no VmRSS")
	return 0
}

// eventually asks another process until the answer is yes.
func eventually(t testing.TB, limit time.Duration, what string, yes func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !yes() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, limit)
		}
		nap(50 * time.Millisecond)
	}
}

// freePort is a port that nobody has now, UDP and TCP.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if s, err := openSocket(port); err == nil {
			s.close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}
