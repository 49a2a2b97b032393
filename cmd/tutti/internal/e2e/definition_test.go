package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// operator speaks to the control socket.
func (b *bridge) operator() *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", b.socket)
	}}}
}

// restart starts a bridge that has ended anew, with the same configuration and state.
func (b *bridge) restart() {
	b.t.Helper()
	cmd := exec.Command(b.cmd.Path, b.cmd.Args[1:]...)
	cmd.Stdout = &lockedWriter{&b.mu, &b.log}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.cmd = cmd
	eventually(b.t, 15*time.Second, "the health of the bridge that was started again", func() bool { return strings.Contains(b.health(), "version") })
}

func (b *bridge) health() string {
	r, err := http.Get(b.http + "/healthz")
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	return string(text)
}

// defined are the names of all definitions.
func (b *bridge) defined() map[string]bool {
	b.t.Helper()
	var list struct{ Definitions []struct{ Name string } }
	if err := json.Unmarshal([]byte(b.cli("conference", "definitions", "--output", "json")), &list); err != nil {
		b.t.Fatal(err)
	}
	all := map[string]bool{}
	for _, d := range list.Definitions {
		all[d.Name] = true
	}
	return all
}

// Whatever kill -9 interrupts: a definition that was answered with success is there afterwards, and one that was deleted is not.
func TestDefinitionsSurviveKill(t *testing.T) {
	b := newBridge(t, "conferences: [{name: fixed}]\n")
	want, gone := map[string]bool{"fixed": true}, map[string]bool{}
	var mu sync.Mutex // guards want, gone
	next := 0
	for round := range 4 {
		client := b.operator()
		write := func(method, path, body string, status int) bool {
			r, _ := http.NewRequest(method, "http://tutti/api/v1/definitions"+path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			answer, err := client.Do(r)
			if err != nil {
				return false
			}
			answer.Body.Close()
			if answer.StatusCode != status {
				t.Errorf("%s %s answers %s", method, path, answer.Status)
			}
			return answer.StatusCode == status
		}
		var writers sync.WaitGroup
		for w := range 3 {
			first := next + w*100000
			writers.Go(func() {
				for i := first; ; i++ {
					name := fmt.Sprint(i)
					if !write("POST", "", fmt.Sprintf(`{"name": %q, "title": %q}`, name, strings.Repeat("t", i%200)), http.StatusCreated) {
						return
					}
					mu.Lock()
					want[name] = true
					mu.Unlock()
					if i%5 != 0 {
						continue
					}
					mu.Lock()
					delete(want, name) // whether it is there is open until the answer comes
					mu.Unlock()
					if !write("DELETE", "/"+name, "", http.StatusNoContent) {
						return
					}
					mu.Lock()
					gone[name] = true
					mu.Unlock()
				}
			})
		}
		next += 1000000
		time.Sleep(time.Duration(100+rand.IntN(500)) * time.Millisecond)
		if err := b.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		b.cmd.Wait()
		writers.Wait()
		b.restart()
		if h := b.health(); !strings.Contains(h, `"status":"ok"`) {
			t.Fatalf("after kill %d: %s", round, h)
		}
		there := b.defined()
		for name := range want {
			if !there[name] {
				t.Errorf("kill %d lost %s", round, name)
			}
		}
		for name := range gone {
			if there[name] {
				t.Errorf("kill %d brought %s back", round, name)
			}
		}
		t.Logf("%d there, %d deleted, after kill %d", len(there), len(gone), round)
	}
	if len(want) < 10 {
		t.Errorf("only %d were kept: the test looks at little", len(want))
	}
}

// With a store that was cut short the bridge starts, says so at every place, and takes calls; what the file defines is there.
func TestDamagedStore(t *testing.T) {
	b := newBridge(t, "conferences: [{name: fixed}]\n")
	b.cli("conference", "create", "8001", "--title", "Weekly", "--pin", "4711")
	if b.cmd.Process.Kill() == nil {
		b.cmd.Wait()
	}
	files, _ := filepath.Glob(filepath.Join(b.dir, "jetstream/*/streams/*/msgs/*.blk"))
	if len(files) == 0 {
		t.Fatal("no file keeps the definitions")
	}
	for _, f := range files {
		if err := os.Truncate(f, 30); err != nil {
			t.Fatal(err)
		}
	}
	b.restart()
	if h := b.health(); !strings.Contains(h, `"status":"degraded"`) || !strings.Contains(h, "damaged") {
		t.Errorf("health: %s", h)
	}
	if !strings.Contains(b.output(), "definitions cannot be changed") {
		t.Error("the log says nothing")
	}
	if out, err := b.try("conference", "create", "8002"); exitCode(err) != 1 || !strings.Contains(out, "damaged") {
		t.Errorf("create: %v %s", err, out)
	}
	if all := b.defined(); len(all) != 1 || !all["fixed"] {
		t.Errorf("defined: %v", all)
	}
}

// Nothing of the store can be reached from outside.
func TestStoreOpensNoPort(t *testing.T) {
	b := newBridge(t, "")
	b.cli("conference", "create", "8001")
	out, err := exec.Command("ss", "-Hltnp").Output()
	if err != nil {
		t.Skipf("ss: %v", err)
	}
	ours := fmt.Sprintf("pid=%d,", b.cmd.Process.Pid)
	seen := 0
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, ours) {
			continue
		}
		seen++
		at := strings.Fields(line)[3]
		port := at[strings.LastIndex(at, ":"):]
		if config, _ := os.ReadFile(filepath.Join(b.dir, "tutti.yaml")); !strings.Contains(string(config), strings.TrimPrefix(port, ":")) {
			t.Errorf("it listens at %s, which nobody configured", at)
		}
	}
	if seen == 0 {
		t.Error("it listens nowhere: the test looks at nothing")
	}
}

