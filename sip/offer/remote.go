package offer

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tutti/codec"
	"tutti/mixer"
	"tutti/mixer/plan"
)

// The header extensions that we speak (RFC 6464 §5, RFC 6465 §6).
const (
	audioLevelURI  = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
	mixerLevelsURI = "urn:ietf:params:rtp-hdrext:csrc-audio-level"
)

// readRemote fills in what the far end says about itself in m: addresses, direction (as we see it), multiplexing, feedback,
// extensions. It says why the m-line cannot be served, or nil.
func readRemote(s *Session, m *Section, out *Media) *Rejection {
	c := m.Connection
	if c == (Connection{}) {
		c = s.Connection
	}
	if c == (Connection{}) {
		return reject(399, "m=%s in line %d has no c=", m.Media, m.Line)
	}
	address, err := netip.ParseAddr(c.Address)
	if err == nil && address.IsMulticast() {
		return reject(301, "m=%s in line %d: multicast is not served", m.Media, m.Line)
	}
	address = address.Unmap().WithZone("")
	theirs := direction(s, m)
	if err == nil && address.IsUnspecified() { // hold as RFC 2543 had it (RFC 3264 §8.4)
		theirs &^= RecvOnly
	}
	out.Direction = theirs.Reverse()
	out.RTP = netip.AddrPortFrom(address, m.Port)
	out.Mux = m.Attributes.Has("rtcp-mux")
	out.Reduced = m.Attributes.Has("rtcp-rsize")
	out.RTCP = rtcpAddress(m, out)
	if v, _ := m.Attributes.Get("content"); v == "slides" {
		out.Content = plan.Slides
	}
	out.AudioLevel, out.MixerLevels = extensions(s, m, out.Kind)
	return nil
}

// rtcpAddress is where the far end takes RTCP: a=rtcp (RFC 3605), or the port after RTP's.
func rtcpAddress(m *Section, out *Media) netip.AddrPort {
	if out.Mux {
		return out.RTP
	}
	address, port := out.RTP.Addr(), out.RTP.Port()+1 // wraps to 0, which is none
	if v, ok := m.Attributes.Get("rtcp"); ok {
		f := strings.Fields(v)
		if len(f) > 0 {
			if n, err := strconv.ParseUint(f[0], 10, 16); err == nil {
				port = uint16(n)
			}
		}
		if len(f) == 4 {
			if a, err := netip.ParseAddr(f[3]); err == nil && !a.IsMulticast() {
				address = a.Unmap().WithZone("")
			}
		}
	}
	return netip.AddrPortFrom(address, port)
}

// extensions are the ids of a=extmap that we speak, 0 for none. Only one-byte ids are taken (RFC 8285 §4.2).
func extensions(s *Session, m *Section, kind mixer.Kind) (level, mixed uint8) {
	if kind != mixer.Audio {
		return 0, 0
	}
	for _, v := range append(m.Attributes.All("extmap"), s.Attributes.All("extmap")...) {
		f := strings.Fields(v)
		if len(f) < 2 {
			continue
		}
		number, _, _ := strings.Cut(f[0], "/")
		id, err := strconv.ParseUint(number, 10, 8)
		if err != nil || id < 1 || id > 14 {
			continue
		}
		switch {
		case f[1] == audioLevelURI && level == 0 && uint8(id) != mixed:
			level = uint8(id)
		case f[1] == mixerLevelsURI && mixed == 0 && uint8(id) != level:
			mixed = uint8(id)
		}
	}
	return level, mixed
}

// feedbackFor reads a=rtcp-fb for one payload type (RFC 4585 §4.2, RFC 5104 §7.1).
func feedbackFor(m *Section, pt uint8) mixer.Feedback {
	var fb mixer.Feedback
	for _, v := range m.Attributes.All("rtcp-fb") {
		number, what, _ := strings.Cut(v, " ")
		if number != "*" && number != strconv.Itoa(int(pt)) {
			continue
		}
		switch strings.Join(strings.Fields(what), " ") {
		case "nack":
			fb.NACK = true
		case "nack pli":
			fb.PLI = true
		case "ccm fir":
			fb.FIR = true
		}
	}
	return fb
}

// encoding is what we send with payload p to the far end that described m: its wishes are our limits.
func encoding(s *Session, m *Section, p mixer.Payload) *mixer.Encoding {
	e := &mixer.Encoding{PayloadType: p.Type, Audio: p.Audio, Video: p.Video, Fmtp: p.Fmtp}
	if p.Audio != nil {
		e.PTime = packetTime(m)
		if variable(p.Audio.Format) {
			e.Bitrate = audioBitrate(m)
		}
		return e
	}
	e.Bitrate = videoBitrate(s, m)
	limit(e)
	return e
}

func variable(f codec.Format) bool { return strings.EqualFold(f.Name, "opus") }

// packetTime is how much sound we put into a packet: the most that a=ptime and a=maxptime allow of 60, 40, 20 and 10 ms; 0
// is 20, the default, so that those who say nothing and those who say 20 share an encoder.
func packetTime(m *Section) time.Duration {
	want := codec.DefaultPTime
	if v, ok := milliseconds(m, "ptime"); ok {
		want = v
	}
	if v, ok := milliseconds(m, "maxptime"); ok {
		want = min(want, v)
	}
	switch {
	case want >= 60*time.Millisecond:
		return 60 * time.Millisecond
	case want >= 40*time.Millisecond:
		return 40 * time.Millisecond
	case want >= codec.DefaultPTime:
		return 0
	}
	return 10 * time.Millisecond
}

func milliseconds(m *Section, name string) (time.Duration, bool) {
	v, ok := m.Attributes.Get(name)
	if !ok {
		return 0, false
	}
	ms, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
	if err != nil || !(ms >= 1 && ms <= 1000) { // not a number is refused also
		return 0, false
	}
	return time.Duration(ms * float64(time.Millisecond)), true
}

const (
	overhead   = 16000 // bit/s of 50 headers of RTP, UDP and IPv4, which b=AS counts and an encoder does not
	leastAudio = 6000  // bit/s
	leastVideo = 64000 // bit/s
)

// audioBitrate and videoBitrate are the caps that b=TIAS and b=AS set, bit/s; 0 for none.
func audioBitrate(m *Section) int {
	if v, ok := bandwidth(m.Bandwidth, "TIAS"); ok {
		return max(v, leastAudio)
	}
	if v, ok := bandwidth(m.Bandwidth, "AS"); ok {
		return max(v*1000-overhead, leastAudio)
	}
	return 0
}

func videoBitrate(s *Session, m *Section) int {
	for _, bs := range [][]Bandwidth{m.Bandwidth, s.Bandwidth} {
		if v, ok := bandwidth(bs, "TIAS"); ok {
			return max(v, leastVideo)
		}
		if v, ok := bandwidth(bs, "AS"); ok {
			return max(v*950, leastVideo)
		}
	}
	return 0
}

// bandwidth finds b=; 0 says nothing in practice. More than 1 Gbit/s is no limit either.
func bandwidth(bs []Bandwidth, kind string) (int, bool) {
	for _, b := range bs {
		if b.Type == kind && b.Value > 0 && b.Value < 1_000_000_000 {
			return b.Value, true
		}
	}
	return 0, false
}
