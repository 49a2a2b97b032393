package bench

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(floorKind); kind != "" {
		fmt.Fprintln(os.Stderr, "bench:", runFloor(kind))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestFigures measures, in one run, what docs/performance.md tells of the running bridge, and prints it.
func TestFigures(t *testing.T) {
	binary := os.Getenv("TUTTI_BENCH")
	if binary == "" {
		t.Skip("TUTTI_BENCH does not name the binary to measure; make bench does")
	}
	var r report
	finish := measureLegs(t, &r, binary)
	measureDelay(t, &r, binary)
	finish() // the memory of those who have hung up meanwhile
	r.print()
}

// report is a table that is printed at the end.
type report struct {
	rows [][4]string
}

func (r *report) title(what, ours, floor string) {
	r.rows = append(r.rows, [4]string{}, [4]string{what, ours, floor, "ratio"})
}

func (r *report) row(what, ours, floor, ratio string) {
	r.rows = append(r.rows, [4]string{"  " + what, ours, floor, ratio})
}

// compare is a row of two durations.
func (r *report) compare(what string, ours, floor, unit time.Duration) {
	show := func(d time.Duration) string {
		return fmt.Sprintf("%.2f %s", float64(d)/float64(unit), unitName(unit))
	}
	r.row(what, show(ours), show(floor), ratio(float64(ours), float64(floor)))
}

func unitName(unit time.Duration) string { return unit.String()[1:] }

func ratio(ours, floor float64) string { return fmt.Sprintf("%.2f", ours/floor) }

func (r *report) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	for _, row := range r.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", row[0], row[1], row[2], row[3])
	}
	_ = w.Flush()
}

// quantile is the value that a share q of all does not exceed. It sorts.
func quantile[T int | float64 | time.Duration](all []T, q float64) T {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(q*float64(len(all))))]
}
