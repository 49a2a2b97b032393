package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy starts Kamailio between a bridge and a phone that stands for the rest of the world.
func proxy(t testing.TB, port int, bridge, gateway string) {
	t.Helper()
	config, err := filepath.Abs("../../../../testdata/kamailio/kamailio.cfg")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("kamailio", "-DD", "-E", "-f", config, "-l", fmt.Sprintf("udp:127.0.0.1:%d", port), "-m", "32", "-M", "4",
		"-P", filepath.Join(dir, "pid"), "-Y", dir, "-A", `BRIDGE="`+bridge+`"`, "-A", `GATEWAY="`+gateway+`"`)
	var mu sync.Mutex
	var log strings.Builder
	cmd.Stdout = &lockedWriter{&mu, &log}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatalf("kamailio does not start: %v", err)
	}
	t.Cleanup(func() {
		interrupt(cmd)
		if t.Failed() {
			t.Logf("kamailio said:\n%s", log.String())
		}
	})
	eventually(t, 10*time.Second, "Kamailio", func() bool { return answers(t, fmt.Sprintf("127.0.0.1:%d", port)) })
}

// answers says whether somebody answers SIP at an address of UDP.
func answers(t testing.TB, address string) bool {
	t.Helper()
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKping%d;rport\r\nMax-Forwards: 70\r\nFrom: <sip:ping@%s>;tag=ping\r\nTo: <sip:%s>\r\nCall-ID: ping%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		address, conn.LocalAddr(), time.Now().UnixNano(), conn.LocalAddr(), address, time.Now().UnixNano())
	conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	n, err := conn.Read(make([]byte, 4096))
	return err == nil && n > 0
}

// Phones dial conferences through Kamailio, and the bridge dials out through it as its trunk.
func TestThroughKamailio(t *testing.T) {
	port := freePort(t)
	front := fmt.Sprintf("127.0.0.1:%d", port)
	b := newBridge(t, fmt.Sprintf(`sip: {listen: ["udp://SIPADDRESS"], trunks: [{name: kamailio, address: %q}], outbound: [{match: "49*", trunk: kamailio}]}`, front))
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 440})
	bob := newPhone(t, b, phoneOptions{name: "4930123456", codec: "PCMA", tone: 1000})
	proxy(t, port, "sip:"+b.sip, fmt.Sprintf("sip:127.0.0.1:%d", bob.port))

	alice.dial("sip:8001@" + front)
	b.cli("dial", "8001", "4930123456")
	bob.wait("CALL_INCOMING")
	bob.do("accept", "")
	bob.wait("CALL_ESTABLISHED")
	hears(t, "alice", alice.heard, map[float64]float64{1000: -20}, 440)
	hears(t, "bob", bob.heard, map[float64]float64{440: -20}, 1000)

	alice.do("hold", "") // a re-INVITE takes the recorded route
	misses(t, "bob", bob.heard, 440)
	alice.do("resume", "")
	tones(t, "bob", bob.heard, map[float64]float64{440: -20}, 1000)

	b.cli("participant", "expel", "8001", "4930123456")
	bob.wait("CALL_CLOSED")
	alice.do("hangup", "")
	b.waitFor("8001", 0)
	if out, err := b.try("dial", "8001", "0190666666"); err == nil {
		t.Errorf("a number that no rule allows is dialled: %s", out)
	}
}
