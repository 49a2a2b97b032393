// Package dialog holds what two user agents share while they talk (RFC 3261 §12) and what they agree on about the
// life of a session (RFC 4028). It is pure: no clock, no socket, no goroutine. A Dialog belongs to one goroutine.
package dialog

import (
	"errors"
	"fmt"
	"slices"

	sipmsg "github.com/emiago/sipgo/sip"
)

// Dialog is the state of RFC 3261 §12: who talks to whom, over which route, and which requests have been.
type Dialog struct {
	CallID              string
	LocalTag, RemoteTag string
	Local, Remote       Party        // without tags
	Target              sipmsg.Uri   // the remote target: where the far end's Contact points
	Routes              []sipmsg.Uri // the route set, first hop first
	LocalSeq            uint32       // CSeq of our last request; 0: none yet
	remoteSeq           uint32
	remoteSeqKnown      bool
}

// Party is one end as From and To name it.
type Party struct {
	DisplayName string
	URI         sipmsg.Uri
}

// ErrOutOfOrder refuses a request whose CSeq is not above the last one's (RFC 3261 §12.2.2: 500).
var ErrOutOfOrder = errors.New("dialog: CSeq out of order")

// MaxRoutes bounds the route set that a peer can make us keep and send.
const MaxRoutes = 16

// FromInvite makes the dialog of the UAS (RFC 3261 §12.1.1). localTag is the tag of every answer.
func FromInvite(req *sipmsg.Request, localTag string) (*Dialog, error) {
	contact := req.Contact()
	if contact == nil || contact.Address.Wildcard {
		return nil, errors.New("dialog: no Contact")
	}
	from, to := req.From(), req.To()
	d := &Dialog{
		CallID: string(*req.CallID()), LocalTag: localTag, RemoteTag: from.Params.GetOr("tag", ""),
		Local:     Party{to.DisplayName, to.Address},
		Remote:    Party{from.DisplayName, from.Address},
		Target:    *contact.Address.Clone(),
		Routes:    recordRoutes(req),
		remoteSeq: req.CSeq().SeqNo, remoteSeqKnown: true,
	}
	if len(d.Routes) > MaxRoutes {
		return nil, fmt.Errorf("dialog: %d Record-Route values, %d are allowed", len(d.Routes), MaxRoutes)
	}
	return d, nil
}

// FromResponse makes the dialog of the UAC, early or confirmed (RFC 3261 §12.1.2).
func FromResponse(invite *sipmsg.Request, res *sipmsg.Response) (*Dialog, error) {
	target := invite.Recipient
	if c := res.Contact(); c != nil && !c.Address.Wildcard { // it must be there; some leave it out
		target = c.Address
	}
	from, to := invite.From(), res.To()
	d := &Dialog{
		CallID: string(*invite.CallID()), LocalTag: from.Params.GetOr("tag", ""), RemoteTag: to.Params.GetOr("tag", ""),
		Local:    Party{from.DisplayName, from.Address},
		Remote:   Party{to.DisplayName, to.Address},
		Target:   *target.Clone(),
		Routes:   recordRoutes(res),
		LocalSeq: invite.CSeq().SeqNo,
	}
	slices.Reverse(d.Routes)
	if len(d.Routes) > MaxRoutes {
		return nil, fmt.Errorf("dialog: %d Record-Route values, %d are allowed", len(d.Routes), MaxRoutes)
	}
	return d, nil
}

func recordRoutes(m interface{ GetHeaders(string) []sipmsg.Header }) []sipmsg.Uri {
	var routes []sipmsg.Uri
	for _, h := range m.GetHeaders("record-route") {
		if rr, ok := h.(*sipmsg.RecordRouteHeader); ok {
			routes = append(routes, *rr.Address.Clone())
		}
	}
	return routes
}

// Receive checks the order of a request of the far end and remembers it (RFC 3261 §12.2.2). ACK and CANCEL carry the
// CSeq of their INVITE and are not to be given.
func (d *Dialog) Receive(req *sipmsg.Request) error {
	seq := req.CSeq().SeqNo
	if d.remoteSeqKnown && seq <= d.remoteSeq {
		return ErrOutOfOrder
	}
	d.remoteSeq, d.remoteSeqKnown = seq, true
	return nil
}

// Refresh takes a new remote target from a target refresh (RFC 3261 §12.2.2, RFC 3311 §5.2). The route set stays.
func (d *Dialog) Refresh(contact *sipmsg.ContactHeader) {
	if contact != nil && !contact.Address.Wildcard {
		d.Target = *contact.Address.Clone()
	}
}

// Request makes our next request in the dialog (RFC 3261 §12.2.1.1), without Via and Contact.
func (d *Dialog) Request(method sipmsg.RequestMethod) *sipmsg.Request {
	d.LocalSeq++
	return d.request(method, d.LocalSeq)
}

// Ack makes the ACK to a 2xx of the INVITE with the given CSeq (RFC 3261 §13.2.2.4).
func (d *Dialog) Ack(inviteSeq uint32) *sipmsg.Request { return d.request(sipmsg.ACK, inviteSeq) }

func (d *Dialog) request(method sipmsg.RequestMethod, seq uint32) *sipmsg.Request {
	target, routes := d.path()
	target.Headers = nil // RFC 3261 §19.1.1: not in a Request-URI
	req := sipmsg.NewRequest(method, target)
	for _, r := range routes {
		req.AppendHeader(&sipmsg.RouteHeader{Address: *r.Clone()})
	}
	forwards := sipmsg.MaxForwardsHeader(70)
	id := sipmsg.CallIDHeader(d.CallID)
	req.AppendHeader(&forwards)
	req.AppendHeader(&sipmsg.FromHeader{DisplayName: d.Local.DisplayName, Address: *d.Local.URI.Clone(), Params: tag(d.LocalTag)})
	req.AppendHeader(&sipmsg.ToHeader{DisplayName: d.Remote.DisplayName, Address: *d.Remote.URI.Clone(), Params: tag(d.RemoteTag)})
	req.AppendHeader(&id)
	req.AppendHeader(&sipmsg.CSeqHeader{SeqNo: seq, MethodName: method})
	return req
}

func tag(t string) sipmsg.HeaderParams {
	if t == "" { // a peer of RFC 2543
		return nil
	}
	return sipmsg.HeaderParams{{K: "tag", V: t}}
}

// path is the Request-URI and the Route header fields. A first route without lr is a strict router: it becomes the
// Request-URI, and the target goes to the end of the routes.
func (d *Dialog) path() (sipmsg.Uri, []sipmsg.Uri) {
	if len(d.Routes) == 0 || d.Routes[0].UriParams.Has("lr") {
		return d.Target, d.Routes
	}
	first := *d.Routes[0].Clone()
	first.UriParams.Remove("method") // not allowed in a Request-URI
	first.Headers = nil
	routes := append(slices.Clone(d.Routes[1:]), d.Target)
	return first, routes
}

// NextHop is the URI whose address our next request is sent to.
func (d *Dialog) NextHop() sipmsg.Uri {
	if len(d.Routes) > 0 {
		return d.Routes[0]
	}
	return d.Target
}
