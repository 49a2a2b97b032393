package sip

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/dialog"
	"tutti/sip/event"
	"tutti/sip/transport"
)

// unacked is our 2xx to an INVITE, repeated until its ACK (RFC 3261 §13.3.1.4).
type unacked struct {
	r        *transport.Request
	res      *sipmsg.Response
	seq      uint32
	late     bool // the 2xx has our offer: the ACK has the answer
	interval time.Duration
	again    *time.Timer
	giveUp   *time.Timer
}

// reliable is our 180 that waits for its PRACK (RFC 3262 §3).
type reliable struct {
	r        *transport.Request
	res      *sipmsg.Response
	rseq     uint32
	then     func()
	interval time.Duration
	again    *time.Timer
	giveUp   *time.Timer
}

// invite takes an INVITE outside of a dialog: a new call. It runs on the transport's goroutine and must not block.
func (ua *UserAgent) invite(r *transport.Request) {
	source := r.Source().Addr()
	trunk := ua.trunks.find(source)
	if trunk == nil && !ua.guard.admit(source, time.Now()) {
		ua.reply(r, 503, "Service Unavailable", "Retry-After", retryAfter(2, 5))
		return
	}
	user := ""
	if ua.cfg.AuthenticateCalls && trunk == nil {
		var ok bool
		if user, ok = ua.authenticate(r); !ok {
			return
		}
	}
	ua.reply(r, 100, "Trying")
	c := &call{
		ua: ua, box: newMailbox(), key: dialogKey{string(*r.CallID()), r.Tx.Tag()}, phase: invited, source: source, trunk: trunk,
		log: ua.log.With("call", string(*r.CallID()), "from", source.String()),
	}
	if trunk != nil {
		c.source = noSource
	}
	ctx, settle := context.WithCancel(ua.ctx)
	c.invite, c.settle = r, settle
	c.box.post(func() { c.invited(ctx, r, user) })
	if err := ua.enter(c); err != nil {
		settle()
		ua.reply(r, 503, "Service Unavailable", "Retry-After", retryAfter(5, 15))
		return
	}
	ua.wg.Go(func() {
		select {
		case <-r.Tx.Cancelled():
			settle()
			c.box.post(c.cancelled)
		case <-ctx.Done():
		}
	})
}

// retryAfter spreads those who come again.
func retryAfter(least, most int) string { return strconv.Itoa(least + rand.IntN(most-least+1)) }

// cancelled: the far end gave up before our final answer (RFC 3261 §9.2).
func (c *call) cancelled() {
	if c.invite == nil {
		return
	}
	first := c.phase == invited
	c.refuseInvite(487, "Request Terminated")
	if first {
		c.free(bridge.Reason{Method: "departed"})
		c.end()
	}
}

// refuseInvite gives the pending INVITE its final answer.
func (c *call) refuseInvite(code int, text string, fields ...string) {
	if c.invite == nil {
		return
	}
	c.ua.reply(c.invite, code, text, fields...)
	c.invite = nil
	if c.settle != nil {
		c.settle()
		c.settle = nil
	}
}

// reject refuses the first INVITE and ends the call.
func (c *call) reject(code int, text string, fields ...string) {
	level := slog.LevelDebug // strangers fill no disk
	if c.ua.guard.mayLog(time.Now()) {
		level = slog.LevelInfo
	}
	c.log.Log(c.ua.ctx, level, "call refused", "code", code, "why", text)
	c.refuseInvite(code, text, fields...)
	c.free(bridge.Reason{Method: "failed", Code: code, Text: text})
	c.end()
}

