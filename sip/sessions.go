package sip

import (
	"context"
	"errors"

	"tutti/bridge"
	"tutti/mixer"
	"tutti/sip/media"
	"tutti/sip/offer"
	"tutti/webrtc"
)

// Sessions makes the sessions of phones from RTP legs, and those of WebRTC clients (JsSIP and the like: an offer with ICE
// and DTLS) from PeerConnections.
type Sessions struct {
	RTP      media.Config
	Browsers *webrtc.Endpoint // nil refuses offers with ICE
}

// WantsICE implements Media.
func (s Sessions) WantsICE(sdp []byte) bool {
	o, err := offer.Parse(sdp)
	return err == nil && o.WantsICE()
}

// NewSession implements Media.
func (s Sessions) NewSession(r SessionRequest) (Session, error) {
	if !r.WebRTC {
		l := media.NewLeg(s.RTP, r.Remote)
		if r.End != nil {
			go func() { // ends with Close
				if err := l.Wait(); !errors.Is(err, media.ErrClosed) {
					r.End("The media could not be secured")
				}
			}()
		}
		return &rtpSession{l, offer.Preferences{Audio: r.Preferences.Audio, Video: r.Preferences.Video}}, nil
	}
	return &peerSession{endpoint: s.Browsers, request: r}, nil
}

// rtpSession is a media.Leg as a Session.
type rtpSession struct {
	*media.Leg
	preferences offer.Preferences
}

func (s *rtpSession) Answer(_ context.Context, sdp []byte) ([]byte, error) {
	answer, err := s.Leg.Answer(sdp, s.preferences)
	return answer, mediaError(err)
}

func (s *rtpSession) Offer(context.Context) ([]byte, error) {
	sdp, err := s.Leg.Offer(s.preferences)
	return sdp, mediaError(err)
}

func (s *rtpSession) Complete(answer []byte) error { return mediaError(s.Leg.Complete(answer)) }

// mediaError says how to refuse what package offer could not accept.
func mediaError(err error) error {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*offer.Rejection](err); ok {
		return &MediaError{Code: r.Code, Warning: r.Warning, Text: r.Text, Err: err}
	}
	if s, ok := errors.AsType[*offer.SyntaxError](err); ok {
		return &MediaError{Code: 400, Text: s.Error(), Err: err}
	}
	if errors.Is(err, media.ErrNoPorts) {
		return &MediaError{Code: 503, Text: "No free RTP port", Err: err}
	}
	return err
}

// peerSession is a webrtc.Peer as a Session. We offer where we call; every later offer is the client's.
type peerSession struct {
	endpoint *webrtc.Endpoint
	request  SessionRequest
	peer     *webrtc.Peer
}

var (
	errNotServed = &MediaError{Code: 488, Warning: 302, Text: "ICE and DTLS are not served here"}
	errTheirs    = &MediaError{Code: 488, Text: "A running session with ICE is offered anew by the client"}
)

func (s *peerSession) Answer(ctx context.Context, sdp []byte) ([]byte, error) {
	if s.endpoint == nil {
		return nil, errNotServed
	}
	if s.peer != nil {
		answer, err := s.peer.Renegotiate(ctx, string(sdp), s.request.Preferences)
		return []byte(answer), peerError(err)
	}
	p, answer, err := s.endpoint.AnswerFrom(ctx, s.request.Remote.String(), string(sdp), s.request.Preferences)
	if err != nil {
		return nil, peerError(err)
	}
	s.keep(p)
	return []byte(answer), nil
}

// keep takes the PeerConnection and watches over it.
func (s *peerSession) keep(p *webrtc.Peer) {
	s.peer = p
	end := s.request.End
	go func() { // ends with Close
		<-p.Done()
		if end != nil {
			end("The media connection ended")
		}
	}()
}

// Offer makes the first offer of a call out.
func (s *peerSession) Offer(ctx context.Context) ([]byte, error) {
	switch {
	case s.endpoint == nil:
		return nil, errNotServed
	case s.peer != nil:
		return nil, errTheirs
	}
	p, offer, err := s.endpoint.Offer(ctx, s.request.Remote.String(), s.request.Preferences)
	if err != nil {
		return nil, peerError(err)
	}
	s.keep(p)
	return []byte(offer), nil
}

func (s *peerSession) Complete(answer []byte) error {
	if s.peer == nil {
		return errTheirs
	}
	return s.peer.Complete(string(answer))
}

func peerError(err error) error {
	if err == nil {
		return nil
	}
	if o, ok := errors.AsType[*webrtc.OfferError](err); ok {
		return &MediaError{Code: 488, Text: o.Error(), Err: err}
	}
	if r, ok := errors.AsType[*bridge.Refusal](err); ok {
		return &MediaError{Code: 503, Text: r.Text, Err: err}
	}
	return err
}

func (s *peerSession) Rollback() {}
func (s *peerSession) Confirm()  {}

func (s *peerSession) Streams() []mixer.Stream {
	if s.peer == nil {
		return nil
	}
	return s.peer.Streams()
}

func (s *peerSession) Connect(inlets []mixer.Inlet) {
	if s.peer != nil {
		s.peer.Connect(inlets)
	}
}

// Held says that we may send nothing.
func (s *peerSession) Held() bool {
	for _, st := range s.Streams() {
		if st.Kind == mixer.Audio && st.Send != nil {
			return false
		}
	}
	return true
}

func (s *peerSession) Close() {
	if s.peer != nil {
		s.peer.Close()
	}
}
