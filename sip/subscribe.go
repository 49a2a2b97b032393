package sip

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/dialog"
	"tutti/sip/event"
	"tutti/sip/transport"
)

// subscribe takes a SUBSCRIBE outside of a dialog (RFC 4575, RFC 6665 §4.2.1).
func (ua *UserAgent) subscribe(r *transport.Request) {
	if !ua.guard.admit(r.Source().Addr(), time.Now()) {
		ua.reply(r, 503, "Service Unavailable", "Retry-After", retryAfter(2, 5))
		return
	}
	ask, refusal := event.ReadConference(r, ua.cfg.Subscriptions)
	if refusal != nil {
		ua.reply(r, refusal.Code, refusal.Text, refusal.Fields...)
		return
	}
	name := conferenceName(r.Recipient)
	feed, err := ua.roster(name)
	if err != nil {
		ua.refuse(r, err)
		return
	}
	if !ua.maySubscribe(r, name, feed.Now()) {
		return
	}
	ua.open(r, name, event.Opening{Ask: ask, Type: event.ConferenceType, Feed: feed}, 200)
}

// open begins a subscription that has a dialog of its own, and answers r.
func (ua *UserAgent) open(r *transport.Request, conference string, o event.Opening, code int) {
	dlg, err := dialog.FromInvite(r.Request, r.Tx.Tag())
	if err != nil {
		ua.reply(r, 400, "Bad Request", "Warning", warning(399, ua.host(r), err.Error()))
		return
	}
	s := &solo{
		ua: ua, key: dialogKey{dlg.CallID, dlg.LocalTag}, dlg: dlg, natted: dialog.BehindNAT(r.Request),
		contact: ua.contact(transport.Target{Flow: r.Flow}, r.Recipient.Scheme, conference),
	}
	o.Way, o.Resource, o.Source = s, conference, ua.counted(r)
	if s.sub, err = ua.events.Open(o); err != nil {
		ua.reply(r, 503, "Service Unavailable", "Retry-After", retryAfter(30, 60))
		return
	}
	s.keep(r.Flow)
	ua.mu.Lock()
	ua.solos[s.key] = s
	ua.mu.Unlock()
	ua.subscribed(r, s.contact, code, o.Ask.Expires)
	s.sub.Start()
}

// counted is the source that limits count; a trunk's is not.
func (ua *UserAgent) counted(r *transport.Request) netip.Addr {
	if ua.trunks.find(r.Source().Addr()) != nil {
		return noSource
	}
	return r.Source().Addr()
}

// roster is what a subscriber to a conference is told.
func (ua *UserAgent) roster(name string) (*event.Roster, error) {
	w, err := ua.focus.Watch(name)
	if err != nil {
		return nil, err
	}
	return event.NewRoster(ua.ctx, w, ua.cfg.Document, ua.log)
}

// refuse answers what the bridge refused.
func (ua *UserAgent) refuse(r *transport.Request, err error) {
	code, text := refusal(err)
	ua.reply(r, code, clip(text), refusalFields(code, ua.host(r), text)...)
}

// maySubscribe says who may look at a conference: its participants, registered users, and others where the policy lets
// them; where a PIN or a lobby is in the way, participants who have passed it. It has answered r where it says no.
func (ua *UserAgent) maySubscribe(r *transport.Request, name string, now *bridge.State) bool {
	switch l := ua.leg(ua.member(r, name)); {
	case l != nil && inside(l, now):
		return true
	case l != nil, now.Door.PIN, now.Door.Lobby:
		ua.reply(r, 403, "Only Participants May Subscribe")
		return false
	case ua.trunks.find(r.Source().Addr()) != nil:
		return true
	}
	if !ua.cfg.AuthenticateCalls && !ua.cfg.SubscribersAreKnown {
		return true
	}
	if len(ua.phones.passwords) == 0 {
		ua.reply(r, 403, "Only Participants May Subscribe")
		return false
	}
	_, ok := ua.authenticate(r)
	return ok
}

// leg is that of a member; nil for none.
func (ua *UserAgent) leg(c *call) leg {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	return ua.members[c].leg
}

// inside says that the participant does not wait at the door.
func inside(l leg, now *bridge.State) bool {
	u := now.User(l.User())
	return u == nil || u.WaitsFor == ""
}

// subscribed accepts a SUBSCRIBE, or a REFER.
func (ua *UserAgent) subscribed(r *transport.Request, contact *sipmsg.ContactHeader, code int, expires time.Duration) {
	res := r.Response(code, map[int]string{200: "OK", 202: "Accepted"}[code])
	res.AppendHeader(sipmsg.HeaderClone(contact))
	if r.Method == sipmsg.SUBSCRIBE {
		res.AppendHeader(sipmsg.NewHeader("Expires", seconds(expires)))
	}
	res.AppendHeader(sipmsg.NewHeader("Allow", allow))
	res.AppendHeader(sipmsg.NewHeader("Allow-Events", event.Conference))
	res.AppendHeader(sipmsg.NewHeader("Supported", supported))
	ua.answer(r, res)
}

