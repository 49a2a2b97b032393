package attach

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"tutti/cmd/tutti/internal/local"
	"tutti/codec/opus"
	"tutti/codec/vpx"
)

// peer is one PeerConnection, which only sends.
type peer struct {
	pc      *pion.PeerConnection
	voice   *pion.TrackLocalStaticRTP // nil without a microphone
	picture *pion.TrackLocalStaticRTP // nil without a camera
	keys    local.Keys
	states  chan pion.PeerConnectionState // the latest only
	readers sync.WaitGroup

	mu   sync.Mutex // guards the fields below
	sock *socket    // where our candidates go; nil while they wait
	held []any
}

// wants is what a peer has to send.
type wants struct{ voice, picture bool }

// newPeer makes a PeerConnection. nearby says that the bridge is on this machine.
func newPeer(w wants, servers []pion.ICEServer, nearby bool, keys local.Keys) (*peer, error) {
	api, err := newAPI(nearby)
	if err != nil {
		return nil, err
	}
	pc, err := api.NewPeerConnection(pion.Configuration{ICEServers: servers})
	if err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	p := &peer{pc: pc, keys: keys, states: make(chan pion.PeerConnectionState, 1)}
	if w.voice {
		p.voice, err = p.track(capability(pion.MimeTypeOpus, opus.Opus().ClockRate, 2), "voice")
	}
	if w.picture && err == nil {
		p.picture, err = p.track(capability(pion.MimeTypeVP8, vpx.VP8().ClockRate, 0), "picture")
	}
	if err != nil {
		p.close()
		return nil, err
	}
	pc.OnICECandidate(p.found)
	pc.OnConnectionStateChange(p.changed)
	return p, nil
}

func capability(mime string, clock, channels int) pion.RTPCodecCapability {
	return pion.RTPCodecCapability{MimeType: mime, ClockRate: uint32(clock), Channels: uint16(channels)}
}

// newAPI knows the two formats that we send, repairs losses and reports on what was sent.
func newAPI(nearby bool) (*pion.API, error) {
	m, chain := &pion.MediaEngine{}, &interceptor.Registry{}
	audio, video := opus.Opus(), vpx.VP8()
	voice, picture := capability(pion.MimeTypeOpus, audio.ClockRate, 2), capability(pion.MimeTypeVP8, video.ClockRate, 0)
	voice.SDPFmtpLine = audio.Fmtp
	picture.RTCPFeedback = []pion.RTCPFeedback{
		{Type: pion.TypeRTCPFBNACK}, {Type: pion.TypeRTCPFBNACK, Parameter: "pli"}, {Type: pion.TypeRTCPFBCCM, Parameter: "fir"},
	}
	repair := capability(pion.MimeTypeRTX, video.ClockRate, 0)
	repair.SDPFmtpLine = fmt.Sprintf("apt=%d", video.PayloadType)
	for _, c := range []struct {
		capability pion.RTPCodecCapability
		number     uint8
		kind       pion.RTPCodecType
	}{
		{voice, audio.PayloadType, pion.RTPCodecTypeAudio},
		{picture, video.PayloadType, pion.RTPCodecTypeVideo}, {repair, video.PayloadType + 1, pion.RTPCodecTypeVideo},
	} {
		if err := m.RegisterCodec(pion.RTPCodecParameters{RTPCodecCapability: c.capability, PayloadType: pion.PayloadType(c.number)}, c.kind); err != nil {
			return nil, fmt.Errorf("attach: %s: %w", c.capability.MimeType, err)
		}
	}
	responder, err := nack.NewResponderInterceptor()
	if err != nil {
		return nil, fmt.Errorf("attach: NACK responder: %w", err)
	}
	reports, err := report.NewSenderInterceptor()
	if err != nil {
		return nil, fmt.Errorf("attach: sender reports: %w", err)
	}
	chain.Add(responder)
	chain.Add(reports)
	var s pion.SettingEngine
	s.SetIncludeLoopbackCandidate(nearby)
	s.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	return pion.NewAPI(pion.WithMediaEngine(m), pion.WithInterceptorRegistry(chain), pion.WithSettingEngine(s)), nil
}

