package webrtc

import (
	"context"
	"fmt"
	"slices"

	pion "github.com/pion/webrtc/v4"

	"tutti/bridge"
	"tutti/codec"
	"tutti/mixer"
)

// Renegotiate answers a later offer of the same far end: a new m-line, a hold, an ICE restart. The caller then attaches and connects the
// streams anew. After an *OfferError what was agreed before is still in force, unless Done is closed.
func (p *Peer) Renegotiate(ctx context.Context, text string, pref bridge.Preferences) (string, error) {
	o, err := parseOffer(text, p.endpoint.cfg.Limits)
	if err != nil {
		return "", err
	}
	return p.answer(ctx, o, pref, whole)
}

// completeness says what an answer waits for.
type completeness uint8

const (
	trickled completeness = iota // nothing: candidates follow by themselves
	whole                        // our candidates
)

// answer negotiates: pion sees the m-lines that we take, the far end gets an answer to all.
func (p *Peer) answer(ctx context.Context, o *offer, pref bridge.Preferences, c completeness) (string, error) {
	p.negotiating.Lock()
	defer p.negotiating.Unlock()
	if err := p.Err(); err != nil {
		return "", err
	}
	if err := p.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: o.pruned}); err != nil {
		p.giveUp()
		return "", badOffer("the offer is refused: %v", err)
	}
	before := p.agreedNow()
	prefer := slices.Concat(pref.Audio, pref.Video)
	gathered := pion.GatheringCompletePromise(p.pc)
	if err := p.accept(o, prefer); err != nil {
		p.restore(before)
		p.giveUp()
		return "", err
	}
	if c == whole {
		if err := p.await(ctx, gathered); err != nil {
			return "", err
		}
	}
	full, err := o.complete(p.pc.LocalDescription().SDP)
	if err != nil {
		return "", err
	}
	if p.setup != "" { // pion goes by the offer alone
		setSetup(full, p.setup)
	}
	text, err := full.Marshal()
	if err != nil {
		return "", fmt.Errorf("webrtc: own answer: %w", err)
	}
	p.describe(fingerprint(o.whole))
	return string(text), nil
}

// await waits for our candidates.
func (p *Peer) await(ctx context.Context, gathered <-chan struct{}) error {
	select {
	case <-gathered:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.done:
		return p.Err()
	}
}

// accept makes pion's answer, with what we want to send, and puts it in force.
func (p *Peer) accept(o *offer, prefer []codec.Format) error {
	if err := p.addTracks(o); err != nil {
		return err
	}
	p.order(prefer)
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return badOffer("the offer cannot be answered: %v", err)
	}
	full, err := o.complete(answer.SDP)
	if err != nil {
		return err
	}
	agreed := p.formats.agree(o, full, prefer)
	if !p.isDescribed() && !slices.ContainsFunc(agreed, useful) {
		return badOffer("the offer has no format in common with us")
	}
	p.restore(agreed) // Bind asks for it
	if err := p.pc.SetLocalDescription(answer); err != nil {
		return badOffer("the offer cannot be answered: %v", err)
	}
	return nil
}

// useful says whether anything could pass on an m-line, now or after a hold.
func useful(a agreed) bool { return a.accepted }

// addTracks gives pion something to send on the first audio and the first video m-line whose far end listens. What was added stays.
func (p *Peer) addTracks(o *offer) error {
	for _, t := range []*track{p.audio, p.video} {
		if t.added || !o.listens(t.kind.String()) {
			continue
		}
		if err := p.add(t); err != nil {
			return err
		}
	}
	return nil
}

func (p *Peer) add(t *track) error {
	sender, err := p.pc.AddTrack(t)
	if err != nil {
		return fmt.Errorf("webrtc: add %s: %w", t.name, err)
	}
	t.added = true
	p.read(func() { p.receiveReports(t, sender) })
	return nil
}

// order puts the formats that the conference encodes already in front of the others.
func (p *Peer) order(prefer []codec.Format) {
	for _, t := range p.pc.GetTransceivers() {
		if t.Receiver() == nil || len(prefer) == 0 {
			continue
		}
		all := t.Receiver().GetParameters().Codecs
		slices.SortStableFunc(all, func(a, b pion.RTPCodecParameters) int { return rank(a, prefer) - rank(b, prefer) })
		if err := t.SetCodecPreferences(all); err != nil {
			p.log.Debug("webrtc: order of formats", "error", err)
		}
	}
}

// rank is the place of a format among those preferred.
func rank(c pion.RTPCodecParameters, prefer []codec.Format) int {
	for i, f := range prefer {
		if sameFormat(c.RTPCodecCapability, f) {
			return i
		}
	}
	return len(prefer)
}

// giveUp ends a Peer whose later offer got stuck inside pion, which knows no way back. parseOffer keeps out what is known
// to get so far. Where it was the first offer, the caller closes.
func (p *Peer) giveUp() {
	if p.isDescribed() && p.pc.SignalingState() != pion.SignalingStateStable {
		p.fail(errFailed)
	}
}

func (p *Peer) agreedNow() []agreed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.agreed
}

func (p *Peer) restore(a []agreed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.agreed = a
}

func (p *Peer) isDescribed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.described
}

// describe says that an offer is in force, and who the far end is: the candidates that came too early can be used.
func (p *Peer) describe(fingerprint string) {
	p.mu.Lock()
	p.described, p.fingerprint = true, fingerprint
	early := p.early
	p.early = nil
	p.mu.Unlock()
	for _, c := range early {
		p.addCandidate(c)
	}
}

// continues says whether an offer is of the same far end's PeerConnection, not of another that replaces it.
func (p *Peer) continues(o *offer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.described && !p.closing && p.fingerprint != "" && p.fingerprint == fingerprint(o.whole)
}

// Candidate takes a candidate of the far end (RFC 8838).
func (p *Peer) Candidate(c pion.ICECandidateInit) {
	p.mu.Lock()
	if !p.described {
		if len(p.early) < earlyCandidates {
			p.early = append(p.early, c)
		}
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.addCandidate(c)
}

func (p *Peer) addCandidate(c pion.ICECandidateInit) {
	if err := p.pc.AddICECandidate(c); err != nil { // of an older generation, or of a kind that we cannot use
		p.log.Debug("webrtc: candidate", "error", err)
	}
}

// wanted is the payload type that the first sending m-line of a kind has agreed to.
func (p *Peer) wanted(k mixer.Kind) (uint8, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.agreed {
		if a.stream.Kind == k && a.stream.Send != nil {
			return a.stream.Send.PayloadType, true
		}
	}
	return 0, false
}
