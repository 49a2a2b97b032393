package webrtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/logging"
	"github.com/pion/sdp/v3"
	pion "github.com/pion/webrtc/v4"

	"tutti/codec"
)

// reach says where far ends are, which decides the addresses that they are offered.
type reach uint8

const (
	remote reach = iota // on another machine
	nearby              // on this machine: loopback too
)

// URIs of RTP header extensions (RFC 8285).
const (
	uriAudioLevel  = "urn:ietf:params:rtp-hdrext:ssrc-audio-level" // RFC 6464
	uriMixerLevels = "urn:ietf:params:rtp-hdrext:csrc-audio-level" // RFC 6465
	uriSendTime    = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
)

const (
	iceDisconnected = 5 * time.Second  // without a packet: the connection is called broken
	iceFailed       = 12 * time.Second // more, and it is given up, unless an ICE restart came
	iceKeepalive    = 2 * time.Second
	nacksPerPacket  = 10
	resendable      = 512 // packets kept of each video stream that we send; a power of two
)

// engine makes PeerConnections of one profile. It holds no state of any connection.
type engine struct {
	media    *pion.MediaEngine // copied by each PeerConnection
	chain    *interceptor.Registry
	settings pion.SettingEngine
}

func newEngine(cfg Config, p *ports, r reach) (*engine, error) {
	media, err := newMediaEngine(cfg.Audio, cfg.Video)
	if err != nil {
		return nil, err
	}
	chain, err := newInterceptors(pionLoggers{cfg.Logger})
	if err != nil {
		return nil, err
	}
	settings, err := newSettings(cfg, p, r)
	if err != nil {
		return nil, err
	}
	return &engine{media, chain, settings}, nil
}

// connection makes a PeerConnection whose incoming streams are counted by b.
func (e *engine) connection(certs []pion.Certificate, b *buffers) (*pion.PeerConnection, error) {
	settings := e.settings
	settings.BufferFactory = b.open
	api := pion.NewAPI(
		pion.WithMediaEngine(e.media),
		pion.WithInterceptorRegistry(e.chain),
		pion.WithSettingEngine(settings),
	)
	return api.NewPeerConnection(pion.Configuration{Certificates: certs})
}

func newSettings(cfg Config, p *ports, r reach) (pion.SettingEngine, error) {
	var s pion.SettingEngine
	s.LoggerFactory = pionLoggers{cfg.Logger}
	s.SetICEUDPMux(udpMux{p, r})
	s.SetICETCPMux(p.tcp)
	s.DisableActiveTCP(true)
	s.SetNetworkTypes([]pion.NetworkType{
		pion.NetworkTypeUDP4, pion.NetworkTypeUDP6, pion.NetworkTypeTCP4, pion.NetworkTypeTCP6,
	})
	s.SetIncludeLoopbackCandidate(r == nearby)
	s.SetIPFilter(func(ip net.IP) bool { // of TCP candidates; UDP has its mux
		a, ok := netip.AddrFromSlice(ip)
		return ok && p.has(a.Unmap())
	})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled) // a page that hides its address reaches us, not we it
	s.SetICETimeouts(iceDisconnected, iceFailed, iceKeepalive)
	if len(cfg.Advertised) == 0 {
		return s, nil
	}
	rule := pion.ICEAddressRewriteRule{AsCandidateType: pion.ICECandidateTypeHost, Mode: pion.ICEAddressRewriteAppend}
	for _, a := range cfg.Advertised {
		rule.External = append(rule.External, a.String())
	}
	if err := s.SetICEAddressRewriteRules(rule); err != nil {
		return s, fmt.Errorf("webrtc: advertised addresses: %w", err)
	}
	return s, nil
}

// newInterceptors is the chain of what belongs to the transport: loss repair and congestion feedback. SR, RR, SDES, BYE, PLI and
// FIR are the mixer's, so pion's report interceptor is not in it.
func newInterceptors(loggers logging.LoggerFactory) (*interceptor.Registry, error) {
	chain := &interceptor.Registry{}
	responder, err := nack.NewResponderInterceptor(nack.ResponderSize(resendable), nack.WithResponderLoggerFactory(loggers))
	if err != nil {
		return nil, fmt.Errorf("webrtc: NACK responder: %w", err)
	}
	generator, err := nack.NewGeneratorInterceptor(nack.GeneratorMaxNacksPerPacket(nacksPerPacket), nack.WithGeneratorLoggerFactory(loggers))
	if err != nil {
		return nil, fmt.Errorf("webrtc: NACK generator: %w", err)
	}
	feedback, err := twcc.NewSenderInterceptor(twcc.WithLoggerFactory(loggers))
	if err != nil {
		return nil, fmt.Errorf("webrtc: transport-wide feedback: %w", err)
	}
	chain.Add(responder)
	chain.Add(generator)
	chain.Add(feedback)
	return chain, nil
}

