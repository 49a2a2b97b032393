package video

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// climber is a ladder of five rungs, and the time.
type climber struct {
	ladder
	now  time.Time
	sent uint64
}

func newClimber() *climber {
	return &climber{ladder: newLadder(1_500_000, 800_000, 450_000, 250_000, 120_000), now: time.Unix(1_000_000, 0)}
}

// hear lets d pass in which the far end is sent what the rung says, and reports every second.
func (c *climber) hear(d time.Duration, r Report) int {
	for ; d > 0; d -= time.Second {
		c.now = c.now.Add(time.Second)
		c.sent += uint64(c.rates[c.rung] / 8)
		c.report(c.now, r, c.sent)
	}
	return c.rung
}

func loss(part float64) Report { return Report{HasLoss: true, Lost: uint8(256 * part)} }

func TestLadder(t *testing.T) {
	type step struct {
		d    time.Duration
		say  Report
		want int
	}
	const s = time.Second
	clean := loss(0)
	estimate := func(bps float64) Report { return Report{HasLoss: true, Estimate: bps} }
	tests := map[string][]step{
		"a clean link keeps the best rung":            {{600 * s, clean, 0}},
		"a little loss moves nobody":                  {{60 * s, loss(0.05), 0}},
		"loss moves at once":                          {{s, loss(0.2), 1}},
		"much loss moves as far as it must":           {{s, loss(0.8), 3}},
		"loss that stays leads to the last rung":      {{20 * s, loss(0.2), 4}},
		"back after ten seconds and then one by one":  {{s, loss(0.6), 2}, {9 * s, clean, 2}, {3 * s, clean, 1}, {9 * s, clean, 1}, {3 * s, clean, 0}},
		"a little loss allows no climb":               {{s, loss(0.2), 1}, {120 * s, loss(0.05), 1}},
		"an estimate moves at once":                   {{5 * s, clean, 0}, {s, estimate(300_000), 3}},
		"an estimate alone, without reports of loss":  {{5 * s, clean, 0}, {s, Report{Estimate: 500_000}, 2}},
		"an estimate above what is sent moves nobody": {{60 * s, estimate(1_600_000), 0}},
		"an estimate without headroom allows no climb": {{5 * s, clean, 0}, {s, estimate(900_000), 1}, {60 * s, estimate(900_000), 1},
			{12 * s, estimate(1_100_000), 0}},
		"an estimate grown old allows one": {{5 * s, clean, 0}, {s, estimate(810_000), 1}, {30 * s, clean, 0}},
		"a limit is kept to":               {{s, Report{Limit: 500_000}, 2}, {300 * s, clean, 2}, {s, Report{HasLoss: true, Limit: 5_000_000}, 1}},
		"a limit below everything":         {{s, Report{Limit: 1}, 4}},
		"a round trip that grows": {{10 * s, Report{HasLoss: true, RTT: 40 * time.Millisecond}, 0},
			{3 * s, Report{HasLoss: true, RTT: 900 * time.Millisecond}, 1}},
		"a long way is no queue": {{300 * s, Report{HasLoss: true, RTT: 700 * time.Millisecond}, 0}},
		"nonsense":               {{5 * s, Report{HasLoss: true, Estimate: math.Inf(1), Limit: math.MaxFloat64, RTT: time.Hour}, 0}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			c := newClimber()
			for i, step := range steps {
				if got := c.hear(step.d, step.say); got != step.want {
					t.Fatalf("step %d: rung %d, want %d", i, got, step.want)
				}
			}
		})
	}
}

// TestLadderDoesNotFlap: a link that carries 500 kbit/s is tried with more now and then, and less and less often.
func TestLadderDoesNotFlap(t *testing.T) {
	c := newClimber()
	moves, best := 0, 0
	const length = 30 * 60
	for range length {
		say := loss(0)
		if over := float64(c.rates[c.rung]) / 500_000; over > 1 {
			say = loss(1 - 1/over)
		}
		before := c.rung
		if c.hear(time.Second, say) != before {
			moves++
		}
		if c.rung == 2 {
			best++
		}
	}
	if moves > 40 || best < length*9/10 {
		t.Errorf("%d moves in half an hour, %d of %d s on the rung that fits; want at most 40, and nine tenths", moves, best, length)
	}
}

