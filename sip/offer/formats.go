package offer

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"tutti/codec"
	"tutti/codec/h264"
	"tutti/mixer"
)

// format is one payload type of an m-line as its side describes it.
type format struct {
	Type uint8
	codec.Format
	Fmtp string
}

// assigned are the static payload types (RFC 3551 §6) that we may meet without a=rtpmap.
func assigned(pt uint8) (codec.Format, bool) {
	switch pt {
	case 0:
		return codec.Format{Name: "PCMU", ClockRate: 8000}, true
	case 8:
		return codec.Format{Name: "PCMA", ClockRate: 8000}, true
	case 9:
		return codec.Format{Name: "G722", ClockRate: 8000}, true
	case 13:
		return codec.Format{Name: "CN", ClockRate: 8000}, true
	}
	return codec.Format{}, false
}

// formats reads the payload types of an RTP m-line. What has no name, or one that cannot be read, is left out, and so are
// the numbers 64–95, whose packets look like RTCP (RFC 5761 §4).
func formats(m *Section) []format {
	var fs []format
	var seen [128]bool
	for _, text := range m.Formats {
		n, err := strconv.ParseUint(text, 10, 7)
		if err != nil || seen[n] || len(text) > 1 && text[0] == '0' || n >= 64 && n < 96 {
			continue
		}
		seen[n] = true
		pt := uint8(n)
		f := format{Type: pt, Fmtp: valueFor(m.Attributes, "fmtp", pt)}
		if name := valueFor(m.Attributes, "rtpmap", pt); name != "" {
			if f.Format, err = codec.ParseFormat(name); err != nil {
				continue
			}
		} else {
			var ok bool
			if f.Format, ok = assigned(pt); !ok {
				continue
			}
		}
		fs = append(fs, f)
	}
	return fs
}

// valueFor finds the attribute of one payload type: "a=NAME:PT VALUE".
func valueFor(as Attributes, name string, pt uint8) string {
	for _, a := range as {
		if a.Name != name {
			continue
		}
		number, value, _ := strings.Cut(a.Value, " ")
		if n, err := strconv.ParseUint(number, 10, 7); err == nil && uint8(n) == pt {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

const (
	telephoneEvent = "telephone-event" // RFC 4733
	comfortNoise   = "CN"              // RFC 3389
)

// choose returns what we accept of the far end's formats, the one we send first. last is what we sent before, which a
// renegotiation does not change without need; nil for none.
func choose(kind mixer.Kind, fs []format, caps *Capabilities, last *mixer.Encoding) []mixer.Payload {
	if kind == mixer.Audio {
		return chooseAudio(fs, caps, last)
	}
	return chooseVideo(fs, caps, last)
}

// candidate is a payload with the reasons for its place in the list; lower is earlier.
type candidate struct {
	mixer.Payload
	preferred, ours, theirs int
}

func sorted(cs []candidate) []mixer.Payload {
	slices.SortStableFunc(cs, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.preferred, b.preferred), cmp.Compare(a.ours, b.ours), cmp.Compare(a.theirs, b.theirs))
	})
	ps := make([]mixer.Payload, len(cs))
	for i, c := range cs {
		ps[i] = c.Payload
	}
	return ps
}

// preference is the place of f among formats, after the one that was sent last.
func preference(f codec.Format, last codec.Format, formats []codec.Format) int {
	if f.Equal(last) {
		return -1
	}
	if i := slices.IndexFunc(formats, f.Equal); i >= 0 {
		return i
	}
	return len(formats)
}

func chooseAudio(fs []format, caps *Capabilities, last *mixer.Encoding) []mixer.Payload {
	var before codec.Format
	if last != nil && last.Audio != nil {
		before = last.Audio.Format
	}
	var cs []candidate
	law := slices.IndexFunc(caps.Audio, func(a codec.Audio) bool { return isG711(a.Format) })
	for i := range caps.Audio {
		a := &caps.Audio[i]
		j := slices.IndexFunc(fs, func(f format) bool { return f.Equal(a.Format) })
		if j < 0 {
			continue
		}
		ours := i
		if isG711(a.Format) {
			ours = law // both laws are worth the same to us: the far end's order decides
		}
		cs = append(cs, candidate{
			Payload:   mixer.Payload{Type: fs[j].Type, Audio: a, ClockRate: a.ClockRate, Fmtp: fs[j].Fmtp},
			preferred: preference(a.Format, before, caps.Prefer.Audio), ours: ours, theirs: j,
		})
	}
	if len(cs) == 0 {
		return nil // events and noise alone are no sound
	}
	ps := sorted(cs)
	return append(ps, companions(fs)...)
}

