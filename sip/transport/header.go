package transport

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"
)

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6() && !a.Is4In6() && a.Zone() == ""
}

// parseVia reads one via-parm. White space is allowed around every separator (§25.1):
//
//	SIP / 2.0 / UDP   host : port ; branch = z9hG4bK…
func parseVia(s string) (*sipmsg.ViaHeader, error) {
	parts := strings.SplitN(s, "/", 3)
	if len(parts) < 3 {
		return nil, errors.New("malformed protocol")
	}
	name, version := strings.Trim(parts[0], " \t"), strings.Trim(parts[1], " \t")
	rest := strings.Trim(parts[2], " \t")
	end := strings.IndexAny(rest, " \t")
	if end < 0 || !isToken(rest[:end]) || !strings.EqualFold(name, "SIP") || version != "2.0" {
		return nil, errors.New("malformed protocol")
	}
	via := &sipmsg.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: strings.ToUpper(rest[:end])}
	sentBy, params, hasParams := strings.Cut(rest[end:], ";")
	sentBy = strings.Trim(sentBy, " \t")
	if host, port, ok := strings.Cut(sentBy, ":"); ok && !strings.HasPrefix(sentBy, "[") {
		sentBy = strings.TrimRight(host, " \t") + ":" + strings.TrimLeft(port, " \t")
	}
	var err error
	if via.Host, via.Port, err = hostPort(sentBy); err != nil {
		return nil, err
	}
	if hasParams {
		via.Params, err = parseParams(params)
	}
	return via, err
}

// parseCSeq reads "number method"; the number is below 2³¹ (§8.1.1.5).
func parseCSeq(s string) (*sipmsg.CSeqHeader, error) {
	parts := strings.Fields(s)
	if len(parts) != 2 || !isToken(parts[1]) {
		return nil, errors.New("malformed CSeq")
	}
	n, err := number(parts[0], 1<<31-1)
	return &sipmsg.CSeqHeader{SeqNo: uint32(n), MethodName: sipmsg.RequestMethod(parts[1])}, err
}

func number(s string, most uint64) (uint64, error) {
	if !isDigits(s) {
		return 0, errors.New("not a number")
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > most {
		return 0, errors.New("number out of range")
	}
	return n, nil
}

// typed turns a field into headers of the message model: one for each
// element of a list.
func typed(f field) ([]sipmsg.Header, error) {
	switch f.key {
	case "via":
		return list(f.value, func(s string) (sipmsg.Header, error) { return parseVia(s) })
	case "contact":
		if f.value == "*" {
			return []sipmsg.Header{&sipmsg.ContactHeader{Address: sipmsg.Uri{Wildcard: true, Host: "*"}}}, nil
		}
		return list(f.value, contactHeader)
	case "route":
		return list(f.value, func(s string) (sipmsg.Header, error) {
			a, err := bracketed(s)
			return &sipmsg.RouteHeader{Address: a.uri}, err
		})
	case "record-route":
		return list(f.value, func(s string) (sipmsg.Header, error) {
			a, err := bracketed(s)
			return &sipmsg.RecordRouteHeader{Address: a.uri}, err
		})
	}
	h, err := single(f)
	return []sipmsg.Header{h}, err
}

func single(f field) (sipmsg.Header, error) {
	switch f.key {
	case "from":
		a, err := parseAddress(f.value)
		return &sipmsg.FromHeader{DisplayName: a.display, Address: a.uri, Params: a.params}, err
	case "to":
		a, err := parseAddress(f.value)
		return &sipmsg.ToHeader{DisplayName: a.display, Address: a.uri, Params: a.params}, err
	case "call-id":
		id := sipmsg.CallIDHeader(f.value)
		if f.value == "" || strings.ContainsAny(f.value, " \t") {
			return nil, errors.New("malformed Call-ID")
		}
		return &id, nil
	case "cseq":
		return parseCSeq(f.value)
	case "max-forwards": // 0–255 (§20.22)
		n, err := number(f.value, 255)
		h := sipmsg.MaxForwardsHeader(n)
		return &h, err
	case "content-length":
		n, err := number(f.value, 1<<31-1)
		h := sipmsg.ContentLengthHeader(n)
		return &h, err
	case "content-type":
		h := sipmsg.ContentTypeHeader(f.value)
		if typ, sub, ok := strings.Cut(f.value, "/"); !ok || strings.Trim(typ, " \t") == "" || strings.Trim(sub, " \t") == "" {
			return nil, errors.New("malformed media type")
		}
		return &h, nil
	}
	return sipmsg.NewHeader(fullName(f.key, f.name), f.value), nil
}

func list(value string, parse func(string) (sipmsg.Header, error)) ([]sipmsg.Header, error) {
	parts, err := splitOutside(value, ',')
	if err != nil {
		return nil, err
	}
	headers := make([]sipmsg.Header, 0, len(parts))
	for _, part := range parts {
		h, err := parse(strings.Trim(part, " \t"))
		if err != nil {
			return nil, err
		}
		headers = append(headers, h)
	}
	return headers, nil
}

func contactHeader(s string) (sipmsg.Header, error) {
	a, err := parseAddress(s)
	return &sipmsg.ContactHeader{DisplayName: a.display, Address: a.uri, Params: a.params}, err
}

func bracketed(s string) (address, error) {
	if !strings.Contains(s, "<") {
		return address{}, errors.New("address needs angle brackets")
	}
	return parseAddress(s)
}

// Address is a name-addr or addr-spec with its parameters (RFC 3261 §25.1), such as the value of Refer-To.
type Address struct {
	Display string
	URI     sipmsg.Uri
	Params  sipmsg.HeaderParams
}

// ParseAddress reads the value of a header field that holds one address.
func ParseAddress(s string) (Address, error) {
	a, err := parseAddress(s)
	return Address{a.display, a.uri, a.params}, err
}
