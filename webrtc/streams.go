package webrtc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
	pion "github.com/pion/webrtc/v4"

	"tutti/codec"
	"tutti/mixer"
	"tutti/mixer/plan"
)

// formats are those that we can speak.
type formats struct {
	audio []codec.Audio
	video []codec.Video
}

// agreed is one m-line that both sides take, in the mixer's words; Wire and the SSRC of Send are not set yet.
type agreed struct {
	mid      string
	accepted bool // a sound or picture format is in common, whatever the direction is now
	stream   mixer.Stream
}

// agree reads what offer and answer have come to. The payload types that we receive are our answer's, their parameters what
// the far end said of them; what we send is the first format of prefer that the answer has, or the answer's first.
func (f formats) agree(o *offer, answer *sdp.SessionDescription, prefer []codec.Format) []agreed {
	var all []agreed
	videos := 0
	for n, i := range o.taken {
		theirs, ours := o.whole.MediaDescriptions[i], answer.MediaDescriptions[i]
		a := newAgreed(o.mid(n), theirs.MediaName.Media, &videos)
		if ours.MediaName.Port.Value != 0 {
			a.take(f.payloads(theirs, ours), directionOf(ours, answer), ours, prefer)
		}
		all = append(all, a)
	}
	return all
}

// newAgreed is an m-line on which nothing passes yet. The second video line is for slides.
func newAgreed(mid, media string, videos *int) agreed {
	s := mixer.Stream{ID: mid, Kind: mixer.Audio}
	if media == "video" {
		s.Kind, s.Content = mixer.Video, plan.MainContent
		if *videos++; *videos > 1 {
			s.Content = plan.Slides
		}
	}
	return agreed{mid: mid, stream: s}
}

// take says what passes: payloads in our direction d, with the feedback and header extensions that both sides have in answer.
func (a *agreed) take(payloads []mixer.Payload, d direction, answer *sdp.MediaDescription, prefer []codec.Format) {
	a.accepted = encoding(payloads, prefer) != nil
	if d&receives != 0 {
		a.stream.Receive = payloads
	}
	if d&sends != 0 {
		a.stream.Send = encoding(payloads, prefer)
	}
	a.stream.Feedback = feedback(answer)
	a.stream.AudioLevel, a.stream.MixerLevels = extension(answer, uriAudioLevel), extension(answer, uriMixerLevels)
}

// payloads are the formats of an answered m-line, in the answer's order; RTX is pion's affair.
func (f formats) payloads(theirs, ours *sdp.MediaDescription) []mixer.Payload {
	names, fmtps := rtpmaps(ours), attributes(theirs, "fmtp")
	var all []mixer.Payload
	for _, text := range ours.MediaName.Formats {
		number, err := strconv.ParseUint(text, 10, 7)
		if err != nil {
			continue
		}
		name, ok := names[text]
		if !ok {
			continue
		}
		p := mixer.Payload{Type: uint8(number), ClockRate: name.ClockRate, Fmtp: fmtps[text]}
		if f.identify(&p, name) {
			all = append(all, p)
		}
	}
	return all
}

// identify says which of our formats a payload type is.
func (f formats) identify(p *mixer.Payload, name codec.Format) bool {
	if strings.EqualFold(name.Name, telephoneEvent) {
		p.Event = true
		return true
	}
	for i := range f.audio {
		if f.audio[i].Equal(name) {
			p.Audio = &f.audio[i]
			return true
		}
	}
	for i := range f.video {
		if f.video[i].Equal(name) {
			p.Video = &f.video[i]
			return true
		}
	}
	return false
}

// encoding is what we send: nil when there is nothing that we could.
func encoding(payloads []mixer.Payload, prefer []codec.Format) *mixer.Encoding {
	best, rank := -1, len(prefer)+1
	for i, p := range payloads {
		format, ok := formatOf(p)
		if !ok {
			continue
		}
		r := slices.IndexFunc(prefer, format.Equal)
		if r < 0 {
			r = len(prefer)
		}
		if r < rank {
			best, rank = i, r
		}
	}
	if best < 0 {
		return nil
	}
	p := payloads[best]
	return &mixer.Encoding{PayloadType: p.Type, Audio: p.Audio, Video: p.Video, Fmtp: p.Fmtp}
}

func formatOf(p mixer.Payload) (codec.Format, bool) {
	switch {
	case p.Audio != nil:
		return p.Audio.Format, true
	case p.Video != nil:
		return p.Video.Format, true
	}
	return codec.Format{}, false
}

// rtpmaps are the formats of an m-line by payload type; the static types need no a=rtpmap (RFC 3551 §6).
func rtpmaps(m *sdp.MediaDescription) map[string]codec.Format {
	all := map[string]codec.Format{
		"0": {Name: "PCMU", ClockRate: 8000}, "8": {Name: "PCMA", ClockRate: 8000}, "9": {Name: "G722", ClockRate: 8000},
	}
	for number, text := range attributes(m, "rtpmap") {
		if f, err := codec.ParseFormat(text); err == nil {
			all[number] = f
		}
	}
	return all
}

// attributes are the values of a=key:NUMBER VALUE by number.
func attributes(m *sdp.MediaDescription, key string) map[string]string {
	all := make(map[string]string)
	for _, a := range m.Attributes {
		if a.Key != key {
			continue
		}
		if number, value, ok := strings.Cut(a.Value, " "); ok {
			all[number] = strings.TrimSpace(value)
		}
	}
	return all
}

// feedback that both sides understand (RFC 4585 §4.2). pion puts only what was offered into an answer.
func feedback(ours *sdp.MediaDescription) mixer.Feedback {
	var f mixer.Feedback
	for _, a := range ours.Attributes {
		if a.Key != "rtcp-fb" {
			continue
		}
		_, value, _ := strings.Cut(a.Value, " ")
		switch strings.TrimSpace(value) {
		case "nack":
			f.NACK = true
		case "nack pli":
			f.PLI = true
		case "ccm fir":
			f.FIR = true
		}
	}
	return f
}

// extension is the number of a header extension that both sides know (RFC 8285 §6), 0 when there is none.
func extension(ours *sdp.MediaDescription, uri string) uint8 {
	for _, a := range ours.Attributes {
		if a.Key != sdp.AttrKeyExtMap {
			continue
		}
		number, rest, _ := strings.Cut(a.Value, " ")
		number, _, _ = strings.Cut(number, "/")
		if fields := strings.Fields(rest); len(fields) == 0 || fields[0] != uri {
			continue
		}
		if n, err := strconv.ParseUint(number, 10, 8); err == nil && n >= 1 && n <= 255 {
			return uint8(n)
		}
	}
	return 0
}

// sameFormat compares pion's name of a format ("audio/opus") with ours.
func sameFormat(c pion.RTPCodecCapability, f codec.Format) bool {
	_, name, _ := strings.Cut(c.MimeType, "/")
	return f.Equal(codec.Format{Name: name, ClockRate: int(c.ClockRate), Channels: int(c.Channels)})
}
