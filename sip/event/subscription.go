package event

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Feed is what one subscriber is told about one resource. Next is called by one goroutine, the other methods by another,
// at the same time.
type Feed interface {
	// Next waits until there may be something new. Its error says that there will be nothing more.
	Next(context.Context) error
	// Full is all there is, Changes what was not told yet. Both count as told; nil is nothing.
	Full() []byte
	Changes() []byte
}

// A Way carries NOTIFYs to one subscriber. Its methods are called by one goroutine.
type Way interface {
	// Notify sends n. done hears once, on any goroutine, the code of the final answer (408 where none came) and when the
	// subscriber wants to be asked again (0: it did not say).
	Notify(n Notice, done func(code int, retry time.Duration))
	// Close says that the subscription is over.
	Close()
}

// Notice is what a NOTIFY says.
type Notice struct {
	Event string // header field Event
	State string // header field Subscription-State
	Type  string // of Body
	Body  []byte // nil for none
}

// Subscription is one subscriber's. Its goroutine owns the fields below the mailbox.
type Subscription struct {
	Opening
	notifier *Notifier
	box      chan func()
	news     chan struct{} // one is enough: the newest counts
	ended    chan struct{} // closed when the feed has ended
	heard    chan answer   // of the NOTIFY under way
	stop     context.CancelFunc
	ctx      context.Context

	expiry, pace *time.Timer
	until        time.Time
	next         time.Time // no change is told before
	full, dirty  bool      // what is to be told
	waiting      bool      // a NOTIFY has no answer
	last         string    // why it ends; "" while it does not
	said         bool      // the last NOTIFY is under way
	failures     int       // NOTIFYs refused in a row
	over         bool

	mu     sync.Mutex // guards closed, and that nothing is posted after it
	closed bool       // nothing more is called
}

type answer struct {
	code  int
	retry time.Duration
}

// mailbox bounds the requests that wait for one subscription.
const mailbox = 16

// maxFailures is how often in a row a subscriber may refuse a NOTIFY without giving up its subscription.
const maxFailures = 3

func newSubscription(n *Notifier, o Opening) *Subscription {
	s := &Subscription{
		Opening: o, notifier: n, box: make(chan func(), mailbox), news: make(chan struct{}, 1), ended: make(chan struct{}),
		heard: make(chan answer, 1), full: true,
	}
	s.ctx, s.stop = context.WithCancel(n.ctx)
	return s
}

// Start lets the subscription begin: the full state goes out at once. To be called once, after the 200.
func (s *Subscription) Start() {
	if !s.notifier.begin(s) {
		s.finish()
	}
}

// Drop ends the subscription without a word.
func (s *Subscription) Drop() {
	s.stop()
	s.notifier.forget(s)
}

// Over says that the subscription takes nothing more.
func (s *Subscription) Over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Done is closed when the subscription is over.
func (s *Subscription) Done() <-chan struct{} { return s.ctx.Done() }

// Post has f called by the subscription's goroutine, unless too much waits for it. It never blocks.
func (s *Subscription) Post(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	select {
	case s.box <- f:
		return true
	default:
		return false
	}
}

func (s *Subscription) run() {
	defer s.finish()
	s.expiry, s.pace = time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	defer s.expiry.Stop()
	defer s.pace.Stop()
	s.notifier.wg.Go(s.follow)
	s.Renew(s.Ask.Expires)
	ended := s.ended
	for !s.over {
		select {
		case <-s.ctx.Done():
			return
		case f := <-s.box:
			f()
		case <-s.news:
			s.dirty = true
			s.push()
		case <-ended:
			ended = nil
			s.terminate("noresource")
		case <-s.pace.C:
			s.push()
		case <-s.expiry.C:
			s.terminate("timeout")
		case a := <-s.heard:
			s.answered(a)
		}
	}
}

// finish ends the subscription. What was posted before is still called, so that no request goes unanswered.
func (s *Subscription) finish() {
	s.Drop()
	s.over = true
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for {
		select {
		case f := <-s.box:
			f()
		default:
			s.Way.Close()
			return
		}
	}
}

// follow is the goroutine that waits for news.
func (s *Subscription) follow() {
	defer close(s.ended)
	for s.Feed.Next(s.ctx) == nil {
		select {
		case s.news <- struct{}{}:
		default:
		}
	}
}

// Renew takes a SUBSCRIBE that was accepted: the full state follows, or the end where d is 0 (RFC 6665 §4.2.1.4). To be
// called by the subscription's goroutine. It says false where the subscription is ending.
func (s *Subscription) Renew(d time.Duration) bool {
	if s.last != "" {
		return false
	}
	if d <= 0 {
		s.terminate("timeout")
		return true
	}
	s.until = time.Now().Add(d)
	s.expiry.Reset(d)
	s.full = true
	s.push()
	return true
}

// Ending says that the last NOTIFY is on its way. To be called by the subscription's goroutine.
func (s *Subscription) Ending() bool { return s.over || s.last != "" }

// terminate sends a last NOTIFY.
func (s *Subscription) terminate(reason string) {
	if s.last != "" {
		return
	}
	s.last = reason
	s.push()
}

// push sends what is to be told, unless a NOTIFY is under way or it is too early.
func (s *Subscription) push() {
	switch {
	case s.waiting || s.over || s.said:
		return
	case s.last != "":
		s.said = true
		s.send("terminated;reason="+s.last, s.Feed.Full())
		return
	case s.full && s.failures == 0:
		s.full, s.dirty = false, false
		s.send(s.active(), s.Feed.Full())
		return
	case !s.full && !s.dirty:
		return
	}
	if early := time.Until(s.next); early > 0 {
		s.pace.Reset(early)
		return
	}
	body := s.take()
	if body == nil {
		return
	}
	s.next = time.Now().Add(s.notifier.cfg.Interval)
	s.send(s.active(), body)
}

// take is what the next NOTIFY says; nil is nothing new.
func (s *Subscription) take() []byte {
	full := s.full
	s.full, s.dirty = false, false
	if full {
		return s.Feed.Full()
	}
	return s.Feed.Changes()
}

func (s *Subscription) active() string {
	return fmt.Sprintf("active;expires=%d", max(0, int(time.Until(s.until).Round(time.Second)/time.Second)))
}

func (s *Subscription) send(state string, body []byte) {
	s.waiting = true
	s.Way.Notify(Notice{Event: s.Ask.Value(), State: state, Type: s.Type, Body: body}, func(code int, retry time.Duration) {
		select { // room for the one answer that is waited for
		case s.heard <- answer{code, retry}:
		default:
		}
	})
}

// gone are the answers to NOTIFY after which there is no subscription (RFC 6665 §4.2.2).
var gone = []int{404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604}

// maxRetry bounds how long a subscriber may ask to be left alone.
const maxRetry = time.Minute

func (s *Subscription) answered(a answer) {
	s.waiting = false
	switch {
	case s.said, slices.Contains(gone, a.code):
		s.over = true
	case a.code < 300:
		s.failures = 0
	default:
		s.failures++
		s.full = true // what it refused it does not know
		s.next = time.Now().Add(max(s.notifier.cfg.Interval, min(a.retry, maxRetry)))
		s.over = s.failures >= maxFailures
	}
	if s.over && !s.said {
		s.notifier.cfg.Logger.Debug("subscription lost", "resource", s.Resource, "code", a.code)
	}
	s.push()
}
