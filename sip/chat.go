package sip

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/transport"
)

const (
	textContentType = "text/plain"
	maxText         = 4096 // bytes of a MESSAGE
	maxUnsent       = 32   // lines that wait for one phone; older ones are dropped
	chatTimeout     = 2 * time.Second
)

// message takes a MESSAGE outside of a dialog, from a participant (RFC 3428 §7).
func (ua *UserAgent) message(r *transport.Request) {
	if !ua.guard.admit(r.Source().Addr(), time.Now()) {
		ua.reply(r, 503, "Service Unavailable", "Retry-After", retryAfter(2, 5))
		return
	}
	if c := ua.writer(r); c != nil && !c.box.offer(func() { c.messaged(r) }) {
		ua.reply(r, 503, "Service Unavailable", "Retry-After", "1")
	}
}

// messaged makes a MESSAGE a line of the conference's chat.
func (c *call) messaged(r *transport.Request) {
	text, problem := textOf(r.Request)
	switch {
	case problem != nil:
		c.ua.reply(r, problem.code, problem.text, problem.fields...)
		return
	case c.leg == nil || c.phase != confirmed:
		c.ua.reply(r, 403, "Only Participants May Do That")
		return
	case c.peerIsFocus: // two bridges would tell each other for ever
		c.ua.reply(r, 403, "A Focus Has Nothing To Say")
		return
	}
	ctx, cancel := context.WithTimeout(c.ua.ctx, chatTimeout)
	defer cancel()
	if err := c.leg.Do(ctx, bridge.Chat{Text: text}); err != nil {
		c.ua.refuse(r, err)
		return
	}
	c.ua.reply(r, 200, "OK") // without Contact (RFC 3428 §7)
}

// textOf is the text of a MESSAGE, or why it cannot be read.
func textOf(r *sipmsg.Request) (string, *problem) {
	if h := r.GetHeader("content-encoding"); h != nil && !strings.EqualFold(strings.TrimSpace(h.Value()), "identity") {
		return "", &problem{415, "Unsupported Media Type", []string{"Accept-Encoding", "identity"}}
	}
	body := r.Body()
	switch typ := contentType(r); {
	case len(body) > maxText:
		return "", &problem{413, "Request Entity Too Large", nil}
	case typ != textContentType && (typ != "" || len(body) > 0):
		return "", &problem{415, "Unsupported Media Type", []string{"Accept", textContentType}}
	case !utf8.Valid(body):
		return "", &problem{415, "Text Is Not UTF-8", []string{"Accept", textContentType}}
	case strings.TrimSpace(string(body)) == "":
		return "", &problem{400, "Nothing Is Said", nil}
	}
	return strings.ReplaceAll(string(body), "\r\n", "\n"), nil
}

// chat begins to tell the phone what is said, where it can read and is no bridge itself.
func (c *call) chat() {
	if !slices.Contains(c.allows, "MESSAGE") || c.peerIsFocus {
		return
	}
	w, err := c.ua.focus.Watch(c.conference())
	if err != nil {
		return
	}
	ctx, stop := context.WithCancel(c.ua.ctx)
	c.unchat = stop
	self, first := c.leg.User(), true
	c.ua.wg.Go(func() {
		last := 0
		for {
			_, now, err := w.Next(ctx)
			if err != nil {
				return
			}
			lines := newLines(now.Chat, last)
			if len(now.Chat) > 0 {
				last = max(last, now.Chat[len(now.Chat)-1].ID)
			}
			if first { // what was said before is not for who comes later
				first = false
				continue
			}
			for _, m := range lines {
				if m.From != self && (m.To == "" || m.To == self) {
					c.box.post(func() { c.tell(m) })
				}
			}
		}
	})
}

// newLines are the lines after the one numbered last.
func newLines(chat []bridge.Message, last int) []bridge.Message {
	for i, m := range chat {
		if m.ID > last {
			return chat[i:]
		}
	}
	return nil
}

// tell sends a line, or lets it wait for the one under way.
func (c *call) tell(m bridge.Message) {
	if len(c.unsent) >= maxUnsent {
		c.unsent = c.unsent[1:]
	}
	c.unsent = append(c.unsent, m)
	c.sendText()
}

func (c *call) sendText() {
	if c.texting || c.phase != confirmed || len(c.unsent) == 0 {
		return
	}
	m := c.unsent[0]
	c.unsent = c.unsent[1:]
	c.texting = true
	req := c.dlg.Request(sipmsg.MESSAGE)
	name := m.Name
	if name == "" {
		name = "Operator"
	}
	setBody(req, textContentType+";charset=UTF-8", fmt.Appendf(nil, "%s: %s", name, m.Text))
	c.ask(req, func(res *sipmsg.Response, _ error) {
		c.texting = false
		if res != nil && (res.StatusCode == 405 || res.StatusCode == 415 || res.StatusCode == 501) { // it cannot after all
			c.stopChat()
			return
		}
		c.sendText()
	})
}

func (c *call) stopChat() {
	if c.unchat != nil {
		c.unchat()
		c.unchat = nil
	}
	c.unsent = nil
}
