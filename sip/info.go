package sip

import (
	"mime"
	"strconv"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/mixer"
	"tutti/sip/transport"
)

// informed takes INFO (RFC 6086 calls these bodies legacy usage, and every desk phone has them).
func (c *call) informed(r *transport.Request) {
	body := r.Body()
	if len(body) == 0 {
		c.ua.reply(r, 200, "OK")
		return
	}
	switch contentType(r.Request) {
	case "application/dtmf-relay":
		c.press(r, relayKey(string(body)))
	case "application/dtmf":
		c.press(r, plainKey(string(body)))
	case "application/media_control+xml":
		c.ua.reply(r, 200, "OK")
		if strings.Contains(string(body), "picture_fast_update") {
			c.requestKeyFrames()
		}
	default:
		c.ua.reply(r, 415, "Unsupported Media Type", "Accept", acceptInfo)
	}
}

func (c *call) press(r *transport.Request, key rune) {
	if key == 0 {
		c.ua.reply(r, 400, "Unknown Key")
		return
	}
	c.ua.reply(r, 200, "OK")
	if c.leg != nil {
		c.leg.Press(key)
	}
}

func (c *call) requestKeyFrames() {
	if c.leg == nil {
		return
	}
	for _, s := range c.session.Streams() {
		if s.Kind == mixer.Video && s.Send != nil {
			c.leg.RequestKeyFrame(s.ID)
		}
	}
}

// relayKey reads "Signal=5\r\nDuration=160"; 0 is no key.
func relayKey(body string) rune {
	for line := range strings.Lines(body) {
		name, value, ok := strings.Cut(line, "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), "signal") {
			return plainKey(value)
		}
	}
	return 0
}

// plainKey reads a key, or its event code (RFC 4733 §3.2) where that has two digits.
func plainKey(s string) rune {
	s = strings.ToUpper(strings.TrimSpace(s))
	const keys = "0123456789*#ABCD"
	if len(s) == 1 && strings.Contains(keys, s) {
		return rune(s[0])
	}
	if n, err := strconv.Atoi(s); err == nil && len(s) == 2 && n >= 10 && n < len(keys) {
		return rune(keys[n])
	}
	return 0
}

// contentType is the media type without parameters, in lower case.
func contentType(m interface {
	ContentType() *sipmsg.ContentTypeHeader
}) string {
	h := m.ContentType()
	if h == nil {
		return ""
	}
	t, _, err := mime.ParseMediaType(h.Value())
	if err != nil {
		t, _, _ = strings.Cut(h.Value(), ";")
		t = strings.ToLower(strings.TrimSpace(t))
	}
	return t
}
