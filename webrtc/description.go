package webrtc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/ice/v4"
	"github.com/pion/sdp/v3"
)

// An OfferError refuses an offer. Its text may be shown to the far end.
type OfferError struct{ Text string }

func (e *OfferError) Error() string { return e.Text }

func badOffer(format string, args ...any) error { return &OfferError{fmt.Sprintf(format, args...)} }

// offer is a far end's session description and what we make of it: pion gets to see only the m-lines that we take, the answer
// has them all (RFC 3264 §6).
type offer struct {
	whole *sdp.SessionDescription
	taken []int // indices of the m-lines that we take
	// pruned is what pion gets.
	pruned    string
	unnamed   bool // the far end knows no mid
	unbundled bool // the far end knows no BUNDLE
}

// parseOffer reads an offer and decides which m-lines to take: sound on the first audio, pictures on the first two video
// lines, the camera and the slides. Everything else is refused in place.
func parseOffer(text string, l Limits) (*offer, error) {
	if len(text) > l.OfferSize {
		return nil, badOffer("the offer has %d bytes; %d are allowed", len(text), l.OfferSize)
	}
	o := &offer{whole: &sdp.SessionDescription{}}
	if err := o.whole.UnmarshalString(text); err != nil {
		return nil, badOffer("the offer is no session description (RFC 8866): %v", err)
	}
	if n := len(o.whole.MediaDescriptions); n > l.Lines {
		return nil, badOffer("the offer has %d m-lines; %d are allowed", n, l.Lines)
	}
	var audio, video int
	seen := make(map[string]bool)
	for i, m := range o.whole.MediaDescriptions {
		if mid, ok := m.Attribute(sdp.AttrKeyMID); ok {
			if mid == "" || len(mid) > 32 || seen[mid] {
				return nil, badOffer("m-line %d: mid %q is empty, too long or not the only one", i, mid)
			}
			seen[mid] = true
		}
		switch {
		case !usable(m):
		case m.MediaName.Media == "audio" && audio < 1:
			audio++
			o.taken = append(o.taken, i)
		case m.MediaName.Media == "video" && video < 2:
			video++
			o.taken = append(o.taken, i)
		}
	}
	if len(o.taken) == 0 {
		return nil, badOffer("the offer has no audio or video m-line over DTLS-SRTP that is switched on")
	}
	return o, o.prune()
}

// usable says whether an m-line is switched on (RFC 8866 §5.14; with bundle-only, port 0 is, RFC 9143 §6) and secured by DTLS.
func usable(m *sdp.MediaDescription) bool {
	_, bundleOnly := m.Attribute("bundle-only")
	return (m.MediaName.Port.Value != 0 || bundleOnly) && slices.Contains(m.MediaName.Protos, "TLS")
}

// prune writes what pion gets. pion needs a mid on each m-line and a BUNDLE group; who knows neither gets neither back.
func (o *offer) prune() error {
	kept := *o.whole
	kept.MediaDescriptions = nil
	kept.Attributes = slices.Clone(o.whole.Attributes)
	if o.unbundled = !hasGroup(kept.Attributes); o.unbundled {
		o.taken = o.taken[:1] // one transport is all that there is
	}
	var mids []string
	for _, i := range o.taken {
		m := *o.whole.MediaDescriptions[i]
		m.Attributes = slices.Clone(m.Attributes)
		mid, ok := m.Attribute(sdp.AttrKeyMID)
		if !ok {
			mid, o.unnamed = strconv.Itoa(i), true
			m.Attributes = append(m.Attributes, sdp.NewAttribute(sdp.AttrKeyMID, mid))
		}
		if m.MediaName.Port.Value == 0 { // bundle-only
			m.MediaName.Port.Value = 9
		}
		awaken(&m)
		m.MediaName.Formats, m.Attributes = known(&m)
		mids = append(mids, mid)
		kept.MediaDescriptions = append(kept.MediaDescriptions, &m)
	}
	if o.unbundled {
		kept.Attributes = append(kept.Attributes, sdp.NewAttribute(sdp.AttrKeyGroup, "BUNDLE "+strings.Join(mids, " ")))
	}
	if err := secured(&kept); err != nil {
		return err
	}
	text, err := kept.Marshal()
	if err != nil {
		return badOffer("the offer cannot be written back: %v", err)
	}
	o.pruned = string(text)
	return nil
}