// solo is a dialog made by SUBSCRIBE or REFER, with its one subscription. It belongs to the subscription's goroutine.
type solo struct {
	ua      *UserAgent
	key     dialogKey
	sub     *event.Subscription
	dlg     *dialog.Dialog
	flow    *transport.Flow
	natted  bool
	contact *sipmsg.ContactHeader
}

// request takes a request within the dialog, from any goroutine.
func (s *solo) request(r *transport.Request) {
	switch {
	case r.Tx == nil:
	case s.sub.Post(func() { s.handle(r) }):
	case s.sub.Over():
		s.ua.reply(r, 481, "Subscription Does Not Exist")
	default:
		s.ua.reply(r, 503, "Service Unavailable", "Retry-After", "1")
	}
}

func (s *solo) handle(r *transport.Request) {
	if r.From().Params.GetOr("tag", "") != s.dlg.RemoteTag || s.sub.Ending() {
		s.ua.reply(r, 481, "Subscription Does Not Exist")
		return
	}
	if err := s.dlg.Receive(r.Request); err != nil {
		s.ua.reply(r, 500, "CSeq Out Of Order")
		return
	}
	s.keep(r.Flow)
	if r.Method != sipmsg.SUBSCRIBE {
		s.ua.unknownMethod(r)
		return
	}
	ask, refusal := event.Read(r, s.ua.cfg.Subscriptions)
	switch {
	case refusal != nil:
		s.ua.reply(r, refusal.Code, refusal.Text, refusal.Fields...)
	case ask.Value() != s.sub.Ask.Value():
		s.ua.reply(r, 481, "Subscription Does Not Exist")
	default:
		s.dlg.Refresh(r.Contact())
		s.ua.subscribed(r, s.contact, 200, ask.Expires)
		s.sub.Renew(ask.Expires)
	}
}

// keep holds the connection of the dialog open, and lets go of the one before.
func (s *solo) keep(f *transport.Flow) {
	if f != nil {
		f.Retain()
	}
	if s.flow != nil {
		s.flow.Release()
	}
	s.flow = f
}

// Notify sends a NOTIFY (event.Way).
func (s *solo) Notify(n event.Notice, done func(int, time.Duration)) {
	req := notify(s.dlg, n)
	req.AppendHeader(sipmsg.HeaderClone(s.contact))
	to, err := s.ua.nextHop(s.dlg.NextHop(), s.flow, s.natted)
	if err != nil {
		done(408, 0)
		return
	}
	tx, err := s.ua.layer.Send(s.ua.ctx, req, to)
	if err != nil {
		done(408, 0)
		return
	}
	s.ua.wg.Go(func() {
		answered := false
		for res := range tx.Responses() { // until copies can no longer come
			if res.StatusCode >= 200 && !answered {
				answered = true
				done(verdict(res))
			}
		}
		if !answered {
			done(verdict(nil))
		}
	})
}

// Close forgets the dialog (event.Way).
func (s *solo) Close() {
	s.keep(nil)
	s.ua.mu.Lock()
	defer s.ua.mu.Unlock()
	delete(s.ua.solos, s.key)
}

// notify makes a NOTIFY, without Contact.
func notify(dlg *dialog.Dialog, n event.Notice) *sipmsg.Request {
	req := dlg.Request(sipmsg.NOTIFY)
	req.AppendHeader(sipmsg.NewHeader("Event", n.Event))
	req.AppendHeader(sipmsg.NewHeader("Subscription-State", n.State))
	req.AppendHeader(sipmsg.NewHeader("Allow-Events", event.Conference))
	setBody(req, n.Type, n.Body)
	return req
}

// verdict is what a NOTIFY came to; nil is no answer.
func verdict(res *sipmsg.Response) (int, time.Duration) {
	if res == nil {
		return 408, 0
	}
	h := res.GetHeader("retry-after")
	if h == nil {
		return res.StatusCode, 0
	}
	value, _, _ := strings.Cut(h.Value(), ";")
	value, _, _ = strings.Cut(value, "(")
	n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
	if err != nil {
		return res.StatusCode, 0
	}
	return res.StatusCode, time.Duration(n) * time.Second
}

// maxSubscriptions bounds those of one call.
const maxSubscriptions = 8

