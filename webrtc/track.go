package webrtc

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"
)

// track is what we send on one m-line, in pion's words (pion.TrackLocal). pion binds it when the first answer that sends is in force;
// its SSRC stays for the life of the PeerConnection.
type track struct {
	kind  pion.RTPCodecType
	name  string
	want  func() (payloadType uint8, ok bool) // of what is agreed; asked by Bind
	added bool                                // to the PeerConnection; guarded by Peer.negotiating
	bound atomic.Pointer[binding]
}

type binding struct {
	ssrc   uint32
	writer pion.TrackLocalWriter
}

func (t *track) ID() string              { return t.name }
func (t *track) RID() string             { return "" }
func (t *track) StreamID() string        { return "tutti" }
func (t *track) Kind() pion.RTPCodecType { return t.kind }
func (t *track) ssrc() (ssrc uint32, ok bool) {
	if b := t.bound.Load(); b != nil {
		return b.ssrc, true
	}
	return 0, false
}

// Bind says which of the negotiated formats we send first. Later ones only change the payload type of the header;
// retransmissions keep the RTX payload type of the first.
func (t *track) Bind(c pion.TrackLocalContext) (pion.RTPCodecParameters, error) {
	for _, p := range t.choices(c.CodecParameters()) {
		t.bound.Store(&binding{uint32(c.SSRC()), c.WriteStream()})
		return p, nil
	}
	return pion.RTPCodecParameters{}, pion.ErrUnsupportedCodec
}

// choices puts the wanted format first.
func (t *track) choices(all []pion.RTPCodecParameters) []pion.RTPCodecParameters {
	var first, rest []pion.RTPCodecParameters
	wanted, ok := t.want()
	for _, p := range all {
		switch {
		case strings.EqualFold(p.MimeType, pion.MimeTypeRTX), strings.HasSuffix(p.MimeType, "/"+telephoneEvent):
		case ok && uint8(p.PayloadType) == wanted:
			first = append(first, p)
		default:
			rest = append(rest, p)
		}
	}
	return append(first, rest...)
}

func (t *track) Unbind(pion.TrackLocalContext) error {
	t.bound.Store(nil)
	return nil
}

var errNotBound = errors.New("webrtc: nothing is sent on this m-line")

// wire carries one stream of a Peer (mixer.Wire). Packets that come before DTLS is ready, or after the end, are dropped.
// pion writes to a UDP socket, or to a bounded buffer in front of a TCP one, so neither method waits for the far end.
type wire struct {
	track *track // nil where we only receive
	pc    *pion.PeerConnection
}

func (w *wire) WriteRTP(h *rtp.Header, payload []byte) error {
	if w.track == nil {
		return errNotBound
	}
	b := w.track.bound.Load()
	if b == nil {
		return errNotBound
	}
	_, err := b.writer.WriteRTP(h, payload)
	return err
}

func (w *wire) WriteRTCP(packet []byte) error {
	packets, err := rtcp.Unmarshal(packet)
	if err != nil {
		return fmt.Errorf("webrtc: own RTCP: %w", err)
	}
	return w.pc.WriteRTCP(packets)
}