// known leaves out of an m-line what pion fails over: formats that nothing describes (it knows no static types beyond the
// first ones), candidates that are malformed.
func known(m *sdp.MediaDescription) (formats []string, attributes []sdp.Attribute) {
	maps := rtpmaps(m)
	for _, f := range m.MediaName.Formats {
		if name, ok := maps[f]; ok && !slices.Contains(formats, f) {
			formats = append(formats, f)
			if !mapped(m, f) {
				attributes = append(attributes, sdp.NewAttribute("rtpmap", f+" "+name.String()))
			}
		}
	}
	for _, a := range m.Attributes {
		if a.Key == sdp.AttrKeyCandidate {
			if _, err := ice.UnmarshalCandidate(a.Value); err != nil {
				continue
			}
		}
		attributes = append(attributes, a)
	}
	return formats, attributes
}

func mapped(m *sdp.MediaDescription, format string) bool {
	return slices.ContainsFunc(m.Attributes, func(a sdp.Attribute) bool {
		return a.Key == "rtpmap" && strings.HasPrefix(a.Value, format+" ")
	})
}

// secured refuses an offer without what ICE (RFC 8839 §5.4) and DTLS (RFC 8842 §5) need. pion would notice only when it is
// too late to take the offer back.
func secured(s *sdp.SessionDescription) error {
	for _, m := range s.MediaDescriptions {
		if key := missing(s, m); key != "" {
			return badOffer("the offer has no a=%s", key)
		}
		if len(m.MediaName.Formats) == 0 {
			return badOffer("an m-line of the offer has no format that it describes")
		}
	}
	return nil
}

// missing is what an m-line lacks of ICE and DTLS; "" where it has everything.
func missing(s *sdp.SessionDescription, m *sdp.MediaDescription) string {
	for _, key := range []string{"ice-ufrag", "ice-pwd", "fingerprint"} {
		value, ok := m.Attribute(key)
		if !ok {
			value, ok = s.Attribute(key)
		}
		if !ok || value == "" {
			return key
		}
	}
	return ""
}

// awaken makes an inactive m-line look sendonly to pion, which would stop its transceiver for good; a hold is over some time.
// The answer says inactive all the same.
func awaken(m *sdp.MediaDescription) {
	for i, a := range m.Attributes {
		if a.Key == sdp.AttrKeyInactive {
			m.Attributes[i].Key = sdp.AttrKeySendOnly
		}
	}
}

func hasGroup(attributes []sdp.Attribute) bool {
	return slices.ContainsFunc(attributes, func(a sdp.Attribute) bool {
		return a.Key == sdp.AttrKeyGroup && strings.HasPrefix(a.Value, "BUNDLE")
	})
}

// mid of the i-th m-line that we take.
func (o *offer) mid(i int) string {
	if mid, ok := o.whole.MediaDescriptions[o.taken[i]].Attribute(sdp.AttrKeyMID); ok {
		return mid
	}
	return strconv.Itoa(o.taken[i])
}

// complete turns pion's answer to the pruned offer into the answer to the whole one: every m-line has its place, and no
// direction is more than was offered (RFC 3264 §6.1).
func (o *offer) complete(pruned string) (*sdp.SessionDescription, error) {
	answer := &sdp.SessionDescription{}
	if err := answer.UnmarshalString(pruned); err != nil {
		return nil, fmt.Errorf("webrtc: own answer: %w", err)
	}
	if len(answer.MediaDescriptions) != len(o.taken) {
		return nil, fmt.Errorf("webrtc: own answer has %d m-lines for %d", len(answer.MediaDescriptions), len(o.taken))
	}
	lines := make([]*sdp.MediaDescription, len(o.whole.MediaDescriptions))
	for n, i := range o.taken {
		lines[i] = answer.MediaDescriptions[n]
		setDirection(lines[i], directionOf(o.whole.MediaDescriptions[i], o.whole).reverse()&directionOf(lines[i], answer))
		if o.unnamed {
			lines[i].Attributes = without(lines[i].Attributes, sdp.AttrKeyMID)
		}
	}
	for i, m := range o.whole.MediaDescriptions {
		if lines[i] == nil {
			lines[i] = refusal(m)
		}
	}
	answer.MediaDescriptions = lines
	if o.unbundled {
		answer.Attributes = without(answer.Attributes, sdp.AttrKeyGroup)
	}
	return answer, nil
}

