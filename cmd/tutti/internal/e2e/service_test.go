package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const waitForSpeech = 25 * time.Second // the phrase of the demo takes 7 s

// SIGTERM says goodbye to every phone and browser.
func TestEndingSaysGoodbye(t *testing.T) {
	b := newBridge(t, "")
	phone := newPhone(t, b, phoneOptions{name: "Desk", codec: "PCMU", tone: 440})
	ada := newBrowser(t, browserOptions{tone: 1000})
	phone.dial(b.uri("8001"))
	ada.join(b.http+"/8001", "Ada")
	only(t, b, "Desk", "Ada")
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	phone.wait("CALL_CLOSED")
	ada.do("wait", map[string]any{"selector": "#again"})
	b.stop() // fails where it takes more than ten seconds
}

func TestServiceIsHardened(t *testing.T) {
	builtBinary(t)
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "../../../../deploy/tutti.service").CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze: %v\n%s", err, out)
	}
	_, rest, found := strings.Cut(string(out), "Overall exposure level for tutti.service: ")
	level, err := strconv.ParseFloat(strings.Fields(rest + " ?")[0], 64)
	if !found || err != nil || level >= 3 {
		t.Errorf("exposure level %v %v, want below 3.0\n%s", level, err, out)
	}
}

// make install puts everything in its place, and keeps a configuration that is there.
func TestInstall(t *testing.T) {
	builtBinary(t)
	root := t.TempDir()
	for range 2 {
		cmd := exec.Command("../../../../deploy/install")
		cmd.Env = append(cmd.Environ(), "DESTDIR="+root)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("install: %v\n%s", err, out)
		}
	}
	for _, file := range []string{"usr/local/bin/tutti", "etc/systemd/system/tutti.service", "etc/tutti/tutti.yaml", "etc/bash_completion.d/tutti"} {
		if found, _ := filepath.Glob(filepath.Join(root, file)); len(found) != 1 {
			t.Errorf("%s is not installed", file)
		}
	}
	if out, err := exec.Command(filepath.Join(root, "usr/local/bin/tutti"), "config", "check", filepath.Join(root, "etc/tutti/tutti.yaml")).CombinedOutput(); err != nil {
		t.Errorf("the installed configuration: %v\n%s", err, out)
	}
}

// The demo's participants are company for the first phone.
func TestDemo(t *testing.T) {
	b := newBridge(t, "", "--demo")
	phone := newPhone(t, b, phoneOptions{name: "Desk", codec: "opus", tone: 440, video: "VP8", colour: "red"})
	phone.dial(b.uri("demo"))
	b.waitFor("demo", 3)
	sees(t, "Desk", 0.02, phone.picture, "red", "blue", "green") // its own, and bars of the test picture
	loud, quiet := false, false
	eventually(t, waitForSpeech, "speech and a pause", func() bool {
		level := phone.heard().last(0.5).power()
		loud, quiet = loud || level > -35, quiet || level < -60
		return loud && quiet
	})
}

// Another machine opens the page by https, with a certificate that the bridge made itself.
func TestPageOverHTTPS(t *testing.T) {
	port := freePort(t)
	b := newBridge(t, "", "--https-listen", fmt.Sprintf("127.0.0.1:%d", port))
	phone := newPhone(t, b, phoneOptions{name: "Desk", codec: "PCMU", tone: 440})
	phone.dial(b.uri("8001"))
	ada := newBrowser(t, browserOptions{tone: 1000})
	ada.join(fmt.Sprintf("https://127.0.0.1:%d/8001?processing=off", port), "Ada")
	mixed(t, phone, ada)

	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.ConnectionState().PeerCertificates[0].VerifyHostname("127.0.0.1"); err != nil {
		t.Errorf("the home-made certificate: %v", err)
	}
}
