package transport

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

// receive is a message's way in. It borrows p. why is a problem that framing
// found. It reports whether p was a SIP message at all.
func (l *Layer) receive(f *Flow, p []byte, why *Problem) bool {
	if l.cfg.Trace != nil {
		l.cfg.Trace(false, f, p)
	}
	m, err := read(p)
	if err != nil {
		l.spoiled()
		return false
	}
	l.counters.in[f.Network.index()].Add(1)
	if m.res != nil {
		l.response(m)
		return true
	}
	m.req.SetTransport(f.Network.Token())
	m.req.SetSource(f.Remote.String())
	stamp(m.req.Via(), f.Remote)
	if why == nil {
		why = judge(m, l.cfg.Extensions)
	}
	if why != nil {
		l.refuse(f, m, why)
		return true
	}
	l.request(f, m)
	return true
}

// stamp notes in the top Via where the request came from (RFC 3261 §18.2.1, RFC 3581 §4).
func stamp(via *sipmsg.ViaHeader, from netip.AddrPort) {
	if via == nil {
		return
	}
	ip := from.Addr().String()
	if via.Params.Has("rport") {
		via.Params.Add("rport", strconv.Itoa(int(from.Port())))
		via.Params.Add("received", ip)
	} else if sentBy, err := netip.ParseAddr(via.Host); err != nil || sentBy.Unmap() != from.Addr() {
		via.Params.Add("received", ip)
	}
}

// request gives a sound request to its transaction or to the handler.
func (l *Layer) request(f *Flow, m *message) {
	key := serverKey(m)
	l.mu.Lock()
	tx := l.servers[key]
	l.mu.Unlock()
	switch {
	case m.req.Method == sipmsg.ACK:
		if tx != nil && tx.ack() || l.ownTag(m) {
			return
		}
		l.handler.Request(&Request{Request: m.req, Flow: f, raw: m.raw})
	case m.req.Method == sipmsg.CANCEL:
		l.cancel(f, m, tx)
	case tx != nil:
		l.counters.repeated.Add(1)
		tx.repeat()
	default:
		l.fresh(f, m, key)
	}
}

// fresh starts a transaction for a request not seen before.
func (l *Layer) fresh(f *Flow, m *message, key string) {
	tx := newServerTx(l, f, m, key)
	if p := l.admit(tx); p != nil {
		l.refuse(f, m, p)
		return
	}
	tx.start()
	l.handler.Request(&Request{Request: m.req, Tx: tx, Flow: f, raw: m.raw})
}

// admit registers tx within the limits.
func (l *Layer) admit(tx *ServerTx) *Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	remote := tx.flow.Remote.Addr()
	src := l.sourceLocked(remote)
	lim := l.cfg.Limits
	var p *Problem
	switch {
	case l.closed:
		p = &Problem{Code: 503, Reason: "Service Unavailable"}
	case len(l.servers) >= lim.Transactions || src.transactions >= lim.TransactionsPerSource:
		p = &Problem{Code: 503, Reason: "Service Unavailable", Headers: []string{"Retry-After: 5"}}
	case tx.mergeKey != "" && l.merging[tx.mergeKey] != nil: // came on another path (§8.2.2.2)
		p = &Problem{Code: 482, Reason: "Loop Detected"}
	}
	if p != nil {
		l.forgetLocked(remote)
		return p
	}
	src.transactions++
	l.servers[tx.key] = tx
	if tx.mergeKey != "" {
		l.merging[tx.mergeKey] = tx
	}
	return nil
}

func (l *Layer) dismiss(tx *ServerTx) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.servers[tx.key] != tx {
		return
	}
	delete(l.servers, tx.key)
	if l.merging[tx.mergeKey] == tx {
		delete(l.merging, tx.mergeKey)
	}
	remote := tx.flow.Remote.Addr()
	l.sourceLocked(remote).transactions--
	l.forgetLocked(remote)
}

// cancel answers a CANCEL (§9.2). The INVITE itself is the dialog's to answer.
func (l *Layer) cancel(f *Flow, m *message, invite *ServerTx) {
	if invite == nil {
		l.refuse(f, m, &Problem{Code: 481, Reason: "Call/Transaction Does Not Exist"})
		return
	}
	res := respond(m.raw, m.req, 200, "OK", invite.Tag())
	_ = l.write(f, l.replyTo(f, m.req), marshal(res))
	invite.cancel()
}

