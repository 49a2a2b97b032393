// Package attach brings the camera and the microphone of this machine into a running bridge, as a WebRTC participant that
// only sends (docs/protocol.md).
//
// Goroutines: Run's own one speaks to the bridge; voice and picture have one each and outlive a broken connection, so that the
// devices stay open; a socket and a peer have their readers.
package attach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"tutti/cmd/tutti/internal/local"
)

// Options say who goes where with what.
type Options struct {
	Server     string // of the page: http://HOST:PORT or https://HOST:PORT
	Insecure   bool   // any certificate will do
	Conference string
	Name       string
	Camera     string // "" for none
	Microphone string // "" for none
	Tell       func(Event)
}

// Event is something that a person wants to know. Exactly one of the first three is set.
type Event struct {
	Joined bool  // the media flow; again after a connection that broke
	Lost   error // the connection broke; another is tried
	Left   bool  // of our own will, or because the conference or the bridge is over
	Text   string
}

// HungUp is how the bridge ended it.
type HungUp struct {
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

func (h *HungUp) Error() string {
	switch {
	case h.Text != "":
		return h.Text
	case h.Reason == "booted":
		return "the participant was expelled"
	}
	return "the bridge ended the connection: " + h.Reason
}

const (
	joinTime    = 30 * time.Second // from the answer to the membership, as long as the bridge gives us
	resumeTime  = 5 * time.Second  // the same of a leg that still lives
	restartTime = 10 * time.Second // an ICE restart may take
	goodbyeTime = 2 * time.Second
	leastWait   = 500 * time.Millisecond // between two tries
	mostWait    = 8 * time.Second
)

// member is the life of one participant. Its fields but peer belong to Run's goroutine.
type member struct {
	Options
	keys   local.Keys
	peer   atomic.Pointer[peer]
	sock   *socket
	token  string // of the leg that we had
	within bool   // once joined
}

// Run takes part until ctx ends, the conference does, or the bridge is over (nil). The error says why not, in the bridge's own words
// where it said no. Before the first membership no second try is made.
func Run(ctx context.Context, o Options) error {
	devices, err := local.Open(o.Camera, o.Microphone)
	if err != nil {
		return err
	}
	m := &member{Options: o, keys: local.NewKeys()}
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sending := make(chan struct{})
	go func() {
		defer close(sending)
		cancel(devices.Run(running, m.keys, m.voice, m.picture))
	}()
	err = m.run(running)
	if cause := context.Cause(running); ctx.Err() == nil && cause != nil {
		err = cause // a device failed
	}
	cancel(nil)
	<-sending
	return err
}

func (m *member) voice(h *rtp.Header, payload []byte) {
	if p := m.peer.Load(); p != nil {
		write(p.voice, h, payload)
	}
}

func (m *member) picture(h *rtp.Header, payload []byte) {
	if p := m.peer.Load(); p != nil {
		write(p.picture, h, payload)
	}
}

// run connects until it is over for good.
func (m *member) run(ctx context.Context) error {
	defer m.drop()
	wait := leastWait
	for {
		err := m.connect(ctx)
		if err == nil {
			wait = leastWait
			m.Tell(Event{Joined: true})
			err = m.stay(ctx)
		}
		m.hangSocket()
		if over, err := m.final(ctx, err); over {
			return err
		}
		if wait == leastWait { // once for each time
			m.Tell(Event{Lost: err})
		}
		pause := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			m.Tell(Event{Left: true})
			return nil
		}
		wait = min(2*wait, mostWait)
	}
}

// final says whether the end of a connection is the end of all, and what is to be told of it.
func (m *member) final(ctx context.Context, err error) (bool, error) {
	if ctx.Err() != nil {
		m.Tell(Event{Left: true})
		return true, nil
	}
	var refusal *Refusal
	var hung *HungUp
	switch {
	case errors.As(err, &refusal):
		return true, refusal
	case errors.As(err, &hung) && (hung.Reason == "ended" || hung.Reason == "shutdown"):
		m.Tell(Event{Left: true, Text: hung.Error()})
		return true, nil
	case errors.As(err, &hung) && (hung.Reason != "failed" || !m.within):
		return true, hung
	}
	return !m.within, err
}

// connect comes in, or comes back: with the same PeerConnection where that still lives, so that the media never stop.
func (m *member) connect(ctx context.Context) error {
	s, err := dial(ctx, m.Server, m.Insecure)
	if err != nil {
		return err
	}
	m.sock = s
	defer context.AfterFunc(ctx, func() { s.cancel(context.Cause(ctx)) })()
	var welcome struct {
		ICEServers []pion.ICEServer `json:"iceServers"`
	}
	params := map[string]any{"conference": m.Conference, "name": m.Name}
	if m.token != "" {
		params["resume"] = m.token
	}
	if err := s.ask("join", params, &welcome, nil, m.hear); err != nil {
		return err
	}
	p, limit := m.peer.Load(), resumeTime
	fresh := p == nil || !p.alive()
	if fresh {
		m.drop()
		if p, err = newPeer(wants{m.Microphone != "", m.Camera != ""}, welcome.ICEServers, m.nearby(), m.keys); err != nil {
			return err
		}
		m.peer.Store(p)
		limit = joinTime
	}
	if err = m.negotiate(p, !fresh); err == nil {
		err = m.awaitJoined(limit)
	}
	if errors.Is(err, errStranger) || errors.Is(err, errLate) {
		m.drop() // the bridge does not know this PeerConnection any more, or cannot be reached with it
	}
	return err
}

