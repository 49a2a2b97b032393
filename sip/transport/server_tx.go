package transport

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

type state int

const (
	trying state = iota // a client's INVITE is "calling" here
	proceeding
	accepted // a 2xx to an INVITE (RFC 6026 §7)
	completed
	confirmed
	terminated
)

func (s state) String() string {
	return [...]string{"trying", "proceeding", "accepted", "completed", "confirmed", "terminated"}[s]
}

// ErrState says that a transaction is past what was asked of it.
var ErrState = errors.New("transport: too late for the transaction")

// A ServerTx is a server transaction (RFC 3261 §17.2, RFC 6026). Safe for
// concurrent use.
//
// It repeats final refusals of an INVITE until their ACK, answers
// retransmissions, and says 100 when the handler takes long. After a 2xx to an
// INVITE it only absorbs copies of the INVITE: the dialog repeats the 2xx by
// calling Respond again.
type ServerTx struct {
	layer    *Layer
	flow     *Flow
	req      *sipmsg.Request
	raw      *raw
	key      string
	mergeKey string
	invite   bool

	cancelled chan struct{}
	done      chan struct{}

	mu       sync.Mutex // guards the fields below
	state    state
	tag      string
	last     []byte // the newest answer
	interval time.Duration
	resend   *time.Timer // timer G, or the delay of 100
	end      *time.Timer // timers H, I, J, L
	wasCut   bool        // cancelled is closed
}

func newServerTx(l *Layer, f *Flow, m *message, key string) *ServerTx {
	return &ServerTx{
		layer: l, flow: f, raw: m.raw,
		req: m.req.Clone(), // the handler may change its own
		key: key, mergeKey: mergeKey(m.req),
		invite: m.req.Method == sipmsg.INVITE, tag: rand.Text()[:12],
		cancelled: make(chan struct{}), done: make(chan struct{}),
	}
}

func (tx *ServerTx) start() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.state != trying {
		return
	}
	if tx.invite {
		tx.state = proceeding
		tx.resend = time.AfterFunc(tx.layer.cfg.Timers.Trying, tx.sayTrying)
		tx.end = time.AfterFunc(tx.layer.cfg.Limits.Ringing, tx.expire)
		return
	}
	// Nobody waits for an answer to anything but INVITE after timer F of the client.
	tx.endInLocked(tx.layer.cfg.Timers.giveUp())
}

// Tag is our tag in To, the same in every answer (§8.2.6.2). It is made
// beforehand; an answer that carries another one replaces it.
func (tx *ServerTx) Tag() string {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.tag
}

// Cancelled is closed when a CANCEL arrived before a final answer. The layer
// has answered the CANCEL; the INVITE still needs its 487.
func (tx *ServerTx) Cancelled() <-chan struct{} { return tx.cancelled }

// Done is closed when the transaction has ended and holds nothing any more.
func (tx *ServerTx) Done() <-chan struct{} { return tx.done }

// Request is what the transaction answers: a copy that nobody may change.
func (tx *ServerTx) Request() *sipmsg.Request { return tx.req }

// Respond sends an answer (see [Request.Response] for how to make one); it
// takes res. Further 2xx to an INVITE may follow the first. ErrState says that
// the transaction has ended or has its final answer.
func (tx *ServerTx) Respond(res *sipmsg.Response) error {
	p, err := tx.advance(res)
	if err != nil {
		return fmt.Errorf("transport: answer %d to %s: %w", res.StatusCode, tx.req.Method, err)
	}
	return tx.send(p)
}

func (tx *ServerTx) advance(res *sipmsg.Response) ([]byte, error) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	code := res.StatusCode
	switch {
	case tx.state == trying || tx.state == proceeding:
	case tx.state == accepted && code >= 200 && code < 300: // RFC 6026 §7.1
	default:
		return nil, ErrState
	}
	tx.adoptTagLocked(res)
	tx.layer.sign(res)
	p := marshal(res)
	tx.last = p
	switch {
	case code < 200:
		tx.state = proceeding
		if tx.invite {
			tx.stopLocked(&tx.resend)
		}
	case tx.invite && code < 300:
		tx.acceptedLocked()
	default:
		tx.completedLocked()
	}
	return p, nil
}

func (tx *ServerTx) adoptTagLocked(res *sipmsg.Response) {
	to := res.To()
	if to == nil || res.StatusCode == 100 {
		return
	}
	if tag, ok := to.Params.Get("tag"); ok {
		tx.tag = tag
	} else {
		to.Params.Add("tag", tx.tag)
	}
}

