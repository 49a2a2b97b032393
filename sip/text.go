package sip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/bridge"
	"tutti/sip/transport"
)

// message is what requests and responses have in common.
type message interface {
	GetHeader(string) sipmsg.Header
	GetHeaders(string) []sipmsg.Header
	ContentType() *sipmsg.ContentTypeHeader
	Body() []byte
}

// problem is a refusal by what a message says.
type problem struct {
	code   int
	text   string
	fields []string
}

// sdpOf returns the description in a message, nil where it has none, or why its body cannot be read (RFC 3261 §8.2.3).
func sdpOf(m message) ([]byte, *problem) {
	body := m.Body()
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	if h := m.GetHeader("content-encoding"); h != nil && !strings.EqualFold(strings.TrimSpace(h.Value()), "identity") {
		return nil, &problem{415, "Unsupported Media Type", []string{"Accept-Encoding", "identity"}}
	}
	switch typ := contentType(m); {
	case typ == sdpContentType:
		return body, nil
	case strings.HasPrefix(typ, "multipart/"):
		if sdp := sdpPart(m.ContentType().Value(), body); sdp != nil {
			return sdp, nil
		}
	}
	if optional(m) {
		return nil, nil
	}
	return nil, &problem{415, "Unsupported Media Type", []string{"Accept", accept}}
}

// sdpPart finds the description among the parts of a body (RFC 5621 §3.1).
func sdpPart(contentType string, body []byte) []byte {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return nil
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for range maxParts {
		p, err := parts.NextRawPart()
		if err != nil {
			return nil
		}
		if t, _, err := mime.ParseMediaType(p.Header.Get("Content-Type")); err == nil && t == sdpContentType {
			sdp, err := io.ReadAll(p)
			if err != nil {
				return nil
			}
			return sdp
		}
	}
	return nil
}

const maxParts = 8

// optional says that a body may be ignored (RFC 3261 §20.11).
func optional(m message) bool {
	h := m.GetHeader("content-disposition")
	return h != nil && strings.Contains(strings.ToLower(strings.ReplaceAll(h.Value(), " ", "")), "handling=optional")
}

func setBody(m interface {
	AppendHeader(sipmsg.Header)
	SetBody([]byte)
}, contentType string, body []byte) {
	if len(body) == 0 {
		return
	}
	h := sipmsg.ContentTypeHeader(contentType)
	m.AppendHeader(&h)
	m.SetBody(body)
}

// warning is a value of Warning (RFC 3261 §20.43).
func warning(code int, agent, text string) string {
	return fmt.Sprintf("%d %s %s", code, agent, quote(text))
}

// quote makes a quoted-string; what must not stand in a header field is left out.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func unquote(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// methods is the list of Allow; nil where there is none.
func methods(m message) []string {
	var list []string
	for _, h := range m.GetHeaders("allow") {
		for v := range strings.SplitSeq(h.Value(), ",") {
			list = append(list, strings.ToUpper(strings.TrimSpace(v)))
		}
	}
	return list
}

// conferenceName is what a Request-URI names: the user of a SIP URI, the number of a tel URI.
func conferenceName(u sipmsg.Uri) string {
	name := u.User
	if u.Scheme == "tel" {
		name, _, _ = strings.Cut(u.Raw(), ";")
	}
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	name, _, _ = strings.Cut(name, ";") // user parameters of telephone numbers (RFC 3261 §19.1.6)
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	return name
}

// contact is our Contact: the focus of a conference (RFC 4579 §5.1).
func (ua *UserAgent) contact(t transport.Target, scheme, user string) *sipmsg.ContactHeader {
	host, port := ua.layer.LocalAddr(t)
	if scheme != "sips" { // RFC 3261 §12.1.1: sips is answered with sips
		scheme = "sip"
	}
	uri := sipmsg.Uri{Scheme: scheme, User: url.PathEscape(user), Host: host, Port: port}
	network := t.Network
	if t.Flow != nil {
		network = t.Flow.Network
	}
	switch network {
	case transport.TCP, transport.TLS, transport.WS, transport.WSS:
		uri.UriParams = sipmsg.HeaderParams{{K: "transport", V: string(network)}}
	}
	return &sipmsg.ContactHeader{Address: uri, Params: sipmsg.HeaderParams{{K: "isfocus"}}}
}

// isFocus says that a far end is a conference (RFC 4579 §5.1).
func isFocus(contact *sipmsg.ContactHeader) bool {
	return contact != nil && contact.Params.Has("isfocus")
}

// host is how we call ourselves in a Warning.
func (ua *UserAgent) host(r *transport.Request) string {
	host, _ := ua.layer.LocalAddr(transport.Target{Flow: r.Flow})
	return host
}

