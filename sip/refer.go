package sip

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/event"
	"tutti/sip/transport"
)

// reference is what a REFER asks the focus for (RFC 3515, RFC 4579 §5.5): to call somebody, or to take somebody out.
type reference struct {
	uri      sipmsg.Uri
	name     string // shown; may be ""
	remove   bool
	replaces string // for the INVITE (RFC 3891); "" for none
	by       string // Referred-By for the INVITE; "" for none
	quiet    bool   // no NOTIFYs are wanted (RFC 4488)
	id       string // of the implicit subscription
}

// readReference reads a REFER.
func readReference(r *sipmsg.Request) (reference, *problem) {
	var ref reference
	to := r.GetHeaders("refer-to")
	if len(to) != 1 {
		return ref, &problem{400, "One Refer-To Is Needed", nil}
	}
	a, err := transport.ParseAddress(to[0].Value())
	if err != nil || !slices.Contains([]string{"sip", "sips", "tel"}, a.URI.Scheme) {
		return ref, &problem{400, "Malformed Refer-To", nil}
	}
	ref.uri, ref.name = a.URI, clip(unquote(a.Display))
	switch method, _ := a.URI.UriParams.Get("method"); strings.ToUpper(method) {
	case "", "INVITE":
	case "BYE":
		ref.remove = true
	default:
		return ref, &problem{400, "Refer-To Has Another Method Than INVITE And BYE", nil}
	}
	if ref.replaces, err = uriReplaces(a.URI); err != nil {
		return ref, &problem{400, "Malformed Replaces In Refer-To", nil}
	}
	if h := r.GetHeader("referred-by"); h != nil && len(h.Value()) <= 512 {
		if _, err := transport.ParseAddress(h.Value()); err == nil {
			ref.by = h.Value()
		}
	}
	if h := r.GetHeader("refer-sub"); h != nil {
		value, _, _ := strings.Cut(h.Value(), ";")
		ref.quiet = strings.EqualFold(strings.TrimSpace(value), "false")
	}
	ref.id = strconv.FormatUint(uint64(r.CSeq().SeqNo), 10)
	return ref, nil
}

// maxReferring bounds the REFERs of one call that wait for the bridge.
const maxReferring = 4

// referTimeout bounds how long the bridge may take to say whether it calls.
const referTimeout = 5 * time.Second

// refer takes a REFER outside of a dialog, from a participant.
func (ua *UserAgent) refer(r *transport.Request) {
	if !ua.guard.admit(r.Source().Addr(), time.Now()) {
		ua.reply(r, 503, "Service Unavailable", "Retry-After", retryAfter(2, 5))
		return
	}
	if c := ua.writer(r); c != nil && !c.box.offer(func() { c.refers(r, ua.open) }) {
		ua.reply(r, 503, "Service Unavailable", "Retry-After", "1")
	}
}

// writer is the call of the participant who sent r outside of any dialog. It has answered r where it is nil.
func (ua *UserAgent) writer(r *transport.Request) *call {
	name := conferenceName(r.Recipient)
	if c := ua.member(r, name); c != nil {
		return c
	}
	if _, err := ua.focus.Watch(name); err != nil {
		ua.refuse(r, err)
		return nil
	}
	ua.reply(r, 403, "Only Participants May Do That")
	return nil
}

// opener begins the subscription of a REFER and answers it.
type opener func(r *transport.Request, conference string, o event.Opening, code int)

// refers carries out a REFER with the rights of the call's participant. The bridge is asked on a goroutine of its own.
func (c *call) refers(r *transport.Request, open opener) {
	ref, problem := readReference(r.Request)
	switch {
	case problem != nil:
		c.ua.reply(r, problem.code, problem.text, problem.fields...)
		return
	case c.leg == nil || c.phase != confirmed:
		c.ua.reply(r, 403, "Only Participants May Do That")
		return
	case c.referring >= maxReferring:
		c.ua.reply(r, 503, "Service Unavailable", "Retry-After", "1")
		return
	}
	c.referring++
	l, conference, host := c.leg, c.conference(), c.ua.host(r)
	c.ua.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ua.ctx, referTimeout)
		defer cancel()
		feed, err := c.ua.grant(ctx, l, conference, host, ref)
		switch {
		case err != nil:
			c.ua.refuse(r, err)
			c.box.post(func() { c.referring-- })
		case !c.box.put(func() { c.referring--; c.granted(r, ref, feed, open) }, 1<<20):
			c.ua.reply(r, 202, "Accepted", "Refer-Sub", "false") // it is done, and who asked has left
		}
	})
}

