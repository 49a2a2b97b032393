package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tutti/bridge"
	"tutti/cmd/tutti/internal/client"
)

// errDone ends a watch without an error.
var errDone = errors.New("done")

func (a *app) conferenceWatch() *cobra.Command {
	return &cobra.Command{
		Use: "watch CONFERENCE", Short: "Print what happens in a conference, as it happens", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeConferences,
		Long: "Print what happens in a conference, one line an event, until it ends. With --output json each line is the patch of the state.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var before *bridge.Document
			return a.watch(cmd, c, args[0], func(now *bridge.Document, patch json.RawMessage) error {
				defer func() { before = now }()
				if a.output == "json" {
					_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", patch)
					return err
				}
				if before == nil {
					return writeState(cmd.OutOrStdout(), now)
				}
				return writeChanges(cmd.OutOrStdout(), before, now, time.Now())
			})
		},
	}
}

// watch calls visit with the state as it is, and again after each change, with what changed as it came.
func (a *app) watch(cmd *cobra.Command, c *client.Client, conference string, visit func(*bridge.Document, json.RawMessage) error) error {
	var current any
	err := c.Events(cmd.Context(), conferencePath(conference)+"/events", func(event string, data []byte) error {
		change := json.RawMessage(data)
		switch event {
		case "state": // the whole, as it is
			current = nil
			if err := json.Unmarshal(data, &current); err != nil {
				return fmt.Errorf("%s: event %s: %w", conference, event, err)
			}
		case "notify":
			var notice struct {
				Patch json.RawMessage `json:"patch"`
			}
			var patch any
			if err := errors.Join(json.Unmarshal(data, &notice), json.Unmarshal(notice.Patch, &patch)); err != nil {
				return fmt.Errorf("%s: event %s: %w", conference, event, err)
			}
			change, current = notice.Patch, client.Merge(current, patch)
		default:
			return nil
		}
		state, err := decode(current)
		if err != nil {
			return err
		}
		return visit(state, change)
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

func decode(v any) (*bridge.Document, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var state bridge.Document
	return &state, json.Unmarshal(b, &state)
}

// writeChanges writes one line for each thing that changed between two states.
func writeChanges(w io.Writer, before, now *bridge.Document, at time.Time) error {
	var b strings.Builder
	say := func(format string, args ...any) {
		fmt.Fprintf(&b, "%s  %s\n", at.Format(time.TimeOnly), fmt.Sprintf(format, args...))
	}
	for _, u := range client.Roster(before) {
		if _, here := now.Users[u.ID]; !here {
			say("%s left", u.Name)
		}
	}
	for _, u := range client.Roster(now) {
		old, known := before.Users[u.ID]
		if !known {
			say("%s joined (%s)", u.Name, kinds(u))
			continue
		}
		sayUser(say, old, u)
	}
	if before.Conference.Locked != now.Conference.Locked {
		say("%s", map[bool]string{true: "locked", false: "unlocked"}[now.Conference.Locked])
	}
	if before.Conference.Layout != now.Conference.Layout {
		say("the layout is %s", now.Conference.Layout)
	}
	for id, line := range now.Chat {
		if _, known := before.Chat[id]; !known {
			say("%s: %s", line.Name, line.Text)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func sayUser(say func(string, ...any), old bridge.UserView, u client.User) {
	changes := []struct {
		before, now bool
		on, off     string
	}{
		{old.Speaking, u.Speaking, "speaks", "is silent"},
		{old.Muted, u.Muted, "is muted", "is unmuted"},
		{old.Hand != "", u.Hand != "", "raises a hand", "lowers the hand"},
		{old.Camera, u.Camera, "turns the camera on", "turns the camera off"},
	}
	if old.Name != u.Name {
		say("%s is now called %s", old.Name, u.Name)
	}
	for _, c := range changes {
		if c.before != c.now {
			say("%s %s", u.Name, map[bool]string{true: c.on, false: c.off}[c.now])
		}
	}
	for id, e := range u.Endpoints {
		if was, known := old.Endpoints[id]; !known || was.Status != e.Status {
			say("%s", strings.TrimSpace(fmt.Sprintf("%s is %s %s", u.Name, e.Status, e.Reason)))
		}
	}
}

func kinds(u client.User) string {
	var out []string
	for _, e := range u.Endpoints {
		out = append(out, string(e.Kind)+" "+string(e.Status))
	}
	return strings.Join(out, ", ")
}
