// Package event is the notifier of RFC 6665: it keeps subscriptions and tells each subscriber what is new, one NOTIFY at a
// time. What there is to tell is a Feed (Roster for RFC 4575, Progress for REFER), how it is sent a Way. The package
// opens no socket and knows no dialog.
//
// Each subscription has a goroutine that owns it, and one that waits for news.
package event

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// Config is what a Notifier needs to know. Zero fields take defaults.
type Config struct {
	Interval time.Duration // between the NOTIFYs of one subscription's changes; 0 is 1 s
	Limits   Limits
	Logger   *slog.Logger // may be nil
}

// Limits bound the subscriptions at once.
type Limits struct {
	Total       int // 0 is 5000
	PerSource   int // of one remote address; 0 is 200
	PerResource int // to one conference; 0 is 2000
}

func (l Limits) withDefaults() Limits {
	if l.Total == 0 {
		l.Total = 5000
	}
	if l.PerSource == 0 {
		l.PerSource = 200
	}
	if l.PerResource == 0 {
		l.PerResource = 2000
	}
	return l
}

// Notifier keeps subscriptions. Its methods may be called from any goroutine.
type Notifier struct {
	cfg  Config
	ctx  context.Context // of the subscriptions
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu        sync.Mutex // guards the fields below
	closed    bool
	all       map[*Subscription]bool
	sources   map[netip.Addr]int
	resources map[string]int
}

// New makes a notifier without subscriptions.
func New(cfg Config) *Notifier {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Interval == 0 {
		cfg.Interval = time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Notifier{cfg: cfg, all: map[*Subscription]bool{}, sources: map[netip.Addr]int{}, resources: map[string]int{}}
	n.ctx, n.stop = context.WithCancel(context.Background()) // until Close
	return n
}

// ErrFull refuses a subscription above the limits, or while the notifier closes.
var ErrFull = errors.New("event: too many subscriptions")

// Opening is a new subscription.
type Opening struct {
	Ask      Ask
	Type     string     // media type of the documents
	Source   netip.Addr // counted against the limit; invalid is not counted
	Resource string
	Way      Way
	Feed     Feed
}

// Open makes room for a subscription; Start lets it begin, Drop gives the room back.
func (n *Notifier) Open(o Opening) (*Subscription, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.cfg.Limits
	if n.closed || len(n.all) >= l.Total || o.Source.IsValid() && n.sources[o.Source] >= l.PerSource ||
		n.resources[o.Resource] >= l.PerResource {
		return nil, ErrFull
	}
	s := newSubscription(n, o)
	n.all[s] = true
	n.resources[o.Resource]++
	if o.Source.IsValid() {
		n.sources[o.Source]++
	}
	return s, nil
}

// begin starts the goroutine of s, unless the notifier closes.
func (n *Notifier) begin(s *Subscription) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || !n.all[s] {
		return false
	}
	n.wg.Go(s.run)
	return true
}

func (n *Notifier) forget(s *Subscription) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.all[s] {
		return
	}
	delete(n.all, s)
	less(n.resources, s.Resource)
	if s.Source.IsValid() {
		less(n.sources, s.Source)
	}
}

func less[K comparable](counts map[K]int, k K) {
	if counts[k]--; counts[k] <= 0 {
		delete(counts, k)
	}
}

// Len is the number of subscriptions.
func (n *Notifier) Len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.all)
}

// Close ends all subscriptions with a word, for which it waits until ctx ends. It returns after all goroutines have ended.
func (n *Notifier) Close(ctx context.Context) {
	n.mu.Lock()
	n.closed = true
	for s := range n.all {
		s.Post(func() { s.terminate("probation;retry-after=5") })
	}
	n.mu.Unlock()
	defer context.AfterFunc(ctx, n.stop)()
	n.wg.Wait()
	n.stop()
}
