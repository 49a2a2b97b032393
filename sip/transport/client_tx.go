package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

var (
	// ErrTimeout says that no final answer came (timers B and F).
	ErrTimeout = errors.New("transport: no answer")
	// ErrCancelled says that the transaction was cancelled and no final answer came.
	ErrCancelled = errors.New("transport: cancelled")
)

// A ClientTx is a client transaction (RFC 3261 §17.1, RFC 6026). Safe for
// concurrent use.
type ClientTx struct {
	layer  *Layer
	req    *sipmsg.Request
	key    string
	invite bool

	responses chan *sipmsg.Response
	unhook    func() bool // stops watching the context of Send

	mu         sync.Mutex // guards the fields below
	state      state
	flow       *Flow // nil until connected
	packet     []byte
	ackPacket  []byte
	interval   time.Duration
	resend     *time.Timer // timers A, E
	end        *time.Timer // timers B, D, F, K, M
	wantCancel bool        // CANCEL asked for, perhaps before the first 1xx (§9.1)
	sentCancel bool
	cancelWith []sipmsg.Header // further header fields of the CANCEL
	err        error
}

// Room for a reader that is slow: provisional answers leave half of it for finals.
const responseRoom = 32

// Send starts a client transaction. It borrows req: it sends a copy with a Via
// of its own on top. When ctx ends before the final answer, an INVITE is
// cancelled and anything else abandoned. An INVITE that rings has no other
// time limit.
func (l *Layer) Send(ctx context.Context, req *sipmsg.Request, to Target) (*ClientTx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	branch := newBranch()
	tx := &ClientTx{
		layer: l, req: req.Clone(), key: clientKey(branch, req.Method), invite: req.Method == sipmsg.INVITE,
		responses: make(chan *sipmsg.Response, responseRoom),
	}
	l.dress(tx.req)
	size := len(marshal(tx.req)) + 80 // and Via
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, errClosed
	}
	l.clients[tx.key] = tx
	l.mu.Unlock()
	tx.mu.Lock()
	tx.unhook = context.AfterFunc(ctx, func() { tx.abandon(context.Cause(ctx)) })
	tx.mu.Unlock()
	if f := l.direct(to, size); f != nil {
		tx.begin(f, branch)
		return tx, nil
	}
	l.background(func() {
		f, err := l.dial(ctx, to, size)
		if err != nil {
			tx.terminate(err)
			return
		}
		tx.begin(f, branch)
	})
	return tx, nil
}

// Write sends a request without a transaction: the ACK to a 2xx. Where req
// has no Via it gets one, which a repetition keeps. It blocks only while it
// has to dial.
func (l *Layer) Write(ctx context.Context, req *sipmsg.Request, to Target) error {
	l.dress(req)
	f := l.direct(to, 0)
	if f == nil {
		var err error
		if f, err = l.dial(ctx, to, 0); err != nil {
			return err
		}
	}
	if req.Via() == nil {
		req.PrependHeader(l.via(f, newBranch()))
	}
	return l.write(f, f.Remote, marshal(req))
}

// dress adds what every request of ours has.
func (l *Layer) dress(req *sipmsg.Request) {
	if req.MaxForwards() == nil {
		h := sipmsg.MaxForwardsHeader(70)
		req.AppendHeader(&h)
	}
	if l.cfg.UserAgent != "" && req.GetHeader("user-agent") == nil {
		req.AppendHeader(sipmsg.NewHeader("User-Agent", l.cfg.UserAgent))
	}
}

func (l *Layer) via(f *Flow, branch string) *sipmsg.ViaHeader {
	host, port := l.LocalAddr(Target{Flow: f})
	if port == 0 {
		port = int(f.Local.Port())
	}
	via := &sipmsg.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: f.Network.Token(), Host: host, Port: port}
	via.Params = sipmsg.HeaderParams{{K: "branch", V: branch}, {K: "rport"}}
	return via
}

