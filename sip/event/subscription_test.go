package event

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counter is a feed whose state is a number.
type counter struct {
	mu        sync.Mutex
	now, told int
	wake      chan error
}

func newCounter() *counter { return &counter{wake: make(chan error, 1024)} }

func (c *counter) Next(ctx context.Context) error {
	select {
	case err := <-c.wake:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *counter) set(n int) {
	c.mu.Lock()
	c.now = n
	c.mu.Unlock()
	c.wake <- nil
}

func (c *counter) Full() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = c.now
	return fmt.Appendf(nil, "full %d", c.now)
}

func (c *counter) Changes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told == c.now {
		return nil
	}
	c.told = c.now
	return fmt.Appendf(nil, "now %d", c.now)
}

// subscriber answers NOTIFYs with its code; 0 never answers but after the time that a transaction has.
type subscriber struct {
	mu     sync.Mutex
	start  time.Time
	code   int
	retry  time.Duration
	heard  []string
	open   int // NOTIFYs without an answer
	most   int
	closed bool
}

func (s *subscriber) Notify(n Notice, done func(int, time.Duration)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, _, _ := strings.Cut(n.State, ";expires")
	s.heard = append(s.heard, fmt.Sprintf("%v %s %s", time.Since(s.start).Round(100*time.Millisecond), state, n.Body))
	s.open++
	s.most = max(s.most, s.open)
	code, retry, delay := s.code, s.retry, 50*time.Millisecond
	if code == 0 {
		code, delay = 408, 32*time.Second
	}
	time.AfterFunc(delay, func() {
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
		done(code, retry)
	})
}

func (s *subscriber) Close() { s.mu.Lock(); defer s.mu.Unlock(); s.closed = true }

func (s *subscriber) said() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := strings.Join(s.heard, "\n")
	s.heard = nil
	return out
}

func (s *subscriber) is(code int, retry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code, s.retry = code, retry
}

// subscribed runs story with one subscription; at its end nothing may be left.
func subscribed(t *testing.T, expires time.Duration, story func(n *Notifier, s *Subscription, c *counter, p *subscriber)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		c, p := newCounter(), &subscriber{start: time.Now(), code: 200}
		s, err := n.Open(Opening{Ask: Ask{Event: Conference, Expires: expires}, Source: netip.MustParseAddr("192.0.2.1"), Resource: "8001", Way: p, Feed: c})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		story(n, s, c, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n.Close(ctx)
		if n.Len() != 0 || !p.closed || p.most > 1 {
			t.Errorf("%d subscriptions are left; way closed %v; %d NOTIFYs at once", n.Len(), p.closed, p.most)
		}
	})
}

func want(t *testing.T, got string, lines ...string) {
	t.Helper()
	if w := strings.Join(lines, "\n"); got != w {
		t.Errorf("subscriber heard\n%s\nwant\n%s", got, w)
	}
}

// The first change is told at once, what follows within a second is told together.
func TestChangesAreToldAtOnceThenTogether(t *testing.T) {
	subscribed(t, time.Hour, func(_ *Notifier, _ *Subscription, c *counter, p *subscriber) {
		time.Sleep(10 * time.Second)
		want(t, p.said(), "0s active full 0")
		c.set(1)
		synctest.Wait()
		c.set(2)
		time.Sleep(300 * time.Millisecond)
		c.set(3)
		time.Sleep(10 * time.Second)
		want(t, p.said(), "10s active now 1", "11s active now 3")
		c.set(4)
		want(t, p.said(), "20.3s active now 4")
	})
}

// What happens and is undone before it is told is not told.
func TestNothingNewIsNotTold(t *testing.T) {
	subscribed(t, time.Hour, func(_ *Notifier, _ *Subscription, c *counter, p *subscriber) {
		time.Sleep(time.Second)
		c.set(1)
		time.Sleep(100 * time.Millisecond)
		c.set(2)
		synctest.Wait()
		c.set(1)
		time.Sleep(5 * time.Second)
		want(t, p.said(), "0s active full 0", "1s active now 1")
	})
}

