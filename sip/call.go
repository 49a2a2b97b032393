package sip

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/mixer"
	"tutti/sip/auth"
	"tutti/sip/dialog"
	"tutti/sip/event"
	"tutti/sip/transport"
)

// phase is where a call is in its life.
type phase uint8

const (
	invited   phase = iota // their INVITE waits for our final answer
	calling                // our INVITE waits for theirs
	confirmed              // a 2xx was sent or received
	ending                 // our BYE waits for its answer
	over
)

func (p phase) String() string {
	return [...]string{"invited", "calling", "confirmed", "ending", "over"}[p]
}

// A call is one dialog made by INVITE, and its leg. Everything below key belongs to the goroutine of run; other
// goroutines put work into the mailbox.
type call struct {
	ua     *UserAgent
	box    *mailbox
	key    dialogKey
	source netip.Addr // counted against the limits; invalid for trunks and for calls we make

	log         *slog.Logger
	phase       phase
	dlg         *dialog.Dialog // nil while calling
	flow        *transport.Flow
	natted      bool // the far end sends from another address than it believes
	contact     *sipmsg.ContactHeader
	allows      []string     // methods that the far end allows; nil is unknown
	trunk       *Trunk       // whose credentials answer challenges; may be nil
	credentials *auth.Client // for trunk; made when first asked for
	session     Session
	webRTC      bool // the session can make no offer after the first
	leg         leg  // nil until joined
	join        bridge.JoinRequest
	started     time.Time

	invite   *transport.Request // their INVITE without a final answer
	settle   context.CancelFunc // ends the watch for its CANCEL
	reliable *reliable          // our 18x that waits for PRACK
	unacked  *unacked           // our 2xx that waits for ACK
	parked   []*transport.Request
	byeLater *bridge.Reason // said once the ACK is there

	offering bool // our re-INVITE waits for its final answer
	timer    dialog.Timer
	refresh  *time.Timer
	expiry   *time.Timer
	onHold   bool
	asked    map[string]time.Time // last picture_fast_update per stream

	subscriptions map[string]*event.Subscription // of this dialog, by Event
	referring     int                            // REFERs that the bridge has not answered
	renamed       bool                           // who takes another's place has another name

	peerIsFocus bool               // the far end is a conference itself
	unchat      context.CancelFunc // ends the watch for chat
	unsent      []bridge.Message   // lines that wait for the phone
	texting     bool               // our MESSAGE has no answer

	out     *outgoing           // of a call that we make; nil otherwise
	firstTx *transport.ClientTx // our first INVITE
	giveUp  *bridge.Reason      // why it is cancelled
}

// maxParked bounds requests that wait for the ACK.
const maxParked = 8

// run is the call's goroutine.
func (c *call) run() {
	for c.phase != over {
		for _, f := range c.box.take() {
			if c.phase == over {
				break
			}
			f()
		}
	}
	c.box.close()
}

// after puts f into the mailbox in d.
func (c *call) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { c.box.post(f) })
}

// request handles one request within the dialog.
func (c *call) request(r *transport.Request) {
	if r.Method == sipmsg.ACK {
		c.acked(r)
		return
	}
	switch {
	case c.dlg == nil: // our INVITE has no final answer: early dialogs are not kept
		c.ua.reply(r, 500, "Server Internal Error", "Retry-After", "1")
		return
	case r.From().Params.GetOr("tag", "") != c.dlg.RemoteTag:
		c.ua.reply(r, 481, "Call/Transaction Does Not Exist")
		return
	case c.phase == ending && r.Method != sipmsg.BYE:
		c.ua.reply(r, 481, "Call/Transaction Does Not Exist")
		return
	case c.unacked != nil && parks(r.Method):
		// On TCP and on a network that reorders, what follows the ACK may come before it.
		c.park(r)
		return
	}
	if err := c.dlg.Receive(r.Request); err != nil {
		c.ua.reply(r, 500, "CSeq Out Of Order")
		return
	}
	c.keep(r.Flow) // the far end may have a new connection, or a new port at its NAT
	c.handle(r)
}

func parks(m sipmsg.RequestMethod) bool {
	return m == sipmsg.INVITE || m == sipmsg.UPDATE || m == sipmsg.INFO
}

