package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tutti/bridge/rfc4575"
)

// watched is what a SIP subscriber that is not ours was sent, read from its trace.
type watched struct {
	t    *testing.T
	file string // where it writes what comes in
}

// documents are the bodies of all NOTIFYs so far. A repetition counts once.
func (w watched) documents() [][]byte {
	trace, err := os.ReadFile(w.file)
	if err != nil {
		return nil
	}
	var out [][]byte
	seen := map[string]bool{}
	for {
		i := bytes.Index(trace, []byte("NOTIFY sip:"))
		if i < 0 {
			return out
		}
		trace = trace[i:]
		head, rest, ok := bytes.Cut(trace, []byte("\r\n\r\n"))
		trace = trace[len("NOTIFY"):]
		length := regexp.MustCompile(`(?i)\r\nContent-Length: *(\d+)`).FindSubmatch(head)
		if !ok || length == nil {
			continue
		}
		n, _ := strconv.Atoi(string(length[1]))
		id := string(regexp.MustCompile(`(?i)\r\nCSeq:[^\r]*`).Find(head))
		if n == 0 || n > len(rest) || seen[id] {
			continue
		}
		seen[id] = true
		out = append(out, bytes.Clone(rest[:n]))
	}
}

// now is what the subscriber knows: the last full document with every partial one applied.
func (w watched) now() []byte {
	w.t.Helper()
	var state []byte
	for _, d := range w.documents() {
		if bytes.Contains(d[:min(len(d), 400)], []byte(`state="full"`)) {
			state = d
			continue
		}
		next, err := rfc4575.Apply(state, d)
		if err != nil {
			w.t.Fatalf("a partial document does not fit: %v\n%s", err, d)
		}
		state = next
	}
	return state
}

// valid checks every document against the schema of RFC 4575.
func (w watched) valid() (full, partial int) {
	w.t.Helper()
	dir := w.t.TempDir()
	args := []string{"--nonet", "--noout", "--schema", "../../../../testdata/rfc4575/conference-info.xsd"}
	for i, d := range w.documents() {
		name := filepath.Join(dir, fmt.Sprintf("%d.xml", i+1))
		if err := os.WriteFile(name, d, 0o600); err != nil {
			w.t.Fatal(err)
		}
		args = append(args, name)
		if bytes.Contains(d[:min(len(d), 400)], []byte(`state="partial"`)) {
			partial++
		} else {
			full++
		}
	}
	if out, err := exec.Command("xmllint", args...).CombinedOutput(); err != nil {
		w.t.Errorf("xmllint: %v\n%s", err, out)
	}
	return full, partial
}

// private is what only operators see of a conference: where people are, and the identifiers of their calls.
var private = regexp.MustCompile(` version="\d+"| source="[^"]*"|<call-info>.*?</call-info>`)

// ports are those of addresses of devices, which only operators see.
var ports = regexp.MustCompile(`(entity="sip:[^";:]*)(:\d+)?;tutti-leg=`)

// common is what everybody sees of a document.
func common(document string) string {
	return strings.TrimSpace(ports.ReplaceAllString(private.ReplaceAllString(document, ""), "$1;tutti-leg="))
}

// agrees waits until what the subscriber knows is what the bridge says.
func (w watched) agrees(b *bridge, conference string) {
	w.t.Helper()
	var told, truth string
	eventually(w.t, 10*time.Second, "the subscriber knows what the bridge says", func() bool {
		told = common(string(w.now()))
		truth = common(b.cli("conference", "show", conference, "--output", "xml"))
		return told == truth
	}, func() { w.t.Logf("told\n%s\ntruth\n%s", told, truth) })
}

const defined = `
conferences: [{name: "8001", title: "Monday"}]
`

