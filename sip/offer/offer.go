package offer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tutti/codec"
	"tutti/mixer"
	"tutti/mixer/plan"
)

// Offer makes an offer of ours: in an INVITE, in the 200 to an INVITE without one, or in a re-INVITE. prev is the outcome of
// the negotiation before, nil for the first. The State that it returns has no Media until Complete has seen the answer.
//
// A renegotiation keeps every m-line in its place and every payload type number (RFC 3264 §8.3.2). What was refused or
// ended stays so; a media type that never was there is added at the end.
func Offer(caps Capabilities, prev *State) (*State, error) {
	m := offerer{caps: &caps, prev: prev, local: newSession(&caps, prev)}
	if prev != nil {
		for i := range prev.Media {
			if err := m.again(i); err != nil {
				return nil, err
			}
		}
	}
	for _, kind := range []mixer.Kind{mixer.Audio, mixer.Video} {
		if m.wanted(kind) && !m.has(kind) {
			if err := m.add(len(m.local.Sections), kind, ""); err != nil {
				return nil, err
			}
		}
	}
	keepVersion(m.local, prev)
	s := &State{Local: m.local}
	if prev != nil {
		s.Remote = prev.Remote
	}
	return s, nil
}

type offerer struct {
	caps  *Capabilities
	prev  *State
	local *Session
}

func (o *offerer) wanted(kind mixer.Kind) bool {
	if kind == mixer.Audio {
		return len(o.caps.Audio) > 0
	}
	return len(o.caps.Video) > 0
}

func (o *offerer) has(kind mixer.Kind) bool {
	return slices.ContainsFunc(o.local.Sections, func(s Section) bool { return s.Media == kind.String() })
}

// again offers m-line i as it was agreed before, or keeps it refused.
func (o *offerer) again(i int) error {
	before := &o.prev.Media[i]
	if before.Rejected || !o.wanted(before.Kind) {
		old := &o.prev.Local.Sections[i]
		o.local.Sections = append(o.local.Sections, Section{Media: old.Media, Proto: old.Proto, Formats: old.Formats})
		return nil
	}
	return o.add(i, before.Kind, before.Content)
}

// add offers m-line i.
func (o *offerer) add(i int, kind mixer.Kind, content plan.Content) error {
	place, err := o.caps.Place(i)
	if err != nil {
		return fmt.Errorf("offer: m-line %d: %w", i+1, err)
	}
	out := Section{Media: kind.String(), Port: place.RTP, Proto: o.proto(i)}
	describe(&out, o.payloads(i, kind), func(p *mixer.Payload) string { return p.Fmtp })
	out.Attributes.add(SendRecv.String(), "")
	if kind == mixer.Audio {
		out.Attributes.add("ptime", "20")
	}
	out.Attributes.add("rtcp-mux", "")
	if kind == mixer.Video {
		for _, fb := range []string{"nack", "nack pli", "ccm fir"} {
			out.Attributes.add("rtcp-fb", "* "+fb)
		}
	} else {
		out.Attributes.add("extmap", "1 "+audioLevelURI)
		out.Attributes.add("extmap", "2 "+mixerLevelsURI)
	}
	if err := o.protect(i, &out); err != nil {
		return err
	}
	if content == plan.Slides {
		out.Attributes.add("content", "slides")
	}
	out.Attributes.add("label", label(i))
	o.local.Sections = append(o.local.Sections, out)
	return nil
}

// before is m-line i as it was agreed before, nil where it was not.
func (o *offerer) before(i int) *Media {
	if o.prev == nil || i >= len(o.prev.Media) || o.prev.Media[i].Rejected {
		return nil
	}
	return &o.prev.Media[i]
}

// proto is the transport of m-line i: the one in use, or what the rule for encryption wants.
func (o *offerer) proto(i int) string {
	if o.before(i) != nil {
		return o.prev.Local.Sections[i].Proto
	}
	switch o.caps.Encryption {
	case Required:
		return "RTP/SAVP"
	case RequiredDTLS:
		return "UDP/TLS/RTP/SAVP"
	}
	return "RTP/AVP"
}

