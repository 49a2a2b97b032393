package webrtc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pion/sdp/v3"
	pion "github.com/pion/webrtc/v4"

	"tutti/bridge"
	"tutti/codec"
)

// proposal is an offer of ours.
type proposal struct {
	sdp    *sdp.SessionDescription
	prefer []codec.Format
}

// Offer makes a Peer for a far end that we call: a WebRTC client over SIP at source. The offer has sound and pictures in both
// directions and all our candidates (no trickle). It may wait for Complete as long as it rings. The error is a *bridge.Refusal when a
// limit is reached. The caller must Close the Peer.
func (e *Endpoint) Offer(ctx context.Context, source string, pref bridge.Preferences) (*Peer, string, error) {
	p, err := e.newPeer(&Peer{source: host(source), offers: true}, nil)
	if err != nil {
		return nil, "", err
	}
	offer, err := p.propose(ctx, slices.Concat(pref.Audio, pref.Video))
	if err != nil {
		p.Close()
		return nil, "", err
	}
	return p, offer, nil
}

// propose makes the offer.
func (p *Peer) propose(ctx context.Context, prefer []codec.Format) (string, error) {
	p.negotiating.Lock()
	defer p.negotiating.Unlock()
	if len(p.formats.audio) > 0 {
		if err := p.add(p.audio); err != nil {
			return "", err
		}
	}
	if len(p.formats.video) > 0 {
		if err := p.add(p.video); err != nil {
			return "", err
		}
	}
	p.order(prefer)
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		return "", fmt.Errorf("webrtc: own offer: %w", err)
	}
	gathered := pion.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(offer); err != nil {
		return "", fmt.Errorf("webrtc: own offer: %w", err)
	}
	if err := p.await(ctx, gathered); err != nil {
		return "", err
	}
	text := p.pc.LocalDescription().SDP
	o := &proposal{&sdp.SessionDescription{}, prefer}
	if err := o.sdp.UnmarshalString(text); err != nil {
		return "", fmt.Errorf("webrtc: own offer: %w", err)
	}
	p.offered = o
	return text, nil
}

var errNotOffered = errors.New("webrtc: no offer of ours waits for an answer")

// Complete takes the answer to Offer: Streams are known, ICE and DTLS begin, and with them the time that the set-up may take.
// It does not wait for them. After an error the Peer is of no use.
func (p *Peer) Complete(text string) error {
	p.negotiating.Lock()
	defer p.negotiating.Unlock()
	if err := p.Err(); err != nil {
		return err
	}
	o := p.offered
	if o == nil {
		return errNotOffered
	}
	p.offered = nil
	a, err := o.read(text, p.formats, p.endpoint.cfg.Limits)
	if err != nil {
		return err
	}
	p.restore(p.formats.conclude(o, a)) // Bind asks for it
	p.endpoint.begin(p)
	p.setUp.Reset(p.endpoint.cfg.Limits.SetUp)
	if err := p.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.pruned}); err != nil {
		return badAnswer("is refused: %v", err)
	}
	p.setup = roleAfter(a.kept)
	p.describe(fingerprint(a.kept))
	return nil
}

// roleAfter is our DTLS role, as a=setup says it, after an answer to our offer: we listen, unless the far end does.
func roleAfter(answer *sdp.SessionDescription) string {
	if theirs, _ := answer.MediaDescriptions[0].Attribute(sdp.AttrKeyConnectionSetup); theirs == sdp.ConnectionRolePassive.String() {
		return sdp.ConnectionRoleActive.String()
	}
	return sdp.ConnectionRolePassive.String()
}

// setSetup says a role on every m-line that has one.
func setSetup(s *sdp.SessionDescription, role string) {
	for _, m := range s.MediaDescriptions {
		for i, a := range m.Attributes {
			if a.Key == sdp.AttrKeyConnectionSetup {
				m.Attributes[i].Value = role
			}
		}
	}
}

func badAnswer(format string, args ...any) error {
	return fmt.Errorf("webrtc: the answer "+format, args...)
}

// answer is what we take of a far end's answer to our offer. An m-line that it refuses, or that has no format in common with
// ours, pion does not get to see: it would look for something to send there.
type answer struct {
	kept   *sdp.SessionDescription
	taken  []int // indices of kept's m-lines in our offer
	pruned string
}