func (c *call) park(r *transport.Request) {
	if len(c.parked) >= maxParked {
		c.ua.reply(r, 500, "Server Internal Error", "Retry-After", "1")
		return
	}
	c.parked = append(c.parked, r)
}

// unpark handles what waited for the ACK, in the order of CSeq.
func (c *call) unpark() {
	waiting := c.parked
	c.parked = nil
	slices.SortStableFunc(waiting, func(a, b *transport.Request) int {
		return int(int64(a.CSeq().SeqNo) - int64(b.CSeq().SeqNo))
	})
	for _, r := range waiting {
		if c.phase == over {
			c.ua.reply(r, 481, "Call/Transaction Does Not Exist")
			continue
		}
		c.request(r)
	}
}

func (c *call) handle(r *transport.Request) {
	switch r.Method {
	case sipmsg.BYE:
		c.byed(r)
	case sipmsg.INVITE:
		c.reinvited(r)
	case sipmsg.UPDATE:
		c.updated(r)
	case sipmsg.INFO:
		c.informed(r)
	case sipmsg.PRACK:
		c.pracked(r)
	case sipmsg.OPTIONS:
		res := r.Response(200, "OK")
		res.AppendHeader(sipmsg.HeaderClone(c.contact))
		c.ua.capabilities(res)
		c.ua.answer(r, res)
	case sipmsg.SUBSCRIBE:
		c.subscribed(r)
	case sipmsg.REFER:
		c.refers(r, c.open)
	case sipmsg.MESSAGE:
		c.messaged(r)
	default:
		c.ua.unknownMethod(r)
	}
}

// byed: the far end hangs up (RFC 3261 §15.1.2).
func (c *call) byed(r *transport.Request) {
	c.ua.reply(r, 200, "OK")
	if c.invite != nil {
		c.refuseInvite(487, "Request Terminated")
	}
	c.free(bridge.Reason{Method: "departed"})
	c.end()
}

// Hangup ends the call (bridge.Actor).
func (c *call) Hangup(r bridge.Reason) { c.box.post(func() { c.hangup(r) }) }

// dismiss ends a call from outside that never came into a conference; the others are the bridge's to end.
func (c *call) dismiss() {
	if c.leg != nil || c.out != nil {
		return
	}
	c.stopUnacked() // there is no time to wait for the ACK
	c.hangup(goingDown)
}

var goingDown = bridge.Reason{Method: bridge.Shutdown, Code: 503, Text: "The bridge goes down"}

// abandon ends the call without a word: the grace is over.
func (c *call) abandon() {
	c.box.post(func() {
		c.free(bridge.Reason{Method: "departed"})
		c.end()
	})
}

func (c *call) hangup(r bridge.Reason) {
	switch {
	case c.phase == invited:
		code, text := r.Code, r.Text
		if code < 300 {
			code, text = 480, "Temporarily Unavailable"
		}
		c.refuseInvite(code, text)
		c.free(r)
		c.end()
	case c.phase == calling:
		c.cancel(r)
	case c.phase == confirmed && c.unacked != nil && c.leg == nil: // RFC 3261 §15: not before the ACK
		c.byeLater = &r
	case c.phase == confirmed:
		c.bye(r)
	}
}

// bye says BYE and frees everything; only the answer is waited for. The word goes out first: a media connection may take
// its time to close.
func (c *call) bye(r bridge.Reason) {
	if c.phase != confirmed {
		return
	}
	c.phase = ending
	req := c.dlg.Request(sipmsg.BYE)
	req.AppendHeader(sipmsg.NewHeader("Reason", reasonHeader(r)))
	c.ask(req, func(*sipmsg.Response, error) { c.end() })
	c.free(r)
}

// reasonHeader is the value of Reason (RFC 3326).
func reasonHeader(r bridge.Reason) string {
	protocol, cause := "Q.850", 16 // normal call clearing
	if r.Code > 0 {
		protocol, cause = "SIP", r.Code
	}
	if r.Text == "" {
		return fmt.Sprintf("%s;cause=%d", protocol, cause)
	}
	return fmt.Sprintf("%s;cause=%d;text=%s", protocol, cause, quote(r.Text))
}

