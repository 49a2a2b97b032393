package rfc4575

import (
	"strconv"

	"tutti/bridge"
	"tutti/mixer/plan"
)

// user is a participant. It depends on nothing of s that could change, so that who has not changed looks the same.
func user(s *bridge.State, u *bridge.User, v bridge.Viewer) *element {
	e := tag("user",
		leaf("display-text", v.Text(u, u.Name)),
		some("roles", leaf("entry", string(u.Role))),
	).with("entity", userEntity(u, v))
	for _, device := range u.Endpoints {
		e.add(endpoint(s, u, device, v))
	}
	e.add(own("user", "id", string(u.ID), "order", strconv.Itoa(u.Order), "number", v.Text(u, u.Number), "muted", truth(u.Muted),
		"camera", truth(!u.VideoOff), "hand", moment(u.Hand), "speaking", truth(u.Speaks())))
	return e
}

func endpoint(s *bridge.State, u *bridge.User, d *bridge.Endpoint, v bridge.Viewer) *element {
	e := tag("endpoint",
		leaf("status", status(u, d)),
		leaf("joining-method", string(d.Method)),
		some("joining-info", leaf("when", moment(d.Joined)), by(s, u.DialedBy)),
	).with("entity", endpointEntity(u, d, v))
	if r := d.Disconnection; r != nil {
		e.add(
			leaf("disconnection-method", disconnection(r.Method)),
			some("disconnection-info", leaf("when", moment(d.Disconnected)), leaf("reason", v.Text(u, r.Text))),
		)
	}
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

// status is that of RFC 4575 §5.7.3, which knows a mute where the focus made it.
func status(u *bridge.User, d *bridge.Endpoint) string {
	if u.Muted && d.Status == bridge.Connected {
		return "muted-via-focus"
	}
	return string(d.Status)
}

// disconnection is the disconnection-method of RFC 4575 §5.7.6.
func disconnection(method string) string {
	switch method {
	case bridge.Departed, bridge.Failed, bridge.BusyMethod:
		return method
	}
	return bridge.Booted
}

// by names who did something. It is the conference that knows them by this id; their address may be gone with them.
func by(s *bridge.State, id bridge.UserID) *element {
	if id == "" {
		return nil
	}
	return leaf("by", withID(uri(s.Conference.URI), paramUser, string(id)))
}

// callInfo identifies the dialog: with that, one could take it over, and so only those concerned are told.
func callInfo(u *bridge.User, d *bridge.Endpoint, v bridge.Viewer) *element {
	c := d.Call
	if c == nil || c.CallID == "" || !v.Operator && (v.Self == "" || v.Self != u.ID) {
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
	label := m.Type
	if m.Content == plan.Slides {
		label = labelSlides
	}
	return tag("media",
		leaf("type", m.Type), leaf("label", label), leaf("status", string(m.Status)),
		own("media", "codec", m.Codec, "content", string(m.Content)),
	).with("id", m.ID)
}
