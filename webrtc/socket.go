package webrtc

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"tutti/bridge"
)

// statusReplaced closes a WebSocket whose page goes on with another one.
const statusReplaced websocket.StatusCode = 4001

// allSources is how many times the limit of one source all have together.
const allSources = 16

// waiting bounds the messages that wait for a slow page.
const waiting = 256

// socket is one WebSocket. Requests are carried out in their order by the goroutine that reads them, which also writes the
// answers: who does not read answers is not read from, and after Limits.Write is closed.
type socket struct {
	endpoint *Endpoint
	log      *slog.Logger
	conn     *websocket.Conn
	source   string
	out      chan any
	cancel   context.CancelCauseFunc
	ended    chan struct{} // closed when the connection is
	rate     bucket

	// The fields below belong to the reading goroutine.
	admitted  bool
	request   bridge.JoinRequest
	pref      bridge.Preferences
	session   *session
	following bool

	followers sync.WaitGroup // goroutines that tell the page the state
}

// Handler serves the WebSocket of pages.
func (e *Endpoint) Handler() http.Handler { return http.HandlerFunc(e.serve) }

func (e *Endpoint) serve(w http.ResponseWriter, r *http.Request) {
	source := host(r.RemoteAddr)
	if !e.open(source) {
		http.Error(w, "too many connections from your address, or the bridge is shutting down", http.StatusServiceUnavailable)
		return
	}
	defer e.shut(source)
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:   []string{Subprotocol},
		OriginPatterns: e.cfg.Origins,
	})
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(maxMessage)
	ctx, cancel := context.WithCancelCause(e.ctx)
	defer cancel(nil)
	k := &socket{
		endpoint: e, log: e.log.With("source", source), conn: conn, source: r.RemoteAddr,
		out: make(chan any, waiting), cancel: cancel, ended: make(chan struct{}), rate: newBucket(e.cfg.Limits.Requests),
	}
	k.run(ctx)
}

// open counts a WebSocket in.
func (e *Endpoint) open(source string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	limit, key := e.cfg.Limits.Sockets, subscriber(source)
	if e.closed || e.sockets[key] >= limit || e.stats.Sockets >= allSources*limit {
		return false
	}
	e.sockets[key]++
	e.stats.Sockets++
	e.work.Add(1)
	return true
}

func (e *Endpoint) shut(source string) {
	e.mu.Lock()
	decrement(e.sockets, subscriber(source))
	e.stats.Sockets--
	e.mu.Unlock()
	e.work.Done()
}

// run serves the WebSocket until it breaks or is closed.
func (k *socket) run(ctx context.Context) {
	if k.conn.Subprotocol() != Subprotocol {
		k.conn.Close(websocket.StatusPolicyViolation, "subprotocol "+Subprotocol+" is needed")
		close(k.ended)
		return
	}
	sent := make(chan struct{})
	go func() { defer close(sent); k.deliver(ctx) }()
	pinged := make(chan struct{})
	go func() { defer close(pinged); k.ping(ctx) }()
	err := k.read(ctx)
	if b := (*breach)(nil); errors.As(err, &b) {
		k.shut(b.code, b.reason)
		<-sent
	}
	k.cancel(err)
	<-sent
	<-pinged
	k.followers.Wait()
	k.conn.CloseNow()
	close(k.ended)
	if k.session != nil {
		k.session.detach(k, k.away(err))
	}
	k.log.Debug("webrtc: WebSocket ended", "error", err)
}

// away is how long a leg waits for its page. A browser that leaves the page, or loads it again, says so by 1001.
func (k *socket) away(err error) time.Duration {
	l := k.endpoint.cfg.Limits
	if websocket.CloseStatus(err) == websocket.StatusGoingAway {
		return min(l.Reload, l.Away)
	}
	return l.Away
}

// read carries out what the page asks for.
func (k *socket) read(ctx context.Context) error {
	for {
		kind, data, err := k.conn.Read(ctx)
		if err != nil {
			return err
		}
		in, err := parseMessage(kind, data)
		if err != nil {
			return err
		}
		if err := k.obey(ctx, in); err != nil {
			return err
		}
	}
}

// closing is queued behind the last message.
type closing breach

// deliver sends messages until the WebSocket ends. It alone closes.
func (k *socket) deliver(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-k.out:
			if c, ok := m.(closing); ok {
				k.conn.Close(c.code, c.reason)
				k.cancel(nil)
				return
			}
			if err := k.write(ctx, m); err != nil {
				k.cancel(err)
				return
			}
		}
	}
}

// ping finds out whether the page is still there.
func (k *socket) ping(ctx context.Context) {
	t := time.NewTicker(k.endpoint.cfg.Limits.Ping)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		wait, cancel := context.WithTimeout(ctx, k.endpoint.cfg.Limits.Write)
		err := k.conn.Ping(wait)
		cancel()
		if err != nil {
			k.cancel(err)
			return
		}
	}
}

// send queues a message. It never blocks: a page that lets so many wait is closed.
func (k *socket) send(m any) {
	select {
	case k.out <- m:
	default:
		k.cancel(errSlow)
	}
}

var errSlow = errors.New("webrtc: the page does not read")

// shut closes the WebSocket behind what is queued.
func (k *socket) shut(code websocket.StatusCode, reason string) {
	k.send(closing{code, reason})
}

// write sends one message now.
func (k *socket) write(ctx context.Context, m any) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, k.endpoint.cfg.Limits.Write)
	defer cancel()
	return k.conn.Write(ctx, websocket.MessageText, data)
}

// obey carries out one message. An error ends the WebSocket.
func (k *socket) obey(ctx context.Context, in inbound) error {
	if !k.rate.take(time.Now()) {
		if k.rate.over(time.Now()) {
			return breachf(websocket.StatusPolicyViolation, "too many messages")
		}
		if in.ID == nil {
			return nil
		}
		return k.reject(ctx, *in.ID, &bridge.Refusal{Rule: bridge.RuleLimit, Text: "too many requests; slow down"})
	}
	switch in.Kind {
	case kindMessage:
		return k.take(in)
	case kindSubscribe:
		return k.follow(ctx, in)
	}
	do, ok := method(in.Method)
	if !ok {
		return k.reject(ctx, *in.ID, badParams("there is no request %.40q", in.Method))
	}
	result, after, err := do(k, ctx, in.Params)
	if err != nil {
		return k.reject(ctx, *in.ID, err)
	}
	if err := k.write(ctx, response{Kind: kindResponse, ID: *in.ID, Result: result}); err != nil {
		return err
	}
	if after != nil {
		return after()
	}
	return nil
}

// reject answers a request with an error.
func (k *socket) reject(ctx context.Context, id int64, err error) error {
	p, ok := explain(err)
	if !ok {
		k.log.Warn("webrtc: request failed", "error", err)
	}
	return k.write(ctx, response{Kind: kindResponse, ID: id, Error: &p})
}

// bucket is a token bucket: so many a second on average, ten seconds' worth at once.
type bucket struct {
	rate, tokens float64
	last         time.Time
}

func newBucket(rate float64) bucket { return bucket{rate: rate, tokens: rate * 10} }

// take uses a token if there is one. Without one it counts below zero, down to the point where over is true.
func (b *bucket) take(now time.Time) bool {
	if !b.last.IsZero() {
		b.tokens = min(b.rate*10, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	}
	b.last = now
	b.tokens--
	return b.tokens >= 0
}

// over says whether the limit is passed by far.
func (b *bucket) over(time.Time) bool { return b.tokens < -b.rate*10 }
