package rfc4575

import (
	"encoding/xml"
	"strconv"
	"strings"

	"tutti/bridge"
	"tutti/mixer/plan"
)

// Labels of the conference's media, which the media of endpoints refer to.
const (
	labelAudio  = "audio"
	labelVideo  = "video"
	labelSlides = "slides"
)

func description(s *bridge.State) *element {
	d := s.Conference
	title := d.Title
	if title == "" {
		title = d.Name
	}
	ways := append([]bridge.URI{{URI: d.URI, Purpose: "participation"}}, d.ConfURIs...)
	limit := ""
	if n := s.MaxUsers(); n > 0 {
		limit = strconv.Itoa(n)
	}
	return tag("conference-description",
		leaf("display-text", title),
		leaf("subject", d.Subject),
		leaf("free-text", d.FreeText),
		leaf("keywords", words(d.Keywords)),
		some("conf-uris", places(ways)...),
		some("service-uris", places(d.Services)...),
		leaf("maximum-user-count", limit),
		tag("available-media", medium(labelAudio, "audio"), medium(labelVideo, "video", layout(d.Layout)), medium(labelSlides, "video")),
		own("description", "name", d.Name, "started", moment(d.Started)),
		door(s.Door),
	)
}

// words is a list of the schema: what is in it has no space.
func words(all []string) string {
	var list []string
	for _, w := range all {
		if w = strings.Join(strings.Fields(w), "-"); w != "" {
			list = append(list, w)
		}
	}
	return strings.Join(list, " ")
}

// ids are participants in a list.
func ids(all []bridge.UserID) string {
	names := make([]string, len(all))
	for i, id := range all {
		names[i] = string(id)
	}
	return words(names)
}

// places are the entries of a list of URIs.
func places(all []bridge.URI) []*element {
	var entries []*element
	for _, p := range all {
		if address := uri(p.URI); address != "" {
			entries = append(entries, tag("entry", leaf("uri", address), leaf("display-text", p.DisplayText), leaf("purpose", p.Purpose)))
		}
	}
	return entries
}

// medium is an entry of the available-media.
func medium(label, kind string, more ...*element) *element {
	e := tag("entry", leaf("type", kind), leaf("status", string(bridge.SendRecv)), xcon("mixing-mode", "automatic"))
	e.add(more...)
	return e.with("label", label)
}

// layout is the arrangement of the picture in the words of RFC 6501.
func layout(l plan.Layout) *element {
	view := "automatic"
	switch l {
	case plan.Single:
		view = "single-view"
	case plan.Speaker:
		view = "multiple-5x1" // one large, the others small
	}
	return &element{name: xml.Name{Space: namespaceXCON, Local: "controls"}, children: []*element{xcon("video-layout", view)}}
}

// joinHandling is what happens to who comes, in the words of RFC 6501.
func joinHandling(s *bridge.State) *element {
	switch {
	case s.Conference.Locked:
		return xcon("join-handling", "block")
	case s.Door.Lobby:
		return xcon("join-handling", "confirm")
	case s.Door.PIN:
		return xcon("join-handling", "authenticate")
	}
	return xcon("join-handling", "allow")
}

func door(d bridge.Door) *element {
	banned := ""
	if len(d.Banned) > 0 {
		banned = strconv.Itoa(len(d.Banned))
	}
	return own("door", "pin", flag(d.PIN), "lobby", flag(d.Lobby), "wait-for-moderator", flag(d.WaitForModerator), "mute-on-entry", flag(d.MuteOnEntry),
		"end-with-moderator", flag(d.EndWithModerator), "ends-at", moment(d.EndsAt), "banned", banned)
}

// hostInfo is the bridge, as far as the conference knows it: by its domain and by the page.
func hostInfo(s *bridge.State) *element {
	page := ""
	for _, p := range s.Conference.Services {
		if p.Purpose == "web-page" && page == "" {
			page = uri(p.URI)
		}
	}
	scheme, _, _ := strings.Cut(s.Conference.URI, ":")
	_, host, _ := strings.Cut(s.Conference.URI, "@")
	var uris *element
	if host != "" {
		uris = tag("uris", places([]bridge.URI{{URI: scheme + ":" + host}})...)
	}
	return some("host-info", leaf("web-page", page), uris)
}

func conferenceState(s *bridge.State) *element {
	c := s.Conference
	recording := ""
	if c.Recording.On {
		recording = moment(c.Recording.Since)
	}
	return tag("conference-state",
		leaf("user-count", strconv.Itoa(s.Connected())),
		leaf("active", truth(s.Ended == nil)),
		leaf("locked", truth(c.Locked)),
		own("state", "spotlight", string(c.Spotlight), "speaker", string(s.Floor.Active), "recording", recording,
			"hands", ids(s.Hands())),
	)
}