// track adds an m-line that only sends.
func (p *peer) track(c pion.RTPCodecCapability, name string) (*pion.TrackLocalStaticRTP, error) {
	t, err := pion.NewTrackLocalStaticRTP(c, name, "tutti")
	if err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	line, err := p.pc.AddTransceiverFromTrack(t, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly})
	if err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	p.readers.Go(func() { p.listen(line.Sender()) })
	return t, nil
}

// listen reads what the bridge says about a stream, until the PeerConnection ends.
func (p *peer) listen(s *pion.RTPSender) {
	for {
		packets, _, err := s.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				p.keys.Ask()
			}
		}
	}
}

// changed keeps the latest state for who waits for it. pion calls it.
func (p *peer) changed(s pion.PeerConnectionState) {
	if s == pion.PeerConnectionStateConnected {
		p.keys.Ask() // what was sent before did not arrive
	}
	for {
		select {
		case p.states <- s:
			return
		default:
		}
		select {
		case <-p.states:
		default:
		}
	}
}

// alive says whether an ICE restart can bring the media back. With an offer that was never answered there is no other.
func (p *peer) alive() bool {
	s := p.pc.ConnectionState()
	return p.pc.SignalingState() == pion.SignalingStateStable && s != pion.PeerConnectionStateFailed && s != pion.PeerConnectionStateClosed
}

// offer makes an offer and puts it in force. Our candidates wait until release.
func (p *peer) offer(restart bool) (string, error) {
	p.mu.Lock()
	p.sock, p.held = nil, nil
	p.mu.Unlock()
	o, err := p.pc.CreateOffer(&pion.OfferOptions{ICERestart: restart})
	if err == nil {
		err = p.pc.SetLocalDescription(o)
	}
	if err != nil {
		return "", fmt.Errorf("attach: own offer: %w", err)
	}
	return o.SDP, nil
}

// release sends the candidates that waited for the offer to be on its way, and later ones at once.
func (p *peer) release(s *socket) {
	p.mu.Lock()
	held := p.held
	p.sock, p.held = s, nil
	p.mu.Unlock()
	for _, c := range held {
		_ = s.tell("candidate", c) // a broken WebSocket is noticed by its reader
	}
}

// found sends one of our candidates. pion calls it.
func (p *peer) found(c *pion.ICECandidate) {
	var init pion.ICECandidateInit // the empty candidate is the end
	if c != nil {
		init = c.ToJSON()
	}
	p.mu.Lock()
	s := p.sock
	if s == nil {
		p.held = append(p.held, init)
	}
	p.mu.Unlock()
	if s != nil {
		_ = s.tell("candidate", init)
	}
}

// errStranger says that the other end of the PeerConnection is gone: the bridge was started again.
var errStranger = errors.New("the bridge is another than before")

// answered takes the answer. DTLS goes on after an ICE restart, so it has to come from who answered before.
func (p *peer) answered(sdp string) error {
	if before := p.pc.CurrentRemoteDescription(); before != nil && fingerprint(before.SDP) != fingerprint(sdp) {
		return errStranger
	}
	if err := p.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: sdp}); err != nil {
		return fmt.Errorf("attach: the bridge's answer: %w", err)
	}
	return nil
}

// fingerprint is that of the certificate in an SDP (RFC 8122 §5).
func fingerprint(sdp string) string {
	_, rest, _ := strings.Cut(sdp, "a=fingerprint:")
	value, _, _ := strings.Cut(rest, "\n")
	return strings.ToUpper(strings.TrimSpace(value))
}

// candidate takes one of the bridge's. One that we cannot use is not the last.
func (p *peer) candidate(c pion.ICECandidateInit) { _ = p.pc.AddICECandidate(c) }

// write sends a packet of a track, if there is one. Before DTLS is complete it goes nowhere.
func write(t *pion.TrackLocalStaticRTP, h *rtp.Header, payload []byte) {
	if t != nil {
		_ = t.WriteRTP(&rtp.Packet{Header: *h, Payload: payload}) // the next one may leave
	}
}

func (p *peer) close() {
	_ = p.pc.GracefulClose() // nothing is left to do about it
	p.readers.Wait()
}