// negotiate offers what p has and takes the answer.
func (m *member) negotiate(p *peer, restart bool) error {
	sdp, err := p.offer(restart)
	if err != nil {
		m.drop()
		return err
	}
	var answer struct{ SDP string }
	s := m.sock
	if err := s.ask("offer", map[string]any{"sdp": sdp}, &answer, func() { p.release(s) }, m.hear); err != nil {
		return err
	}
	return p.answered(answer.SDP)
}

// awaitJoined waits until the bridge says that we are in.
func (m *member) awaitJoined(limit time.Duration) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	before := m.token
	m.token = ""
	for m.token == "" {
		message, err := m.sock.take(late.C)
		if err == nil {
			err = m.hear(message)
		}
		if err != nil {
			m.token = before
			return err
		}
	}
	m.within = true
	return nil
}

// hear takes what the bridge says unasked. The error is a *HungUp.
func (m *member) hear(in message) error {
	switch in.Method {
	case "candidate":
		var c pion.ICECandidateInit
		if p := m.peer.Load(); p != nil && json.Unmarshal(in.Params, &c) == nil && c.Candidate != "" {
			p.candidate(c)
		}
	case "joined":
		var a struct{ Token string }
		if err := json.Unmarshal(in.Params, &a); err != nil {
			return fmt.Errorf("the bridge's joined: %w", err)
		}
		m.token = a.Token
	case "hangup":
		h := &HungUp{}
		if err := json.Unmarshal(in.Params, h); err != nil {
			return fmt.Errorf("the bridge's hangup: %w", err)
		}
		return h
	}
	return nil
}

// stay keeps up the connection until it breaks or ctx ends; then we say goodbye.
func (m *member) stay(ctx context.Context) error {
	s, p := m.sock, m.peer.Load()
	var restarted <-chan time.Time // when a restart has failed
	for {
		var err error
		select {
		case <-ctx.Done():
			return m.leave()
		case in := <-s.messages:
			err = m.hear(in)
		case <-s.read:
			for _, in := range drain(s.messages) {
				if err = m.hear(in); err != nil {
					return err
				}
			}
			return s.broken(nil)
		case <-restarted:
			m.drop()
			return errMedia
		case state := <-p.states:
			switch state {
			case pion.PeerConnectionStateConnected:
				restarted = nil
			case pion.PeerConnectionStateDisconnected:
				restarted = time.After(restartTime)
				err = m.negotiate(p, true)
			case pion.PeerConnectionStateFailed, pion.PeerConnectionStateClosed:
				m.drop()
				err = m.endOf(s)
			}
		}
		if err != nil {
			return err
		}
	}
}

var errMedia = errors.New("the media do not reach the bridge")

// endOf is why the bridge has ended the media, if it says so in a moment.
func (m *member) endOf(s *socket) error {
	late := time.NewTimer(time.Second)
	defer late.Stop()
	for {
		in, err := s.take(late.C)
		if err != nil {
			return errMedia
		}
		var hung *HungUp
		if in.Method == "hangup" && errors.As(m.hear(in), &hung) {
			return hung
		}
	}
}

func drain(messages <-chan message) []message {
	var all []message
	for {
		select {
		case in := <-messages:
			all = append(all, in)
		default:
			return all
		}
	}
}

// leave says goodbye, so that no ghost stays.
func (m *member) leave() error {
	stop := time.AfterFunc(goodbyeTime, func() { m.sock.cancel(errLate) })
	defer stop.Stop()
	return m.sock.ask("leave", nil, nil, nil, func(message) error { return nil })
}

func (m *member) hangSocket() {
	if m.sock != nil {
		m.sock.close()
		m.sock = nil
	}
}

// drop ends the PeerConnection.
func (m *member) drop() {
	if p := m.peer.Swap(nil); p != nil {
		p.close()
	}
}

// nearby says whether the bridge is on this machine.
func (m *member) nearby() bool {
	u, err := url.Parse(m.Server)
	if err != nil {
		return false
	}
	host := u.Hostname()
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback() || own(a)
	}
	return host == "localhost"
}

// own says whether an address is one of this machine's.
func own(a netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, i := range all {
		if p, err := netip.ParsePrefix(i.String()); err == nil && p.Addr().Unmap() == a.Unmap() {
			return true
		}
	}
	return false
}
