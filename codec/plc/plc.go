// Package plc hides lost frames of waveform codecs (G.711, G.722). It does for them what Appendix I of ITU-T G.711
// does, by a design of our own that adds no delay: the last pitch period goes on, fading, until sound arrives again.
package plc

import "time"

// Times of the concealment. Voices have their pitch between 66 and 400 Hz.
const (
	shortestPitch = 2500 * time.Microsecond
	longestPitch  = 15 * time.Millisecond
	comparison    = 15 * time.Millisecond // what two periods are compared over
	hold          = 10 * time.Millisecond // at full level, then
	fade          = 50 * time.Millisecond // down to silence
	merge         = 5 * time.Millisecond  // from the guess back to the sound
)

const history = longestPitch + comparison

// A Concealer remembers the last 30 ms of one mono signal. Show it all that was received, and ask it to fill gaps.
// Not safe for concurrent use. Only New allocates.
type Concealer struct {
	rate int
	past []int16 // the last samples that were played, oldest first

	// The rest is set while a gap lasts.
	lost   int     // samples concealed so far; 0 when sound arrives
	period []int16 // one pitch period, its end bent towards its begin
	cycle  []int16 // room for period
	at     int     // next sample of period
	step   float32 // between the last sample received and the guess's, taken back over the first quarter period
}

// New makes a Concealer for a signal of rate samples a second.
func New(rate int) *Concealer {
	c := &Concealer{rate: rate}
	c.past = make([]int16, c.samples(history))
	c.cycle = make([]int16, c.samples(longestPitch))
	return c
}

func (c *Concealer) samples(d time.Duration) int {
	return int(d * time.Duration(c.rate) / time.Second)
}

// Received tells what was decoded. After a gap it bends the begin of pcm, so that the guess does not end in a click.
func (c *Concealer) Received(pcm []int16) {
	if c.lost > 0 {
		n := min(c.samples(merge), len(pcm))
		for i := range n {
			w := float32(i+1) / float32(n+1)
			pcm[i] = int16(w*float32(pcm[i]) + (1-w)*c.guess())
		}
		c.lost = 0
	}
	c.remember(pcm)
}

// Conceal fills pcm with the guess.
func (c *Concealer) Conceal(pcm []int16) {
	if c.lost == 0 {
		c.extrapolate()
	}
	for i := range pcm {
		pcm[i] = int16(c.guess())
	}
	c.remember(pcm)
}

func (c *Concealer) remember(pcm []int16) {
	if len(pcm) >= len(c.past) {
		copy(c.past, pcm[len(pcm)-len(c.past):])
		return
	}
	kept := copy(c.past, c.past[len(pcm):])
	copy(c.past[kept:], pcm)
}

// guess is the next sample of a gap.
func (c *Concealer) guess() float32 {
	gain := c.gain()
	if gain == 0 {
		c.lost++
		return 0
	}
	sample := float32(c.period[c.at])
	if quarter := len(c.period) / 4; c.lost < quarter {
		sample += c.step * float32(quarter-c.lost) / float32(quarter)
	}
	c.at = (c.at + 1) % len(c.period)
	c.lost++
	return min(max(sample*gain, -32768), 32767)
}

func (c *Concealer) gain() float32 {
	over := c.lost - c.samples(hold)
	if over <= 0 {
		return 1
	}
	return max(0, 1-float32(over)/float32(c.samples(fade)))
}

// extrapolate chooses the period that the gap is filled with.
func (c *Concealer) extrapolate() {
	lag := c.pitch()
	end := len(c.past)
	c.period, c.at = c.cycle[:lag], 0
	copy(c.period, c.past[end-lag:])
	c.step = float32(c.past[end-1]) - float32(c.past[end-1-lag])
	// The period's last quarter turns into the quarter before it, which is what its first sample follows upon.
	quarter := lag / 4
	for i := range quarter {
		w := float32(i+1) / float32(quarter)
		own, before := float32(c.past[end-quarter+i]), float32(c.past[end-lag-quarter+i])
		c.period[lag-quarter+i] = int16(own*(1-w) + before*w)
	}
}

// pitch finds the lag, in samples, at which the last sound resembles itself most. All sums are of squares of 16-bit
// samples over at most 15 ms, far below what an int64 holds.
func (c *Concealer) pitch() int {
	n, shortest, longest := c.samples(comparison), c.samples(shortestPitch), c.samples(longestPitch)
	end := len(c.past)
	recent := c.past[end-n:]
	best, lag := float32(0), longest
	var energy int64
	for i := range n {
		energy += square(c.past[end-n-shortest+i])
	}
	for l := shortest; l <= longest; l++ {
		old := c.past[end-n-l : end-l]
		var product int64
		for i, s := range recent {
			product += int64(s) * int64(old[i])
		}
		// Likeness is product²/energy: the share of recent's energy that this lag explains.
		if product > 0 {
			if likeness := float32(product) * float32(product) / float32(energy+1); likeness > best*1.02 {
				best, lag = likeness, l
			}
		}
		if l < longest {
			energy += square(c.past[end-n-l-1]) - square(c.past[end-l-1])
		}
	}
	return lag
}

func square(s int16) int64 { return int64(s) * int64(s) }