func TestLifeOfASubscription(t *testing.T) {
	t.Run("refresh gets all", func(t *testing.T) {
		subscribed(t, time.Minute, func(_ *Notifier, s *Subscription, _ *counter, p *subscriber) {
			time.Sleep(50 * time.Second)
			s.Post(func() { s.Renew(time.Minute) })
			time.Sleep(59 * time.Second)
			want(t, p.said(), "0s active full 0", "50s active full 0")
			time.Sleep(2 * time.Second)
			want(t, p.said(), "1m50s terminated;reason=timeout full 0")
		})
	})
	t.Run("unsubscribe", func(t *testing.T) {
		subscribed(t, time.Minute, func(n *Notifier, s *Subscription, c *counter, p *subscriber) {
			time.Sleep(time.Second)
			s.Post(func() { s.Renew(0) })
			time.Sleep(time.Second)
			c.set(5)
			time.Sleep(5 * time.Second)
			want(t, p.said(), "0s active full 0", "1s terminated;reason=timeout full 0")
			if s.Post(func() {}) || n.Len() != 0 {
				t.Error("the subscription is still there")
			}
		})
	})
	t.Run("only asks", func(t *testing.T) {
		subscribed(t, 0, func(_ *Notifier, _ *Subscription, _ *counter, p *subscriber) {
			time.Sleep(time.Second)
			want(t, p.said(), "0s terminated;reason=timeout full 0")
		})
	})
	t.Run("the conference ends", func(t *testing.T) {
		subscribed(t, time.Hour, func(_ *Notifier, _ *Subscription, c *counter, p *subscriber) {
			c.wake <- errors.New("over")
			time.Sleep(time.Second)
			want(t, p.said(), "0s active full 0", "100ms terminated;reason=noresource full 0")
		})
	})
	t.Run("the bridge goes down", func(t *testing.T) {
		subscribed(t, time.Hour, func(n *Notifier, _ *Subscription, _ *counter, p *subscriber) {
			time.Sleep(time.Second)
			n.Close(context.Background())
			want(t, p.said(), "0s active full 0", "1s terminated;reason=probation;retry-after=5 full 0")
		})
	})
}

// Who does not answer NOTIFY is told nothing more, and only one NOTIFY ever waits.
func TestSubscriberThatNeverAnswers(t *testing.T) {
	subscribed(t, time.Hour, func(n *Notifier, _ *Subscription, c *counter, p *subscriber) {
		time.Sleep(time.Second)
		p.is(0, 0)
		for i := range 300 {
			c.set(i + 1)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		want(t, p.said(), "0s active full 0", "1s active now 1")
		if n.Len() != 0 {
			t.Error("it still has its subscription")
		}
	})
}

func TestRefusedNotifies(t *testing.T) {
	tests := []struct {
		name  string
		code  int
		retry time.Duration
		heard []string
	}{
		{"gone", 481, 0, []string{"1s active now 1"}},
		{"busy", 503, 10 * time.Second, []string{"1s active now 1", "11.1s active full 1", "21.1s active full 1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			subscribed(t, time.Hour, func(n *Notifier, _ *Subscription, c *counter, p *subscriber) {
				time.Sleep(time.Second)
				p.said()
				p.is(test.code, test.retry)
				c.set(1)
				time.Sleep(time.Minute)
				want(t, p.said(), test.heard...)
				if n.Len() != 0 {
					t.Error("it still has its subscription")
				}
			})
		})
	}
	t.Run("busy once", func(t *testing.T) {
		subscribed(t, time.Hour, func(_ *Notifier, _ *Subscription, c *counter, p *subscriber) {
			time.Sleep(time.Second)
			p.said()
			p.is(500, 0)
			c.set(1)
			time.Sleep(500 * time.Millisecond)
			p.is(200, 0)
			time.Sleep(5 * time.Second)
			c.set(2)
			want(t, p.said(), "1s active now 1", "2.1s active full 1", "6.5s active now 2")
		})
	})
}

func TestLimits(t *testing.T) {
	near, far := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	n := New(Config{Limits: Limits{Total: 4, PerSource: 2, PerResource: 3}})
	open := func(source netip.Addr, resource string) *Subscription {
		s, err := n.Open(Opening{Source: source, Resource: resource, Way: &subscriber{}, Feed: newCounter()})
		if (s == nil) != errors.Is(err, ErrFull) {
			t.Errorf("%v %v", s, err)
		}
		return s
	}
	first := open(near, "a")
	if first == nil || open(near, "b") == nil || open(near, "c") != nil {
		t.Error("a source may have two")
	}
	if open(far, "a") == nil || open(netip.Addr{}, "a") == nil || open(netip.Addr{}, "a") != nil {
		t.Error("a conference may have three")
	}
	if open(netip.Addr{}, "d") != nil {
		t.Error("four in all")
	}
	first.Drop()
	first.Drop()
	if open(near, "a") == nil || n.Len() != 4 {
		t.Error("a dropped one gives its room back, once")
	}
	n.Close(t.Context())
	if open(far, "e") != nil {
		t.Error("a closed notifier takes nobody")
	}
}