func isG711(f codec.Format) bool {
	return strings.EqualFold(f.Name, "PCMU") || strings.EqualFold(f.Name, "PCMA")
}

// companions are what accompanies sound: telephone-event once for each clock (RFC 7587 wants 48000, most phones send
// 8000 also beside Opus), and comfort noise.
func companions(fs []format) []mixer.Payload {
	var ps []mixer.Payload
	clocks := map[int]bool{}
	noise := false
	for _, f := range fs {
		switch {
		case strings.EqualFold(f.Name, telephoneEvent) && !clocks[f.ClockRate]:
			clocks[f.ClockRate] = true
			ps = append(ps, mixer.Payload{Type: f.Type, Event: true, ClockRate: f.ClockRate, Fmtp: f.Fmtp})
		case strings.EqualFold(f.Name, comfortNoise) && f.ClockRate == 8000 && !noise:
			noise = true
			ps = append(ps, mixer.Payload{Type: f.Type, ComfortNoise: true, ClockRate: f.ClockRate, Fmtp: f.Fmtp})
		}
	}
	return ps
}

func chooseVideo(fs []format, caps *Capabilities, last *mixer.Encoding) []mixer.Payload {
	var before codec.Format
	if last != nil && last.Video != nil {
		before = last.Video.Format
	}
	var cs []candidate
	for j, f := range fs {
		i := slices.IndexFunc(caps.Video, func(v codec.Video) bool { return f.Equal(v.Format) })
		if i < 0 {
			continue
		}
		rank := 0
		if isH264(f.Format) {
			var ok bool
			if rank, ok = rankH264(f.Fmtp); !ok {
				continue
			}
		}
		v := &caps.Video[i]
		cs = append(cs, candidate{
			Payload:   mixer.Payload{Type: f.Type, Video: v, ClockRate: v.ClockRate, Fmtp: f.Fmtp},
			preferred: preference(v.Format, before, caps.Prefer.Video), ours: i*100 + rank, theirs: j,
		})
	}
	return sorted(cs)
}

// name is the a=rtpmap value of p.
func name(p *mixer.Payload) string {
	switch {
	case p.Audio != nil:
		return p.Audio.Format.String()
	case p.Video != nil:
		return p.Video.Format.String()
	case p.Event:
		return codec.Format{Name: telephoneEvent, ClockRate: p.ClockRate}.String()
	}
	return codec.Format{Name: comfortNoise, ClockRate: p.ClockRate}.String()
}

// parameters is the a=fmtp value with which we answer p, "" for none.
func parameters(p *mixer.Payload) string {
	switch {
	case p.Audio != nil:
		return p.Audio.Fmtp
	case p.Video != nil && isH264(p.Video.Format):
		answer, _ := h264.AnswerFmtp(p.Fmtp) // what is not taken was left out before
		return answer
	case p.Video != nil:
		return p.Video.Fmtp
	case p.Event:
		return "0-15" // the sixteen keys; we do nothing with a flash (RFC 4733 §3.2)
	}
	return ""
}

// describe writes the formats of an m-line that we send: payload types, names and parameters.
func describe(out *Section, ps []mixer.Payload, params func(*mixer.Payload) string) {
	out.Formats = nil
	for i := range ps {
		p := &ps[i]
		pt := strconv.Itoa(int(p.Type))
		out.Formats = append(out.Formats, pt)
		out.Attributes.add("rtpmap", pt+" "+name(p))
		if v := params(p); v != "" {
			out.Attributes.add("fmtp", pt+" "+v)
		}
	}
}
