package offer

import (
	"fmt"
	"slices"
	"strings"
)

// security chooses how the m-line is protected; the local key is made later, when nothing else can refuse.
func (a *answerer) security(m *Section, media *Media) *Rejection {
	dtls, secure, _, ok := profileOf(m.Proto)
	if !ok {
		return reject(302, "m=%s in line %d: transport %s is not served", m.Media, m.Line, m.Proto)
	}
	keys, why := parseKeys(m)
	print := fingerprint(a.offer, m)
	switch {
	case !dtls && len(keys) > 0:
		// With RTP/AVP this is opportunistic SRTP (RFC 8643): the answer's a=crypto turns it on.
		media.Security = Security{Kind: SDES, Remote: keys[0]}
	case len(print) > 0 && len(a.caps.Fingerprint) > 0:
		active, r := a.role(m, media)
		if r != nil {
			return r
		}
		media.Security = Security{Kind: DTLS, Active: active, Fingerprint: print}
	case dtls:
		return reject(305, "m=%s in line %d: DTLS needs a=fingerprint", m.Media, m.Line)
	case secure:
		return reject(305, "m=%s in line %d: SRTP: %v", m.Media, m.Line, why)
	case a.caps.Encryption >= Required:
		return reject(302, "m=%s in line %d: only SRTP is served (a=crypto or a=fingerprint)", m.Media, m.Line)
	}
	return nil
}

// role says whether we start the DTLS handshake (RFC 5763 §5, RFC 8842 §5.3): the active side does, which we are when we may
// choose, unless an association that is up has us passive.
func (a *answerer) role(m *Section, media *Media) (active bool, r *Rejection) {
	switch s := strings.ToLower(setup(a.offer, m)); s {
	case "actpass":
		if b := a.before(media.Index); b != nil && b.Security.Kind == DTLS && b.Security.Fingerprint.Equal(fingerprint(a.offer, m)) {
			return b.Security.Active, nil
		}
		return true, nil
	case "passive":
		return true, nil
	case "active", "":
		return false, nil
	default:
		return false, reject(305, "m=%s in line %d: a=setup:%s is not served", m.Media, m.Line, s)
	}
}

// protect makes our key, or keeps the one from before so that rollover counters and replay windows go on.
func (a *answerer) protect(m *Section, media *Media) error {
	if media.Security.Kind != SDES {
		return nil
	}
	sec := &media.Security
	if b := a.before(media.Index); b != nil && b.Security.Kind == SDES {
		keys, _ := parseKeys(m)
		if i := slices.IndexFunc(keys, func(k Key) bool { return k.Suite == b.Security.Local.Suite }); i >= 0 {
			sec.Remote = keys[i]
			sec.Local = b.Security.Local
			sec.Local.Tag = sec.Remote.Tag
			return nil
		}
	}
	var err error
	sec.Local, err = newKey(a.caps.Random, sec.Remote.Tag, sec.Remote.Suite)
	if err != nil {
		return fmt.Errorf("offer: m-line %d: %w", media.Index+1, err)
	}
	return nil
}

// writeSecurity writes a=crypto, or a=setup and a=fingerprint, of an answer.
func writeSecurity(sec *Security, caps *Capabilities, out *Section) {
	switch sec.Kind {
	case SDES:
		out.Attributes.add("crypto", sec.Local.String())
	case DTLS:
		role := "passive"
		if sec.Active {
			role = "active"
		}
		out.Attributes.add("setup", role)
		for _, d := range caps.Fingerprint {
			out.Attributes.add("fingerprint", d.String())
		}
	}
}