// read reads the answer to an offer. Each m-line has the place that it has in the offer, whatever else it says of itself.
func (o *proposal) read(text string, f formats, l Limits) (*answer, error) {
	if len(text) > l.OfferSize {
		return nil, badAnswer("has %d bytes; %d are allowed", len(text), l.OfferSize)
	}
	whole := &sdp.SessionDescription{}
	if err := whole.UnmarshalString(text); err != nil {
		return nil, badAnswer("is no session description (RFC 8866): %w", err)
	}
	if n, want := len(whole.MediaDescriptions), len(o.sdp.MediaDescriptions); n != want {
		return nil, badAnswer("has %d m-lines for %d of our offer (RFC 3264 §6)", n, want)
	}
	a := &answer{kept: &sdp.SessionDescription{}}
	*a.kept = *whole
	a.kept.MediaDescriptions = nil
	for i, theirs := range whole.MediaDescriptions {
		ours := o.sdp.MediaDescriptions[i]
		if theirs.MediaName.Media != ours.MediaName.Media {
			return nil, badAnswer("has %q where our offer has %q", theirs.MediaName.Media, ours.MediaName.Media)
		}
		if len(a.taken) > 0 && !bundled(whole, o.mid(a.taken[0]), o.mid(i)) {
			continue // it has a transport of its own, and we have one for all
		}
		if m := common(ours, theirs, o.mid(i)); encoding(f.payloads(m, m), nil) != nil {
			a.taken = append(a.taken, i)
			a.kept.MediaDescriptions = append(a.kept.MediaDescriptions, m)
		}
	}
	if len(a.taken) == 0 {
		return nil, badAnswer("has no m-line over DTLS-SRTP that is switched on and has a format of our offer")
	}
	return a, a.prune(o)
}

// prune writes what pion gets: the first m-line has the transport of all (RFC 9143 §9.2), its DTLS role too.
func (a *answer) prune(o *proposal) error {
	first := a.kept.MediaDescriptions[0]
	if key := missing(a.kept, first); key != "" {
		return badAnswer("has no a=%s", key)
	}
	if role, ok := a.kept.Attribute(sdp.AttrKeyConnectionSetup); ok && !has(first, sdp.AttrKeyConnectionSetup) {
		first.Attributes = append(first.Attributes, sdp.NewAttribute(sdp.AttrKeyConnectionSetup, role))
	}
	var mids []string
	for _, i := range a.taken {
		mids = append(mids, o.mid(i))
	}
	group := sdp.NewAttribute(sdp.AttrKeyGroup, "BUNDLE "+strings.Join(mids, " "))
	a.kept.Attributes = append(without(slices.Clone(a.kept.Attributes), sdp.AttrKeyGroup), group)
	text, err := a.kept.Marshal()
	if err != nil {
		return badAnswer("cannot be written back: %w", err)
	}
	a.pruned = string(text)
	return nil
}

func has(m *sdp.MediaDescription, key string) bool {
	_, ok := m.Attribute(key)
	return ok
}

// common is an m-line of the answer with those of its formats that were offered; no format where it is refused.
func common(ours, theirs *sdp.MediaDescription, mid string) *sdp.MediaDescription {
	m := *theirs
	formats, attributes := known(theirs)
	offered, answered := rtpmaps(ours), rtpmaps(theirs)
	m.MediaName.Formats = slices.DeleteFunc(formats, func(f string) bool {
		return !usable(theirs) || !slices.Contains(ours.MediaName.Formats, f) || !offered[f].Equal(answered[f])
	})
	m.Attributes = append(without(attributes, sdp.AttrKeyMID), sdp.NewAttribute(sdp.AttrKeyMID, mid))
	return &m
}

// bundled says whether two m-lines share a transport (RFC 9143).
func bundled(s *sdp.SessionDescription, first, second string) bool {
	return slices.ContainsFunc(s.Attributes, func(a sdp.Attribute) bool {
		mids := strings.Fields(a.Value)
		return a.Key == sdp.AttrKeyGroup && len(mids) > 0 && mids[0] == "BUNDLE" && slices.Contains(mids, first) && slices.Contains(mids, second)
	})
}

// mid of the i-th m-line.
func (o *proposal) mid(i int) string {
	mid, _ := o.sdp.MediaDescriptions[i].Attribute(sdp.AttrKeyMID)
	return mid
}

// conclude reads what our offer and its answer have come to: formats in the answer's order, our direction.
func (f formats) conclude(o *proposal, a *answer) []agreed {
	var all []agreed
	videos := 0
	for n, i := range a.taken {
		m := a.kept.MediaDescriptions[n]
		one := newAgreed(o.mid(i), m.MediaName.Media, &videos)
		one.take(f.payloads(m, m), directionOf(m, a.kept).reverse(), m, o.prefer)
		all = append(all, one)
	}
	return all
}