// free gives back leg, media and timers. Only the first call does something.
func (c *call) free(r bridge.Reason) {
	if c.settle != nil {
		c.settle()
		c.settle = nil
	}
	c.stopUnacked()
	c.stopReliable()
	c.arm(dialog.Timer{})
	for _, p := range c.parked {
		c.ua.reply(p, 481, "Call/Transaction Does Not Exist")
	}
	c.parked = nil
	if c.leg != nil {
		c.leg.Leave(r)
		c.leg = nil
		c.log.Debug("call ended", "why", r.Text, "method", r.Method, "code", r.Code, "duration", time.Since(c.started).Round(time.Second))
	}
	if c.session != nil {
		c.session.Close()
		c.session = nil
	}
}

// end forgets the call: its goroutine ends after the function at hand.
func (c *call) end() {
	c.phase = over
	c.unsubscribe()
	c.stopChat()
	c.keep(nil)
	c.ua.leave(c)
}

// keep holds the connection of the dialog open, and lets go of the one before.
func (c *call) keep(f *transport.Flow) {
	if f != nil {
		f.Retain()
	}
	if c.flow != nil {
		c.flow.Release()
	}
	c.flow = f
}

// enterConference joins once the set-up is complete.
func (c *call) enterConference() {
	ctx, cancel := context.WithTimeout(c.ua.ctx, joinTimeout)
	defer cancel()
	l, err := c.ua.focus.Join(ctx, c.join)
	if err != nil || l == nil {
		code, text := refusal(err)
		c.log.Info("call refused after its set-up", "code", code, "why", text)
		c.bye(bridge.Reason{Method: "failed", Code: code, Text: text})
		return
	}
	c.leg = l
	c.started = time.Now()
	c.enlist()
	if c.renamed { // a failure leaves the name of who was here before
		_ = c.leg.Do(ctx, bridge.Rename{Name: c.join.DisplayText})
	}
	// The bridge has its line about who joined and left; ours is for who looks for a Call-ID.
	c.log.Debug("call joined", "entity", c.join.Entity, "name", c.join.DisplayText, "method", c.join.Method)
	if c.attach() {
		c.leg.SetStatus(c.status())
		c.chat()
	}
}

const joinTimeout = 5 * time.Second

// attach gives the mixer what was negotiated.
func (c *call) attach() bool {
	streams := c.session.Streams()
	for i := range streams {
		c.wantKeyFrames(&streams[i])
	}
	inlets, err := c.leg.Attach(streams)
	if err != nil {
		c.log.Warn("media refused by the mixer", "err", err)
		c.bye(bridge.Reason{Method: "failed", Code: 488, Text: "Media not acceptable"})
		return false
	}
	c.session.Connect(inlets)
	return true
}

// reattach does it again after a renegotiation and tells the roster about hold.
func (c *call) reattach() {
	if c.leg == nil || !c.attach() {
		return
	}
	if held := c.session.Held(); held != c.onHold {
		c.leg.SetStatus(c.status())
		c.log.Debug("hold", "on", held)
	}
}

func (c *call) status() bridge.Status {
	if c.onHold = c.session.Held(); c.onHold {
		return bridge.OnHold
	}
	return bridge.Connected
}

// wantKeyFrames lets the mixer ask a far end without RTCP feedback for a key frame by INFO (RFC 5168).
func (c *call) wantKeyFrames(s *mixer.Stream) {
	if s.Kind != mixer.Video || s.Feedback.PLI || s.Feedback.FIR || s.RequestKeyFrame != nil {
		return
	}
	id := s.ID
	s.RequestKeyFrame = func() { c.box.offer(func() { c.askKeyFrame(id) }) }
}

func (c *call) askKeyFrame(stream string) {
	now := time.Now()
	if c.phase != confirmed || c.unacked != nil || now.Sub(c.asked[stream]) < time.Second {
		return
	}
	if c.asked == nil || len(c.asked) > maxStreams {
		c.asked = map[string]time.Time{}
	}
	c.asked[stream] = now
	req := c.dlg.Request(sipmsg.INFO)
	setBody(req, "application/media_control+xml", []byte(pictureFastUpdate))
	c.ask(req, func(*sipmsg.Response, error) {}) // who does not know it says 415, and has no picture to lose
}

const (
	maxStreams        = 32
	pictureFastUpdate = `<?xml version="1.0" encoding="utf-8"?>` + "\r\n" +
		"<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>\r\n"
)
