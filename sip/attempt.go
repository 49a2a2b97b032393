package sip

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/dialog"
	"tutti/sip/event"
	"tutti/sip/transport"
)

// dial sends the INVITE.
func (c *call) dial(d destination) {
	ctx, cancel := context.WithTimeout(c.ua.ctx, resolveTimeout)
	defer cancel()
	to, err := c.ua.route(ctx, d)
	if err != nil {
		c.fail(bridge.Reason{Method: "failed", Code: 503, Text: "No way to " + c.out.target})
		return
	}
	remote := to.Addr.Addr()
	if to.Flow != nil {
		remote = to.Flow.Remote.Addr()
	}
	c.webRTC, c.natted = d.webRTC(), d.natted
	c.session, err = c.ua.media.NewSession(SessionRequest{Remote: remote, WebRTC: c.webRTC, End: c.mediaEnded})
	var offer []byte
	if err == nil {
		offer, err = c.session.Offer(c.ua.ctx)
	}
	if err != nil {
		c.log.Warn("no offer for a call out", "err", err)
		c.fail(bridge.Reason{Method: "failed", Code: 500, Text: "No media for the call"})
		return
	}
	c.contact = c.ua.contact(to, d.uri.Scheme, c.out.conference)
	timer := c.ua.cfg.SessionExpires
	req := c.firstInvite(d, offer, timer)
	a := &attempt{call: c, to: to, req: req, timer: timer}
	a.send()
	a.limit = c.after(c.ua.cfg.RingTimeout, func() { c.cancel(bridge.Reason{Method: "failed", Code: 408, Text: "No answer"}) })
	c.log.Info("dialling", "address", remoteText(to, remote))
}

func remoteText(to transport.Target, remote netip.Addr) string {
	if to.Flow == nil {
		return to.Addr.String()
	}
	return remote.String()
}

// route is where the first request goes: the flow of a registration, or the address of the URI.
func (ua *UserAgent) route(ctx context.Context, d destination) (transport.Target, error) {
	if d.flow.Alive() && len(d.routes) == 0 && (d.flow.Network.Reliable() || keepsFlow(d.uri, d.flow, d.natted)) {
		return transport.Target{Flow: d.flow}, nil
	}
	if d.flow.Alive() && len(d.routes) > 0 && keepsFlow(d.routes[0], d.flow, d.natted) {
		return transport.Target{Flow: d.flow}, nil
	}
	return ua.resolve(ctx, d.hop())
}

