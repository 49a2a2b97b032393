// Package webrtc is the edge to browsers, and to whoever else speaks ICE, DTLS and SRTP. It turns a WebSocket (docs/protocol.md)
// or a SIP offer into a PeerConnection, and a PeerConnection into a leg of the bridge.
//
// The main types: an Endpoint owns the sockets that all browsers share; a Peer is one PeerConnection and what was negotiated
// on it, however the offer came; a session is one person's tab, which outlives a broken WebSocket; a socket is that WebSocket.
//
// Goroutines: a socket has one that reads and obeys requests, one that sends messages and one that pings; a session has one
// that lives from the first offer to the end of the leg; a Peer has one for each RTP and RTCP stream that it reads.
// Locks do not nest, and none is held while pion, the bridge or a socket is called.
package webrtc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	pion "github.com/pion/webrtc/v4"

	"tutti/bridge"
	"tutti/codec"
)

// Config is what an Endpoint needs to know.
type Config struct {
	Port       int          // UDP and TCP, one for all browsers; 0 takes a free one
	Addresses  []netip.Addr // to listen on; none is every address of this machine, loopback included
	Advertised []netip.Addr // our addresses as the far ends see them, where a NAT maps them one to one; offered beside our own
	Audio      []codec.Audio
	Video      []codec.Video
	ICEServers []ICEServer // told to pages: STUN and TURN
	Origins    []string    // hosts of other pages that may open our WebSocket, as patterns of path.Match; our own host always may
	Logger     *slog.Logger
	Limits     Limits
}

// ICEServer is a STUN or TURN server as pages are told (RTCIceServer).
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// Limits bound what strangers can make us keep. A zero field takes its default.
type Limits struct {
	Peers     int           // PeerConnections in all; 2000
	Pending   int           // PeerConnections of one source that have not completed their set-up; 20
	Sockets   int           // WebSockets of one source, and its ICE-TCP connections; 200. Of all sources: 16 times as many
	SetUp     time.Duration // from the offer, or the answer to ours, to a complete DTLS handshake; 30 s
	Away      time.Duration // a leg waits so long for its WebSocket to come back; 15 s
	Reload    time.Duration // the same when the page went away, WebSocket or PeerConnection: it may be loaded again; 5 s
	Write     time.Duration // a WebSocket that takes a message no faster is closed; 10 s
	Ping      time.Duration // between pings; 15 s
	Requests  float64       // requests and messages of one WebSocket a second; 20
	Lines     int           // m-lines of an offer; 16
	OfferSize int           // bytes of an offer; 128 KiB
}

func (l Limits) withDefaults() Limits {
	set(&l.Peers, 2000)
	set(&l.Pending, 20)
	set(&l.Sockets, 200)
	set(&l.SetUp, 30*time.Second)
	set(&l.Away, 15*time.Second)
	set(&l.Reload, 5*time.Second)
	set(&l.Write, 10*time.Second)
	set(&l.Ping, 15*time.Second)
	set(&l.Requests, 20)
	set(&l.Lines, 16)
	set(&l.OfferSize, 128<<10)
	return l
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Endpoint is the meeting point of all browsers. Its methods may be called from any goroutine.
type Endpoint struct {
	cfg   Config
	log   *slog.Logger
	focus focus
	ports *ports
	near  *engine // for far ends on this machine: offers loopback candidates
	far   *engine
	certs []pion.Certificate // one for all: making a key costs more than a handshake

	ctx    context.Context // ends when Run does; the parent of what outlives a request
	cancel context.CancelCauseFunc
	work   sync.WaitGroup // sessions and peers

	mu       sync.Mutex // guards the fields below
	closed   bool
	peers    map[*Peer]struct{}
	pending  map[string]int // by source: peers that are not connected yet
	sockets  map[string]int // by source
	sessions map[string]*session
	stats    Stats
}

// farewell ends the sessions of members, so that pages and media are told before the sockets go.
func (e *Endpoint) farewell() {
	e.mu.Lock()
	all := slices.Collect(maps.Values(e.sessions))
	e.mu.Unlock()
	for _, s := range all {
		s.end(ending{bridge.Shutdown, bridge.Reason{Method: bridge.Shutdown, Text: "the bridge is shutting down"}})
	}
	late := time.After(2 * lastMessage)
	for _, s := range all {
		select {
		case <-s.over:
		case <-late:
			return
		}
	}
}

// Stats are figures for the operator.
type Stats struct {
	Peers, Pending, Sockets int           // now
	Connected, Failed       uint64        // set-ups that came to an end, since the start
	SetUp                   time.Duration // spent in set-ups that connected: from the offer, or the answer to ours, to the end of DTLS
}

// Stats are the figures of now.
func (e *Endpoint) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Peers = len(e.peers)
	for _, n := range e.pending {
		s.Pending += n
	}
	return s
}

