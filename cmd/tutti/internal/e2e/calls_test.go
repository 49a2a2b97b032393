package e2e

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPhoneHoldsAndResumes(t *testing.T) {
	b := newBridge(t, "")
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440})
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMU", tone: 1000})
	alice.dial(b.uri("8001"))
	bob.dial(b.uri("8001"))
	settle(t, 2, alice, bob)
	status := func() string {
		s := b.state("8001")
		for _, e := range s.Users[s.user("alice")].Endpoints {
			return e.Status + " " + e.Media["0"].Status
		}
		return ""
	}
	alice.do("hold", "")
	eventually(t, 10*time.Second, "alice on hold", func() bool { return strings.HasPrefix(status(), "on-hold") })
	misses(t, "bob", bob.heard, 440)
	alice.do("resume", "")
	eventually(t, 10*time.Second, "alice back", func() bool { return status() == "connected sendrecv" })
	hears(t, "alice", alice.heard, map[float64]float64{1000: -20}, 440)
	hears(t, "bob", bob.heard, map[float64]float64{440: -20}, 1000)
}

const registered = `
sip: {listen: ["udp://SIPADDRESS", "tcp://SIPADDRESS"], users: [{name: carol, password: sesame-open-1}]}
`

// A registered phone is called from the command line, refuses, is called again and answers; a stranger's number is not dialled.
func TestDialARegisteredPhone(t *testing.T) {
	b := newBridge(t, registered)
	carol := newPhone(t, b, phoneOptions{name: "carol", codec: "PCMU", tone: 700, register: "sesame-open-1"})
	carol.registered()
	if out, err := b.try("dial", "8001", "+4930123456"); err == nil || !strings.Contains(out, "outbound") {
		t.Errorf("dial of a number without a rule: %v\n%s", err, out)
	}
	b.cli("dial", "8001", "carol")
	carol.wait("CALL_INCOMING")
	b.cli("participant", "expel", "8001", "carol")
	b.waitFor("8001", 0)
	carol.wait("CALL_CLOSED")

	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMU", tone: 1000})
	bob.dial(b.uri("8001"))
	b.cli("dial", "8001", "carol")
	carol.wait("CALL_INCOMING")
	settle(t, 1, bob)
	if got := bob.heard().last(0.5).level(700); got > -55 {
		t.Errorf("bob hears carol at %.1f dBFS before she answers", got)
	}
	carol.do("accept", "")
	carol.wait("CALL_ESTABLISHED")
	hears(t, "carol", carol.heard, map[float64]float64{1000: -20}, 700)
	hears(t, "bob", bob.heard, map[float64]float64{700: -20}, 1000)
}

func TestCommandLine(t *testing.T) {
	b := newBridge(t, "")
	if out := b.cli("conference", "list"); !strings.Contains(out, "No conference") {
		t.Errorf("list of an empty bridge: %q", out)
	}
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440})
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMU", tone: 1000})
	alice.dial(b.uri("8001"))
	watch := b.follow("conference", "watch", "8001")
	bob.dial(b.uri("8001"))
	watch.wait("bob joined")
	settle(t, 2, alice, bob)
	for _, words := range [][]string{{"conference", "list"}, {"conference", "show", "8001"}, {"participant", "list", "8001"}} {
		if out := b.cli(words...); !strings.Contains(out, "8001") && !strings.Contains(out, "bob") {
			t.Errorf("%v: %q", words, out)
		}
	}

	b.cli("participant", "mute", "8001", "bob")
	watch.wait("bob is muted")
	misses(t, "alice", alice.heard, 1000)
	b.cli("participant", "unmute", "8001", "bob")
	watch.wait("bob is unmuted")
	hears(t, "alice", alice.heard, map[float64]float64{1000: -20}, 440)

	b.cli("conference", "lock", "8001")
	carol := newPhone(t, b, phoneOptions{name: "carol", codec: "PCMU", tone: 700})
	carol.do("dial", b.uri("8001"))
	if e := carol.wait("CALL_CLOSED"); !strings.Contains(e.Param, "ock") {
		t.Errorf("a caller of a locked conference is told %q", e.Param)
	}
	b.cli("participant", "expel", "8001", "bob", "--reason", "enough")
	bob.wait("CALL_CLOSED")
	watch.wait("bob left")
	b.cli("conference", "end", "8001")
	alice.wait("CALL_CLOSED")
	b.waitFor("8001", 0)

	if out, err := b.try("participant", "mute", "8001", "nobody"); err == nil || strings.Contains(out, "{") {
		t.Errorf("mute in a conference that is over: %v %q", err, out)
	}
	if out, err := b.try("conference", "shw"); exitCode(err) != 2 {
		t.Errorf("an unknown command: %v %q, want exit code 2", err, out)
	}
}

func TestServeRefusesAWrongConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tutti.yaml")
	if err := os.WriteFile(file, []byte("log:\n  level: loud\nsip:\n  listn: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, builtBinary(t), "serve", "--config", file)
	var out bytes.Buffer
	cmd.Stderr = &out
	err := cmd.Run()
	if exitCode(err) != 2 || !strings.Contains(out.String(), "did you mean listen?") {
		t.Errorf("serve with mistakes: %v\n%s", err, out.String())
	}
}

// The messages of RFC 4475 are sent to the running bridge by UDP and TCP; it still takes a call.
func TestTortureMessagesHarmNobody(t *testing.T) {
	b := newBridge(t, "")
	files, err := filepath.Glob("../../../../testdata/rfc4475/*.dat")
	if err != nil || len(files) < 49 {
		t.Fatalf("%d torture messages: %v", len(files), err)
	}
	udp, err := net.Dial("udp", b.sip)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, file := range files {
		message, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := udp.Write(message); err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Dial("tcp", b.sip)
		if err != nil {
			t.Fatalf("after %s: %v", file, err)
		}
		tcp.Write(message)
		tcp.Close()
	}
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440})
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMU", tone: 1000})
	alice.dial(b.uri("8001"))
	bob.dial(b.uri("8001"))
	hears(t, "alice", alice.heard, map[float64]float64{1000: -20}, 440)
	if s := b.state("8001"); len(s.Users) != 2 {
		t.Errorf("%d in the conference, want 2", len(s.Users))
	}
}