// invited answers the first INVITE.
func (c *call) invited(ctx context.Context, r *transport.Request, user string) {
	if ctx.Err() != nil { // cancelled before we looked
		return
	}
	offer, problem := sdpOf(r.Request)
	if problem != nil {
		c.reject(problem.code, problem.text, problem.fields...)
		return
	}
	dlg, err := dialog.FromInvite(r.Request, r.Tx.Tag())
	if err != nil {
		c.reject(400, "Bad Request", "Warning", warning(399, c.ua.host(r), err.Error()))
		return
	}
	c.dlg = dlg
	c.keep(r.Flow)
	c.natted = dialog.BehindNAT(r.Request)
	c.allows, c.peerIsFocus = methods(r.Request), isFocus(r.Contact())
	timer, err := c.ua.timers().Answer(r.Request)
	if !c.timerOK(err) {
		return
	}
	c.timer = timer
	replaced, problem := c.ua.taken(r)
	if problem != nil {
		c.reject(problem.code, problem.text, problem.fields...)
		return
	}
	name := conferenceName(r.Recipient)
	if replaced != nil {
		name = replaced.conference
	}
	name = c.ua.conferenceAt(name)
	if name == "" {
		c.reject(404, "Not Found", "Warning", warning(399, c.ua.host(r), "No conference is named"))
		return
	}
	c.join = c.ua.joinRequest(r, name, user, c.trunk != nil)
	c.join.Actor = c
	if replaced != nil {
		c.join.Resume, c.renamed = replaced.leg.Token(), replaced.entity != c.join.Entity
	}
	c.join.Call = &bridge.CallInfo{CallID: dlg.CallID, FromTag: dlg.RemoteTag, ToTag: dlg.LocalTag}
	c.log = c.log.With("conference", name)
	c.contact = c.ua.contact(transport.Target{Flow: r.Flow}, r.Recipient.Scheme, name)
	preferences, err := c.ua.focus.Admit(c.join)
	if err != nil {
		code, text := refusal(err)
		c.reject(code, clip(text), refusalFields(code, c.ua.host(r), text)...) // phones show the reason phrase
		return
	}
	c.webRTC = offer != nil && c.ua.media.WantsICE(offer)
	c.session, err = c.ua.media.NewSession(SessionRequest{
		Remote: r.Source().Addr(), WebRTC: c.webRTC, Preferences: preferences, End: c.mediaEnded,
	})
	if err != nil {
		c.log.Warn("no media for a call", "err", err)
		c.reject(503, "Service Unavailable", "Retry-After", retryAfter(5, 15))
		return
	}
	c.negotiate(ctx, r, offer)
}

// mediaEnded hangs up when the media is over before the call is.
func (c *call) mediaEnded(why string) {
	c.Hangup(bridge.Reason{Method: "failed", Code: 408, Text: why})
}

// negotiate makes the description of the 200, rings, and accepts.
func (c *call) negotiate(ctx context.Context, r *transport.Request, offer []byte) {
	var body []byte
	var err error
	if offer == nil {
		body, err = c.session.Offer(ctx)
	} else {
		body, err = c.session.Answer(ctx, offer)
	}
	if ctx.Err() != nil { // cancelled while we gathered; the 487 is in the mailbox
		return
	}
	if err != nil {
		code, text, fields := c.mediaRefusal(r, err)
		c.reject(code, text, fields...)
		return
	}
	accept := func() { c.accept(r, body, offer == nil) }
	switch {
	case dialog.HasTag(r.Request, "require", "100rel") && offer != nil:
		c.ringReliably(r, accept)
	case dialog.HasTag(r.Request, "require", "100rel"):
		accept() // a reliable 180 would have to carry the offer; no 180 at all is as good (RFC 3262 §3)
	default:
		c.ua.answer(r, c.ringing(r))
		accept()
	}
}

func (c *call) ringing(r *transport.Request) *sipmsg.Response {
	res := r.Response(180, "Ringing")
	res.AppendHeader(sipmsg.HeaderClone(c.contact))
	res.AppendHeader(sipmsg.NewHeader("Allow", allow))
	return res
}

// ringReliably sends 180 until its PRACK, then goes on.
func (c *call) ringReliably(r *transport.Request, then func()) {
	res := c.ringing(r)
	p := &reliable{r: r, res: res, rseq: 1 + rand.Uint32N(1<<30), then: then, interval: c.ua.cfg.Timers.T1}
	res.AppendHeader(sipmsg.NewHeader("Require", "100rel"))
	res.AppendHeader(sipmsg.NewHeader("RSeq", strconv.FormatUint(uint64(p.rseq), 10)))
	c.reliable = p
	c.ua.answer(r, res)
	p.again = c.after(p.interval, func() { c.ringAgain(p) })
	p.giveUp = c.after(64*c.ua.cfg.Timers.T1, func() {
		if c.reliable == p { // RFC 3262 §3: a 5xx
			c.reject(504, "No PRACK Came")
		}
	})
}

func (c *call) ringAgain(p *reliable) {
	if c.reliable != p {
		return
	}
	c.ua.answer(p.r, p.res)
	p.interval *= 2
	p.again = c.after(p.interval, func() { c.ringAgain(p) })
}

func (c *call) stopReliable() {
	if p := c.reliable; p != nil {
		p.again.Stop()
		p.giveUp.Stop()
		c.reliable = nil
	}
}