// refusal is the answer to an m-line that we do not take: its like, with port 0 (RFC 3264 §6).
func refusal(m *sdp.MediaDescription) *sdp.MediaDescription {
	r := &sdp.MediaDescription{MediaName: m.MediaName}
	r.MediaName.Port = sdp.RangedPort{Value: 0}
	r.ConnectionInformation = &sdp.ConnectionInformation{
		NetworkType: "IN", AddressType: "IP4", Address: &sdp.Address{Address: "0.0.0.0"},
	}
	if mid, ok := m.Attribute(sdp.AttrKeyMID); ok {
		r.Attributes = append(r.Attributes, sdp.NewAttribute(sdp.AttrKeyMID, mid))
	}
	r.Attributes = append(r.Attributes, sdp.NewPropertyAttribute(sdp.AttrKeyInactive))
	return r
}

func without(attributes []sdp.Attribute, key string) []sdp.Attribute {
	return slices.DeleteFunc(attributes, func(a sdp.Attribute) bool { return a.Key == key })
}

// direction is a set of ways that media go, as its owner sees them.
type direction uint8

const (
	sends direction = 1 << iota
	receives
)

// reverse is the same as the far end sees it.
func (d direction) reverse() direction {
	return d&sends<<1 | d&receives>>1
}

// attribute is the SDP attribute (RFC 8866 §6.7).
func (d direction) attribute() string {
	switch d {
	case sends:
		return sdp.AttrKeySendOnly
	case receives:
		return sdp.AttrKeyRecvOnly
	case sends | receives:
		return sdp.AttrKeySendRecv
	}
	return sdp.AttrKeyInactive
}

// directionOf an m-line: its own, the session's, or sendrecv (RFC 8866 §6.7).
func directionOf(m *sdp.MediaDescription, s *sdp.SessionDescription) direction {
	for _, attributes := range [][]sdp.Attribute{m.Attributes, s.Attributes} {
		for _, a := range attributes {
			switch a.Key {
			case sdp.AttrKeySendRecv:
				return sends | receives
			case sdp.AttrKeySendOnly:
				return sends
			case sdp.AttrKeyRecvOnly:
				return receives
			case sdp.AttrKeyInactive:
				return 0
			}
		}
	}
	return sends | receives
}

func setDirection(m *sdp.MediaDescription, d direction) {
	for i, a := range m.Attributes {
		switch a.Key {
		case sdp.AttrKeySendRecv, sdp.AttrKeySendOnly, sdp.AttrKeyRecvOnly, sdp.AttrKeyInactive:
			m.Attributes[i].Key = d.attribute()
			return
		}
	}
	m.Attributes = append(m.Attributes, sdp.NewPropertyAttribute(d.attribute()))
}

// fingerprint is the certificate that a description promises (RFC 8122): it tells whether two are of one PeerConnection.
func fingerprint(s *sdp.SessionDescription) string {
	if v, ok := s.Attribute("fingerprint"); ok {
		return strings.ToLower(v)
	}
	for _, m := range s.MediaDescriptions {
		if v, ok := m.Attribute("fingerprint"); ok {
			return strings.ToLower(v)
		}
	}
	return ""
}

// listens says whether the far end would hear or see something on an m-line of this kind.
func (o *offer) listens(kind string) bool {
	for _, i := range o.taken {
		if m := o.whole.MediaDescriptions[i]; m.MediaName.Media == kind && directionOf(m, o.whole)&receives != 0 {
			return true
		}
	}
	return false
}