// granted answers a REFER that is under way.
func (c *call) granted(r *transport.Request, ref reference, feed event.Feed, open opener) {
	if ref.quiet {
		c.ua.reply(r, 202, "Accepted", "Refer-Sub", "false")
		return
	}
	open(r, c.conference(), event.Opening{
		Ask:  event.Ask{Event: event.Refer, ID: ref.id, Expires: c.ua.cfg.RingTimeout + time.Minute},
		Type: event.ReferType, Feed: feed,
	}, 202)
}

// grant does what a REFER asks for and says what can be told of it.
func (ua *UserAgent) grant(ctx context.Context, l leg, conference, host string, ref reference) (event.Feed, error) {
	watch, err := ua.focus.Watch(conference)
	if err != nil {
		return nil, err
	}
	if ref.remove {
		_, now, err := watch.Next(ctx)
		if err != nil {
			return nil, err
		}
		user, err := ua.named(now, ref.uri, host)
		if err != nil {
			return nil, err
		}
		if err := l.Do(ctx, bridge.Expel{User: user, Reason: "removed by another participant"}); err != nil {
			return nil, err
		}
		return event.Finished(200, "OK"), nil
	}
	user := bridge.UserID(strings.ToLower(rand.Text()[:10]))
	ua.mu.Lock()
	ua.referred[user] = ref
	ua.mu.Unlock()
	defer func() {
		ua.mu.Lock()
		defer ua.mu.Unlock()
		delete(ua.referred, user)
	}()
	if err := l.Do(ctx, bridge.Dial{Target: ua.targetOf(ref.uri, host), Name: ref.name, User: user}); err != nil {
		return nil, err
	}
	return event.NewProgress(watch, user), nil
}

// ours says whether a URI is at this bridge, as who wrote it may call it.
func (ua *UserAgent) ours(u sipmsg.Uri, host string) bool {
	return slices.ContainsFunc([]string{host, ua.cfg.Advertise, ua.cfg.Realm}, func(h string) bool {
		return h != "" && strings.EqualFold(h, u.Host)
	})
}

// targetOf is what to dial: the name of a registered user, a number, or an address.
func (ua *UserAgent) targetOf(u sipmsg.Uri, host string) string {
	if u.Scheme == "tel" {
		return "tel:" + conferenceName(u)
	}
	name := conferenceName(u)
	if _, ok := ua.phones.passwords[name]; ok && ua.ours(u, host) {
		return name
	}
	plain := sipmsg.Uri{Scheme: u.Scheme, User: u.User, Host: u.Host, Port: u.Port}
	if t, ok := u.UriParams.Get("transport"); ok {
		plain.UriParams = sipmsg.HeaderParams{{K: "transport", V: t}}
	}
	return plain.String()
}

// entityID is the parameter by which conference documents tell users of one address apart (package rfc4575).
const entityID = "tutti-id"

// named is the one participant whom a URI names: by the entity of a document, by address, or by number where it is ours.
func (ua *UserAgent) named(s *bridge.State, u sipmsg.Uri, host string) (bridge.UserID, error) {
	if id, ok := u.UriParams.Get(entityID); ok {
		if s.User(bridge.UserID(id)) != nil {
			return bridge.UserID(id), nil
		}
	}
	address, number := address(u), conferenceName(u)
	var found []bridge.UserID
	for _, user := range s.Users() {
		same := addressOf(user.Entity) == address || ua.ours(u, host) && user.Number == number
		for _, e := range user.Endpoints {
			same = same || addressOf(e.Entity) == address
		}
		if same {
			found = append(found, user.ID)
		}
	}
	switch len(found) {
	case 0:
		return "", &bridge.Refusal{Rule: bridge.RuleAbsent, Text: "there is no participant " + strconv.Quote(clip(number)) + " in the conference"}
	case 1:
		return found[0], nil
	}
	return "", &bridge.Refusal{Rule: bridge.RuleAmbiguous, Text: "more than one participant is called " + strconv.Quote(clip(number))}
}

// address is what of a URI is compared: user, host and port (RFC 3261 §19.1.4, without what only one of them may have).
func address(u sipmsg.Uri) string {
	if u.Scheme == "tel" {
		return "tel:" + conferenceName(u)
	}
	port := u.Port
	if port == 0 {
		port = 5060
	}
	host := strings.ToLower(u.Host)
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return conferenceName(u) + "@" + host + ":" + strconv.Itoa(port)
}

// addressOf is address of what the roster calls somebody; "" where that is no URI.
func addressOf(entity string) string {
	a, err := transport.ParseAddress(entity)
	if err != nil {
		return ""
	}
	return address(a.URI)
}

// reference is the REFER that made the bridge dial for l; the zero value for none.
func (ua *UserAgent) reference(l leg) reference {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	return ua.referred[l.User()]
}