func newBranch() string { return cookie + rand.Text() }

func clientKey(branch string, method sipmsg.RequestMethod) string {
	return branch + "\n" + string(method)
}

// Responses delivers provisional and final answers in order and is closed when
// the transaction ends; then Err says why. After a 2xx to an INVITE it stays
// open for 64·T1 and delivers copies of the 2xx and those of other forks: each
// needs an ACK by [Layer.Write]. A refused INVITE was acknowledged here.
// Nothing blocks when nobody reads.
func (tx *ClientTx) Responses() <-chan *sipmsg.Response { return tx.responses }

// Err is nil after a final answer, ErrTimeout, ErrCancelled or the failure of
// the network. It is meaningful once Responses is closed.
func (tx *ClientTx) Err() error {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.err
}

// Flow is the way the request took, nil while still connecting.
func (tx *ClientTx) Flow() *Flow {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.flow
}

// begin sends the request on f. A branch of "" means that Via is there.
func (tx *ClientTx) begin(f *Flow, branch string) {
	l, t := tx.layer, tx.layer.cfg.Timers
	if branch != "" {
		for tx.req.RemoveHeader("Via") {
		}
		tx.req.PrependHeader(l.via(f, branch))
	}
	tx.mu.Lock()
	if tx.state == terminated {
		tx.mu.Unlock()
		return
	}
	tx.flow = f
	tx.packet = marshal(tx.req)
	p := tx.packet
	tx.endInLocked(t.giveUp(), ErrTimeout) // timers B and F
	if !f.Network.Reliable() {
		tx.interval = t.T1
		tx.resend = time.AfterFunc(tx.interval, tx.retransmit)
	}
	tx.mu.Unlock()
	if err := l.write(f, f.Remote, p); err != nil {
		tx.terminate(fmt.Errorf("transport: %s to %s: %w", tx.req.Method, f.Remote, err))
	}
}

// broken ends the transactions that a closed connection leaves without an
// answer: those that had none yet, and all over WebSocket, whose peer cannot
// open a connection to answer on (RFC 3261 §17.1.4).
func (l *Layer) broken(f *Flow) {
	l.mu.Lock()
	var all []*ClientTx
	for _, tx := range l.clients {
		all = append(all, tx)
	}
	l.mu.Unlock()
	for _, tx := range all {
		tx.mu.Lock()
		lost := tx.flow == f && (tx.state == trying || tx.state == proceeding && (f.Network == WS || f.Network == WSS))
		tx.mu.Unlock()
		if lost {
			tx.terminate(errClosed)
		}
	}
}

// retransmit is timer A or E.
func (tx *ClientTx) retransmit() {
	tx.mu.Lock()
	t2 := tx.layer.cfg.Timers.T2
	var p []byte
	switch {
	case tx.state == trying && tx.invite:
		tx.interval *= 2
		p = tx.packet
	case tx.state == trying:
		tx.interval = min(2*tx.interval, t2)
		p = tx.packet
	case tx.state == proceeding && !tx.invite:
		tx.interval = t2
		p = tx.packet
	}
	if p != nil {
		tx.resend = time.AfterFunc(tx.interval, tx.retransmit)
	}
	f := tx.flow
	tx.mu.Unlock()
	if p != nil {
		_ = tx.layer.write(f, f.Remote, p)
	}
}

// response finds the transaction of a response (§17.1.3).
func (l *Layer) response(m *message) {
	var tx *ClientTx
	if acceptable(m) {
		branch, _ := m.res.Via().Params.Get("branch")
		l.mu.Lock()
		tx = l.clients[clientKey(branch, m.res.CSeq().MethodName)]
		l.mu.Unlock()
	}
	if tx == nil || !strings.EqualFold(m.res.CallID().Value(), tx.req.CallID().Value()) {
		l.counters.dropped.Add(1)
		return
	}
	tx.receive(m.res)
}

