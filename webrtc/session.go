package webrtc

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/coder/websocket"
	pion "github.com/pion/webrtc/v4"

	"tutti/bridge"
	"tutti/mixer"
	"tutti/mixer/plan"
)

// leg is what we want of a *bridge.Leg.
type leg interface {
	ID() plan.LegID
	Token() string
	Attach([]mixer.Stream) ([]mixer.Inlet, error)
	Leave(bridge.Reason)
	Done() <-chan struct{}
	User() bridge.UserID
	Do(context.Context, bridge.Command) error
	Dial(ctx context.Context, target, name string) (bridge.UserID, error)
	Watch() *bridge.Watcher
	Viewer() bridge.Viewer
}

// bridgeFocus is a *bridge.Bridge as a focus.
type bridgeFocus struct{ *bridge.Bridge }

func (b bridgeFocus) Join(ctx context.Context, r bridge.JoinRequest) (leg, error) {
	l, err := b.Bridge.Join(ctx, r)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// joinTime bounds how long the bridge may think about a join or a command.
const joinTime = 10 * time.Second

// lastWords is how long a PeerConnection stays open after its leg has left: the mixer's BYE leaves with its next tick.
const lastWords = 60 * time.Millisecond

// lastMessage is how long the end of a session waits for its page to take the last message.
const lastMessage = time.Second

// session is a person in one tab: a Peer, its leg once DTLS is complete, and the WebSocket, which may break and come back.
// It is the leg's bridge.Actor.
type session struct {
	endpoint *Endpoint
	log      *slog.Logger
	request  bridge.JoinRequest
	pref     bridge.Preferences
	peer     *Peer
	endings  chan ending   // the first one is taken
	joined   chan struct{} // closed when leg is set
	over     chan struct{} // closed when all has ended

	attaching sync.Mutex // held while the bridge is told of the streams

	mu   sync.Mutex // guards the fields below
	leg  leg
	sock *socket // nil while it is away
	away *time.Timer
	held []any // candidates that wait for the answer to be sent
	hold bool
}

// ending is why a session ends, for the page and for the bridge.
type ending struct {
	page   string // "" where the page knows
	reason bridge.Reason
}

// newSession makes a session from a page's first offer and returns our answer. The caller sends it and calls release.
func (e *Endpoint) newSession(ctx context.Context, k *socket, o *offer) (*session, string, error) {
	s := &session{
		endpoint: e,
		log:      e.log.With("conference", k.request.Conference, "source", k.source),
		request:  k.request,
		pref:     k.pref,
		endings:  make(chan ending, 1),
		joined:   make(chan struct{}),
		over:     make(chan struct{}),
		sock:     k,
		hold:     true,
	}
	s.request.Actor, s.request.Began = s, time.Now()
	peer, err := e.newPeer(&Peer{source: host(k.source)}, s.candidate)
	if err != nil {
		return nil, "", err
	}
	s.peer = peer
	answer, err := peer.answer(ctx, o, s.pref, trickled)
	if err != nil {
		peer.Close()
		return nil, "", err
	}
	e.work.Go(s.run)
	return s, answer, nil
}

// Hangup ends the session; the bridge calls it.
func (s *session) Hangup(r bridge.Reason) {
	switch r.Method {
	case bridge.Booted, bridge.Failed, bridge.Replaced, bridge.Shutdown:
		s.end(ending{r.Method, r})
	default:
		s.end(ending{bridge.EndedMethod, r})
	}
}

// end asks run to end the session. Only the first ending counts.
func (s *session) end(e ending) {
	select {
	case s.endings <- e:
	default:
	}
}

// run lives as long as the session: it waits for DTLS, joins, and waits for the end.
func (s *session) run() {
	defer close(s.over)
	why, ok := s.untilConnected()
	if ok {
		why = s.member()
	}
	s.close(why)
}

// untilConnected waits for DTLS. ok is false, with the reason, when it does not come about.
func (s *session) untilConnected() (why ending, ok bool) {
	select {
	case <-s.peer.Connected():
		return ending{}, true
	case <-s.peer.Done():
		return s.broken(), false
	case why = <-s.endings:
		return why, false
	}
}

// member joins and stays until something ends the session.
func (s *session) member() ending {
	ctx, cancel := context.WithTimeout(s.endpoint.ctx, joinTime)
	l, err := s.endpoint.focus.Join(ctx, s.request)
	cancel()
	if err != nil {
		p, _ := explain(err)
		s.log.Info("webrtc: join refused", "rule", p.Rule, "error", err)
		return ending{bridge.Failed, bridge.Reason{Method: bridge.Failed, Text: cmp.Or(p.Detail, p.Title)}}
	}
	s.enter(l)
	defer s.endpoint.forget(l.Token())
	if err := s.attach(); err != nil {
		s.log.Warn("webrtc: attach", "error", err)
		return ending{bridge.Failed, bridge.Reason{Method: bridge.Failed, Text: "the media cannot be mixed"}}
	}
	s.announce()
	select {
	case why := <-s.endings:
		return why
	case <-l.Done():
		return ending{bridge.EndedMethod, bridge.Reason{Method: bridge.Departed}}
	case <-s.peer.Done():
	}
	if !errors.Is(s.peer.Err(), errClosed) {
		return s.broken()
	}
	// The far end closed it. A page that goes for good says leave; one that is loaded again comes back and takes its place.
	select {
	case why := <-s.endings:
		return why
	case <-l.Done():
		return ending{bridge.EndedMethod, bridge.Reason{Method: bridge.Departed}}
	case <-time.After(s.endpoint.cfg.Limits.Reload):
		return s.broken()
	}
}

// enter makes the session a member's.
func (s *session) enter(l leg) {
	s.mu.Lock()
	s.leg = l
	gone := s.sock == nil
	s.mu.Unlock()
	s.endpoint.remember(l.Token(), s)
	close(s.joined)
	if gone {
		s.detach(nil, s.endpoint.cfg.Limits.Away)
	}
}

// broken is the ending of a session whose Peer is over.
func (s *session) broken() ending {
	err := s.peer.Err()
	switch {
	case errors.Is(err, errShutdown):
		return ending{bridge.Shutdown, bridge.Reason{Method: bridge.Shutdown, Text: "the bridge is shutting down"}}
	case errors.Is(err, errClosed):
		return ending{bridge.Failed, bridge.Reason{Method: bridge.Departed}}
	}
	return ending{bridge.Failed, bridge.Reason{Method: bridge.Failed, Text: "the connection was lost"}}
}

// close ends everything in the order that lets the far end know: the leg says BYE on its streams, the page gets its message.
func (s *session) close(why ending) {
	s.mu.Lock()
	l, k := s.leg, s.sock
	s.sock = nil
	if s.away != nil {
		s.away.Stop()
	}
	s.mu.Unlock()
	if l != nil {
		l.Leave(why.reason)
	}
	if k != nil {
		if why.page != "" {
			k.send(outbound{kindMessage, "hangup", hangup{why.page, why.reason.Text}})
		}
		k.shut(websocket.StatusNormalClosure, "the leg has ended")
	}
	if l != nil {
		select {
		case <-time.After(lastWords):
		case <-s.peer.Done():
		}
	}
	s.peer.Close()
	if k != nil {
		select {
		case <-k.ended:
		case <-time.After(lastMessage):
		}
	}
	s.log.Info("webrtc: session ended", "method", why.reason.Method, "reason", why.reason.Text)
}

type hangup struct {
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

// attach tells the bridge what is negotiated now and connects the streams, if the session is a member's yet.
func (s *session) attach() error {
	l := s.current()
	if l == nil {
		return nil
	}
	s.attaching.Lock()
	defer s.attaching.Unlock()
	inlets, err := l.Attach(s.peer.Streams())
	if err != nil {
		return err
	}
	s.peer.Connect(inlets)
	return nil
}

// renegotiate answers a later offer.
func (s *session) renegotiate(ctx context.Context, o *offer) (string, error) {
	s.mu.Lock()
	s.hold = true
	s.mu.Unlock()
	answer, err := s.peer.answer(ctx, o, s.pref, trickled)
	if err != nil {
		return "", err
	}
	return answer, s.attach()
}

// current is the leg, nil before the join.
func (s *session) current() leg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leg
}

// announcement is what a page is told when its leg is set up.
type announcement struct {
	Conference  string `json:"conference"`
	Participant string `json:"participant"`
	Leg         string `json:"leg"`
	Token       string `json:"token"`
}

// announce tells the page who it is.
func (s *session) announce() {
	l := s.current()
	if l == nil {
		return
	}
	s.say(outbound{kindMessage, "joined", announcement{
		Conference: s.request.Conference, Participant: string(l.User()), Leg: string(l.ID()), Token: l.Token(),
	}})
}

func (s *session) say(message any) {
	s.mu.Lock()
	k := s.sock
	s.mu.Unlock()
	if k != nil {
		k.send(message)
	}
}

// candidate sends one of our candidates to the page, or keeps it until the answer is on its way. pion calls it.
func (s *session) candidate(c *pion.ICECandidate) {
	var init pion.ICECandidateInit // the empty candidate is the end
	if c != nil {
		init = c.ToJSON()
	}
	message := outbound{kindMessage, "candidate", candidate{init.Candidate, init.SDPMid, init.SDPMLineIndex, nil}}
	s.mu.Lock()
	k := s.sock
	if s.hold {
		if len(s.held) < earlyCandidates {
			s.held = append(s.held, message)
		}
		k = nil
	}
	s.mu.Unlock()
	if k != nil {
		k.send(message)
	}
}

// release sends the candidates that waited for the answer.
func (s *session) release() {
	s.mu.Lock()
	held, k := s.held, s.sock
	s.held, s.hold = nil, false
	s.mu.Unlock()
	for _, m := range held {
		if k != nil {
			k.send(m)
		}
	}
}

// adopt gives the session a new WebSocket; the one before, if it is still there, is told so.
func (s *session) adopt(k *socket) bool {
	s.mu.Lock()
	before := s.sock
	alive := s.leg != nil
	select {
	case <-s.over:
		alive = false
	default:
	}
	if alive {
		s.sock = k
		if s.away != nil {
			s.away.Stop()
			s.away = nil
		}
	}
	s.mu.Unlock()
	if alive && before != nil && before != k {
		before.shut(statusReplaced, "another connection goes on with this leg")
	}
	return alive
}

// detach says that a WebSocket is gone. A member is waited for, for a shorter time when the page itself is known to be gone;
// somebody whose set-up is not complete is not.
func (s *session) detach(k *socket, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sock != k {
		return // another one has taken over
	}
	s.sock = nil
	if s.leg == nil {
		s.end(ending{"", bridge.Reason{Method: bridge.Departed}})
		return
	}
	if s.away == nil {
		s.away = time.AfterFunc(wait, func() {
			s.end(ending{"", bridge.Reason{Method: bridge.Departed, Text: "the page did not come back"}})
		})
	}
}

// remember and forget keep the tokens by which pages come back.
func (e *Endpoint) remember(token string, s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions[token] = s
}

func (e *Endpoint) forget(token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, token)
}

func (e *Endpoint) session(token string) *session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sessions[token]
}
