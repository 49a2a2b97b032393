package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/auth"
	"tutti/sip/event"
	"tutti/sip/transport"
)

// UserAgent is the SIP side of a bridge: every conference's focus, and the registrar of the configured users. Its methods
// may be called from any goroutine.
type UserAgent struct {
	cfg     Config
	log     *slog.Logger
	focus   focus
	media   Media
	layer   *transport.Layer
	guard   *guard
	digests *auth.Server
	trunks  trunks
	phones  *phones
	rules   []route
	events  *event.Notifier

	ctx  context.Context // ends when the grace of Run is over
	stop context.CancelFunc
	wg   sync.WaitGroup // the goroutines of calls

	mu       sync.Mutex // guards the fields below
	calls    map[dialogKey]*call
	members  map[*call]member
	referred map[bridge.UserID]reference // REFERs that the bridge is about to dial for
	solos    map[dialogKey]*solo         // dialogs of subscriptions alone
	sources  map[netip.Addr]int          // calls at once
	draining bool
}

// dialogKey finds the call of a request within a dialog. Our tag is random, so that the far end's need not be in it.
type dialogKey struct{ callID, localTag string }

// New makes a user agent that answers for b's conferences with sessions made by m. It listens nowhere before Run.
func New(cfg Config, b *bridge.Bridge, m Media) (*UserAgent, error) {
	return newAgent(cfg, conferences{b}, m)
}

func newAgent(cfg Config, f focus, m Media) (*UserAgent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	ua := &UserAgent{
		cfg: cfg, log: cfg.Logger, focus: f, media: m,
		calls: map[dialogKey]*call{}, members: map[*call]member{}, solos: map[dialogKey]*solo{}, referred: map[bridge.UserID]reference{}, sources: map[netip.Addr]int{},
		guard: newGuard(cfg.Limits),
	}
	ua.trunks = newTrunks(cfg.Trunks)
	ua.rules = newRoutes(cfg.Outbound, cfg.Trunks)
	ua.phones = newPhones(cfg)
	ua.events = event.New(event.Config{Interval: cfg.NotifyInterval, Logger: cfg.Logger})
	ua.digests = auth.NewServer(cfg.Realm, ua.phones.password, auth.Options{Algorithms: cfg.Digests})
	ua.ctx, ua.stop = context.WithCancel(context.Background()) //nolint:contextcheck // outlives Run's: BYEs are said after it
	ua.layer = transport.New(transport.Config{
		Handler: ua, Log: cfg.Logger, Timers: cfg.Timers, Limits: cfg.Transport, TLS: cfg.TLS,
		Advertise: cfg.Advertise, UserAgent: cfg.Product, Extensions: []string{"100rel", "timer", "path", "replaces", "norefersub"},
		AcceptWS: cfg.AllowWS,
	})
	return ua, nil
}

// Listen opens the configured addresses and returns the bound ones, in their order. To be called once, before Run.
func (ua *UserAgent) Listen() ([]netip.AddrPort, error) {
	var bound []netip.AddrPort
	for _, l := range ua.cfg.Listen {
		network, address, err := parseListen(l)
		if err != nil {
			return nil, err
		}
		a, err := ua.layer.Listen(network, address)
		if err != nil {
			return nil, fmt.Errorf("sip: listen on %s: %w", l, err)
		}
		bound = append(bound, a)
	}
	return bound, nil
}

// Run keeps the calls until ctx ends, then takes no more, waits for those there are to be ended by the bridge, ends what
// is left when the grace is over, and closes the sockets. It returns after all goroutines have ended.
func (ua *UserAgent) Run(ctx context.Context) error {
	ua.trunks.resolve(ctx)
	sweep := time.NewTicker(time.Minute)
	defer sweep.Stop()
	for ctx.Err() == nil {
		select {
		case now := <-sweep.C:
			ua.phones.registrar.Sweep(now)
		case <-ctx.Done():
		}
	}
	ua.drain()
	ua.dismissSubscribers(ctx)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err := ua.layer.Close(closing)
	ua.stop()
	ua.wg.Wait()
	return errors.Join(context.Cause(ctx), err)
}

// dismissSubscribers tells them that there is nothing more. Those that do not answer are not waited for.
func (ua *UserAgent) dismissSubscribers(ctx context.Context) {
	soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(time.Second, ua.cfg.Grace))
	defer cancel()
	ua.events.Close(soon)
}

// drain waits for the end of all calls. What the bridge has not ended after half of the grace is told to.
func (ua *UserAgent) drain() {
	ua.mu.Lock()
	ua.draining = true
	ua.mu.Unlock()
	for _, c := range ua.list() {
		c.box.post(c.dismiss)
	}
	deadline := time.Now().Add(ua.cfg.Grace)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	told := false
	for now := range tick.C {
		calls := ua.list()
		if len(calls) == 0 || now.After(deadline) {
			for _, c := range calls {
				c.abandon()
			}
			return
		}
		if !told && now.After(deadline.Add(-ua.cfg.Grace/2)) {
			told = true
			for _, c := range calls {
				c.Hangup(goingDown)
			}
		}
	}
}

// WebSocket serves SIP over WebSocket (RFC 7118).
func (ua *UserAgent) WebSocket() http.Handler { return ua.layer }

// Addrs lists the bound addresses of a network.
func (ua *UserAgent) Addrs(n transport.Network) []netip.AddrPort { return ua.layer.Addrs(n) }

// Calls is the number of calls there are.
func (ua *UserAgent) Calls() int {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	return len(ua.calls)
}