// refuse answers without state (§8.2.7). An ACK and what has no Via get no answer.
func (l *Layer) refuse(f *Flow, m *message, p *Problem) {
	if m.req.Method == sipmsg.ACK || len(m.all("via")) == 0 {
		l.counters.dropped.Add(1)
		return
	}
	l.counters.refused.Add(1)
	res := respond(m.raw, m.req, p.Code, p.Reason, l.statelessTag(m))
	for _, h := range p.Headers {
		name, value, _ := strings.Cut(h, ": ")
		res.AppendHeader(sipmsg.NewHeader(name, value))
	}
	l.sign(res)
	_ = l.write(f, l.replyTo(f, m.req), marshal(res))
}

// statelessTag is the same for every copy of one request.
func (l *Layer) statelessTag(m *message) string {
	from := ""
	if h := m.req.From(); h != nil {
		from, _ = h.Params.Get("tag")
	}
	callID := ""
	if h := m.req.CallID(); h != nil {
		callID = h.Value()
	}
	cseq := uint32(0)
	if h := m.req.CSeq(); h != nil {
		cseq = h.SeqNo
	}
	mac := hmac.New(sha256.New, l.secret[:])
	mac.Write([]byte(strings.Join([]string{callID, from, strconv.Itoa(int(cseq))}, "\n")))
	return hex.EncodeToString(mac.Sum(nil)[:10])
}

// ownTag says whether an ACK is for an answer made without state.
func (l *Layer) ownTag(m *message) bool {
	tag, _ := m.req.To().Params.Get("tag")
	return tag != "" && tag == l.statelessTag(m)
}

// replyTo is where answers to req go (RFC 3261 §18.2.2, RFC 3581 §4). maddr is
// not followed: it would let anybody point our answers at a third party.
func (l *Layer) replyTo(f *Flow, req *sipmsg.Request) netip.AddrPort {
	via := req.Via()
	if f.Network.Reliable() || via == nil || via.Params.Has("rport") {
		return f.Remote
	}
	port := via.Port
	if port == 0 {
		port = UDP.Port()
	}
	return netip.AddrPortFrom(f.Remote.Addr(), uint16(port))
}

// serverKey identifies the transaction of a request (§17.2.3). ACK and CANCEL
// have the key of their INVITE.
func serverKey(m *message) string {
	r := m.req
	method := string(r.Method)
	if r.Method == sipmsg.ACK || r.Method == sipmsg.CANCEL {
		method = string(sipmsg.INVITE)
	}
	via := r.Via()
	branch, _ := via.Params.Get("branch")
	if len(branch) > len(cookie) && strings.EqualFold(branch[:len(cookie)], cookie) {
		return strings.Join([]string{branch, strings.ToLower(via.Host), strconv.Itoa(via.Port), method}, "\n")
	}
	// An element of RFC 2543, or one with an empty branch. The To tag stays out:
	// an ACK carries the one of our answer.
	from, _ := r.From().Params.Get("tag")
	return strings.Join([]string{
		r.Recipient.String(), from, r.CallID().Value(), strconv.Itoa(int(r.CSeq().SeqNo)), via.Value(), method,
	}, "\n")
}

const cookie = "z9hG4bK"

// mergeKey identifies a request outside a dialog whatever path it took; "" inside one.
func mergeKey(r *sipmsg.Request) string {
	from, _ := r.From().Params.Get("tag")
	if r.To().Params.Has("tag") || from == "" {
		return ""
	}
	return strings.Join([]string{from, r.CallID().Value(), r.CSeq().Value()}, "\n")
}

// write sends a message, counted; to differs from the flow's peer only on UDP.
func (l *Layer) write(f *Flow, to netip.AddrPort, p []byte) error {
	if l.cfg.Trace != nil {
		l.cfg.Trace(true, f, p)
	}
	err := f.wire.send(to, p)
	if err == nil {
		l.counters.out[f.Network.index()].Add(1)
	}
	return err
}
