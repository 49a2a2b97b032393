package config

import (
	"fmt"
	"strings"
)

// Problem is one thing wrong with a configuration, told so that the reader can mend it.
type Problem struct {
	File string // "" where no file is to blame
	Line int    // in File, from 1; 0 is unknown
	Key  string // sip.listen, conferences[2].name
	Text string // what is wrong, and what would be right
}

func (p Problem) String() string {
	var where string
	switch {
	case p.File != "" && p.Line > 0:
		where = fmt.Sprintf("%s:%d: ", p.File, p.Line)
	case p.File != "":
		where = p.File + ": "
	}
	if p.Key == "" {
		return where + p.Text
	}
	return where + p.Key + ": " + p.Text
}

// Problems is all that is wrong with a configuration, in the order of the file.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// err is nil for no problems, which a nil Problems in an error would not be.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// nearest returns the word that name is probably meant to be, "" if none is near.
func nearest(name string, words []string) string {
	best, at := "", 3
	for _, w := range words {
		if d := distance(name, w); d < at {
			best, at = w, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