// refusal maps a rule of the bridge to a status code and a text for people.
func refusal(err error) (int, string) {
	var r *bridge.Refusal
	if !errors.As(err, &r) {
		if err == nil {
			return 500, "Server Internal Error"
		}
		return 503, "Service Unavailable"
	}
	switch r.Rule {
	case bridge.RuleUnknown, bridge.RuleName:
		return 404, r.Text
	case bridge.RuleFull:
		return 486, r.Text
	case bridge.RuleLimit, bridge.RuleBusy, bridge.RuleShutdown:
		return 503, r.Text
	case bridge.RuleEnded:
		return 480, r.Text
	}
	return 403, r.Text
}

func reasonPhrase(code int) string {
	switch code {
	case 400:
		return "Bad Request"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 480:
		return "Temporarily Unavailable"
	case 486:
		return "Busy Here"
	case 488:
		return "Not Acceptable Here"
	case 500:
		return "Server Internal Error"
	}
	return "Service Unavailable"
}

func refusalFields(code int, host, text string) []string {
	fields := []string{"Warning", warning(399, host, text)}
	if code == 503 {
		fields = append(fields, "Retry-After", retryAfter(5, 15))
	}
	return fields
}

// mediaRefusal says how to refuse an offer.
func (c *call) mediaRefusal(r *transport.Request, err error) (int, string, []string) {
	var m *MediaError
	if !errors.As(err, &m) {
		c.log.Warn("media failed", "err", err)
		return 500, "Server Internal Error", nil
	}
	code := m.Warning
	if code == 0 {
		code = 399
	}
	return m.Code, reasonPhrase(m.Code), []string{"Warning", warning(code, c.ua.host(r), m.Text)}
}

// joinRequest says who calls. A trunk's word about the caller is taken (RFC 3325), others' is a claim like any From.
func (ua *UserAgent) joinRequest(r *transport.Request, conference, user string, trusted bool) bridge.JoinRequest {
	from := r.From()
	who, name := from.Address, from.DisplayName
	if trusted {
		if uri, display, ok := asserted(r.Request); ok {
			who, name = uri, display
		}
	}
	if private(r.Request) {
		who, name = sipmsg.Uri{}, ""
	}
	j := bridge.JoinRequest{
		Conference: conference, Kind: bridge.SIP, Method: bridge.DialedIn,
		Source: r.Source().String(), DisplayText: clip(unquote(name)), Began: time.Now(),
	}
	if contact := r.Contact(); contact != nil {
		j.Endpoint = short(contact.Address.String())
		if isFocus(contact) && !private(r.Request) {
			j.Focus = j.Endpoint
		}
	}
	if languages := r.GetHeader("accept-language"); languages != nil {
		j.Languages = preferred(languages.Value())
	}
	number := conferenceName(who)
	if user != "" {
		number = user
	}
	if number == "" || strings.EqualFold(who.Host, "anonymous.invalid") {
		if j.DisplayText == "" {
			j.DisplayText = "Anonymous"
		}
		return j
	}
	j.Number = clip(number)
	j.Entity = short(who.Addr())
	if who.Scheme == "tel" {
		j.Entity = short("tel:" + number)
	}
	if j.DisplayText == "" {
		j.DisplayText = clip(number)
	}
	return j
}

// private says that the caller wants to stay unknown (RFC 3323 §4.2, RFC 3325 §9.3).
func private(r *sipmsg.Request) bool {
	for _, h := range r.GetHeaders("privacy") {
		for v := range strings.SplitSeq(h.Value(), ";") {
			switch strings.ToLower(strings.TrimSpace(v)) {
			case "id", "user", "header":
				return true
			}
		}
	}
	return false
}

// short drops a URI that is too long to be shown to everybody.
func short(uri string) string {
	const most = 512
	if len(uri) > most {
		return ""
	}
	return uri
}

// clip bounds a name of the network.
func clip(s string) string {
	const most = 80
	r := []rune(strings.ToValidUTF8(s, "\uFFFD"))
	return string(r[:min(len(r), most)])
}

// asserted reads P-Asserted-Identity (RFC 3325 §9.1).
func asserted(r *sipmsg.Request) (sipmsg.Uri, string, bool) {
	for _, h := range r.GetHeaders("p-asserted-identity") {
		var uri sipmsg.Uri
		var params sipmsg.HeaderParams
		display, err := sipmsg.ParseAddressValue(h.Value(), &uri, &params)
		if err == nil && slices.Contains([]string{"sip", "sips", "tel"}, uri.Scheme) {
			return uri, display, true
		}
	}
	return sipmsg.Uri{}, "", false
}