// play starts SIPp in the background. wait waits for its end.
func (b *bridge) play(t *testing.T, scenario string, args ...string) (w watched, wait func()) {
	t.Helper()
	dir := t.TempDir()
	file, err := filepath.Abs(filepath.Join("../../../../testdata/sipp", scenario+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	w = watched{t, filepath.Join(dir, "messages")}
	all := append([]string{b.sip, "-sf", file, "-s", "8001", "-i", "127.0.0.1", "-m", "1", "-nostdin", "-timeout", "90s", "-timeout_error",
		"-trace_err", "-error_file", filepath.Join(dir, "errors"), "-trace_msg", "-message_file", w.file}, args...)
	cmd := exec.Command("sipp", all...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TERM=dumb")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return w, func() {
		t.Helper()
		select {
		case err = <-ended:
		case <-time.After(60 * time.Second):
			err = fmt.Errorf("it goes on")
		}
		if err != nil {
			errors, _ := os.ReadFile(filepath.Join(dir, "errors"))
			messages, _ := os.ReadFile(w.file)
			t.Fatalf("sipp %s: %v\n%s\n%s", scenario, err, errors[max(0, len(errors)-3000):], messages[max(0, len(messages)-6000):])
		}
	}
}

// SIPp watches a conference from before anybody is there until it ends: every document is valid, and all together say what
// the bridge says.
func TestSubscriberSeesTheWholeConference(t *testing.T) {
	for name, transport := range map[string][]string{"UDP": nil, "TCP": {"-t", "t1"}} {
		t.Run(name, func(t *testing.T) {
			b := newBridge(t, defined)
			sub, wait := b.play(t, "subscribe", transport...)
			eventually(t, 10*time.Second, "the first document", func() bool { return len(sub.documents()) == 1 })
			people := map[string]*caller{}
			for _, name := range []string{"ada", "bob", "eve"} {
				c := b.caller(name)
				defer c.close()
				r := c.invite(plainOffer(40000))
				c.ack(r)
				if r.code != 200 {
					t.Fatalf("%s: %d", name, r.code)
				}
				people[name] = c
			}
			b.waitFor("8001", 3)
			sub.agrees(b, "8001")
			b.cli("participant", "mute", "8001", "bob")
			sub.agrees(b, "8001")
			b.cli("participant", "unmute", "8001", "bob")
			b.cli("conference", "lock", "8001")
			people["eve"].bye()
			sub.agrees(b, "8001")
			b.cli("participant", "expel", "8001", "bob")
			b.waitFor("8001", 1)
			sub.agrees(b, "8001")
			b.cli("conference", "end", "8001")
			wait()
			full, partial := sub.valid()
			t.Logf("%d full documents, %d partial ones", full, partial)
			if partial < 3 {
				t.Errorf("%d partial documents", partial)
			}
		})
	}
}

// Linphone dials in, sees the focus, subscribes and understands what it is told.
func TestLinphoneWatchesTheConference(t *testing.T) {
	b := newBridge(t, defined+`sip: {listen: ["udp://SIPADDRESS", "tcp://SIPADDRESS"], users: [{name: lin, password: sesame-open-1}]}`)
	ada := b.caller("ada")
	defer ada.close()
	ada.ack(ada.invite(plainOffer(40000)))
	lin := newLinphone(t, b, "lin", "sesame-open-1")
	lin.registered()
	lin.do("call " + b.uri("8001"))
	b.waitFor("8001", 2)
	lin.logs("from state CreationPending to Created") // it has read the full document and made its own conference of it
	sub := watched{t, lin.log}
	sub.agrees(b, "8001")
	eve := b.caller("eve")
	defer eve.close()
	eve.ack(eve.invite(plainOffer(40002)))
	b.waitFor("8001", 3)
	b.cli("participant", "mute", "8001", "ada")
	sub.agrees(b, "8001")
	eve.bye()
	sub.agrees(b, "8001")
	if full, partial := sub.valid(); full < 1 || partial < 2 {
		t.Errorf("%d full and %d partial documents", full, partial)
	}
	lin.do("terminate")
	b.waitFor("8001", 1)
}

// A subscriber that never answers is forgotten, and nobody waits for it.
func TestSubscriberThatNeverAnswers(t *testing.T) {
	b := newBridge(t, defined)
	sub, wait := b.play(t, "silent")
	eventually(t, 10*time.Second, "the first document", func() bool { return len(sub.documents()) == 1 })
	ada := b.caller("ada")
	defer ada.close()
	begin := time.Now()
	ada.ack(ada.invite(plainOffer(40000)))
	b.waitFor("8001", 1)
	for range 20 {
		b.cli("participant", "mute", "8001", "ada")
		b.cli("participant", "unmute", "8001", "ada")
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("40 commands took %v", took)
	}
	wait() // its refresh is answered 481
	if n := len(sub.documents()); n != 1 {
		t.Errorf("it was sent %d documents without an answer", n)
	}
}

// A phone refers the focus to a registered one, which answers and hears the conference; and takes one out that rings.
func TestReferBringsAPhone(t *testing.T) {
	b := newBridge(t, registered)
	carol := newPhone(t, b, phoneOptions{name: "carol", codec: "PCMU", tone: 700, register: "sesame-open-1", answer: true, trace: true})
	carol.registered()
	csv := filepath.Join(t.TempDir(), "whom.csv")
	if err := os.WriteFile(csv, []byte("SEQUENTIAL\ncarol;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, wait := b.play(t, "refer", "-inf", csv)
	carol.wait("CALL_ESTABLISHED")
	b.waitFor("8001", 2)
	ada := b.caller("ada")
	defer ada.close()
	ada.ack(ada.invite(plainOffer(40000)))
	b.waitFor("8001", 3)
	b.chat("8001", "I bring carol")
	ada.send("MESSAGE", "text/plain", "go on")
	if r := ada.final(); r.code != 200 {
		t.Errorf("MESSAGE is answered %d", r.code)
	}
	wait()
	taken := regexp.MustCompile(`(?s)\nMESSAGE sip:.*?\r\n\r\nada: go on.*?SIP/2.0 200 OK\r\n[^\n]*\n.*?CSeq: \d+ MESSAGE\r\n`)
	eventually(t, 10*time.Second, "the chat at a real phone", func() bool { return taken.MatchString(carol.output()) })
	b.waitFor("8001", 2)
}

func TestReferRemovesWhoStillRings(t *testing.T) {
	b := newBridge(t, registered)
	carol := newPhone(t, b, phoneOptions{name: "carol", codec: "PCMU", tone: 700, register: "sesame-open-1"})
	carol.registered()
	csv := filepath.Join(t.TempDir(), "whom.csv")
	if err := os.WriteFile(csv, []byte("SEQUENTIAL\ncarol;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, wait := b.play(t, "referbye", "-inf", csv)
	carol.wait("CALL_INCOMING")
	carol.wait("CALL_CLOSED")
	wait()
	b.waitFor("8001", 0)
}

// chat waits until a line of chat ends with text.
func (b *bridge) chat(conference, text string) {
	b.t.Helper()
	eventually(b.t, 10*time.Second, "the line "+text, func() bool {
		return strings.Contains(b.cli("conference", "show", conference, "--output", "json"), strconv.Quote(text))
	})
}

// Dialling the factory makes a conference with a number of its own, which others can dial.
func TestFactoryMakesAConference(t *testing.T) {
	b := newBridge(t, "")
	ada := b.caller("ada")
	defer ada.close()
	ada.to, ada.next = "<"+b.uri("factory")+">", b.uri("factory")
	r := ada.invite(plainOffer(40000))
	ada.ack(r)
	number := regexp.MustCompile(`<sip:(\d{9})@[^>]*>;isfocus`).FindStringSubmatch(r.field("Contact"))
	if r.code != 200 || number == nil {
		t.Fatalf("answered %d, Contact: %s", r.code, r.field("Contact"))
	}
	b.waitFor(number[1], 1)
	bob := b.caller("bob")
	defer bob.close()
	bob.to, bob.next = "<"+b.uri(number[1])+">", b.uri(number[1])
	bob.ack(bob.invite(plainOffer(40002)))
	b.waitFor(number[1], 2)
}