// firstInvite makes the INVITE of a new dialog.
func (c *call) firstInvite(d destination, offer []byte, timer time.Duration) *sipmsg.Request {
	uri := *d.uri.Clone()
	uri.Headers = nil // RFC 3261 §19.1.1: not in a Request-URI
	req := sipmsg.NewRequest(sipmsg.INVITE, uri)
	for _, r := range d.routes {
		req.AppendHeader(&sipmsg.RouteHeader{Address: *r.Clone()})
	}
	from := sipmsg.Uri{Scheme: "sip", User: c.contact.Address.User, Host: c.contact.Address.Host}
	if d.trunk != nil && d.trunk.User != "" { // a provider knows us by our account
		from.User, from.Host = d.trunk.User, d.trunk.host()
	}
	id := sipmsg.CallIDHeader(c.key.callID)
	req.AppendHeader(&sipmsg.FromHeader{DisplayName: strings.NewReplacer(`"`, "", `\`, "").Replace(c.out.conference), Address: from, Params: sipmsg.HeaderParams{{K: "tag", V: c.key.localTag}}})
	req.AppendHeader(&sipmsg.ToHeader{Address: sipmsg.Uri{Scheme: d.uri.Scheme, User: d.uri.User, Host: d.uri.Host, Port: d.uri.Port}})
	req.AppendHeader(&id)
	req.AppendHeader(&sipmsg.CSeqHeader{SeqNo: 1, MethodName: sipmsg.INVITE})
	req.AppendHeader(sipmsg.HeaderClone(c.contact))
	req.AppendHeader(sipmsg.NewHeader("Allow", allow))
	req.AppendHeader(sipmsg.NewHeader("Accept", accept))
	req.AppendHeader(sipmsg.NewHeader("Allow-Events", event.Conference))
	req.AppendHeader(sipmsg.NewHeader("Supported", "timer"))
	if ref := c.out.reference; ref.replaces != "" {
		req.AppendHeader(sipmsg.NewHeader("Replaces", ref.replaces))
	}
	if ref := c.out.reference; ref.by != "" { // RFC 3892 §2.2
		req.AppendHeader(sipmsg.NewHeader("Referred-By", ref.by))
	}
	if timer > 0 {
		value := strconv.Itoa(int(timer / time.Second))
		if c.webRTC { // only it can make offers from now on
			value += ";refresher=uas"
		}
		req.AppendHeader(sipmsg.NewHeader("Session-Expires", value))
	}
	setBody(req, sdpContentType, offer)
	return req
}

// attempt is our first INVITE under way. It belongs to the call's goroutine.
type attempt struct {
	*call
	to     transport.Target
	req    *sipmsg.Request
	tx     *transport.ClientTx
	timer  time.Duration
	limit  *time.Timer
	early  map[string][]byte // descriptions of provisional answers, by To tag
	acks   map[string]*sipmsg.Request
	tried  bool // an answer to a challenge
	raised bool // a longer session interval
}

const maxForks = 8

// send starts a transaction; answers of an older one count no more.
func (a *attempt) send() {
	var tx *transport.ClientTx
	tx = a.transact(a.req, a.to, func(res *sipmsg.Response, err error) {
		switch {
		case a.tx != tx && err == nil && !res.IsSuccess():
		case a.tx == tx || err == nil:
			a.hear(res, err)
		}
	})
	a.tx = tx
	a.firstTx = tx
}

func (a *attempt) hear(res *sipmsg.Response, err error) {
	switch {
	case err != nil:
		if a.phase == calling {
			a.refused(bridge.Reason{Method: "failed", Code: 408, Text: "No answer from " + a.out.target})
		}
	case res.StatusCode < 200:
		a.provisional(res)
	case res.IsSuccess():
		a.accepted(res)
	case a.phase != calling:
	case (res.StatusCode == 401 || res.StatusCode == 407) && !a.tried && a.giveUp == nil:
		again := a.authorized(a.req, res)
		if again == nil {
			a.refused(failure(res))
			return
		}
		a.tried, a.req = true, again
		a.send()
	case res.StatusCode == 422 && !a.raised && a.giveUp == nil:
		a.raised = true
		a.raise(dialog.MinSE(res))
	default:
		a.refused(failure(res))
	}
}

// raise asks again for a session interval that the far end accepts (RFC 4028 §7.3).
func (a *attempt) raise(least time.Duration) {
	again := a.req.Clone()
	for again.RemoveHeader("Via") {
	}
	again.RemoveHeader("Session-Expires")
	again.CSeq().SeqNo++
	value := strconv.Itoa(int(max(least, a.timer) / time.Second))
	again.AppendHeader(sipmsg.NewHeader("Session-Expires", value))
	again.AppendHeader(sipmsg.NewHeader("Min-SE", strconv.Itoa(int(least/time.Second))))
	a.req = again
	a.send()
}

func (a *attempt) provisional(res *sipmsg.Response) {
	if a.phase != calling || res.StatusCode == 100 {
		return
	}
	tag := res.To().Params.GetOr("tag", "")
	if sdp, problem := sdpOf(res); problem == nil && sdp != nil && len(a.early) < maxForks {
		if a.early == nil {
			a.early = map[string][]byte{}
		}
		a.early[tag] = sdp // some gateways leave it out of the 200
	}
	if res.StatusCode == 180 || res.StatusCode == 183 {
		a.out.rings()
	}
}

// accepted takes a 2xx: the first of ours talks, that of another fork, and one that crossed our CANCEL, is hung up.
func (a *attempt) accepted(res *sipmsg.Response) {
	tag := res.To().Params.GetOr("tag", "")
	if ack, ok := a.acks[tag]; ok { // our ACK was lost
		a.writeTo(ack, a.to)
		return
	}
	dlg, err := dialog.FromResponse(a.req, res)
	if err != nil || len(a.acks) >= maxForks {
		a.log.Info("answer not usable", "err", err)
		if a.phase == calling {
			a.refused(bridge.Reason{Method: "failed", Code: 502, Text: "The far end's answer is not usable"})
		}
		return
	}
	ack := dlg.Ack(a.req.CSeq().SeqNo)
	if a.acks == nil {
		a.acks = map[string]*sipmsg.Request{}
	}
	a.acks[tag] = ack
	if a.phase != calling { // another fork
		a.dismiss(dlg, ack)
		return
	}
	a.limit.Stop()
	a.dlg, a.phase = dlg, confirmed
	a.keep(a.tx.Flow())
	a.allows, a.peerIsFocus = methods(res), isFocus(res.Contact())
	won := a.giveUp == nil && a.out.answered(a.call)
	var unfit error
	if won {
		unfit = a.agree(res, tag)
	}
	a.write(ack)
	switch {
	case a.giveUp != nil:
		a.bye(*a.giveUp)
	case !won:
		a.bye(bridge.Reason{Code: 200, Text: "Answered elsewhere"})
	default:
		a.talk(res, unfit)
	}
}

// agree takes the answer to our offer.
func (a *attempt) agree(res *sipmsg.Response, tag string) error {
	sdp, problem := sdpOf(res)
	if problem == nil && sdp == nil {
		sdp = a.early[tag]
	}
	if problem != nil || sdp == nil {
		return errors.New("answered without media")
	}
	return a.session.Complete(sdp)
}

// talk puts the call into the conference, unless its media do not fit. Before this nothing was mixed.
func (a *attempt) talk(res *sipmsg.Response, err error) {
	a.leg, a.started = a.out.leg, time.Now()
	a.enlist()
	if err != nil {
		a.log.Info("answer not usable", "err", err)
		a.bye(bridge.Reason{Method: "failed", Code: 488, Text: "The far end's media do not fit"})
		return
	}
	a.early = nil
	a.session.Confirm()
	a.log.Info("call answered", "by", res.To().Address.String())
	a.arm(dialog.Accepted(res))
	if a.attach() {
		a.leg.SetStatus(a.status())
		a.chat()
	}
}

// dismiss hangs up a dialog that nobody needs.
func (a *attempt) dismiss(dlg *dialog.Dialog, ack *sipmsg.Request) {
	a.writeTo(ack, a.to)
	bye := dlg.Request(sipmsg.BYE)
	a.transact(bye, a.to, func(*sipmsg.Response, error) {})
}

func (a *attempt) refused(r bridge.Reason) {
	a.limit.Stop()
	if a.giveUp != nil {
		r = *a.giveUp
	}
	a.fail(r)
}

// failure is what a final answer says to people.
func failure(res *sipmsg.Response) bridge.Reason {
	r := bridge.Reason{Method: "failed", Code: res.StatusCode, Text: clip(res.Reason)}
	if slices.Contains([]int{486, 600, 603}, res.StatusCode) {
		r.Method = "busy"
	}
	return r
}

// fail ends a call that was not answered.
func (c *call) fail(r bridge.Reason) {
	c.log.Info("call out failed", "code", r.Code, "why", r.Text)
	c.free(r)
	c.out.failed(r)
	c.end()
}

// cancel stops the ringing (RFC 3261 §9.1): the transaction waits for the first provisional answer; a 200 that crosses is
// acknowledged and hung up.
func (c *call) cancel(r bridge.Reason) {
	if c.phase != calling || c.giveUp != nil {
		return
	}
	c.giveUp = &r
	if c.session != nil {
		c.session.Close()
		c.session = nil
	}
	if c.firstTx != nil {
		c.firstTx.Cancel(sipmsg.NewHeader("Reason", reasonHeader(r)))
		return
	}
	c.fail(r)
}

// writeTo sends an ACK by a known way.
func (c *call) writeTo(ack *sipmsg.Request, to transport.Target) {
	ctx, cancel := context.WithTimeout(c.ua.ctx, resolveTimeout)
	defer cancel()
	if err := c.ua.layer.Write(ctx, ack, to); err != nil {
		c.log.Debug("ACK not sent", "err", err)
	}
}
