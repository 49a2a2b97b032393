package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed says which of our folders a folder may import (docs/architecture.md). cmd may import all.
var allowed = map[string][]string{
	"codec":  {},
	"mixer":  {"codec"},
	"bridge": {"mixer", "codec"},
	"webrtc": {"bridge", "mixer", "codec"},
	"sip":    {"bridge", "mixer", "codec", "webrtc"},
}

func TestImportsFollowTheArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "tutti/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		from := folder(fields[0])
		if from == "cmd" {
			continue
		}
		for _, imported := range fields[1:] {
			to := folder(imported)
			if to == "" || to == from {
				continue
			}
			seen++
			if !slices.Contains(allowed[from], to) {
				t.Errorf("%s imports %s: %s may import only %v", fields[0], imported, from, allowed[from])
			}
		}
	}
	if seen == 0 {
		t.Error("no import was seen: the test looks at nothing")
	}
}

// folder is the top-level folder of one of our packages, "" of others.
func folder(path string) string {
	rest, ours := strings.CutPrefix(path, "tutti/")
	if !ours {
		return ""
	}
	top, _, _ := strings.Cut(rest, "/")
	return top
}