// The command line makes, shows, changes, invites to and deletes a definition.
func TestDefinitionByCommandLine(t *testing.T) {
	b := newBridge(t, "")
	b.cli("conference", "create", "8001", "--title", "Weekly", "--layout", "speaker", "--pin", "4711", "--start", "2027-01-11 09:00",
		"--time-zone", "Europe/Berlin", "--repeat", "FREQ=WEEKLY;BYDAY=MO")
	if out := b.cli("conference", "definitions"); !strings.Contains(out, "2027-01-11 09:00 Europe/Berlin, 60m FREQ=WEEKLY;BYDAY=MO") || !strings.Contains(out, "PIN") {
		t.Errorf("definitions: %s", out)
	}
	if out := b.cli("conference", "invite", "8001"); !strings.Contains(out, "DTSTART;TZID=Europe/Berlin:20270111T090000") || strings.Contains(out, "4711") {
		t.Errorf("invite: %s", out)
	}
	if out := b.cli("conference", "change", "8001", "--title", "Monthly", "--unscheduled"); !strings.Contains(out, "Monthly") || strings.Contains(out, "meets") || !strings.Contains(out, "PIN") {
		t.Errorf("change: %s", out)
	}
	if out, err := b.try("conference", "change", "8001", "--title", "x", "--revision", "1"); exitCode(err) != 1 || !strings.Contains(out, "changed meanwhile") {
		t.Errorf("a stale change: %v %s", err, out)
	}
	if out, err := b.try("conference", "create", "8002", "--minutes", "5"); exitCode(err) != 2 || !strings.Contains(out, "--start") {
		t.Errorf("minutes without a start: %v %s", err, out)
	}
	b.cli("conference", "delete", "8001")
	if out, err := b.try("conference", "definition", "8001"); exitCode(err) != 1 || !strings.Contains(out, "no definition") {
		t.Errorf("after delete: %v %s", err, out)
	}
}
