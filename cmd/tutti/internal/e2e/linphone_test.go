package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// linphone is a running linphonec.
type linphone struct {
	t   testing.TB
	in  io.Writer
	log string     // file with every message
	mu  sync.Mutex // guards out
	out strings.Builder
}

// newLinphone starts a linphonec on loopback that registers at the bridge.
func newLinphone(t testing.TB, b *bridge, name, password string) *linphone {
	t.Helper()
	dir := t.TempDir()
	l := &linphone{t: t, log: filepath.Join(dir, "log")}
	config := filepath.Join(dir, "linphonerc")
	text := fmt.Sprintf(`[sip]
sip_port=%d
sip_tcp_port=0
sip_tls_port=0
use_ipv6=0
ipv6_migration_done=1
default_proxy=0
register_only_when_network_is_up=0
[rtp]
audio_rtp_port=%d
[proxy_0]
reg_proxy=<sip:%s>
reg_identity=sip:%s@%s
reg_expires=600
reg_sendregister=1
[auth_info_0]
username=%s
passwd=%s
`, freePort(t), freePort(t), b.sip, name, b.sip, name, password)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, ".local/share/linphone"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("linphonec", "-c", config, "-d", "6", "-l", l.log)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME=", "XDG_CONFIG_HOME=")
	cmd.Stdout = &lockedWriter{&l.mu, &l.out}
	cmd.Stderr = cmd.Stdout
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.in = in
	if err := cmd.Start(); err != nil {
		t.Fatalf("linphonec does not start: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("linphonec said:\n%s", l.output())
		}
		in.Close()
		interrupt(cmd)
	})
	return l
}

func (l *linphone) do(command string) {
	l.t.Helper()
	if _, err := fmt.Fprintln(l.in, command); err != nil {
		l.t.Fatal(err)
	}
}

func (l *linphone) output() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

// registered waits until the phone says that the bridge knows it.
func (l *linphone) registered() { l.t.Helper(); l.logs("LinphoneRegistrationOk") }

// logs waits until a text is in its log.
func (l *linphone) logs(text string) {
	l.t.Helper()
	eventually(l.t, 20*time.Second, "linphonec's log says "+text, func() bool {
		log, _ := os.ReadFile(l.log)
		return strings.Contains(string(log), text)
	})
}
