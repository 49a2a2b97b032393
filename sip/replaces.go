package sip

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/sip/transport"
)

// replaces names a dialog (RFC 3891 §6.1), from the side of who is asked to give it up.
type replaces struct {
	callID, localTag, remoteTag string
	early                       bool // only while it has no final answer
}

// parseReplaces reads the value of Replaces.
func parseReplaces(value string) (replaces, error) {
	bad := errors.New("malformed Replaces")
	id, params, _ := strings.Cut(value, ";")
	r := replaces{callID: strings.TrimSpace(id)}
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		v = strings.TrimSpace(v)
		switch strings.ToLower(strings.TrimSpace(k)) {
		case "to-tag":
			r.localTag = v
		case "from-tag":
			r.remoteTag = v
		case "early-only":
			r.early = true
		}
	}
	for _, s := range []string{r.callID, r.localTag, r.remoteTag} {
		if s == "" || len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' }) {
			return r, bad
		}
	}
	return r, nil
}

func (r replaces) String() string {
	s := fmt.Sprintf("%s;to-tag=%s;from-tag=%s", r.callID, r.localTag, r.remoteTag)
	if r.early {
		s += ";early-only"
	}
	return s
}

// uriReplaces is the Replaces that a Refer-To wants in the INVITE; "" for none.
func uriReplaces(u sipmsg.Uri) (string, error) {
	value, ok := "", false
	for _, h := range u.Headers {
		if strings.EqualFold(h.K, "replaces") {
			value, ok = h.V, true
		}
	}
	if !ok {
		return "", nil
	}
	plain, err := url.PathUnescape(value)
	if err != nil {
		return "", err
	}
	r, err := parseReplaces(plain)
	if err != nil {
		return "", err
	}
	return r.String(), nil
}

// taken is the member whose place an INVITE with Replaces takes; nil where it asks for none (RFC 3891 §3). Who knows the
// identifiers of a dialog is taken to be sent by one of its ends.
func (ua *UserAgent) taken(r *transport.Request) (*member, *problem) {
	fields := r.GetHeaders("replaces")
	if len(fields) == 0 {
		return nil, nil
	}
	want, err := parseReplaces(fields[0].Value())
	if err != nil || len(fields) > 1 {
		return nil, &problem{400, "Malformed Replaces", nil}
	}
	ua.mu.Lock()
	defer ua.mu.Unlock()
	m, ok := ua.members[ua.calls[dialogKey{want.callID, want.localTag}]]
	switch {
	case !ok || m.remoteTag != want.remoteTag:
		return nil, &problem{481, "Call/Transaction Does Not Exist", nil}
	case want.early:
		return nil, &problem{486, "Busy Here", nil}
	}
	return &m, nil
}