func (tx *ServerTx) acceptedLocked() {
	if tx.state == accepted {
		return
	}
	tx.state = accepted
	tx.last = nil // copies of the INVITE are absorbed; the dialog repeats the 2xx
	tx.stopLocked(&tx.resend)
	tx.endInLocked(tx.layer.cfg.Timers.giveUp()) // timer L
}

func (tx *ServerTx) completedLocked() {
	t := tx.layer.cfg.Timers
	tx.state = completed
	tx.stopLocked(&tx.resend)
	reliable := tx.flow.Network.Reliable()
	switch {
	case tx.invite: // timer H waits for the ACK on any network
		tx.endInLocked(t.giveUp())
		if !reliable {
			tx.interval = t.T1
			tx.resend = time.AfterFunc(tx.interval, tx.retransmit)
		}
	case reliable:
		tx.endInLocked(0)
	default:
		tx.endInLocked(t.giveUp()) // timer J
	}
}

func (tx *ServerTx) stopLocked(t **time.Timer) {
	if *t != nil {
		(*t).Stop()
		*t = nil
	}
}

func (tx *ServerTx) endInLocked(d time.Duration) {
	tx.stopLocked(&tx.end)
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		tx.mu.Lock()
		current := tx.end == t // or stopped too late
		tx.mu.Unlock()
		if current {
			tx.terminate()
		}
	})
	tx.end = t
}

// sayTrying answers 100 for a handler that takes its time.
func (tx *ServerTx) sayTrying() {
	tx.mu.Lock()
	var p []byte
	if tx.state == proceeding && tx.last == nil {
		p = marshal(respond(tx.raw, tx.req, 100, "Trying", ""))
		tx.last = p
	}
	tx.mu.Unlock()
	if p != nil {
		_ = tx.send(p)
	}
}

// expire answers for a handler that forgot the INVITE.
func (tx *ServerTx) expire() {
	_ = tx.Respond(respond(tx.raw, tx.req, 408, "Request Timeout", tx.Tag()))
}

// retransmit is timer G.
func (tx *ServerTx) retransmit() {
	tx.mu.Lock()
	var p []byte
	if tx.state == completed {
		p = tx.last
		tx.interval = min(2*tx.interval, tx.layer.cfg.Timers.T2)
		tx.resend = time.AfterFunc(tx.interval, tx.retransmit)
	}
	tx.mu.Unlock()
	if p != nil {
		_ = tx.send(p)
	}
}

// repeat is a copy of the request: it gets the newest answer again.
func (tx *ServerTx) repeat() {
	tx.mu.Lock()
	p := tx.last
	if tx.state != proceeding && tx.state != completed {
		p = nil
	}
	tx.mu.Unlock()
	if p != nil {
		_ = tx.send(p)
	}
}

// ack takes the ACK to a refusal; an ACK to a 2xx is not its own (false).
func (tx *ServerTx) ack() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	switch tx.state {
	case completed:
		tx.state = confirmed
		tx.stopLocked(&tx.resend)
		wait := tx.layer.cfg.Timers.T4 // timer I
		if tx.flow.Network.Reliable() {
			wait = 0
		}
		tx.endInLocked(wait)
		return true
	case confirmed:
		return true
	}
	return false
}

func (tx *ServerTx) cancel() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.state == proceeding && !tx.wasCut {
		tx.wasCut = true
		close(tx.cancelled)
	}
}

func (tx *ServerTx) terminate() {
	tx.mu.Lock()
	over := tx.state == terminated
	tx.state = terminated
	tx.stopLocked(&tx.resend)
	tx.stopLocked(&tx.end)
	tx.mu.Unlock()
	if !over {
		tx.layer.dismiss(tx)
		close(tx.done)
	}
}

// send writes on the connection of the request, or where that is gone on a new
// one to the address in Via (§18.2.2).
func (tx *ServerTx) send(p []byte) error {
	l := tx.layer
	err := l.write(tx.flow, l.replyTo(tx.flow, tx.req), p)
	if err == nil || tx.flow.Alive() {
		return err
	}
	if n := tx.flow.Network; n != TCP && n != TLS {
		return err
	}
	l.fallback(tx.flow, tx.req.Via(), p)
	return nil
}