// newMediaEngine knows the formats and header extensions that we agree to. Payload type numbers are the offerer's in the
// end (RFC 3264 §6.1). Ours count where we call; browsers know PCMU, PCMA and G.722 only by the static ones.
func newMediaEngine(audio []codec.Audio, video []codec.Video) (*pion.MediaEngine, error) {
	m := &pion.MediaEngine{}
	next := pion.PayloadType(96)
	register := func(kind pion.RTPCodecType, c pion.RTPCodecCapability) error {
		if static, ok := staticType(c); ok {
			return m.RegisterCodec(pion.RTPCodecParameters{RTPCodecCapability: c, PayloadType: static}, kind)
		}
		err := m.RegisterCodec(pion.RTPCodecParameters{RTPCodecCapability: c, PayloadType: next}, kind)
		next++
		return err
	}
	for _, c := range audioCapabilities(audio) {
		if err := register(pion.RTPCodecTypeAudio, c); err != nil {
			return nil, fmt.Errorf("webrtc: %s: %w", c.MimeType, err)
		}
	}
	for _, c := range videoCapabilities(video) {
		rtx := pion.RTPCodecCapability{MimeType: pion.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: fmt.Sprintf("apt=%d", next)}
		if err := register(pion.RTPCodecTypeVideo, c); err != nil {
			return nil, fmt.Errorf("webrtc: %s: %w", c.MimeType, err)
		}
		if err := register(pion.RTPCodecTypeVideo, rtx); err != nil {
			return nil, fmt.Errorf("webrtc: RTX of %s: %w", c.MimeType, err)
		}
	}
	return m, registerExtensions(m)
}

// staticType is the payload type that RFC 3551 §6 gives a format.
func staticType(c pion.RTPCodecCapability) (pion.PayloadType, bool) {
	types := map[string]pion.PayloadType{"audio/pcmu": 0, "audio/pcma": 8, "audio/g722": 9}
	t, ok := types[strings.ToLower(c.MimeType)]
	return t, ok
}

func registerExtensions(m *pion.MediaEngine) error {
	kinds := map[string][]pion.RTPCodecType{
		sdp.SDESMidURI:               {pion.RTPCodecTypeAudio, pion.RTPCodecTypeVideo},
		sdp.SDESRTPStreamIDURI:       {pion.RTPCodecTypeVideo},
		sdp.SDESRepairRTPStreamIDURI: {pion.RTPCodecTypeVideo},
		sdp.TransportCCURI:           {pion.RTPCodecTypeAudio, pion.RTPCodecTypeVideo},
		uriSendTime:                  {pion.RTPCodecTypeVideo},
		uriAudioLevel:                {pion.RTPCodecTypeAudio},
		uriMixerLevels:               {pion.RTPCodecTypeAudio},
	}
	for uri, all := range kinds {
		for _, kind := range all {
			if err := m.RegisterHeaderExtension(pion.RTPHeaderExtensionCapability{URI: uri}, kind); err != nil {
				return fmt.Errorf("webrtc: header extension %s: %w", uri, err)
			}
		}
	}
	return nil
}

// audioCapabilities are the formats of sound, and telephone-event (RFC 4733) at the clock rates of the others.
func audioCapabilities(formats []codec.Audio) []pion.RTPCodecCapability {
	feedback := []pion.RTCPFeedback{{Type: pion.TypeRTCPFBTransportCC}}
	var all []pion.RTPCodecCapability
	clocks := make(map[int]bool)
	for _, f := range formats {
		clocks[f.ClockRate] = true
		all = append(all, pion.RTPCodecCapability{
			MimeType: "audio/" + f.Name, ClockRate: uint32(f.ClockRate), Channels: channels(f.Format),
			SDPFmtpLine: f.Fmtp, RTCPFeedback: feedback,
		})
	}
	for _, clock := range []int{48000, 8000} {
		if clocks[clock] {
			all = append(all, pion.RTPCodecCapability{MimeType: "audio/" + telephoneEvent, ClockRate: uint32(clock), SDPFmtpLine: "0-15"})
		}
	}
	return all
}

// channels of sound: SDP leaves one out.
func channels(f codec.Format) uint16 {
	if f.Channels < 2 {
		return 0
	}
	return uint16(f.Channels)
}

// videoCapabilities are the formats of pictures. H.264 is offered in both packetization modes that RFC 6184 §6 has for
// real-time use, at the constrained baseline profile that every browser has.
func videoCapabilities(formats []codec.Video) []pion.RTPCodecCapability {
	feedback := []pion.RTCPFeedback{
		{Type: pion.TypeRTCPFBGoogREMB}, {Type: pion.TypeRTCPFBTransportCC}, {Type: pion.TypeRTCPFBCCM, Parameter: "fir"},
		{Type: pion.TypeRTCPFBNACK}, {Type: pion.TypeRTCPFBNACK, Parameter: "pli"},
	}
	var all []pion.RTPCodecCapability
	for _, f := range formats {
		fmtps := []string{f.Fmtp}
		if strings.EqualFold(f.Name, "H264") {
			fmtps = []string{h264Fmtp + "1", h264Fmtp + "0"}
		}
		for _, fmtp := range fmtps {
			all = append(all, pion.RTPCodecCapability{
				MimeType: "video/" + f.Name, ClockRate: uint32(f.ClockRate), SDPFmtpLine: fmtp, RTCPFeedback: feedback,
			})
		}
	}
	return all
}

const (
	telephoneEvent = "telephone-event"
	h264Fmtp       = "level-asymmetry-allowed=1;profile-level-id=42e01f;packetization-mode="
)

func makeCertificate() (pion.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pion.Certificate{}, err
	}
	c, err := pion.GenerateCertificate(key)
	if err != nil {
		return pion.Certificate{}, err
	}
	return *c, nil
}
