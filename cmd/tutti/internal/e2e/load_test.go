package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sipp plays a scenario of testdata/sipp against the bridge.
func (b *bridge) sipp(t testing.TB, scenario string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	file, err := filepath.Abs(filepath.Join("../../../../testdata/sipp", scenario+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	all := append([]string{b.sip, "-sf", file, "-s", "8001", "-i", "127.0.0.1", "-nostdin", "-timeout", "90s", "-timeout_error",
		"-trace_err", "-error_file", filepath.Join(dir, "errors")}, args...)
	cmd := exec.Command("sipp", all...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TERM=dumb")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	errors, _ := os.ReadFile(filepath.Join(dir, "errors"))
	t.Fatalf("sipp %s: %v\n%s\n%s", scenario, err, out[max(0, len(out)-1500):], errors[max(0, len(errors)-3000):])
}

// usage is what the bridge's process holds.
type usage struct{ goroutines, files, heap int } // heap is live memory, bytes

func (b *bridge) usage() usage {
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
	figure := func(name string) int {
		for line := range bytes.Lines(text) {
			if rest, ok := bytes.CutPrefix(line, []byte(name+" ")); ok {
				v, err := strconv.ParseFloat(strings.TrimSpace(string(rest)), 64)
				if err != nil {
					b.t.Fatalf("%s: %v", name, err)
				}
				return int(v)
			}
		}
		b.t.Fatalf("no %s in the metrics", name)
		return 0
	}
	return usage{figure("go_goroutines"), figure("process_open_fds"), figure("go_memstats_heap_alloc_bytes")}
}

// returns waits until the bridge holds no more than before. The garbage collector runs every two minutes at least, or when
// memory is needed: heap is compared with room for what waits for it, which 1,000 leaks of some kilobytes would exceed.
func (b *bridge) returns(before usage) {
	b.t.Helper()
	const garbage = 16 << 20
	var now usage
	eventually(b.t, 50*time.Second, "goroutines, files and memory back where they were", func() bool {
		now = b.usage()
		return now.goroutines <= before.goroutines+5 && now.files <= before.files+3 && now.heap <= before.heap+garbage
	}, func() { b.t.Logf("before %+v, now %+v", before, now) })
	b.t.Logf("before %+v, after %+v", before, now)
}

// A thousand calls leave nothing behind, and none is refused.
func TestThousandCallsLeaveNothing(t *testing.T) {
	t.Setenv("TUTTI_SIP_CALL_RATE", "1000")
	t.Setenv("GOGC", "50")
	b := newBridge(t, "")
	b.sipp(t, "basic", "-m", "5")
	b.waitFor("8001", 0)
	before := b.usage()
	b.sipp(t, "load", "-r", "50", "-m", "1000", "-l", "50")
	b.waitFor("8001", 0)
	b.returns(before)
	if out := b.cli("conference", "list"); !strings.Contains(out, "No conference") {
		t.Errorf("conferences that are left: %s", out)
	}
}

// Who calls faster than the limit is told when to come again, and leaves nothing.
func TestFloodOfCallsIsRefused(t *testing.T) {
	t.Setenv("TUTTI_SIP_CALL_RATE", "5")
	b := newBridge(t, "")
	before := b.usage()
	quiet := strings.Count(b.output(), "\n")
	refused := 0
	for i := range 300 {
		c := b.caller(fmt.Sprintf("flood%d", i))
		res := c.invite(plainOffer(40000))
		c.ack(res)
		switch after, _ := strconv.Atoi(res.field("Retry-After")); {
		case res.code == 200:
			c.bye()
		case res.code == 503 && after > 0:
			refused++
		default:
			t.Fatalf("call %d of a flood is answered %d, Retry-After %d", i, res.code, after)
		}
		c.close()
	}
	if refused < 200 {
		t.Errorf("%d of 300 calls at once were refused with 503 and Retry-After, want most", refused)
	}
	b.waitFor("8001", 0)
	b.returns(before)
	if lines := strings.Count(b.output(), "\n") - quiet; lines > 60 {
		t.Errorf("a flood of 300 calls wrote %d lines into the log", lines)
	}
	n := 0
	eventually(t, 10*time.Second, "a call after the flood", func() bool {
		n++
		c := b.caller(fmt.Sprintf("later%d", n))
		defer c.close()
		res := c.invite(plainOffer(40000))
		c.ack(res)
		return res.code == 200 && c.bye().code == 200
	})
}
