package rfc4575

import (
	"strconv"

	"tutti/bridge"
)

// Labels of the conference's media, which the media of endpoints refer to.
const (
	labelAudio  = "audio"
	labelVideo  = "video"
	labelSlides = "slides"
)

func description(s *bridge.State, _ bridge.Viewer) *element {
	d := s.Conference
	title := d.Title
	if title == "" {
		title = d.Name
	}
	e := tag("conference-description",
		leaf("display-text", title),
		some("conf-uris", place(d.URI, "", "participation")),
	)
	if s.Limits.Users > 0 {
		e.add(leaf("maximum-user-count", strconv.Itoa(s.Limits.Users)))
	}
	e.add(
		tag("available-media", medium(labelAudio, "audio"), medium(labelVideo, "video"), medium(labelSlides, "video")),
		own("description", "name", d.Name, "started", moment(d.Started)),
	)
	return e
}

// place is an entry of a list of URIs, nil for none.
func place(address, text, purpose string) *element {
	if address = uri(address); address == "" {
		return nil
	}
	return tag("entry", leaf("uri", address), leaf("display-text", text), leaf("purpose", purpose))
}

// medium is an entry of the available-media.
func medium(label, kind string) *element {
	return tag("entry", leaf("type", kind), leaf("status", string(bridge.SendRecv))).with("label", label)
}

func hostInfo(*bridge.State) *element { return nil }

func conferenceState(s *bridge.State, _ bridge.Viewer) *element {
	return tag("conference-state",
		leaf("user-count", strconv.Itoa(s.Connected())),
		leaf("active", truth(s.Ended == nil)),
		leaf("locked", truth(s.Conference.Locked)),
		own("state", "layout", string(s.Conference.Layout), "spotlight", string(s.Conference.Spotlight), "speaker", string(s.Floor.Active)),
	)
}

func sidebarsByRef(*bridge.State, bridge.Viewer) *element { return nil }

func sidebarsByVal(*bridge.State, bridge.Viewer) *element { return nil }
