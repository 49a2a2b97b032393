package sip

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/dialog"
	"tutti/sip/transport"
)

var sessionExpired = bridge.Reason{Method: "failed", Code: 408, Text: "Session expired"}

// target is where our requests within the dialog go.
func (c *call) target() (transport.Target, error) {
	return c.ua.nextHop(c.dlg.NextHop(), c.flow, c.natted)
}

// nextHop is how to reach the next hop of a dialog. It may block for the DNS.
func (ua *UserAgent) nextHop(hop sipmsg.Uri, f *transport.Flow, natted bool) (transport.Target, error) {
	if keepsFlow(hop, f, natted) {
		return transport.Target{Flow: f}, nil
	}
	ctx, cancel := context.WithTimeout(ua.ctx, resolveTimeout)
	defer cancel()
	return ua.resolve(ctx, hop)
}

const resolveTimeout = 5 * time.Second

// keepsFlow says whether the next hop is better reached by the way its request came than by its URI: it is on the far side
// of a connection that is open, or of a NAT (natted, or an address that means nothing here; RFC 5626 §3 without asking for it; RFC 3261 alone would send into the void).
func keepsFlow(hop sipmsg.Uri, f *transport.Flow, natted bool) bool {
	if !f.Alive() {
		return false
	}
	ip, err := netip.ParseAddr(hop.Host)
	if err != nil {
		return f.Network.Reliable() || strings.HasSuffix(strings.ToLower(hop.Host), ".invalid")
	}
	ip = ip.Unmap()
	switch remote := f.Remote.Addr().Unmap(); {
	case f.Network == transport.WS || f.Network == transport.WSS:
		return true
	case ip == remote:
		return f.Network.Reliable() || hop.Port == int(f.Remote.Port()) || hop.Port == 0 && f.Remote.Port() == 5060
	default:
		return unreachable(ip) && (natted || !unreachable(remote) || remote.IsLoopback() != ip.IsLoopback())
	}
}

var sharedSpace = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598

// unreachable says that an address means nothing outside of its own network.
func unreachable(ip netip.Addr) bool {
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || sharedSpace.Contains(ip)
}

// ask sends a request of ours within the dialog; done hears its final answer, or why there is none, on the call's
// goroutine. A digest challenge is answered once.
func (c *call) ask(req *sipmsg.Request, done func(*sipmsg.Response, error)) {
	if c.dlg != nil && req.Contact() == nil && refreshesTarget(req.Method) {
		req.AppendHeader(sipmsg.HeaderClone(c.contact))
	}
	to, err := c.target()
	if err != nil {
		c.box.post(func() { done(nil, err) })
		return
	}
	asked := false
	c.transact(req, to, func(res *sipmsg.Response, err error) {
		if res != nil && res.StatusCode < 200 {
			return
		}
		if asked { // copies of a 2xx are answered with their ACK by done
			if res != nil && res.IsSuccess() && req.Method == sipmsg.INVITE {
				done(res, nil)
			}
			return
		}
		asked = true
		if again := c.authorized(req, res); again != nil {
			c.ask(again, done)
			return
		}
		done(res, err)
	})
}

func refreshesTarget(m sipmsg.RequestMethod) bool {
	return m == sipmsg.INVITE || m == sipmsg.UPDATE || m == sipmsg.NOTIFY
}

// transact runs a client transaction; each answer is heard on the call's goroutine, then, where there was no final
// answer, why.
func (c *call) transact(req *sipmsg.Request, to transport.Target, hear func(*sipmsg.Response, error)) *transport.ClientTx {
	tx, err := c.ua.layer.Send(c.ua.ctx, req, to)
	if err != nil {
		c.box.post(func() { hear(nil, err) })
		return nil
	}
	c.ua.wg.Go(func() {
		for res := range tx.Responses() {
			if res.StatusCode < 200 { // as many as the far end likes: those that find no room are lost
				c.box.offer(func() { hear(res, nil) })
				continue
			}
			c.box.post(func() { hear(res, nil) })
		}
		if err := tx.Err(); err != nil {
			c.box.post(func() { hear(nil, err) })
		}
	})
	return tx
}

