package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"tutti/bridge"
	"tutti/cmd/tutti/internal/client"
	"tutti/mixer/plan"
)

// writeState writes a conference as a tree: users, their endpoints, their media.
func writeState(w io.Writer, s *bridge.Document) error {
	now := time.Now()
	var b strings.Builder
	c := s.Conference
	title := when(c.Title != "", " “"+c.Title+"”")
	fmt.Fprintf(&b, "%s%s  %s\n", c.Name, title, marks(c.URI, string(c.Layout), when(c.Locked, "locked"), "for "+since(c.Started, now)))
	users := client.Roster(s)
	for i, u := range users {
		branch, trunk := "├─", "│ "
		if i == len(users)-1 {
			branch, trunk = "└─", "  "
		}
		fmt.Fprintf(&b, "%s %s  %s\n", branch, u.Name, userMarks(u))
		for _, id := range slices.Sorted(maps.Keys(u.Endpoints)) {
			e := u.Endpoints[id]
			fmt.Fprintf(&b, "%s    %s\n", trunk, marks(string(e.Kind), string(e.Status), string(e.Method), e.Reason, "for "+since(e.Joined, now)))
			for _, m := range slices.Sorted(maps.Keys(e.Media)) {
				fmt.Fprintf(&b, "%s      %s\n", trunk, mediaText(e.Media[m]))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func userMarks(u client.User) string {
	roles := make([]string, 0, len(u.Roles))
	for _, r := range u.Roles {
		roles = append(roles, string(r))
	}
	return marks("["+u.ID+"]", when(u.Number != u.Name, u.Number), strings.Join(roles, "/"), when(u.Muted, "muted"), when(!u.Camera, "camera off"), when(u.Speaking, "speaking"), when(u.Hand != "", "hand raised"), when(u.Deaf, "deaf"), when(u.Waiting, "in the lobby"), when(u.Sidebar != "", "in a sidebar"))
}

func mediaText(m bridge.MediaView) string {
	content := when(m.Content == plan.Slides, " slides")
	return marks(m.Type+content, m.Codec, string(m.Status))
}