// pracked takes a PRACK (RFC 3262 §3).
func (c *call) pracked(r *transport.Request) {
	p := c.reliable
	if p == nil || !rackMatches(r.Request, p) {
		c.ua.reply(r, 481, "Call/Transaction Does Not Exist")
		return
	}
	c.stopReliable()
	c.ua.reply(r, 200, "OK")
	p.then()
}

func rackMatches(r *sipmsg.Request, p *reliable) bool {
	h := r.GetHeader("rack")
	if h == nil {
		return false
	}
	f := strings.Fields(h.Value())
	return len(f) == 3 && f[0] == strconv.FormatUint(uint64(p.rseq), 10) &&
		f[1] == strconv.FormatUint(uint64(p.r.CSeq().SeqNo), 10) && f[2] == string(p.r.Method)
}

// accept sends the 200 to an INVITE, first or later.
func (c *call) accept(r *transport.Request, body []byte, late bool) {
	res := r.Response(200, "OK")
	res.AppendHeader(sipmsg.HeaderClone(c.contact))
	res.AppendHeader(sipmsg.NewHeader("Allow", allow))
	res.AppendHeader(sipmsg.NewHeader("Allow-Events", event.Conference))
	res.AppendHeader(sipmsg.NewHeader("Accept", accept))
	res.AppendHeader(sipmsg.NewHeader("Supported", supported))
	addTimer(res, c.timer)
	setBody(res, sdpContentType, body)
	if c.settle != nil {
		c.settle()
		c.settle = nil
	}
	c.invite = nil
	c.phase = confirmed
	t1 := c.ua.cfg.Timers.T1
	u := &unacked{r: r, res: res, seq: r.CSeq().SeqNo, late: late, interval: t1}
	c.unacked = u
	c.ua.answer(r, res)
	u.again = c.after(u.interval, func() { c.acceptAgain(u) })
	u.giveUp = c.after(64*t1, func() {
		if c.unacked == u {
			c.stopUnacked()
			c.bye(bridge.Reason{Method: "failed", Code: 408, Text: "No ACK came"})
		}
	})
}

func addTimer(res *sipmsg.Response, t dialog.Timer) {
	if t.Interval == 0 {
		return
	}
	res.AppendHeader(sipmsg.NewHeader("Session-Expires", t.Header()))
	if t.Required() {
		res.AppendHeader(sipmsg.NewHeader("Require", "timer"))
	}
}

func (c *call) acceptAgain(u *unacked) {
	if c.unacked != u {
		return
	}
	c.ua.answer(u.r, u.res)
	u.interval = min(2*u.interval, c.ua.cfg.Timers.T2)
	u.again = c.after(u.interval, func() { c.acceptAgain(u) })
}

func (c *call) stopUnacked() {
	if u := c.unacked; u != nil {
		u.again.Stop()
		u.giveUp.Stop()
		c.unacked = nil
	}
}

// acked completes the set-up, or a re-INVITE.
func (c *call) acked(r *transport.Request) {
	u := c.unacked
	if u == nil || r.CSeq().SeqNo != u.seq {
		return // a copy
	}
	c.stopUnacked()
	if c.byeLater != nil {
		c.bye(*c.byeLater)
		return
	}
	if u.late && !c.completed(r) {
		return
	}
	c.session.Confirm()
	c.arm(c.timer)
	switch {
	case c.leg == nil:
		c.enterConference()
	case u.late:
		c.reattach()
	}
	c.unpark()
}

// completed takes the answer in an ACK to our offer. Without one a re-INVITE changes nothing; a first INVITE has no media
// and ends.
func (c *call) completed(r *transport.Request) bool {
	answer, problem := sdpOf(r.Request)
	err := errors.New("no answer in the ACK")
	if problem == nil && answer != nil {
		err = c.session.Complete(answer)
	}
	if err == nil {
		return true
	}
	c.session.Rollback()
	c.log.Info("answer not usable", "err", err)
	if c.leg != nil {
		c.unpark()
		return false
	}
	c.bye(bridge.Reason{Method: "failed", Code: 488, Text: "Not acceptable here"})
	return false
}

// timerOK answers a Session-Expires that cannot be accepted.
func (c *call) timerOK(err error) bool {
	var brief *dialog.TooBriefError
	switch {
	case err == nil:
		return true
	case errors.As(err, &brief):
		c.reject(422, "Session Interval Too Small", "Min-SE", strconv.Itoa(int(brief.Min/time.Second)))
	default:
		c.reject(400, "Malformed Session-Expires")
	}
	return false
}
