package offer

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"

	"tutti/codec"
	"tutti/mixer"
	"tutti/mixer/plan"
)

// Answer answers an offer (RFC 3264 §6). prev is the outcome of the negotiation before in the same dialog, nil for the
// first: o= then counts up when something changed, and what can stay stays (format sent, keys). The same offer again gets
// the same answer.
//
// An m-line that we do not serve is refused in its place with port 0. When nothing of an offer that wants media can be
// served, the error is a *Rejection.
func Answer(o *Session, caps Capabilities, prev *State) (*State, error) {
	text := string(o.Bytes())
	if prev != nil && prev.asked == text {
		return prev, nil
	}
	if prev != nil && len(o.Sections) < len(prev.Local.Sections) {
		return nil, reject(399, "the offer has %d m-lines, the one before had %d: they never become fewer (RFC 3264 §8)",
			len(o.Sections), len(prev.Local.Sections))
	}
	a := answerer{offer: o, caps: &caps, prev: prev, state: &State{Remote: o, asked: text, Local: newSession(&caps, prev)}}
	for i := range o.Sections {
		if err := a.section(i); err != nil {
			return nil, err
		}
	}
	if err := a.nothing(); err != nil {
		return nil, err
	}
	keepVersion(a.state.Local, prev)
	return a.state, nil
}

type answerer struct {
	offer *Session
	caps  *Capabilities
	prev  *State
	state *State
	why   *Rejection // the first refusal that says something
}

// section answers m-line i. The error is one of our own means (ports, random), never of the offer.
func (a *answerer) section(i int) error {
	m := &a.offer.Sections[i]
	media := Media{Index: i, Label: label(i)}
	out := Section{Media: m.Media, Proto: m.Proto}
	rejection := a.agree(m, &media)
	if rejection == nil {
		place, err := a.caps.Place(i)
		if err != nil {
			return fmt.Errorf("offer: m-line %d: %w", i+1, err)
		}
		out.Port = place.RTP
		if err := a.protect(m, &media); err != nil {
			return err
		}
		a.write(m, &media, &out)
	} else {
		if a.why == nil && m.Port != 0 {
			a.why = rejection
		}
		media = Media{Index: i, Label: media.Label, Kind: media.Kind, Rejected: true}
		out.Formats = m.Formats
		if v, ok := m.Attributes.Get("mid"); ok {
			out.Attributes.add("mid", v)
		}
	}
	a.state.Media = append(a.state.Media, media)
	a.state.Local.Sections = append(a.state.Local.Sections, out)
	return nil
}

// agree decides about m and fills in media, or says why not.
func (a *answerer) agree(m *Section, media *Media) *Rejection {
	var ok bool
	if media.Kind, ok = kindOf(m.Media); !ok {
		return reject(304, "m=%s in line %d is not a media type of this conference", m.Media, m.Line)
	}
	if m.Port == 0 {
		// Either the stream ended, or a=bundle-only: its port is the bundle's, which we do not answer without ICE, so
		// the m-line falls with the bundle (RFC 8843 §7.3.3).
		return reject(399, "m=%s in line %d has no port", m.Media, m.Line)
	}
	if r := readRemote(a.offer, m, media); r != nil {
		return r
	}
	if host := media.RTP.Addr(); host.IsValid() && !host.IsUnspecified() && host.Is4() != a.caps.Address.Is4() {
		return reject(301, "m=%s in line %d: %v cannot be reached from %v", m.Media, m.Line, host, a.caps.Address)
	}
	if r := a.taken(m, media); r != nil {
		return r
	}
	if r := a.security(m, media); r != nil {
		return r
	}
	media.Accepted = choose(media.Kind, formats(m), a.caps, a.last(media.Index))
	if len(media.Accepted) == 0 {
		return reject(305, "m=%s in line %d offers no format that we speak", m.Media, m.Line)
	}
	settle(a.offer, m, media, media.Accepted[0])
	return nil
}

// settle computes what flows from what was accepted, the direction, and the format that we send.
func settle(s *Session, m *Section, media *Media, send mixer.Payload) {
	if media.Direction.Receives() {
		media.Receive = media.Accepted
	}
	if media.Direction.Sends() && media.RTP.Port() != 0 {
		media.Send = encoding(s, m, send)
	}
	if media.Kind == mixer.Video {
		media.Feedback = feedbackFor(m, send.Type)
		if media.Content == "" {
			media.Content = plan.MainContent
		}
	}
}