func (ua *UserAgent) list() []*call {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	calls := make([]*call, 0, len(ua.calls))
	for _, c := range ua.calls {
		calls = append(calls, c)
	}
	return calls
}

func (ua *UserAgent) find(callID, localTag string) *call {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	return ua.calls[dialogKey{callID, localTag}]
}

func (ua *UserAgent) solo(callID, localTag string) *solo {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	return ua.solos[dialogKey{callID, localTag}]
}

var errFull = errors.New("sip: too many calls")

// enter registers c, within the limits, and starts its goroutine.
func (ua *UserAgent) enter(c *call) error {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	trusted := !c.source.IsValid()
	if ua.draining || len(ua.calls) >= ua.cfg.Limits.Calls || !trusted && ua.sources[c.source] >= ua.cfg.Limits.CallsPerSource {
		return errFull
	}
	if ua.calls[c.key] != nil {
		return errors.New("sip: the dialog is there already")
	}
	ua.calls[c.key] = c
	if !trusted {
		ua.sources[c.source]++
	}
	ua.wg.Go(c.run)
	return nil
}

// leave forgets c.
func (ua *UserAgent) leave(c *call) {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	delete(ua.members, c)
	if ua.calls[c.key] != c {
		return
	}
	delete(ua.calls, c.key)
	if !c.source.IsValid() {
		return
	}
	if ua.sources[c.source]--; ua.sources[c.source] <= 0 {
		delete(ua.sources, c.source)
	}
}

// Request takes a request from the transport (transport.Handler).
func (ua *UserAgent) Request(r *transport.Request) {
	if tag, ok := r.To().Params.Get("tag"); ok {
		ua.within(r, tag)
		return
	}
	if r.Tx == nil { // an ACK for nothing
		return
	}
	switch r.Method {
	case sipmsg.INVITE:
		ua.invite(r)
	case sipmsg.OPTIONS:
		ua.options(r)
	case sipmsg.REGISTER:
		ua.register(r)
	case sipmsg.SUBSCRIBE:
		ua.subscribe(r)
	case sipmsg.REFER:
		ua.refer(r)
	case sipmsg.MESSAGE:
		ua.message(r)
	case sipmsg.BYE, sipmsg.PRACK, sipmsg.UPDATE, sipmsg.INFO, sipmsg.NOTIFY:
		ua.reply(r, 481, "Call/Transaction Does Not Exist")
	default:
		ua.unknownMethod(r)
	}
}

// within gives a request to the call of its dialog.
func (ua *UserAgent) within(r *transport.Request, localTag string) {
	c := ua.find(string(*r.CallID()), localTag)
	if c == nil {
		if s := ua.solo(string(*r.CallID()), localTag); s != nil {
			s.request(r)
			return
		}
		if r.Tx != nil {
			ua.reply(r, 481, "Call/Transaction Does Not Exist")
		}
		return
	}
	if !c.box.offer(func() { c.request(r) }) && r.Tx != nil {
		ua.reply(r, 503, "Service Unavailable", "Retry-After", "1")
	}
}

func (ua *UserAgent) unknownMethod(r *transport.Request) {
	switch r.Method {
	case sipmsg.PUBLISH, sipmsg.NOTIFY:
		ua.reply(r, 405, "Method Not Allowed", "Allow", allow)
	default:
		ua.reply(r, 501, "Not Implemented", "Allow", allow)
	}
}

// reply answers r; fields are names and values in turn.
func (ua *UserAgent) reply(r *transport.Request, code int, reason string, fields ...string) {
	res := r.Response(code, reason)
	for i := 0; i+1 < len(fields); i += 2 {
		res.AppendHeader(sipmsg.NewHeader(fields[i], fields[i+1]))
	}
	ua.answer(r, res)
}

// answer sends an answer. That it could not leave is known by the far end's repetition; nothing else would help.
func (ua *UserAgent) answer(r *transport.Request, res *sipmsg.Response) {
	if err := r.Tx.Respond(res); err != nil && !errors.Is(err, transport.ErrState) {
		ua.log.Debug("sip: answer not sent", "method", r.Method, "code", res.StatusCode, "to", r.Source(), "err", err)
	}
}

const (
	allow          = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, SUBSCRIBE, REFER, MESSAGE"
	accept         = "application/sdp"
	acceptInfo     = "application/dtmf-relay, application/dtmf, application/media_control+xml"
	supported      = "timer, 100rel, replaces, norefersub"
	sdpContentType = "application/sdp"
)

// options answers what an INVITE would be (RFC 3261 §11.2).
func (ua *UserAgent) options(r *transport.Request) {
	ua.mu.Lock()
	full := ua.draining || len(ua.calls) >= ua.cfg.Limits.Calls
	ua.mu.Unlock()
	if full {
		ua.reply(r, 486, "Busy Here")
		return
	}
	res := r.Response(200, "OK")
	res.AppendHeader(ua.contact(transport.Target{Flow: r.Flow}, r.Recipient.Scheme, conferenceName(r.Recipient)))
	ua.capabilities(res)
	ua.answer(r, res)
}

// capabilities says what we can do in the answer to an OPTIONS.
func (ua *UserAgent) capabilities(res *sipmsg.Response) {
	for _, f := range [][2]string{
		{"Allow", allow}, {"Allow-Events", event.Conference}, {"Accept", accept + ", " + acceptInfo}, {"Accept-Encoding", "identity"},
		{"Accept-Language", "en"}, {"Supported", supported},
	} {
		res.AppendHeader(sipmsg.NewHeader(f[0], f[1]))
	}
}
