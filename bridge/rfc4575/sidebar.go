package rfc4575

import (
	"strconv"

	"tutti/bridge"
)

// sidebars are the elements of a document about the conferences within the conference, nil where there are none.
func sidebars(s *bridge.State, v bridge.Viewer) []*element {
	var refs []bridge.URI
	var values []*element
	for _, b := range s.Sidebars {
		if b.URI != "" {
			refs = append(refs, bridge.URI{URI: b.URI, DisplayText: b.Name})
		} else {
			values = append(values, sidebar(s, b, v))
		}
	}
	return []*element{some("sidebars-by-ref", places(refs)...), some("sidebars-by-val", values...)}
}

// sameSidebars says whether two states share their sidebars.
func sameSidebars(a, b *bridge.State) bool {
	return len(a.Sidebars) == len(b.Sidebars) && (len(a.Sidebars) == 0 || &a.Sidebars[0] == &b.Sidebars[0])
}

// sidebar is a conference in the conference. Of its users it tells who they are; the rest stands in the conference.
func sidebar(s *bridge.State, b bridge.Sidebar, v bridge.Viewer) *element {
	users := tag("users")
	for _, id := range b.Members {
		if u := s.User(id); u != nil {
			users.add(tag("user").with("entity", userEntity(u, v)))
		}
	}
	gain := strconv.FormatFloat(float64(b.MainGain), 'g', -1, 32)
	return tag("entry",
		tag("conference-description", leaf("display-text", b.Name), xcon("sidebar-parent", uri(s.Conference.URI)),
			own("sidebar", "id", string(b.ID), "kind", string(b.Kind), "owner", string(b.Owner), "created", moment(b.Created),
				"main-gain", gain, "invited", ids(b.Invited))),
		tag("conference-state", leaf("user-count", strconv.Itoa(len(users.children))), leaf("active", truth(true))),
		users,
	).with("entity", withID(uri(s.Conference.URI), paramSidebar, string(b.ID)))
}
