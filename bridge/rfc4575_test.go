package bridge_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "tutti/bridge" //nolint:revive // this is a test of it
	"tutti/bridge/rfc4575"
)

// subscriber is somebody who is sent documents: the full one, then what changed.
type subscriber struct {
	viewer  Viewer
	version uint32
	known   rfc4575.Document
}

// notify tells the subscriber what changed, and compares what it then knows with what is.
func (s *subscriber) notify(t *testing.T, prev, now *State, keep func([]byte)) {
	t.Helper()
	if prev == nil {
		s.version, s.known = 0, rfc4575.Document{}
		full, err := rfc4575.Full(now, s.version, s.viewer)
		if err != nil {
			t.Fatal(err)
		}
		keep(full)
		if err := s.known.Apply(full); err != nil {
			t.Fatalf("%v\n%s", err, full)
		}
		return
	}
	partial, changed := rfc4575.Partial(prev, now, s.version+1, s.viewer)
	if changed {
		s.version++
		keep(partial)
		if err := s.known.Apply(partial); err != nil {
			t.Fatalf("%v\n%s", err, partial)
		}
	}
	full, err := rfc4575.Full(now, s.version, s.viewer)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.known.Bytes(); !bytes.Equal(got, full) {
		t.Fatalf("for %+v the document\n%s\nleads to\n%s\nwant\n%s", s.viewer, partial, got, full)
	}
	if want := fmt.Sprintf("<user-count>%d</user-count>", now.Connected()); !bytes.Contains(full, []byte(want)) {
		t.Fatalf("no %s in\n%s", want, full)
	}
}

// What a subscriber was sent, with every partial applied, is what is; and all of it fits the schema. One of them misses
// states in between, as one does whose notifications are coalesced.
func TestConferenceInfoOfRandomStates(t *testing.T) {
	subscribers := []*subscriber{{viewer: Viewer{}}, {viewer: Viewer{Operator: true}}, {viewer: Viewer{Self: "u2"}}}
	slow, last := &subscriber{viewer: Viewer{Operator: true}}, (*State)(nil)
	documents := map[string]bool{}
	keep := func(d []byte) { documents[string(d)] = true }
	for seed := range uint64(4) {
		step := 0
		RandomStates(t, seed, 1200, func(prev, now *State) {
			for _, s := range subscribers {
				s.notify(t, prev, now, keep)
			}
			if step++; prev == nil || step%7 == 0 || now.Ended != nil {
				if prev == nil {
					last = nil
				}
				slow.notify(t, last, now, keep)
				last = now
			}
		})
	}
	valid(t, documents)
}

// valid checks documents against the schema of RFC 4575.
func valid(t *testing.T, documents map[string]bool) {
	t.Helper()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("no xmllint")
	}
	dir := t.TempDir()
	var files []string
	for d := range documents {
		name := filepath.Join(dir, fmt.Sprintf("%d.xml", len(files)))
		if err := os.WriteFile(name, []byte(d), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	for len(files) > 0 {
		n := min(len(files), 1000)
		out, err := exec.Command(xmllint, append([]string{"--nonet", "--noout", "--schema", "../testdata/rfc4575/conference-info.xsd"}, files[:n]...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, wrong(string(out)))
		}
		files = files[n:]
	}
	t.Logf("%d documents are valid", len(documents))
}

// wrong are the first complaints of xmllint, with the document.
func wrong(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		if strings.HasSuffix(line, " validates\n") {
			continue
		}
		lines = append(lines, line)
		if file, _, ok := strings.Cut(line, ":"); ok && len(lines) == 1 {
			if text, err := os.ReadFile(file); err == nil {
				lines = append(lines, string(text))
			}
		}
		if len(lines) == 4 {
			break
		}
	}
	return strings.Join(lines, "")
}
