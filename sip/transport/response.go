package transport

import (
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

// Response builds an answer (RFC 3261 §8.2.6). Via, From, To, Call-ID, CSeq and
// Record-Route are as they arrived, and To has the tag of the transaction. The
// caller adds Contact and the like.
func (r *Request) Response(code int, reason string) *sipmsg.Response {
	tag := ""
	if r.Tx != nil {
		tag = r.Tx.Tag()
	}
	return respond(r.raw, r.Request, code, reason, tag)
}

// respond answers req, which was read as m. Fields that were understood are
// echoed from req, others as they were written.
func respond(m *raw, req *sipmsg.Request, code int, reason, tag string) *sipmsg.Response {
	res := sipmsg.NewResponse(code, reason)
	copyField := func(key, name string) {
		written := m.all(key)
		if len(req.GetHeaders(name)) >= len(written) && key != "record-route" { // whose parameters the model drops
			sipmsg.CopyHeaders(name, req, res)
			return
		}
		for _, v := range written {
			res.AppendHeader(sipmsg.NewHeader(name, v))
		}
	}
	copyField("via", "Via")
	if code > 100 && code < 300 { // §12.1.1
		copyField("record-route", "Record-Route")
	}
	copyField("from", "From")
	copyField("to", "To")
	if code > 100 && tag != "" {
		tagTo(res, tag)
	}
	copyField("call-id", "Call-ID")
	copyField("cseq", "CSeq")
	if code == 100 {
		copyField("timestamp", "Timestamp") // §8.2.6.1
	}
	return res
}

// tagTo gives the To of an answer our tag, unless it has one.
func tagTo(res *sipmsg.Response, tag string) {
	switch to := res.GetHeader("To").(type) {
	case nil:
	case *sipmsg.ToHeader:
		if !to.Params.Has("tag") {
			to.Params.Add("tag", tag)
		}
	default: // malformed
		if !strings.Contains(to.Value(), "tag") {
			res.ReplaceHeader(sipmsg.NewHeader("To", to.Value()+";tag="+tag))
		}
	}
}

// sign adds Server, where configured, unless it is there.
func (l *Layer) sign(res *sipmsg.Response) {
	if l.cfg.UserAgent != "" && res.GetHeader("server") == nil {
		res.AppendHeader(sipmsg.NewHeader("Server", l.cfg.UserAgent))
	}
}

// marshal writes m with a Content-Length, which streams need.
func marshal(m sipmsg.Message) []byte {
	if m.ContentLength() == nil {
		m.SetBody(m.Body())
	}
	var b strings.Builder
	m.StringWrite(&b)
	return []byte(b.String())
}
