package sip

import (
	"net/netip"
	"sync"
	"time"
)

// A guard limits how many new calls a second are looked at. It keeps one second's senders and no more.
type guard struct {
	limits Limits

	mu    sync.Mutex // guards the fields below
	since time.Time  // start of the second
	all   int
	lines int
	from  map[netip.Addr]int
}

// guardSources bounds the memory of one second: who comes after so many others waits for the next.
const guardSources = 4096

func newGuard(l Limits) *guard { return &guard{limits: l, from: map[netip.Addr]int{}} }

// admit counts one new call of a source at a time and says whether it may go on.
func (g *guard) admit(source netip.Addr, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turnLocked(now)
	if g.all >= g.limits.Rate {
		return false
	}
	n, known := g.from[source]
	if n >= g.limits.RatePerSource || !known && len(g.from) >= guardSources {
		return false
	}
	g.from[source] = n + 1
	g.all++
	return true
}

// turnLocked begins a new second where the old one is over.
func (g *guard) turnLocked(now time.Time) {
	if d := now.Sub(g.since); d >= time.Second || d < 0 {
		g.since, g.all, g.lines = now, 0, 0
		clear(g.from)
	}
}

// linesPerSecond bounds what strangers can write into the log.
const linesPerSecond = 10

// mayLog says whether a line about a stranger may be written now.
func (g *guard) mayLog(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turnLocked(now)
	g.lines++
	return g.lines <= linesPerSecond
}
