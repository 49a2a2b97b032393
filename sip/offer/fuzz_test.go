package offer

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// seeds are the descriptions of real clients in testdata/sdp.
func seeds(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob("../../testdata/sdp/*.sdp")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no seeds: %v", err)
	}
	var all []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, string(b))
	}
	return all
}

// FuzzAnswer: whatever is offered, the answer has as many m-lines of the same media and transport in the same order, parses,
// accepts nothing that was not offered, and is the same for the same offer.
func FuzzAnswer(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sdp string) {
		o, err := Parse([]byte(sdp))
		if err != nil {
			var s *SyntaxError
			if !errors.As(err, &s) || s.Line < 1 {
				t.Fatalf("Parse() = %v, want a *SyntaxError with a line", err)
			}
			return
		}
		caps := ours()
		s, err := Answer(o, caps, nil)
		if err != nil {
			var r *Rejection
			if !errors.As(err, &r) || strings.ContainsAny(r.Text, "\r\n") {
				t.Fatalf("Answer() = %v, want a *Rejection of one line", err)
			}
			return
		}
		checkAnswer(t, o, s)
		again, err := Answer(o, caps, s)
		if err != nil || string(again.Local.Bytes()) != string(s.Local.Bytes()) {
			t.Fatalf("the same offer again: %v", err)
		}
		if _, err := Offer(caps, s); err != nil {
			t.Fatalf("an offer after it: %v", err)
		}
	})
}

func checkAnswer(t *testing.T, o *Session, s *State) {
	t.Helper()
	back, err := Parse(s.Local.Bytes())
	if err != nil {
		t.Fatalf("our answer does not parse: %v", err)
	}
	if len(back.Sections) != len(o.Sections) || len(s.Media) != len(o.Sections) {
		t.Fatalf("%d m-lines answered with %d", len(o.Sections), len(back.Sections))
	}
	for i := range back.Sections {
		ours, theirs := &back.Sections[i], &o.Sections[i]
		if ours.Media != theirs.Media || ours.Proto != theirs.Proto {
			t.Fatalf("m-line %d: %s %s answers %s %s", i, ours.Media, ours.Proto, theirs.Media, theirs.Proto)
		}
		if (ours.Port == 0) != s.Media[i].Rejected {
			t.Fatalf("m-line %d: port %d, rejected %v", i, ours.Port, s.Media[i].Rejected)
		}
		if ours.Port != 0 && theirs.Port == 0 {
			t.Fatalf("m-line %d was not open", i)
		}
		for _, pt := range ours.Formats {
			if !strings.Contains(" "+strings.Join(theirs.Formats, " ")+" ", " "+pt+" ") {
				t.Fatalf("m-line %d: format %s was not offered in %v", i, pt, theirs.Formats)
			}
		}
		if m := &s.Media[i]; m.Send != nil && (m.RTP.Port() == 0 || m.RTP.Addr().IsMulticast()) {
			t.Fatalf("m-line %d: we would send to %v", i, m.RTP)
		}
	}
}

// FuzzComplete: no answer makes us take what we did not offer.
func FuzzComplete(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sdp string) {
		answer, err := Parse([]byte(sdp))
		if err != nil {
			return
		}
		caps := ours()
		open, err := Offer(caps, nil)
		if err != nil {
			t.Fatal(err)
		}
		done, err := Complete(open, answer, caps)
		if err != nil {
			var r *Rejection
			if !errors.As(err, &r) {
				t.Fatalf("Complete() = %v, want a *Rejection", err)
			}
			return
		}
		for i := range done.Media {
			for _, p := range done.Media[i].Receive {
				if !strings.Contains(mlines(open.Local), " "+strconv.Itoa(int(p.Type))) {
					t.Fatalf("m-line %d: payload type %d was not offered", i, p.Type)
				}
			}
		}
	})
}
