package sip

import (
	"errors"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/sip/auth"
	"tutti/sip/transport"
)

// authenticate returns the user whose password a request proves, or challenges it (RFC 3261 §22.2, RFC 8760). Credentials that
// are wrong are a line of the log, within what strangers may write; a first request without any is none.
func (ua *UserAgent) authenticate(r *transport.Request) (string, bool) {
	user, challenge := ua.digests.Check(r.Request, time.Now())
	if challenge == nil {
		return user, true
	}
	wrong := errors.Is(challenge.Err, auth.ErrWrong) || errors.Is(challenge.Err, auth.ErrMalformed)
	if wrong && ua.guard.mayLog(time.Now()) {
		claimed := clip(conferenceName(r.From().Address))
		ua.log.Info("password refused", "method", string(r.Method), "user", claimed, "from", r.Source(), "why", challenge.Err)
	}
	res := r.Response(401, "Unauthorized")
	for _, h := range challenge.Headers() {
		res.AppendHeader(h)
	}
	ua.answer(r, res)
	return "", false
}

// password looks up a configured user.
func (p *phones) password(user string) (string, bool) {
	pw, ok := p.passwords[user]
	return pw, ok && pw != ""
}

// authorized repeats a challenged request with the trunk's credentials and the next CSeq; nil where that is no use.
func (c *call) authorized(req *sipmsg.Request, res *sipmsg.Response) *sipmsg.Request {
	if res == nil || c.trunk == nil || c.trunk.User == "" || res.StatusCode != 401 && res.StatusCode != 407 {
		return nil
	}
	if c.credentials == nil {
		c.credentials = auth.NewClient(c.trunk.User, c.trunk.Password)
	}
	again, err := c.credentials.Answer(req, res)
	if err != nil {
		c.log.Info("challenge not answered", "trunk", c.trunk.Name, "err", err)
		return nil
	}
	for again.RemoveHeader("Via") {
	}
	if c.dlg != nil {
		c.dlg.LocalSeq = max(c.dlg.LocalSeq, again.CSeq().SeqNo)
	}
	return again
}
