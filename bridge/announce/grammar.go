package announce

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A grammar says how parts make the sentences of one language. Its file explains itself: prompts/en/sentences.txt.
type grammar struct {
	sentences map[string][]string // parts, by name or NAME:NUMBER
	rules     []rule              // in the order of the file
	keys      map[rune]string
}

// rule says how some numbers are spoken.
type rule struct {
	ranges []numbers
	parts  []string
}

// numbers are those from first to last, each step.
type numbers struct{ first, last, step int }

func (n numbers) has(k int) bool { return k >= n.first && k <= n.last && (k-n.first)%n.step == 0 }

const (
	maxLines  = 1000
	maxParts  = 64 // of one sentence, filled in
	maxNested = 16 // numbers within a number
)

func parseGrammar(r io.Reader) (*grammar, error) {
	g := &grammar{sentences: map[string][]string{}, keys: map[rune]string{}}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if err := g.line(text); err != nil || n > maxLines {
			return nil, fmt.Errorf("line %d: %q: %w", n, text, err)
		}
	}
	return g, lines.Err()
}

func (g *grammar) line(text string) error {
	left, right, ok := strings.Cut(text, "=")
	name, parts := strings.Fields(left), strings.Fields(right)
	switch {
	case !ok || len(name) == 0 || len(parts) == 0 || len(parts) > maxParts:
		return fmt.Errorf("want NAME = PARTS, at most %d", maxParts)
	case name[0] == "number" && len(name) > 1:
		return g.number(name[1:], parts)
	case name[0] == "key" && len(name) == 2 && len([]rune(name[1])) == 1:
		g.keys[[]rune(name[1])[0]] = parts[0]
	case len(name) == 1:
		g.sentences[name[0]] = parts
	default:
		return fmt.Errorf("a sentence has one name")
	}
	return nil
}

func (g *grammar) number(ranges, parts []string) error {
	r := rule{parts: parts}
	for _, text := range ranges {
		bounds, step, stepped := strings.Cut(text, "/")
		first, last, isRange := strings.Cut(bounds, "-")
		if !isRange {
			last = first
		}
		if !stepped {
			step = "1"
		}
		var n numbers
		for to, from := range map[*int]string{&n.first: first, &n.last: last, &n.step: step} {
			v, err := strconv.ParseUint(from, 10, 31)
			if err != nil {
				return fmt.Errorf("%q: want 3, 0-20 or 20-90/10", text)
			}
			*to = int(v)
		}
		if n.step == 0 || n.last < n.first {
			return fmt.Errorf("%q: want 3, 0-20 or 20-90/10", text)
		}
		r.ranges = append(r.ranges, n)
	}
	for _, p := range parts {
		if _, _, err := placeholder(p); err != nil {
			return err
		}
	}
	g.rules = append(g.rules, r)
	return nil
}

// placeholder reads {}, {/10}, {%10} and {~10}; op is 0 of any other part.
func placeholder(part string) (op byte, by int, err error) {
	if !strings.HasPrefix(part, "{") || !strings.HasSuffix(part, "}") {
		return 0, 0, nil
	}
	inner := part[1 : len(part)-1]
	if inner == "" {
		return '=', 0, nil
	}
	n, err := strconv.ParseUint(inner[1:], 10, 31)
	if err != nil || n < 2 || !strings.Contains("/%~", inner[:1]) {
		return 0, 0, fmt.Errorf("%s: want {}, {/10}, {%%10} or {~10}", part)
	}
	return inner[0], int(n), nil
}

// parts are the parts of w, filled in.
func (g *grammar) parts(w Word) ([]string, error) {
	name, argument, _ := strings.Cut(string(w), ":")
	pattern, ok := g.sentences[string(w)]
	if !ok {
		if pattern, ok = g.sentences[name]; !ok {
			return nil, fmt.Errorf("there is no sentence %q", name)
		}
	}
	var all []string
	for _, part := range pattern {
		var more []string
		var err error
		switch part {
		case "{n}":
			var n int
			if n, err = strconv.Atoi(argument); err == nil {
				more, err = g.spoken(min(n, MaxNumber), 0)
			}
		case "{keys}":
			more, err = g.spelled(argument)
		default:
			more = []string{part}
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", w, err)
		}
		if all = append(all, more...); len(all) > maxParts {
			return nil, fmt.Errorf("%q has more than %d parts", w, maxParts)
		}
	}
	return all, nil
}

// spoken says a number.
func (g *grammar) spoken(n, depth int) ([]string, error) {
	r := g.rule(n)
	if r == nil || depth > maxNested {
		return nil, fmt.Errorf("no rule says the number %d", n)
	}
	var all []string
	for _, part := range r.parts {
		op, by, err := placeholder(part)
		if err != nil {
			return nil, err
		}
		more := []string{part}
		switch op {
		case '=':
			more = []string{strconv.Itoa(n)}
		case '/':
			more, err = g.spoken(n/by, depth+1)
		case '%':
			more, err = g.spoken(n%by, depth+1)
		case '~':
			more, err = g.spoken(n-n%by, depth+1)
		}
		if err != nil {
			return nil, err
		}
		if all = append(all, more...); len(all) > maxParts {
			return nil, fmt.Errorf("the number %d has more than %d parts", n, maxParts)
		}
	}
	return all, nil
}

func (g *grammar) rule(n int) *rule {
	for i := range g.rules {
		for _, r := range g.rules[i].ranges {
			if r.has(n) {
				return &g.rules[i]
			}
		}
	}
	return nil
}

// spelled says keys of a telephone, one after another.
func (g *grammar) spelled(keys string) ([]string, error) {
	var all []string
	for _, k := range keys {
		part, named := g.keys[k]
		switch {
		case named:
			all = append(all, part)
		case k >= '0' && k <= '9':
			digit, err := g.spoken(int(k-'0'), 0)
			if err != nil {
				return nil, err
			}
			all = append(all, digit...)
		default:
			all = append(all, string(k))
		}
	}
	return all, nil
}
