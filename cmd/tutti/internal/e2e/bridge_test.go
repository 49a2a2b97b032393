package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// bridge is a running tutti serve.
type bridge struct {
	t      testing.TB
	dir    string
	sip    string // HOST:PORT
	http   string // http://HOST:PORT
	socket string
	cmd    *exec.Cmd
	mu     sync.Mutex // guards log
	log    strings.Builder
}

func builtBinary(t testing.TB) string {
	t.Helper()
	name := os.Getenv("TUTTI_E2E")
	if name == "" {
		t.Skip("TUTTI_E2E does not name the binary to test; make e2e does")
	}
	return name
}

// newBridge starts a bridge on ports of its own. extra is YAML added to its configuration.
func newBridge(t testing.TB, extra string, args ...string) *bridge {
	t.Helper()
	b := &bridge{t: t, dir: t.TempDir()}
	sip, web, media := freePort(t), freePort(t), freePort(t)
	b.sip = fmt.Sprintf("127.0.0.1:%d", sip)
	b.http = fmt.Sprintf("http://localhost:%d", web)
	b.socket = filepath.Join(b.dir, "control.sock")
	config := filepath.Join(b.dir, "tutti.yaml")
	text := fmt.Sprintf(`http: {listen: "localhost:%d", tls: {listen: ""}}
media: {address: 127.0.0.1, webrtc_port: %d, rtp_ports: %s}
state: {directory: %s}
control: {socket: %s}
`, web, media, rtpPorts(t), b.dir, b.socket)
	if !strings.Contains(extra, "sip:") {
		text += "sip: {listen: ['udp://" + b.sip + "', 'tcp://" + b.sip + "']}\n"
	}
	if !strings.Contains(extra, "prompts:") { // which would sound among the tones
		text += "prompts: {enabled: false}\n"
	}
	text += strings.ReplaceAll(extra, "SIPADDRESS", b.sip)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.cmd = exec.Command(builtBinary(t), append([]string{"serve", "--config", config}, args...)...)
	b.cmd.Stdout = &lockedWriter{&b.mu, &b.log}
	b.cmd.Stderr = b.cmd.Stdout
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.stop)
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

func (b *bridge) uri(conference string) string { return "sip:" + conference + "@" + b.sip }

func (b *bridge) output() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

// cli runs a command of the command line and returns what it printed.
func (b *bridge) cli(args ...string) string {
	b.t.Helper()
	out, err := b.try(args...)
	if err != nil {
		b.t.Fatalf("tutti %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (b *bridge) try(args ...string) (string, error) {
	cmd := exec.Command(b.cmd.Path, append(args, "--server", "unix:"+b.socket)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// follower is a command that goes on and prints.
type follower struct {
	b   *bridge
	mu  sync.Mutex // guards out
	out strings.Builder
}

// follow starts a command of the command line that prints what happens.
func (b *bridge) follow(args ...string) *follower {
	b.t.Helper()
	f := &follower{b: b}
	cmd := exec.Command(b.cmd.Path, append(args, "--server", "unix:"+b.socket)...)
	cmd.Stdout = &lockedWriter{&f.mu, &f.out}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { interrupt(cmd) })
	f.wait("\n")
	return f
}

// wait waits until the command has printed text.
func (f *follower) wait(text string) {
	f.b.t.Helper()
	said := func() string {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.out.String()
	}
	eventually(f.b.t, 10*time.Second, "the line "+text, func() bool { return strings.Contains(said(), text) }, func() { f.b.t.Log(said()) })
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// state is a conference as operators see it; nil where there is none.
func (b *bridge) state(conference string) *conferenceState {
	b.t.Helper()
	out, err := b.try("conference", "show", conference, "--output", "json")
	if err != nil {
		return nil
	}
	var s conferenceState
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		b.t.Fatalf("%v in %s", err, out)
	}
	return &s
}

// waitFor waits until so many are in a conference.
func (b *bridge) waitFor(conference string, users int) *conferenceState {
	b.t.Helper()
	var s *conferenceState
	eventually(b.t, 15*time.Second, fmt.Sprintf("%d in %s", users, conference), func() bool {
		s = b.state(conference)
		return users == 0 && s == nil || s != nil && len(s.Users) == users
	})
	return s
}

// conferenceState is the part of docs/protocol.md that tests look at.
type conferenceState struct {
	Conference struct{ Name, Layout string }
	Users      map[string]struct {
		Name      string
		Number    string
		Muted     bool
		Speaking  bool
		Waiting   bool
		Hand      string
		Endpoints map[string]struct {
			Kind, Status, Reason string
			Media                map[string]struct{ Type, Status, Codec, Content string }
		}
	}
}

// user is the id of who is called name.
func (s *conferenceState) user(name string) string {
	for id, u := range s.Users {
		if u.Name == name {
			return id
		}
	}
	return ""
}

// metrics is what Prometheus would be told of the bridge.
func (b *bridge) metrics() string {
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
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "tutti_") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// stop ends the bridge as systemd would; it has ten seconds.
func (b *bridge) stop() {
	if b.cmd.ProcessState != nil {
		return
	}
	if b.t.Failed() {
		b.t.Logf("its figures:\n%s", b.metrics())
	}
	start := time.Now()
	b.cmd.Process.Signal(syscall.SIGTERM)
	if err := b.cmd.Wait(); err != nil {
		b.t.Errorf("the bridge ended with %v\n%s", err, b.output())
	}
	if took := time.Since(start); took > 10*time.Second {
		b.t.Errorf("the bridge took %v to end", took)
	}
	if b.t.Failed() {
		b.t.Logf("the bridge said:\n%s", b.output())
	}
}