// taken refuses what is not wanted: a second sound, a second picture that is not slides.
func (a *answerer) taken(m *Section, media *Media) *Rejection {
	if media.Kind == mixer.Audio {
		media.Content = ""
	}
	if media.Kind == mixer.Video && len(a.caps.Video) == 0 {
		return reject(304, "m=video in line %d: this conference takes no picture from you", m.Line)
	}
	if media.Content == plan.Slides && !a.caps.Slides {
		return reject(304, "m=video in line %d: no slides are taken", m.Line)
	}
	for i := range a.state.Media {
		o := &a.state.Media[i]
		if !o.Rejected && o.Kind == media.Kind && (o.Content == plan.Slides) == (media.Content == plan.Slides) {
			return reject(304, "m=%s in line %d: there is one already", m.Media, m.Line)
		}
	}
	return nil
}

// last is what we sent on m-line i before.
func (a *answerer) last(i int) *mixer.Encoding {
	if m := a.before(i); m != nil && len(m.Accepted) > 0 {
		return &mixer.Encoding{Audio: m.Accepted[0].Audio, Video: m.Accepted[0].Video}
	}
	return nil
}

// before is m-line i as it was agreed before, nil where it was not.
func (a *answerer) before(i int) *Media {
	if a.prev == nil || i >= len(a.prev.Media) || a.prev.Media[i].Rejected {
		return nil
	}
	return &a.prev.Media[i]
}

// nothing refuses an offer that wants media of which none can be served.
func (a *answerer) nothing() error {
	for i := range a.state.Media {
		if !a.state.Media[i].Rejected {
			return nil
		}
	}
	if a.why != nil {
		return a.why
	}
	if a.prev == nil {
		return reject(304, "the offer has no audio and no video")
	}
	return nil // the last stream of a running dialog ended
}

// write makes the answer's m-line.
func (a *answerer) write(m *Section, media *Media, out *Section) {
	describe(out, media.Accepted, parameters)
	out.Attributes.add(media.Direction.String(), "")
	if media.Kind == mixer.Audio {
		out.Attributes.add("ptime", strconv.Itoa(int(cmp.Or(packetTime(m), codec.DefaultPTime).Milliseconds())))
	}
	if media.Mux {
		out.Attributes.add("rtcp-mux", "")
	}
	if media.Reduced {
		out.Attributes.add("rtcp-rsize", "")
	}
	if media.Kind == mixer.Video {
		writeFeedback(m, media, out)
	}
	writeExtensions(media, out)
	writeSecurity(&media.Security, a.caps, out)
	if v, ok := m.Attributes.Get("mid"); ok {
		out.Attributes.add("mid", v)
	}
	if media.Content == plan.Slides {
		out.Attributes.add("content", "slides")
	}
	out.Attributes.add("label", media.Label)
}

func writeFeedback(m *Section, media *Media, out *Section) {
	for i := range media.Accepted {
		pt := media.Accepted[i].Type
		fb := feedbackFor(m, pt)
		for _, f := range []struct {
			on   bool
			name string
		}{{fb.NACK, "nack"}, {fb.PLI, "nack pli"}, {fb.FIR, "ccm fir"}} {
			if f.on {
				out.Attributes.add("rtcp-fb", fmt.Sprintf("%d %s", pt, f.name))
			}
		}
	}
}

func writeExtensions(media *Media, out *Section) {
	if media.AudioLevel != 0 {
		out.Attributes.add("extmap", fmt.Sprintf("%d %s", media.AudioLevel, audioLevelURI))
	}
	if media.MixerLevels != 0 {
		out.Attributes.add("extmap", fmt.Sprintf("%d %s", media.MixerLevels, mixerLevelsURI))
	}
}

// label is a=label and the id of the stream: the place of its m-line.
func label(i int) string { return strconv.Itoa(i) }

// newSession is the head of a description of ours.
func newSession(caps *Capabilities, prev *State) *Session {
	kind := "IP4"
	if caps.Address.Is6() {
		kind = "IP6"
	}
	o := Origin{Username: "tutti", ID: strconv.FormatUint(caps.SessionID, 10), Version: "1", Type: kind, Address: caps.Address.String()}
	if prev != nil {
		o = prev.Local.Origin
		o.Type, o.Address = kind, caps.Address.String()
	}
	return &Session{Origin: o, Name: "tutti", Connection: Connection{kind, caps.Address.String()}}
}

// keepVersion counts o= up when the description is another than before (RFC 3264 §8).
func keepVersion(s *Session, prev *State) {
	if prev == nil || bytes.Equal(s.Bytes(), prev.Local.Bytes()) {
		return
	}
	n, err := strconv.ParseUint(prev.Local.Origin.Version, 10, 64)
	if err != nil {
		n = 0
	}
	s.Origin.Version = strconv.FormatUint(n+1, 10)
}