func (tx *ClientTx) receive(res *sipmsg.Response) {
	tx.mu.Lock()
	var ack []byte
	var cancel *sipmsg.Request
	refused := false
	switch code := res.StatusCode; {
	case tx.flow == nil || tx.state == terminated:
	case code < 200 && tx.state <= proceeding:
		tx.provisionalLocked(res)
		cancel = tx.cancelLocked()
	case code < 200:
	case tx.invite && code < 300:
		tx.acceptedLocked(res)
	case tx.state <= proceeding:
		ack, refused = tx.refusedLocked(res), true
	case tx.state == completed && tx.invite:
		ack = tx.ackPacket // a copy: our ACK was lost
	}
	f := tx.flow
	tx.mu.Unlock()
	if ack != nil {
		_ = tx.layer.write(f, f.Remote, ack)
	}
	if refused {
		tx.conclude(res)
	}
	tx.launch(cancel)
}

// conclude delivers the final answer, after the ACK: what the reader sends next shall not overtake it.
func (tx *ClientTx) conclude(res *sipmsg.Response) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.state == terminated {
		return
	}
	t, wait := tx.layer.cfg.Timers, time.Duration(0)
	switch reliable := tx.flow.Network.Reliable(); {
	case reliable:
	case tx.invite:
		wait = t.giveUp() // timer D
	default:
		wait = t.T4 // timer K
	}
	tx.endInLocked(wait, nil)
	tx.deliverLocked(res)
}

func (tx *ClientTx) provisionalLocked(res *sipmsg.Response) {
	if tx.state == trying {
		tx.state = proceeding
		if tx.invite { // rings as long as it likes
			tx.stopLocked(&tx.resend)
			tx.stopLocked(&tx.end)
		}
	}
	if len(tx.responses) < responseRoom/2 {
		tx.responses <- res
	}
}

func (tx *ClientTx) acceptedLocked(res *sipmsg.Response) {
	if tx.state == completed {
		return
	}
	if tx.state != accepted {
		tx.state = accepted
		tx.stopLocked(&tx.resend)
		tx.endInLocked(tx.layer.cfg.Timers.giveUp(), nil) // timer M
	}
	tx.deliverLocked(res)
}

// refusedLocked is also the 2xx of anything but INVITE.
func (tx *ClientTx) refusedLocked(res *sipmsg.Response) (ack []byte) {
	tx.state = completed
	tx.stopLocked(&tx.resend)
	tx.stopLocked(&tx.end)
	if tx.invite {
		tx.ackPacket = marshal(derive(tx.req, sipmsg.ACK, res.To()))
	}
	return tx.ackPacket
}

func (tx *ClientTx) deliverLocked(res *sipmsg.Response) {
	select {
	case tx.responses <- res:
	default: // only copies of a 2xx come so often; the next one serves as well
		tx.layer.counters.dropped.Add(1)
	}
}

func (tx *ClientTx) stopLocked(t **time.Timer) {
	if *t != nil {
		(*t).Stop()
		*t = nil
	}
}

func (tx *ClientTx) endInLocked(d time.Duration, why error) {
	tx.stopLocked(&tx.end)
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		tx.mu.Lock()
		current := tx.end == t // or stopped too late
		tx.mu.Unlock()
		if current {
			tx.terminate(why)
		}
	})
	tx.end = t
}

func (tx *ClientTx) terminate(why error) {
	tx.mu.Lock()
	if tx.state == terminated {
		tx.mu.Unlock()
		return
	}
	if tx.state < accepted && why != nil {
		tx.err = why
	}
	tx.state = terminated
	tx.stopLocked(&tx.resend)
	tx.stopLocked(&tx.end)
	if tx.unhook != nil {
		tx.unhook()
	}
	close(tx.responses)
	tx.mu.Unlock()
	tx.layer.mu.Lock()
	if tx.layer.clients[tx.key] == tx {
		delete(tx.layer.clients, tx.key)
	}
	tx.layer.mu.Unlock()
}
