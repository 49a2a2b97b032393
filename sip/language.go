package sip

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// preferred are the languages of an Accept-Language header (RFC 3261 §20.3), the best first.
func preferred(header string) []string {
	type choice struct {
		tag    string
		weight float64
	}
	var all []choice
	for part := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(part, ";")
		c := choice{strings.TrimSpace(tag), 1}
		if q, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			c.weight, _ = strconv.ParseFloat(q, 64)
		}
		const most, longest = 8, 35 // tags, and characters of one (BCP 47 §4.4.1)
		if c.tag != "" && c.tag != "*" && len(c.tag) <= longest && c.weight > 0 && len(all) < most {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b choice) int { return cmp.Compare(b.weight, a.weight) })
	tags := make([]string, len(all))
	for i, c := range all {
		tags[i] = c.tag
	}
	return tags
}