// TestLadderOfCalmPicture: where little is sent, no estimate says anything against the rung. These are Chromium's, on a
// busy machine without any loss.
func TestLadderOfCalmPicture(t *testing.T) {
	c := newClimber()
	c.report(c.now, Report{Limit: 130_000}, 0)
	c.report(c.now, Report{Limit: 1e7}, 0)
	for i := range 120 {
		c.now = c.now.Add(time.Second)
		c.sent += 109_000 / 8
		if c.rung == 4 {
			c.sent -= 82_000 / 8 // small, and ten frames a second
		}
		c.report(c.now, Report{HasLoss: true, Estimate: []float64{74_000, 77_000, 44_000, 17_000}[i/30]}, c.sent)
	}
	if c.rung != 0 {
		t.Errorf("rung %d, want 0", c.rung)
	}
}

// TestLadderWhateverIsReported: the rung stays within bounds, a climb is one rung and takes ten seconds, no two
// moves but those of a limit come within a second, and worse news never make a better rung.
func TestLadderWhateverIsReported(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 4))
		c := newClimber()
		calm := random.IntN(2) == 0
		moved := time.Time{}
		for range 2000 {
			c.now = c.now.Add(time.Duration(random.ExpFloat64() * float64(time.Second) / float64(1+random.IntN(1000))))
			if random.IntN(10) == 0 {
				c.now = c.now.Add(time.Duration(random.IntN(5)-1) * time.Second) // back, even
			}
			c.sent += uint64(random.IntN(200_000))
			say := anyReport(random, calm)
			worse := say
			worse.Lost = uint8(min(255, int(say.Lost)+random.IntN(100)))
			worse.Estimate *= random.Float64()
			if say.Estimate > 0 {
				worse.Estimate = max(worse.Estimate, 1)
			}
			before, twin := c.rung, c.ladder
			rung := c.report(c.now, say, c.sent)
			if other := twin.report(c.now, worse, c.sent); other < rung {
				t.Fatalf("seed %d: %+v makes rung %d, the worse %+v makes %d", seed, say, rung, worse, other)
			}
			switch {
			case rung < 0 || rung > 4:
				t.Fatalf("seed %d: rung %d", seed, rung)
			case rung < before && (rung < before-1 || c.now.Sub(moved) < firstWait):
				t.Fatalf("seed %d: climbed from %d to %d after %v", seed, before, rung, c.now.Sub(moved))
			case rung > before && say.Limit == 0 && c.now.Sub(moved) < steadiness:
				t.Fatalf("seed %d: fell from %d to %d after %v", seed, before, rung, c.now.Sub(moved))
			}
			if rung != before {
				moved = c.now
			}
		}
	}
}

func anyReport(random *rand.Rand, calm bool) Report {
	var r Report
	r.HasLoss = random.IntN(4) > 0
	if !calm || random.IntN(50) == 0 {
		r.Lost = uint8(random.IntN(256))
	}
	if random.IntN(3) == 0 {
		r.RTT = time.Duration(random.IntN(2000)) * time.Millisecond
	}
	if random.IntN(5) == 0 {
		r.Estimate = math.Pow(10, 1+15*random.Float64())
	}
	if random.IntN(100) == 0 {
		r.Limit = math.Pow(10, 4+5*random.Float64())
	}
	return r
}

func TestLadderAllocatesNothing(t *testing.T) {
	c := newClimber()
	if n := testing.AllocsPerRun(1000, func() { c.hear(time.Second, loss(0.03)) }); n != 0 {
		t.Errorf("%v allocations a report", n)
	}
}
