package video

import "time"

const (
	maxRungs      = 6
	lossWindow    = time.Second            // over which loss is judged, at least
	gapLimit      = 5 * time.Second        // a report speaks for no longer than that
	badLoss       = 0.10                   // more is too much for the rung
	cleanLoss     = 0.02                   // less is a link that may carry more
	steadiness    = time.Second            // after a move nothing is judged for so long: reports still tell of the time before
	headroom      = 1.3                    // of the far end's estimate over what it is sent, before a climb
	estimateLives = 10 * time.Second       // an estimate that is older says nothing
	firstWait     = 10 * time.Second       // of a clean link, before a climb
	longestWait   = 160 * time.Second      // after climbs that failed
	probation     = 15 * time.Second       // a climb that holds for less has failed
	rttSlack      = 100 * time.Millisecond // a round trip of twice the usual and this is a queue that fills
	rttPatience   = 3                      // windows with such a queue, before the rung is left
)

// Report is what a far end says about the stream that it is sent.
type Report struct {
	HasLoss  bool          // Lost says something
	Lost     uint8         // of 256 packets, since its last report (RFC 3550 §6.4.1)
	RTT      time.Duration // 0: not known
	Estimate float64       // bit/s that it thinks it can take in (REMB); 0: it does not say
	Limit    float64       // bit/s that it wants at most, until it says otherwise (TMMBR, RFC 5104 §3.5.4); 0: it does not say
}

// ladder chooses the rung of one viewer from what its far end reports. It goes down at once and as far as it has to; it
// climbs one rung after a clean while, and waits twice as long before it tries a rung again that did not hold. It has no
// clock of its own, and a copy of it is another ladder.
type ladder struct {
	rates [maxRungs]int // bit/s, falling
	rungs int
	rung  int // the choice, 0 is the best

	waits     [maxRungs]time.Duration // of a clean link, before a climb to the rung
	movedAt   time.Time
	climbedAt time.Time // the rung in hand was climbed to; zero when it held
	cleanAt   time.Time // since when the link is clean; zero when it is not

	lossAt     time.Time     // of the last report of loss
	lost, span time.Duration // of the window: its length weighted with the loss, and its length

	estimate   float64
	estimateAt time.Time
	limit      float64

	rtt, usualRTT time.Duration
	queued        int // windows in a row with a round trip that has grown

	sentAt time.Time // when sent was counted
	sent   uint64    // octets
	rate   float64   // bit/s that the viewer was sent lately; 0: not known
}

// newLadder begins at the best rung. rates fall, bit/s.
func newLadder(rates ...int) ladder {
	var l ladder
	l.rungs = copy(l.rates[:], rates)
	for i := range l.waits {
		l.waits[i] = firstWait
	}
	return l
}

// report takes what the far end says, and how many octets it was sent in all, and returns the rung it is to have.
func (l *ladder) report(now time.Time, r Report, sent uint64) int {
	if l.rungs < 2 {
		return 0
	}
	l.measure(now, sent)
	if r.Limit > 0 {
		l.limit = r.Limit
	}
	if r.Estimate > 0 {
		l.estimate, l.estimateAt = r.Estimate, now
	}
	if r.RTT > 0 {
		l.rtt = r.RTT
	}
	if best := l.best(); l.rung < best {
		l.fall(now, best)
	}
	if now.Sub(l.movedAt) < steadiness {
		if r.HasLoss {
			l.lossAt, l.lost, l.span = now, 0, 0
		}
		return l.rung
	}
	to := 0
	if r.Estimate > 0 && !l.calm() && r.Estimate < l.need() {
		to = l.below(r.Estimate)
	}
	if r.HasLoss {
		to = max(to, l.takeLoss(now, r.Lost))
	}
	if to > l.rung {
		l.fall(now, to)
	}
	return l.rung
}

// measure keeps the rate that the viewer is sent.
func (l *ladder) measure(now time.Time, sent uint64) {
	if l.sentAt.IsZero() || sent < l.sent {
		l.sentAt, l.sent = now, sent
		return
	}
	if d := now.Sub(l.sentAt); d >= lossWindow {
		l.rate = 8 * float64(sent-l.sent) / d.Seconds()
		l.sentAt, l.sent = now, sent
	}
}

