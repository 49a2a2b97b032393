package bench

import (
	"fmt"
	"math"
	"testing"
	"time"
)

const (
	crowd    = 200 // legs
	speakers = 3
	windows  = 3 // of CPU time
	window   = 4 * time.Second
)

// usage is what the bridge holds.
type usage struct {
	rss, heap  float64 // octets
	goroutines float64
}

// use looks at a bridge over a few collections of its garbage, which our questions bring about. The heap is what was left
// at the best of them.
func (b *bridge) use() usage {
	b.t.Helper()
	now := b.metrics()
	least := math.Inf(1)
	for range 4 {
		before := now[collections]
		eventually(b.t, 20*time.Second, "a garbage collection", func() bool {
			for i := 0; i < 20 && now[collections] == before; i++ {
				now = b.metrics()
			}
			return now[collections] > before
		})
		least = min(least, now["go_memstats_heap_alloc_bytes"])
	}
	return usage{b.rss(), least, now["go_goroutines"]}
}

const collections = "go_gc_duration_seconds_count"

// measureLegs takes what 200 legs cost, of whom 3 talk and all send, in memory and CPU time. It hangs up; finish says what
// is left a while later.
func measureLegs(t *testing.T, r *report, binary string) (finish func()) {
	b := newBridge(t, binary)
	hangUpAll(dialAll(t, b, "w", 3)) // what is made once is no cost of a leg
	b.awaitLegs(0)
	before := b.use()
	phones := dialAll(t, b, "m", crowd)
	var lines []*line
	var ears []*ear
	for i, p := range phones {
		lines = append(lines, newLine(p.rtp, p.peer, frame*time.Duration(i)/crowd, speaker(i)))
		ears = append(ears, &ear{socket: p.rtp})
	}
	endPace, endDrain := pace(t, lines...), drain(t, ears...)
	nap(3 * time.Second)
	during := b.use()
	endPace()
	endDrain()

	r.title(fmt.Sprintf("CPU time, %d legs that send, %d talk", crowd, speakers), "bridge", "floor")
	measureCPU(t, r, b, lines, ears)
	media := b.metrics()
	var lost, jumps, strange int
	for _, e := range ears {
		lost, jumps, strange = lost+e.lost, jumps+e.jumps, strange+e.strange
	}
	skipped := media["tutti_skipped_ticks_total"] // after a long stall of the machine; the timestamps tell of it
	r.row("packets lost, refused", fmt.Sprintf("%d, %.0f", lost, media["tutti_sent_errors_total"]), "0, 0", "")
	r.row("ticks late, skipped, of", fmt.Sprintf("%.0f, %.0f, %.0f", media["tutti_late_ticks_total"], skipped, media["tutti_ticks_total"]), "", "")
	r.row("buffers grown, shrunk; ticks guessed", fmt.Sprintf("%.0f, %.0f; %.0f", media["tutti_buffer_grown_total"],
		media["tutti_buffer_shrunk_total"], media["tutti_buffer_concealed_total"]), "", "")
	if lost+strange > 0 || jumps > 0 && skipped == 0 {
		t.Errorf("packets to %d phones: %d lost, %d with jumping timestamps, %d strange", crowd, lost, jumps, strange)
	}
	hangUpAll(phones)
	b.awaitLegs(0)
	return func() { printMemory(t, r, before, during, b.use()) }
}

func printMemory(t *testing.T, r *report, before, during, after usage) {
	const kB, MB = 1 << 10, 1 << 20
	r.title(fmt.Sprintf("memory, %d legs", crowd), "a leg", "before → with → after all hung up")
	show := func(what string, unit float64, a, b, c float64) {
		r.row(what, fmt.Sprintf("%.1f kB", (b-a)/crowd/kB), fmt.Sprintf("%.1f → %.1f → %.1f MB", a/unit, b/unit, c/unit), "")
	}
	show("resident", MB, before.rss, during.rss, after.rss)
	show("heap", MB, before.heap, during.heap, after.heap)
	r.row("goroutines", fmt.Sprintf("%.1f", (during.goroutines-before.goroutines)/crowd),
		fmt.Sprintf("%.0f → %.0f → %.0f", before.goroutines, during.goroutines, after.goroutines), "")
	if math.Abs(after.goroutines-before.goroutines) > 5 {
		t.Errorf("goroutines: %.0f before, %.0f after", before.goroutines, after.goroutines)
	}
	if after.heap > before.heap+crowd*10*kB {
		t.Errorf("heap: %.1f MB before, %.1f MB after", before.heap/MB, after.heap/MB)
	}
}

// speaker is the voice of caller i: the first few talk without a pause, the others are silent.
func speaker(i int) func(int, []byte) bool {
	if i >= speakers {
		return quiet
	}
	return func(_ int, p []byte) bool {
		burst(i, p)
		return false
	}
}

// measureCPU compares the bridge with two floors that are sent the same packets at the same time, as many as it is, and send as many.
func measureCPU(t *testing.T, r *report, b *bridge, lines []*line, ears []*ear) {
	polled, loose := newFloor(t, polledFloor, crowd), newFloor(t, looseFloor, crowd)
	defer polled.end()
	defer loose.end()
	for _, f := range []*floor{polled, loose} {
		for i, port := range f.ports {
			s := mustOpen(t)
			lines = append(lines, newLine(s, loopback(port), frame*time.Duration(i)/crowd, quiet))
			ears = append(ears, &ear{socket: s})
		}
	}
	endPace, endDrain := pace(t, lines...), drain(t, ears...)
	nap(2 * time.Second)
	var cost [3][]float64 // seconds a leg and second
	all := []*process{b.process, polled.process, loose.process}
	for range windows {
		begin := time.Now()
		var used [3]time.Duration
		for i, p := range all {
			used[i] = p.cpu()
		}
		nap(window)
		passed := time.Since(begin).Seconds()
		for i, p := range all {
			cost[i] = append(cost[i], (p.cpu()-used[i]).Seconds()/passed/crowd)
		}
	}
	endPace()
	endDrain()
	show := func(c []float64) string { return fmt.Sprintf("%.3f ms", 1000*quantile(c, 0.5)) }
	compare := func(what string, c []float64) {
		var ratios []float64
		for i := range c {
			ratios = append(ratios, cost[0][i]/c[i])
		}
		r.row("a leg and second, beside "+what, show(cost[0]), show(c), fmt.Sprintf("%.2f", quantile(ratios, 0.5)))
	}
	compare("a goroutine for each socket", cost[1])
	compare("one bare loop", cost[2])
}