// subscribed takes a SUBSCRIBE within the call's dialog (RFC 6665 §4.5.2 would rather have another one; phones do it).
func (c *call) subscribed(r *transport.Request) {
	ask, refusal := event.Read(r, c.ua.cfg.Subscriptions)
	if refusal == nil && c.renewed(r, ask) {
		return
	}
	if ask, refusal = event.ReadConference(r, c.ua.cfg.Subscriptions); refusal != nil {
		c.ua.reply(r, refusal.Code, refusal.Text, refusal.Fields...)
		return
	}
	feed, err := c.ua.roster(c.conference())
	if err != nil {
		c.ua.refuse(r, err)
		return
	}
	if c.leg == nil || !inside(c.leg, feed.Now()) {
		c.ua.reply(r, 403, "Only Participants May Subscribe")
		return
	}
	c.open(r, c.conference(), event.Opening{Ask: ask, Type: event.ConferenceType, Feed: feed}, 200)
}

// renewed gives a SUBSCRIBE to the subscription that it is about.
func (c *call) renewed(r *transport.Request, ask event.Ask) bool {
	sub := c.subscriptions[ask.Value()]
	if sub == nil {
		return false
	}
	contact := c.contact
	return sub.Post(func() {
		if sub.Ending() {
			c.ua.reply(r, 481, "Subscription Does Not Exist")
			return
		}
		c.ua.subscribed(r, contact, 200, ask.Expires)
		sub.Renew(ask.Expires)
	})
}

// open begins a subscription within the dialog and answers r.
func (c *call) open(r *transport.Request, conference string, o event.Opening, code int) {
	for value, sub := range c.subscriptions {
		select {
		case <-sub.Done():
			delete(c.subscriptions, value)
		default:
		}
	}
	o.Way, o.Resource, o.Source = callWay{c}, conference, c.ua.counted(r)
	sub, err := c.ua.events.Open(o)
	if err == nil && len(c.subscriptions) >= maxSubscriptions {
		sub.Drop()
		err = event.ErrFull
	}
	if err != nil {
		c.ua.reply(r, 503, "Service Unavailable", "Retry-After", retryAfter(30, 60))
		return
	}
	if c.subscriptions == nil {
		c.subscriptions = map[string]*event.Subscription{}
	}
	if old := c.subscriptions[o.Ask.Value()]; old != nil {
		old.Drop()
	}
	c.subscriptions[o.Ask.Value()] = sub
	c.ua.subscribed(r, c.contact, code, o.Ask.Expires)
	sub.Start()
}

// unsubscribe ends the subscriptions of a dialog that is over.
func (c *call) unsubscribe() {
	for _, sub := range c.subscriptions {
		sub.Drop()
	}
	c.subscriptions = nil
}

// callWay sends NOTIFYs within the dialog of a call.
type callWay struct{ c *call }

// Notify sends a NOTIFY (event.Way). That the call is over is told by unsubscribe.
func (w callWay) Notify(n event.Notice, done func(int, time.Duration)) {
	w.c.box.post(func() {
		if w.c.dlg == nil || w.c.phase == ending {
			done(481, 0)
			return
		}
		w.c.ask(notify(w.c.dlg, n), func(res *sipmsg.Response, _ error) { done(verdict(res)) })
	})
}

// Close does nothing: the dialog goes on (event.Way).
func (w callWay) Close() {}

// conference is the name of the call's conference.
func (c *call) conference() string {
	if c.out != nil {
		return c.out.conference
	}
	return c.join.Conference
}

// member is a call whose leg is in a conference, as requests outside of its dialog are known by.
type member struct {
	conference, entity, number string
	remoteTag                  string
	source                     netip.Addr
	leg                        leg
}

// enlist makes the call known as a member.
func (c *call) enlist() {
	m := member{conference: c.conference(), entity: c.join.Entity, number: c.join.Number, remoteTag: c.dlg.RemoteTag, leg: c.leg}
	if c.out != nil {
		m.entity, m.number = c.dlg.Remote.URI.Addr(), conferenceName(c.dlg.Remote.URI)
	}
	if c.flow != nil {
		m.source = c.flow.Remote.Addr()
	}
	c.ua.mu.Lock()
	defer c.ua.mu.Unlock()
	if c.ua.calls[c.key] == c {
		c.ua.members[c] = m
	}
}

// member is the call of who sent a request about a conference from outside of any dialog: the same address, the same name.
func (ua *UserAgent) member(r *transport.Request, conference string) *call {
	source, from := r.Source().Addr(), r.From().Address
	entity, number := from.Addr(), conferenceName(from)
	ua.mu.Lock()
	defer ua.mu.Unlock()
	for c, m := range ua.members {
		if m.conference == conference && m.source == source && (m.entity == entity || m.number != "" && m.number == number) {
			return c
		}
	}
	return nil
}