// refreshSession repeats what is in force so that both ends and proxies see that the call lives (RFC 4028 §10): by
// UPDATE where the far end knows it, else by re-INVITE.
func (c *call) refreshSession() {
	if c.offering || c.unacked != nil {
		c.refreshIn(time.Second)
		return
	}
	if !slices.Contains(c.allows, "UPDATE") && !c.webRTC {
		c.reinvite()
		return
	}
	req := c.dlg.Request(sipmsg.UPDATE)
	askTimer(req, c.timer)
	c.ask(req, func(res *sipmsg.Response, err error) { c.refreshed(res, err, c.otherRefresh()) })
}

// otherRefresh is what to do where UPDATE was refused; nil where nothing else is possible.
func (c *call) otherRefresh() func() {
	if c.webRTC {
		return nil
	}
	return func() {
		c.allows = nil
		c.reinvite()
	}
}

func askTimer(req *sipmsg.Request, t dialog.Timer) {
	req.AppendHeader(sipmsg.NewHeader("Supported", "timer")) // not 100rel: we send no PRACK
	req.AppendHeader(sipmsg.NewHeader("Allow", allow))
	if t.Interval > 0 {
		req.AppendHeader(sipmsg.NewHeader("Session-Expires", t.Ask()))
	}
}

// refreshed takes the answer to a refresh; other is tried where the method was refused.
func (c *call) refreshed(res *sipmsg.Response, err error, other func()) {
	if c.phase != confirmed {
		return
	}
	switch {
	case err != nil: // RFC 3261 §12.2.1.2: as if 408
		c.bye(bridge.Reason{Method: "failed", Code: 408, Text: "No answer to a refresh"})
	case res.IsSuccess():
		c.dlg.Refresh(res.Contact())
		c.arm(dialog.Accepted(res))
	case res.StatusCode == 481 || res.StatusCode == 408:
		c.bye(bridge.Reason{Method: "failed", Code: res.StatusCode, Text: "The far end lost the call"})
	case res.StatusCode == 422:
		c.timer.Interval = max(dialog.MinSE(res), c.timer.Interval)
		c.refreshIn(time.Second)
	case res.StatusCode == 491:
		c.refreshIn(c.glare())
	case other != nil:
		other()
	default: // refused, yet the call lives until its timer ends
		c.refreshIn(c.timer.Interval / 8)
	}
}

// glare is how long to wait after a 491 (RFC 3261 §14.1): longer for who owns the Call-ID.
func (c *call) glare() time.Duration {
	if c.out != nil {
		return 2100*time.Millisecond + 10*time.Millisecond*time.Duration(rand.IntN(191))
	}
	return 10 * time.Millisecond * time.Duration(rand.IntN(201))
}

// reinvite sends what is in force as a new offer.
func (c *call) reinvite() {
	body, err := c.session.Offer(c.ua.ctx)
	if err != nil {
		c.log.Warn("no offer for a refresh", "err", err)
		return
	}
	req := c.dlg.Request(sipmsg.INVITE)
	askTimer(req, c.timer)
	setBody(req, sdpContentType, body)
	c.offering = true
	var ack *sipmsg.Request
	c.ask(req, func(res *sipmsg.Response, err error) {
		if res != nil && res.IsSuccess() {
			if ack != nil { // a copy: our ACK was lost
				c.write(ack)
				return
			}
			c.dlg.Refresh(res.Contact())
			ack = c.dlg.Ack(res.CSeq().SeqNo)
			c.write(ack)
		}
		c.offering = false
		if c.session == nil {
			return
		}
		if res == nil || !res.IsSuccess() {
			c.session.Rollback()
			c.refreshed(res, err, nil)
			return
		}
		if err := c.session.Complete(res.Body()); err != nil {
			c.session.Rollback()
			c.bye(bridge.Reason{Method: "failed", Code: 488, Text: "Not acceptable here"})
			return
		}
		c.reattach()
		c.refreshed(res, nil, nil)
	})
}

// write sends an ACK to a 2xx.
func (c *call) write(ack *sipmsg.Request) {
	to, err := c.target()
	if err == nil {
		ctx, cancel := context.WithTimeout(c.ua.ctx, resolveTimeout)
		defer cancel()
		err = c.ua.layer.Write(ctx, ack, to)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		c.log.Debug("ACK not sent", "err", err)
	}
}
