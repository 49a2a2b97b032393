package rfc4575

import (
	"encoding/xml"
	"strconv"
	"strings"

	"tutti/bridge"
	"tutti/mixer/plan"
)

// user is a participant. It depends on nothing of s that could change, so that who has not changed looks the same.
func user(s *bridge.State, u *bridge.User, v bridge.Viewer) *element {
	e := tag("user", leaf("display-text", v.Text(u, u.Name)), some("associated-aors", aors(u, v)...)).with("entity", userEntity(u, v))
	roles := tag("roles")
	for _, r := range u.Roles() {
		roles.add(leaf("entry", string(r)))
	}
	e.add(roles, leaf("languages", languages(u.Language)), leaf("cascaded-focus", address(u, u.Focus, v)))
	for _, device := range u.Endpoints {
		e.add(endpoint(s, u, device, v))
	}
	gain := ""
	if u.Gain != 1 {
		gain = strconv.FormatFloat(float64(u.Gain), 'g', -1, 32)
	}
	e.add(own("user", "id", string(u.ID), "order", strconv.Itoa(u.Order), "number", v.Text(u, u.Number),
		"muted", flag(u.Muted), "muted-by", string(u.MutedBy), "hard", flag(u.Hard), "asked", moment(u.Asked), "deaf", flag(u.Deaf), "gain", gain,
		"waiting", flag(u.Waiting), "waits-for", string(u.WaitsFor), "sidebar", string(u.Sidebar), "loud", flag(u.Loud),
		"view-layout", string(u.View.Layout), "view-spotlight", string(u.View.Spotlight),
		"video-off", flag(u.VideoOff), "hand", moment(u.Hand), "speaking", flag(u.Speaks())))
	return e
}

// aors are the other addresses of u that v may see.
func aors(u *bridge.User, v bridge.Viewer) []*element {
	var shown []bridge.URI
	for _, a := range u.AORs {
		shown = append(shown, bridge.URI{URI: address(u, a, v)}) // places leaves out those that are hidden
	}
	return places(shown)
}

// languages is a list of those that are language tags (xs:language).
func languages(all []string) string {
	var list []string
	for _, l := range all {
		if isLanguage(l) {
			list = append(list, l)
		}
	}
	return strings.Join(list, " ")
}

func isLanguage(tag string) bool {
	for i, part := range strings.Split(tag, "-") {
		digits := strings.Trim(strings.ToLower(part), "abcdefghijklmnopqrstuvwxyz")
		if part == "" || len(part) > 8 || strings.Trim(digits, "0123456789") != "" || i == 0 && digits != "" {
			return false
		}
	}
	return true
}

func endpoint(s *bridge.State, u *bridge.User, d *bridge.Endpoint, v bridge.Viewer) *element {
	joined := d.JoiningInfo()
	e := tag("endpoint",
		leaf("display-text", v.Text(u, d.DisplayText)),
		execution("referred", d.Referred, "", u, v),
		leaf("status", status(u, d)),
		leaf("joining-method", string(d.Method)),
		execution("joining-info", &joined, dialler(s, u), u, v),
		leaf("disconnection-method", d.DisconnectionMethod()),
		execution("disconnection-info", d.DisconnectionInfo(), "", u, v),
	).with("entity", endpointEntity(u, d, v))
	for _, m := range d.Media {
		e.add(media(m))
	}
	source := ""
	if v.Operator {
		source = d.Source
	}
	e.add(callInfo(u, d, v), own("endpoint", "leg", string(d.Leg), "kind", string(d.Kind), "connected", moment(d.Connected), "source", source))
	return e
}

// execution says when, why and by whom something was done to u; by is who where i does not say it. Who has a name and no
// URI stands in an attribute of ours.
func execution(name string, i *bridge.Info, by string, u *bridge.User, v bridge.Viewer) *element {
	if i == nil {
		return nil
	}
	who := i.By
	if isAddress(who) {
		who, by = "", address(&bridge.User{}, i.By, v)
		if by == "" {
			by = anonymous(&bridge.User{})
		}
	}
	e := some(name, leaf("when", moment(i.When)), leaf("reason", v.Text(u, i.Reason)), leaf("by", by))
	if e != nil && who != "" {
		e.attrs = append(e.attrs, xml.Attr{Name: xml.Name{Space: Namespace, Local: "by"}, Value: clean(v.Text(u, who))})
	}
	return e
}

// dialler names the participant who dialled u out, as the conference knows them: their address may be gone with them.
func dialler(s *bridge.State, u *bridge.User) string {
	if u.DialedBy == "" {
		return ""
	}
	return withID(uri(s.Conference.URI), paramUser, string(u.DialedBy))
}

// status is that of RFC 4575 §5.7, which knows a mute where the focus made it, and calls it on-hold when somebody
// waits for a moderator's leave.
func status(u *bridge.User, d *bridge.Endpoint) string {
	switch {
	case u.Waiting && d.Status == bridge.Connected:
		return string(bridge.OnHold)
	case u.Muted && d.Status == bridge.Connected:
		return "muted-via-focus"
	}
	return string(d.Status)
}

// callInfo identifies the dialog: with that, one could take it over, and so only those concerned are told.
func callInfo(u *bridge.User, d *bridge.Endpoint, v bridge.Viewer) *element {
	c := d.Call
	if c == nil || c.CallID == "" || !sees(u, v) {
		return nil
	}
	return tag("call-info", tag("sip", must("call-id", c.CallID), must("from-tag", c.FromTag), must("to-tag", c.ToTag)))
}

// must is a leaf that is there even when it is empty.
func must(name, text string) *element {
	if e := leaf(name, text); e != nil {
		return e
	}
	return tag(name)
}

func media(m bridge.Media) *element {
	label := m.Label
	switch {
	case label != "":
	case m.Content == plan.Slides:
		label = labelSlides
	default:
		label = m.Type
	}
	source := ""
	if m.SrcID != 0 {
		source = strconv.FormatUint(uint64(m.SrcID), 10)
	}
	return tag("media",
		leaf("display-text", m.Text), leaf("type", m.Type), leaf("label", label), leaf("src-id", source), leaf("status", string(m.Status)),
		own("media", "codec", m.Codec, "content", string(m.Content)),
	).with("id", clean(m.ID))
}
