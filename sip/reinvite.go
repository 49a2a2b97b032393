package sip

import (
	"errors"
	"strconv"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/sip/dialog"
	"tutti/sip/transport"
)

// reinvited answers an INVITE within the dialog (RFC 3261 §14.2).
func (c *call) reinvited(r *transport.Request) {
	switch {
	case c.invite != nil: // theirs has no final answer yet
		c.ua.reply(r, 500, "Server Internal Error", "Retry-After", retryAfter(0, 10))
		return
	case c.offering: // ours has none
		c.ua.reply(r, 491, "Request Pending")
		return
	}
	offer, timer, ok := c.renegotiable(r)
	if !ok {
		return
	}
	var body []byte
	var err error
	if offer == nil {
		body, err = c.session.Offer(c.ua.ctx)
	} else {
		body, err = c.session.Answer(c.ua.ctx, offer)
	}
	if err != nil { // what was stays
		code, text, fields := c.mediaRefusal(r, err)
		c.ua.reply(r, code, text, fields...)
		return
	}
	c.dlg.Refresh(r.Contact())
	c.timer = timer
	c.accept(r, body, offer == nil)
	if offer != nil {
		c.reattach()
	}
}

// updated answers UPDATE (RFC 3311 §5.2).
func (c *call) updated(r *transport.Request) {
	offer, timer, ok := c.renegotiable(r)
	if !ok {
		return
	}
	res := r.Response(200, "OK")
	if offer != nil {
		switch {
		case c.phase == invited: // the INVITE's own offer has no answer yet
			c.ua.reply(r, 500, "Server Internal Error", "Retry-After", retryAfter(0, 10))
			return
		case c.offering:
			c.ua.reply(r, 491, "Request Pending")
			return
		}
		body, err := c.session.Answer(c.ua.ctx, offer)
		if err != nil {
			code, text, fields := c.mediaRefusal(r, err)
			c.ua.reply(r, code, text, fields...)
			return
		}
		setBody(res, sdpContentType, body)
	}
	c.dlg.Refresh(r.Contact())
	res.AppendHeader(sipmsg.HeaderClone(c.contact))
	res.AppendHeader(sipmsg.NewHeader("Allow", allow))
	res.AppendHeader(sipmsg.NewHeader("Supported", supported))
	addTimer(res, timer)
	c.ua.answer(r, res)
	if c.phase == confirmed {
		c.arm(timer)
	} else {
		c.timer = timer
	}
	if offer != nil {
		c.reattach()
	}
}

// renegotiable reads the body and the timer of a re-INVITE or UPDATE, or answers what is wrong with them.
func (c *call) renegotiable(r *transport.Request) (offer []byte, t dialog.Timer, ok bool) {
	offer, problem := sdpOf(r.Request)
	if problem != nil {
		c.ua.reply(r, problem.code, problem.text, problem.fields...)
		return nil, t, false
	}
	t, err := c.ua.timers().Answer(r.Request)
	var brief *dialog.TooBriefError
	switch {
	case errors.As(err, &brief):
		c.ua.reply(r, 422, "Session Interval Too Small", "Min-SE", strconv.Itoa(int(brief.Min/time.Second)))
		return nil, t, false
	case err != nil:
		c.ua.reply(r, 400, "Malformed Session-Expires")
		return nil, t, false
	}
	if m := methods(r.Request); m != nil {
		c.allows = m
	}
	return offer, t, true
}

func (ua *UserAgent) timers() dialog.TimerPolicy {
	return dialog.TimerPolicy{Interval: max(ua.cfg.SessionExpires, 0), Min: ua.cfg.MinSessionExpires}
}

// arm starts the session timer anew (RFC 4028 §10); one without an interval stops it.
func (c *call) arm(t dialog.Timer) {
	if c.refresh != nil {
		c.refresh.Stop()
	}
	if c.expiry != nil {
		c.expiry.Stop()
	}
	c.refresh, c.expiry, c.timer = nil, nil, t
	if t.Interval == 0 {
		return
	}
	var expiry *time.Timer
	expiry = c.after(t.Expiry(), func() {
		if c.expiry == expiry {
			c.bye(sessionExpired)
		}
	})
	c.expiry = expiry
	if t.Refresh {
		c.refreshIn(t.Duration())
	}
}

func (c *call) refreshIn(d time.Duration) {
	var refresh *time.Timer
	refresh = c.after(d, func() {
		if c.refresh == refresh && c.phase == confirmed {
			c.refreshSession()
		}
	})
	c.refresh = refresh
}