// focus is what we want of the bridge.
type focus interface {
	Admit(bridge.JoinRequest) (bridge.Preferences, error)
	Join(context.Context, bridge.JoinRequest) (leg, error)
}

var errShutdown = errors.New("webrtc: endpoint has ended")

// New opens the port and returns an endpoint. The caller must call Run, which closes it.
func New(cfg Config, b *bridge.Bridge) (*Endpoint, error) {
	return newEndpoint(cfg, bridgeFocus{b})
}

func newEndpoint(cfg Config, f focus) (*Endpoint, error) {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Endpoint{
		cfg: cfg, log: cfg.Logger, focus: f,
		peers:    make(map[*Peer]struct{}),
		pending:  make(map[string]int),
		sockets:  make(map[string]int),
		sessions: make(map[string]*session),
	}
	cert, err := makeCertificate()
	if err != nil {
		return nil, fmt.Errorf("webrtc: DTLS certificate: %w", err)
	}
	e.certs = []pion.Certificate{cert}
	if e.ports, err = listen(cfg); err != nil {
		return nil, err
	}
	if e.near, err = newEngine(cfg, e.ports, nearby); err == nil {
		e.far, err = newEngine(cfg, e.ports, remote)
	}
	if err != nil {
		e.ports.Close()
		return nil, err
	}
	e.ctx, e.cancel = context.WithCancelCause(context.Background()) // ended by Run
	return e, nil
}

// Port is the UDP and TCP port that all browsers share.
func (e *Endpoint) Port() int { return e.ports.number }

// Run serves until ctx ends. It returns when every session and every PeerConnection has ended.
func (e *Endpoint) Run(ctx context.Context) error {
	e.ports.follow(ctx)
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.farewell()
	e.cancel(errShutdown)
	e.work.Wait()
	e.ports.Close()
	return context.Cause(ctx)
}

// Count is the number of PeerConnections: all, and those whose set-up is not complete.
func (e *Endpoint) Count() (all, pending int) {
	s := e.Stats()
	return s.Peers, s.Pending
}

// enter counts a new peer; its set-up begins, unless the offer is ours. The error is a *bridge.Refusal.
func (e *Endpoint) enter(p *Peer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return &bridge.Refusal{Rule: bridge.RuleShutdown, Text: "the bridge is shutting down"}
	case len(e.peers) >= e.cfg.Limits.Peers:
		return &bridge.Refusal{Rule: bridge.RuleLimit, Text: "the bridge has as many connections as it may have"}
	case !p.offers && e.pending[subscriber(p.source)] >= e.cfg.Limits.Pending:
		return &bridge.Refusal{Rule: bridge.RuleLimit, Text: "too many connections from your address are being set up"}
	}
	e.peers[p] = struct{}{}
	e.work.Add(1)
	if !p.offers {
		e.beginLocked(p)
	}
	return nil
}

// begin says that the answer to our offer has come: the set-up begins.
func (e *Endpoint) begin(p *Peer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !p.settled {
		e.beginLocked(p)
	}
}

func (e *Endpoint) beginLocked(p *Peer) {
	p.began = time.Now()
	e.pending[subscriber(p.source)]++
}

// settle says that the set-up of a peer that entered has come to an end. Only the first end counts, and none where nobody answered.
func (e *Endpoint) settle(p *Peer, connected bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := !p.settled
	p.settled = true
	if !first || p.began.IsZero() {
		return
	}
	decrement(e.pending, subscriber(p.source))
	if connected {
		e.stats.Connected++
		e.stats.SetUp += time.Since(p.began)
	} else {
		e.stats.Failed++
	}
}

// exit forgets a peer that entered.
func (e *Endpoint) exit(p *Peer) {
	e.mu.Lock()
	delete(e.peers, p)
	e.mu.Unlock()
	e.work.Done()
}

// subscriber is what limits per source count by: an address or, of IPv6, the network that one customer has (RFC 6177).
func subscriber(source string) string {
	a, err := netip.ParseAddr(source)
	if err != nil || a.Unmap().Is4() || a.IsLoopback() {
		return source
	}
	network, _ := a.WithZone("").Prefix(64)
	return network.String()
}

func decrement(m map[string]int, key string) {
	if m[key]--; m[key] <= 0 {
		delete(m, key)
	}
}
