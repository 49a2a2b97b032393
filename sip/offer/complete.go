package offer

import (
	"slices"
	"strconv"
	"strings"

	"tutti/mixer"
)

// Complete takes the answer to an open offer of ours (RFC 3264 §7). caps are those of the offer. The error is a *Rejection
// when the answer does not fit the offer, or leaves nothing: the call is then to be ended.
func Complete(open *State, answer *Session, caps Capabilities) (*State, error) {
	answer = padded(answer, open.Local)
	if len(answer.Sections) != len(open.Local.Sections) {
		return nil, reject(399, "the answer has %d m-lines, the offer had %d", len(answer.Sections), len(open.Local.Sections))
	}
	done := &State{Local: open.Local, Remote: answer}
	any, asked := false, false
	for i := range answer.Sections {
		media, r := accept(open.Local, answer, i, &caps)
		if r != nil {
			return nil, r
		}
		done.Media = append(done.Media, media)
		any = any || !media.Rejected
		asked = asked || open.Local.Sections[i].Port != 0
	}
	if asked && !any {
		return nil, reject(304, "the answer refuses all media")
	}
	return done, nil
}

// padded is an answer in which the m-lines that are missing at its end are refused ones. Gateways that know no pictures leave
// them out, although RFC 3264 §6 wants as many as were offered.
func padded(answer, offer *Session) *Session {
	if len(answer.Sections) == 0 || len(answer.Sections) >= len(offer.Sections) {
		return answer
	}
	whole := *answer
	whole.Sections = slices.Clone(answer.Sections)
	for _, ours := range offer.Sections[len(answer.Sections):] {
		whole.Sections = append(whole.Sections, Section{Media: ours.Media, Proto: ours.Proto, Formats: ours.Formats})
	}
	return &whole
}

// accept reads m-line i of an answer against ours.
func accept(local, answer *Session, i int, caps *Capabilities) (Media, *Rejection) {
	ours, m := &local.Sections[i], &answer.Sections[i]
	kind, _ := kindOf(ours.Media)
	media := Media{Index: i, Label: label(i), Kind: kind}
	if m.Media != ours.Media {
		return media, reject(399, "m=%s in line %d answers m=%s", m.Media, m.Line, ours.Media)
	}
	if m.Port == 0 || ours.Port == 0 {
		media.Rejected = true
		return media, nil
	}
	if !strings.EqualFold(m.Proto, ours.Proto) {
		return media, reject(302, "m=%s in line %d answers %s with %s", m.Media, m.Line, ours.Proto, m.Proto)
	}
	if r := readRemote(answer, m, &media); r != nil {
		return media, r
	}
	if r := secured(answer, ours, m, &media, caps); r != nil {
		return media, r
	}
	sent := acceptFormats(kind, ours, m, &media, caps)
	if len(sent) == 0 {
		return media, reject(305, "m=%s in line %d answers with no format that was offered", m.Media, m.Line)
	}
	media.Mux = media.Mux && ours.Attributes.Has("rtcp-mux")
	settle(answer, m, &media, sent[0])
	return media, nil
}

// acceptFormats returns the formats that the answer takes, with its numbers, for what we send; and puts those with our
// numbers into media.Accepted, for what we receive (RFC 3264 §6.1: they may differ, RFC 3264 §5.1).
func acceptFormats(kind mixer.Kind, ours, m *Section, media *Media, caps *Capabilities) (sent []mixer.Payload) {
	offered := choose(kind, formats(ours), caps, nil)
	theirs := formats(m)
	for _, f := range theirs {
		i := slices.IndexFunc(offered, func(p mixer.Payload) bool { return answers(f, &p) })
		if i < 0 {
			continue
		}
		p := offered[i]
		p.Fmtp = f.Fmtp
		if slices.ContainsFunc(media.Accepted, func(q mixer.Payload) bool { return q.Type == p.Type }) {
			continue
		}
		if p.Audio == nil && p.Video == nil {
			media.Accepted = append(media.Accepted, p)
			continue
		}
		media.Accepted = slices.Insert(media.Accepted, len(sent), p) // sound before what accompanies it
		p.Type = f.Type
		sent = append(sent, p)
	}
	return sent
}

// answers says whether f of an answer is p of the offer.
func answers(f format, p *mixer.Payload) bool {
	if !strings.EqualFold(f.Format.String(), name(p)) {
		return false
	}
	if p.Video != nil && isH264(p.Video.Format) {
		_, ok := rankH264(f.Fmtp)
		return ok && mode(f.Fmtp) == mode(p.Fmtp)
	}
	return true
}

// secured reads which of our keys the answer took (RFC 4568 §5.1.3), or the DTLS role.
func secured(answer *Session, ours, m *Section, media *Media, caps *Capabilities) *Rejection {
	_, must, _, _ := profileOf(ours.Proto)
	must = must || caps.Encryption >= Required
	if ours.Attributes.Has("fingerprint") {
		print := fingerprint(answer, m)
		if len(print) == 0 {
			return reject(305, "m=%s in line %d: the answer has no a=fingerprint", m.Media, m.Line)
		}
		active := strings.EqualFold(setup(answer, m), "passive")
		media.Security = Security{Kind: DTLS, Active: active, Fingerprint: print}
		return nil
	}
	if !m.Attributes.Has("crypto") && !must {
		return nil
	}
	offered, _ := parseKeys(ours)
	taken, why := parseKeys(m)
	if len(taken) == 0 {
		return reject(305, "m=%s in line %d: SRTP: %v", m.Media, m.Line, why)
	}
	i := slices.IndexFunc(offered, func(k Key) bool { return sameTag(k.Tag, taken[0].Tag) && k.Suite == taken[0].Suite })
	if i < 0 {
		if !must {
			return nil
		}
		return reject(305, "m=%s in line %d: SRTP: tag %s with %s was not offered", m.Media, m.Line, taken[0].Tag, taken[0].Suite)
	}
	media.Security = Security{Kind: SDES, Local: offered[i], Remote: taken[0]}
	return nil
}

func sameTag(a, b string) bool {
	m, err := strconv.Atoi(a)
	n, err2 := strconv.Atoi(b)
	return err == nil && err2 == nil && m == n
}