// protect writes the keys of an offer: the one in use, or one for each suite.
func (o *offerer) protect(i int, out *Section) error {
	if b := o.before(i); b != nil {
		writeAgain(&b.Security, o.caps, out)
		return nil
	}
	switch o.caps.Encryption {
	case Offered:
		return nil
	case RequiredDTLS:
		writeAgain(&Security{Kind: DTLS}, o.caps, out)
		return nil
	}
	for n, s := range suites {
		k, err := newKey(o.caps.Random, strconv.Itoa(n+1), s)
		if err != nil {
			return err
		}
		out.Attributes.add("crypto", k.String())
	}
	return nil
}

// writeAgain writes the security that is in force into an offer (RFC 8842 §5.2: actpass lets an association stay).
func writeAgain(sec *Security, caps *Capabilities, out *Section) {
	if sec.Kind != DTLS {
		writeSecurity(sec, caps, out)
		return
	}
	out.Attributes.add("setup", "actpass")
	for _, d := range caps.Fingerprint {
		out.Attributes.add("fingerprint", d.String())
	}
}

// payloads are the formats that we offer on m-line i, first what the conference already encodes. Their Fmtp is ours.
func (o *offerer) payloads(i int, kind mixer.Kind) []mixer.Payload {
	var ps []mixer.Payload
	if b := o.before(i); b != nil {
		ps = append(ps, b.Accepted...)
		for j := range ps {
			ps[j].Fmtp = parameters(&ps[j])
		}
	}
	n := numbers{}
	for _, p := range ps {
		n[p.Type] = taken
	}
	all := o.ours(kind)
	for _, p := range all {
		n[p.Type] = max(n[p.Type], wanted)
	}
	for _, p := range all {
		if !slices.ContainsFunc(ps, func(q mixer.Payload) bool { return same(&p, &q) }) {
			p.Type = n.take(p.Type)
			ps = append(ps, p)
		}
	}
	return ps
}

// same says whether both are one format in one configuration.
func same(a, b *mixer.Payload) bool {
	if !strings.EqualFold(name(a), name(b)) {
		return false
	}
	if a.Video == nil || !isH264(a.Video.Format) {
		return true
	}
	return mode(a.Fmtp) == mode(b.Fmtp)
}

// ours are all our formats of a kind in the order of an offer, with the numbers that we prefer.
func (o *offerer) ours(kind mixer.Kind) []mixer.Payload {
	if kind == mixer.Video {
		return o.oursVideo()
	}
	var cs []candidate
	clocks := []int{}
	for i := range o.caps.Audio {
		a := &o.caps.Audio[i]
		cs = append(cs, candidate{
			Payload:   mixer.Payload{Type: a.PayloadType, Audio: a, ClockRate: a.ClockRate, Fmtp: a.Fmtp},
			preferred: preference(a.Format, codec.Format{}, o.caps.Prefer.Audio), ours: i,
		})
		if !slices.Contains(clocks, a.ClockRate) {
			clocks = append(clocks, a.ClockRate)
		}
	}
	ps := sorted(cs)
	slices.Sort(clocks)
	for i, clock := range clocks {
		ps = append(ps, mixer.Payload{Type: uint8(101 + i), Event: true, ClockRate: clock, Fmtp: "0-15"})
	}
	return ps
}

func (o *offerer) oursVideo() []mixer.Payload {
	var cs []candidate
	for i := range o.caps.Video {
		v := &o.caps.Video[i]
		c := candidate{
			Payload:   mixer.Payload{Type: v.PayloadType, Video: v, ClockRate: v.ClockRate, Fmtp: v.Fmtp},
			preferred: preference(v.Format, codec.Format{}, o.caps.Prefer.Video), ours: i,
		}
		cs = append(cs, c)
		if isH264(v.Format) && mode(v.Fmtp) == 1 { // also for who cannot join fragments
			c.Fmtp = strings.Replace(v.Fmtp, "packetization-mode=1", "packetization-mode=0", 1)
			c.theirs = 1
			cs = append(cs, c)
		}
	}
	return sorted(cs)
}

// numbers are the payload types of one m-line that are wanted by a format or taken by one.
type numbers map[uint8]int

const (
	wanted = iota + 1
	taken
)

// take returns want, or a dynamic number that nobody wants when it is taken.
func (n numbers) take(want uint8) uint8 {
	for pt := uint8(127); n[want] == taken && pt >= 96; pt-- {
		if n[pt] == 0 {
			want = pt
		}
	}
	n[want] = taken
	return want
}