// best is the best rung that the far end's limit allows.
func (l *ladder) best() int {
	if l.limit == 0 {
		return 0
	}
	for i := range l.rungs {
		if float64(l.rates[i]) <= l.limit {
			return i
		}
	}
	return l.rungs - 1
}

// need is what the far end has to take in, bit/s.
func (l *ladder) need() float64 { return min(l.rate, float64(l.rates[l.rung])) }

// calm says that the picture needs so little that a lower rung would not be less, or that what it needs is not known yet.
// Then an estimate says nothing: a browser's follows what it is sent, and after a few packets that came late it falls
// below that and stays there.
func (l *ladder) calm() bool {
	less := l.rates[l.rung] / 2
	if l.rung+1 < l.rungs {
		less = l.rates[l.rung+1]
	}
	return l.rate <= float64(less)
}

// takeLoss judges when the window is full, and returns the rung to fall to, or 0.
func (l *ladder) takeLoss(now time.Time, lost uint8) int {
	d := lossWindow // the first report
	if !l.lossAt.IsZero() {
		d = min(max(now.Sub(l.lossAt), 0), gapLimit)
	}
	l.lossAt = now
	l.span += d
	l.lost += d * time.Duration(lost) / 256
	if l.span < lossWindow {
		return 0
	}
	loss := float64(l.lost) / float64(l.span)
	l.lost, l.span = 0, 0
	return l.judge(now, loss)
}

// judge is the verdict over a window. It climbs itself, and returns the rung to fall to, or 0.
func (l *ladder) judge(now time.Time, loss float64) int {
	queue := l.queue()
	switch {
	case loss > badLoss:
		return l.below((1 - loss) * float64(l.rates[l.rung]))
	case l.queued >= rttPatience && !l.calm():
		l.queued = 0
		return l.below(float64(l.rates[l.rung]))
	}
	if !l.climbedAt.IsZero() && now.Sub(l.climbedAt) >= max(probation, l.waits[l.rung]) {
		l.waits[l.rung], l.climbedAt = firstWait, time.Time{}
	}
	if loss >= cleanLoss || queue || !l.roomy(now) {
		l.cleanAt = time.Time{}
		return 0
	}
	if l.cleanAt.IsZero() {
		l.cleanAt = now
	}
	if l.rung > l.best() && now.Sub(l.cleanAt) >= l.waits[l.rung-1] {
		l.move(now, l.rung-1)
		l.climbedAt = now
	}
	return 0
}

// queue says whether the round trip has grown as it does when a queue on the way fills. What is usual follows slowly.
func (l *ladder) queue() bool {
	if l.rtt == 0 {
		return false
	}
	if l.usualRTT == 0 || l.rtt < l.usualRTT {
		l.usualRTT = l.rtt
	}
	grown := l.rtt > 2*l.usualRTT+rttSlack
	l.usualRTT += (l.rtt - l.usualRTT) / 32
	if l.queued++; !grown {
		l.queued = 0
	}
	return grown
}

// roomy says whether the far end's estimate, where there is one, allows a climb. It is measured by what the far end is
// sent now: far ends never estimate much more than that.
func (l *ladder) roomy(now time.Time) bool {
	return l.estimateAt.IsZero() || now.Sub(l.estimateAt) > estimateLives || l.calm() || l.estimate >= headroom*l.need()
}

// below is the best rung below this one that needs no more than budget, bit/s, and the last where none does.
func (l *ladder) below(budget float64) int {
	l.cleanAt = time.Time{}
	to := min(l.rung+1, l.rungs-1)
	for to < l.rungs-1 && float64(l.rates[to]) > budget {
		to++
	}
	return to
}

func (l *ladder) fall(now time.Time, to int) {
	if !l.climbedAt.IsZero() {
		l.waits[l.rung] = min(2*l.waits[l.rung], longestWait)
	}
	l.climbedAt = time.Time{}
	l.move(now, to)
}

func (l *ladder) move(now time.Time, to int) {
	l.rung, l.movedAt, l.cleanAt = to, now, time.Time{}
	l.lost, l.span = 0, 0
	l.rate, l.sentAt = 0, time.Time{} // what comes next has another rate
}
