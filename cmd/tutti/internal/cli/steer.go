package cli

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tutti/mixer/plan"
)

// conferenceLayout arranges the picture.
func (a *app) conferenceLayout() *cobra.Command {
	return a.command(call{
		use: "layout CONFERENCE LAYOUT", short: "Arrange the picture: grid, speaker or single", method: http.MethodPatch, args: cobra.ExactArgs(2),
		request: func(args []string) (string, any, error) {
			if !slices.Contains(plan.Layouts(), plan.Layout(args[1])) {
				return "", nil, fmt.Errorf("%q is not a layout; allowed: %s", args[1], strings.Trim(fmt.Sprint(plan.Layouts()), "[]"))
			}
			return conferencePath(args[0]), map[string]string{"layout": args[1]}, nil
		},
		done: func(args []string) string { return fmt.Sprintf("The layout of %s is %s.", args[0], args[1]) },
	})
}

// conferenceSpotlight shows one participant large.
func (a *app) conferenceSpotlight() *cobra.Command {
	return a.command(call{
		use: "spotlight CONFERENCE [PARTICIPANT]", short: "Show one participant large whoever speaks; nobody without PARTICIPANT",
		method: http.MethodPatch, args: cobra.RangeArgs(1, 2),
		request: func(args []string) (string, any, error) {
			return conferencePath(args[0]), map[string]string{"spotlight": strings.Join(args[1:], "")}, nil
		},
		done: func(args []string) string {
			if len(args) == 1 {
				return "Whoever speaks is shown large."
			}
			return args[1] + " is shown large."
		},
	})
}

// conferenceChat says something.
func (a *app) conferenceChat() *cobra.Command {
	var to string
	return a.command(call{
		use: "chat CONFERENCE TEXT", short: "Say something in the chat, to all or to one", method: http.MethodPost, args: cobra.ExactArgs(2),
		flags: func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&to, "to", "", "participant, by id or name; everybody reads it otherwise")
		},
		request: func(args []string) (string, any, error) {
			body := map[string]string{"text": args[1]}
			if to != "" {
				body["to"] = to
			}
			return conferencePath(args[0]) + "/chat", body, nil
		},
		done: func([]string) string { return "Said." },
	})
}

// conferenceSet changes what a conference is about and who may come in; only what is named changes.
func (a *app) conferenceSet() *cobra.Command {
	var set *cobra.Command
	keys := map[string]string{"title": "title", "subject": "subject", "max-users": "maxUsers", "lobby": "lobby",
		"wait-for-moderator": "waitForModerator", "mute-on-entry": "muteOnEntry", "end-with-moderator": "endWithModerator"}
	set = a.command(call{
		use: "set CONFERENCE", short: "Change what a conference is about and who may come in", method: http.MethodPatch, args: cobra.ExactArgs(1),
		flags: func(cmd *cobra.Command) {
			flags := cmd.Flags()
			flags.String("title", "", "what it is called")
			flags.String("subject", "", "what it is about")
			flags.Int("max-users", 0, "how many may be in it; 0 is any number")
			flags.Bool("lobby", false, "who comes in waits to be admitted")
			flags.Bool("wait-for-moderator", false, "who comes in waits for a moderator")
			flags.Bool("mute-on-entry", false, "who comes in is muted")
			flags.Bool("end-with-moderator", false, "it ends when the last moderator leaves")
		},
		request: func(args []string) (string, any, error) {
			body := map[string]any{}
			for flag, key := range keys {
				f := set.Flags().Lookup(flag)
				if !f.Changed {
					continue
				}
				body[key] = f.Value.String()
				switch f.Value.Type() {
				case "bool":
					body[key] = f.Value.String() == "true"
				case "int":
					body[key], _ = set.Flags().GetInt(flag)
				}
			}
			if len(body) == 0 {
				return "", nil, fmt.Errorf("nothing to change: name at least one flag")
			}
			return conferencePath(args[0]) + "/settings", body, nil
		},
		done: func(args []string) string { return args[0] + " is changed." },
	})
	return set
}
