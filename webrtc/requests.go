package webrtc

import (
	"context"
	"encoding/json"

	"github.com/coder/websocket"
	pion "github.com/pion/webrtc/v4"

	"tutti/bridge"
)

// request carries out one request of a page. after, which may be nil, runs when the answer has been sent; its error ends the WebSocket.
type request func(k *socket, ctx context.Context, raw json.RawMessage) (result any, after func() error, err error)

// method finds the request of a name.
func method(name string) (request, bool) {
	switch name {
	case "join":
		return (*socket).join, true
	case "offer":
		return (*socket).offer, true
	case "leave":
		return (*socket).leave, true
	}
	return command(name)
}

// Limits of what a page may say, characters.
const (
	conferenceLength = 64
	nameLength       = 100
	tokenLength      = 200
	pinLength        = 64
)

type joinParams struct {
	Conference string `json:"conference"`
	Name       string `json:"name"`
	Resume     string `json:"resume"`
	PIN        string `json:"pin"`
}

type joinResult struct {
	Conference string      `json:"conference"`
	ICEServers []ICEServer `json:"iceServers"`
}

// join asks whether the page may come in. It makes nothing that lasts: the leg comes into being when DTLS is complete.
func (k *socket) join(_ context.Context, raw json.RawMessage) (any, func() error, error) {
	p, err := params[joinParams](raw)
	if err != nil {
		return nil, nil, err
	}
	if k.session != nil {
		return nil, nil, badParams("this connection has joined already")
	}
	for _, field := range []struct {
		name, value string
		limit       int
	}{{"conference", p.Conference, conferenceLength}, {"name", p.Name, nameLength}, {"resume", p.Resume, tokenLength}, {"pin", p.PIN, pinLength}} {
		if err := limitText(field.name, field.value, field.limit); err != nil {
			return nil, nil, err
		}
	}
	if p.Conference == "" {
		return nil, nil, badParams("params: conference is missing")
	}
	r := bridge.JoinRequest{
		Conference: p.Conference, Kind: bridge.WebRTC, DisplayText: p.Name, Method: bridge.DialedIn,
		Source: host(k.source), Resume: p.Resume, PIN: p.PIN,
	}
	pref, err := k.endpoint.focus.Admit(r)
	if err != nil {
		return nil, nil, err
	}
	k.admitted, k.request, k.pref = true, r, pref
	servers := k.endpoint.cfg.ICEServers
	if servers == nil {
		servers = []ICEServer{}
	}
	return joinResult{p.Conference, servers}, nil, nil
}

type offerParams struct {
	SDP string `json:"sdp"`
}

// offer answers an offer: the first one makes the session or, after a broken WebSocket, goes on with it.
func (k *socket) offer(ctx context.Context, raw json.RawMessage) (any, func() error, error) {
	p, err := params[offerParams](raw)
	if err != nil {
		return nil, nil, err
	}
	if !k.admitted {
		return nil, nil, badParams("offer comes after join")
	}
	o, err := parseOffer(p.SDP, k.endpoint.cfg.Limits)
	if err != nil {
		return nil, nil, err
	}
	k.renew(o)
	var answer string
	resumed := k.session == nil && k.resume(o)
	if k.session == nil {
		k.session, answer, err = k.endpoint.newSession(ctx, k, o)
	} else {
		answer, err = k.session.renegotiate(ctx, o)
	}
	if err != nil {
		return nil, nil, err
	}
	return offerParams{answer}, func() error {
		k.session.release()
		if resumed {
			k.session.announce()
		}
		return nil
	}, nil
}

// renew lets go of a session whose PeerConnection the page has replaced by another: the new leg will replace the old one.
func (k *socket) renew(o *offer) {
	if k.session == nil || k.session.peer.continues(o) {
		return
	}
	if l := k.session.current(); l != nil {
		k.request.Resume = l.Token()
	}
	k.session.detach(k, k.endpoint.cfg.Limits.Away)
	k.session = nil
}

// resume takes over the session that the page had before, if the offer is of the same PeerConnection. A page that was
// loaded anew has another: its leg will replace the old one.
func (k *socket) resume(o *offer) bool {
	if k.request.Resume == "" {
		return false
	}
	s := k.endpoint.session(k.request.Resume)
	if s == nil || !s.peer.continues(o) || !s.adopt(k) {
		return false
	}
	k.session = s
	return true
}

// leave ends the session and the WebSocket.
func (k *socket) leave(_ context.Context, raw json.RawMessage) (any, func() error, error) {
	if _, err := params[none](raw); err != nil {
		return nil, nil, err
	}
	return none{}, func() error {
		if k.session != nil {
			k.session.end(ending{"", bridge.Reason{Method: bridge.Departed}})
		}
		return breachf(websocket.StatusNormalClosure, "goodbye")
	}, nil
}

// candidate is a trickled ICE candidate, in both directions (RFC 8838). The empty one is the end.
type candidate struct {
	Candidate        string  `json:"candidate"`
	SDPMid           *string `json:"sdpMid"`
	SDPMLineIndex    *uint16 `json:"sdpMLineIndex"`
	UsernameFragment *string `json:"usernameFragment,omitempty"`
}

// take carries out a message that wants no answer. What makes no sense is dropped, for there is nobody to tell.
func (k *socket) take(in inbound) error {
	if in.Method != "candidate" {
		return breachf(websocket.StatusUnsupportedData, "there is no message %.40q", in.Method)
	}
	c, err := params[candidate](in.Params)
	if err != nil {
		return breachf(websocket.StatusInvalidFramePayloadData, "candidate: %v", err)
	}
	if k.session == nil {
		return nil
	}
	k.session.peer.Candidate(pion.ICECandidateInit{
		Candidate: c.Candidate, SDPMid: c.SDPMid, SDPMLineIndex: c.SDPMLineIndex, UsernameFragment: c.UsernameFragment,
	})
	return nil
}
