package bench

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

const (
	talkers    = 10
	rounds     = 5  // each with calls of its own: talkers × rounds phases
	warm       = 60 // frames before the first burst
	burstEvery = 8  // frames
	bursts     = 4  // of each talker in a round
)

// measureDelay takes the way of bursts through the running bridge, from socket to socket. Fifty callers, ten at a time,
// have phases spread evenly over the frame; each in turn sends one frame of tone, and all others listen.
func measureDelay(t *testing.T, r *report, binary string) {
	b := newBridge(t, binary)
	defer b.end()
	e := newFloor(t, echoFloor, 1)
	defer e.end()
	var d delays
	for round := range rounds {
		d.round(t, b, e, round)
	}
	d.print(r)
	for _, at := range slices.Sorted(maps.Keys(d.phases)) {
		ways := d.phases[at]
		t.Logf("phase %5.1f ms: min %.1f, p50 %.1f, p95 %.1f, max %.1f ms", ms(at),
			ms(quantile(ways, 0)), ms(quantile(ways, 0.5)), ms(quantile(ways, 0.95)), ms(quantile(ways, 1)))
	}
	calm := d.behind+d.skipped == 0 && d.late < frame // what a stall of the machine spoils is only shown
	if d.lost+d.strange > 0 || calm && d.missed+d.damaged+d.jumps > 0 {
		t.Errorf("bursts: %d not heard, %d damaged; packets: %d lost, %d with jumping timestamps, %d strange",
			d.missed, d.damaged, d.lost, d.jumps, d.strange)
	}
}

// delays are what was measured.
type delays struct {
	ways    []time.Duration   // of each burst to each listener
	echoes  []time.Duration   // of the floor's packets
	rounds  [][]time.Duration // the same by round
	phases  map[time.Duration][]time.Duration
	late    time.Duration // the worst of our own pacing
	ticks   float64       // of the bridge
	behind  float64       // of them, more than 5 ms late
	skipped float64       // after long stalls of the machine; the timestamps tell of them
	grown   float64       // jitter buffers that took a tick more
	missed  int           // bursts × listeners
	damaged int
	lost    int
	jumps   int
	strange int
}

// phase is the one of a caller: neighbours in the frame are in different rounds.
func phase(round, caller int) time.Duration {
	return frame * time.Duration(caller*rounds+round) / (talkers * rounds)
}

func (d *delays) round(t *testing.T, b *bridge, e *floor, round int) {
	phones := dialAll(t, b, fmt.Sprint("d", round), talkers)
	var lines []*line
	var ears []*ear
	for i, p := range phones {
		lines = append(lines, newLine(p.rtp, p.peer, phase(round, i), turn(i)))
		ears = append(ears, &ear{socket: p.rtp})
	}
	mirror := mustOpen(t)
	defer mirror.close()
	ping := newLine(mirror, loopback(e.ports[0]), phase(round, talkers/2)+frame/100, func(_ int, p []byte) bool { quiet(0, p); return true })
	echoes := &ear{socket: mirror}
	arrivals := echoes.note()
	endPace, endDrain := pace(t, append(lines, ping)...), drain(t, append(ears, echoes)...)
	nap(frame * (warm + talkers*bursts*burstEvery + 20))
	endPace()
	nap(200 * time.Millisecond)
	endDrain()
	known := len(d.ways)
	d.collect(lines, ears)
	d.rounds = append(d.rounds, slices.Clone(d.ways[known:]))
	for _, s := range ping.noted {
		if at, ok := (*arrivals)[uint16(s.frame)]; ok {
			d.echoes = append(d.echoes, at.Sub(s.at))
		}
	}
	media := b.metrics()
	d.ticks += media["tutti_ticks_total"]
	d.behind += media["tutti_late_ticks_total"]
	d.skipped += media["tutti_skipped_ticks_total"]
	d.grown += media["tutti_buffer_grown_total"]
	hangUpAll(phones)
	b.awaitLegs(0)
}

// turn is the voice of caller id: the callers send their bursts in turn.
func turn(id int) func(int, []byte) bool {
	return func(k int, p []byte) bool {
		k -= warm
		if k < 0 || k%burstEvery != 0 || k/burstEvery%talkers != id || k/burstEvery >= talkers*bursts {
			return quiet(k, p)
		}
		burst(id, p)
		return true
	}
}

// collect finds each burst in what the others heard.
func (d *delays) collect(lines []*line, ears []*ear) {
	if d.phases == nil {
		d.phases = map[time.Duration][]time.Duration{}
	}
	for id, l := range lines {
		d.late = max(d.late, l.late)
		for _, s := range l.noted {
			for other, e := range ears {
				if other != id {
					d.find(l, id, s, e)
				}
			}
		}
	}
	for _, e := range ears {
		d.lost, d.jumps, d.strange = d.lost+e.lost, d.jumps+e.jumps, d.strange+e.strange
	}
}

func (d *delays) find(l *line, id int, s sent, e *ear) {
	for _, o := range e.onsets {
		way := o.at.Sub(s.at)
		if o.id != id || way < 0 || way > burstEvery*frame {
			continue
		}
		// A sample further back in a packet is heard later.
		way += time.Duration(o.place) * frame / samples
		d.ways = append(d.ways, way)
		d.phases[l.phase] = append(d.phases[l.phase], way)
		if o.samples != samples {
			d.damaged++
		}
		return
	}
	d.missed++
}

func (d *delays) print(r *report) {
	var callers []time.Duration // the median of each
	for _, ways := range d.phases {
		callers = append(callers, quantile(ways, 0.5))
	}
	floor := quantile(d.echoes, 0.5)
	r.title(fmt.Sprintf("added delay, socket to socket: %d callers, %d ways", len(callers), len(d.ways)), "bridge", "wait for the tick + echo")
	for _, q := range []float64{0.5, 0.95, 1} {
		wait := time.Duration(q * float64(frame))
		r.compare(name(q), quantile(d.ways, q), wait+floor, time.Millisecond)
	}
	for _, q := range []float64{0.5, 0.95} { // a stall of the machine spoils one round
		var each []time.Duration
		for _, ways := range d.rounds {
			each = append(each, quantile(ways, q))
		}
		wait := time.Duration(q * float64(frame))
		r.compare(name(q)+", median of the rounds", quantile(each, 0.5), wait+floor, time.Millisecond)
	}
	r.compare("p50 of the luckiest caller", quantile(callers, 0), floor, time.Millisecond)
	r.compare("p50 of the unluckiest caller", quantile(callers, 1), frame+floor, time.Millisecond)
	r.row("echo alone, p50, p95, max", "", fmt.Sprintf("%.2f, %.2f, %.2f ms", ms(floor), ms(quantile(d.echoes, 0.95)), ms(quantile(d.echoes, 1))), "")
	r.row("bursts not heard, damaged; packets lost", fmt.Sprintf("%d, %d; %d", d.missed, d.damaged, d.lost), "0, 0; 0", "")
	r.row("ticks late, skipped, of; buffers grown; phones late by", fmt.Sprintf("%.0f, %.0f, %.0f; %.0f; %.0f ms", d.behind, d.skipped, d.ticks, d.grown, ms(d.late)), "", "")
}

func name(q float64) string {
	if q == 1 {
		return "max"
	}
	return fmt.Sprintf("p%.0f", 100*q)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
