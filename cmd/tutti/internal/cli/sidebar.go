package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"tutti/bridge"
)

func (a *app) sidebar() *cobra.Command {
	cmd := &cobra.Command{
		Use: "sidebar", Aliases: []string{"sidebars"}, Short: "Make conferences within a conference, and move people between them",
		Long: "Make conferences within a conference, and move people between them. Nobody has to dial again. A sidebar is named by its id or its name.",
	}
	cmd.AddCommand(a.sidebarCreate(), a.sidebarList(),
		a.sidebarMembers("move", "Bring participants into a sidebar", "/move", "%s: now in %s."),
		a.sidebarMembers("invite", "Let participants come into a sidebar when they like", "/invite", "%s: may come into %s."),
		a.sidebarBack(), a.sidebarGain(), a.sidebarEnd())
	return cmd
}

// sidebarPath finds a sidebar by id or name and returns its path.
func (a *app) sidebarPath(cmd *cobra.Command, conference, sidebar string) (string, error) {
	state, err := a.state(cmd, conference)
	if err != nil {
		return "", err
	}
	for id, s := range state.Sidebars {
		if id == sidebar || s.Name == sidebar {
			return conferencePath(conference) + "/sidebars/" + url.PathEscape(id), nil
		}
	}
	return "", fmt.Errorf("%s has no sidebar %q", conference, sidebar)
}

func (a *app) sidebarCreate() *cobra.Command {
	var mainGain float32
	var conference bool
	cmd := &cobra.Command{
		Use: "create CONFERENCE NAME [PARTICIPANT...]", Short: "Make a sidebar and bring participants into it", Args: cobra.MinimumNArgs(2),
		ValidArgsFunction: a.completeConferences,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var made struct {
				Sidebar string `json:"sidebar"`
			}
			body := map[string]any{"name": args[1], "participants": args[2:], "mainGain": mainGain, "conference": conference}
			if err := c.Do(cmd.Context(), http.MethodPost, conferencePath(args[0])+"/sidebars", body, &made); err != nil {
				return err
			}
			return a.print(cmd, made, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s is sidebar %s of %s.\n", args[1], made.Sidebar, args[0])
				return err
			})
		},
	}
	cmd.Flags().Float32Var(&mainGain, "main-gain", 0, "how loud its members hear the conference: 0 to 1")
	cmd.Flags().BoolVar(&conference, "conference", false, "give it a URI of its own, that phones can dial")
	return cmd
}

func (a *app) sidebarList() *cobra.Command {
	return &cobra.Command{
		Use: "list CONFERENCE", Short: "List the sidebars of a conference and who is in them", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeConferences,
		RunE: func(cmd *cobra.Command, args []string) error {
			state, err := a.state(cmd, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, map[string]any{"sidebars": state.Sidebars}, func(w io.Writer) error { return writeSidebars(w, state) })
		},
	}
}

func writeSidebars(w io.Writer, d *bridge.Document) error {
	if len(d.Sidebars) == 0 {
		_, err := fmt.Fprintln(w, "There is no sidebar.")
		return err
	}
	rows := [][]string{{"ID", "NAME", "KIND", "MEMBERS"}}
	for id, s := range d.Sidebars {
		var members []string
		for _, member := range s.Members {
			members = append(members, d.Users[string(member)].Name)
		}
		rows = append(rows, []string{id, s.Name, string(s.Kind), strings.Join(members, ", ")})
	}
	return table(w, rows)
}

func (a *app) sidebarMembers(use, short, path, done string) *cobra.Command {
	return &cobra.Command{
		Use: use + " CONFERENCE SIDEBAR PARTICIPANT...", Short: short, Args: cobra.MinimumNArgs(3), ValidArgsFunction: a.completeConferences,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			sidebar, err := a.sidebarPath(cmd, args[0], args[1])
			if err != nil {
				return err
			}
			if err := c.Do(cmd.Context(), http.MethodPost, sidebar+path, map[string]any{"participants": args[2:]}, nil); err != nil {
				return err
			}
			return a.said(cmd, done, strings.Join(args[2:], ", "), args[1])
		},
	}
}

func (a *app) sidebarBack() *cobra.Command {
	return a.command(call{
		use: "leave CONFERENCE PARTICIPANT...", short: "Bring participants back into the conference", method: http.MethodPost, args: cobra.MinimumNArgs(2),
		request: func(args []string) (string, any, error) {
			return conferencePath(args[0]) + "/sidebars/leave", map[string]any{"participants": args[1:]}, nil
		},
		done: func(args []string) string { return strings.Join(args[1:], ", ") + ": back in " + args[0] + "." },
	})
}

func (a *app) sidebarGain() *cobra.Command {
	var gain float32
	cmd := &cobra.Command{
		Use: "set CONFERENCE SIDEBAR --main-gain GAIN", Short: "Say how loud a sidebar hears the conference", Args: cobra.ExactArgs(2),
		ValidArgsFunction: a.completeConferences,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.toSidebar(cmd, args, http.MethodPatch, map[string]float32{"mainGain": gain}, "%s hears the conference as asked.")
		},
	}
	cmd.Flags().Float32Var(&gain, "main-gain", 0, "0 to 1")
	return cmd
}

func (a *app) sidebarEnd() *cobra.Command {
	return &cobra.Command{
		Use: "end CONFERENCE SIDEBAR", Short: "End a sidebar: its members are back in the conference", Args: cobra.ExactArgs(2),
		ValidArgsFunction: a.completeConferences,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.toSidebar(cmd, args, http.MethodDelete, nil, "%s has ended.")
		},
	}
}

// toSidebar sends one request to a sidebar and says what was done with it.
func (a *app) toSidebar(cmd *cobra.Command, args []string, method string, body any, done string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	path, err := a.sidebarPath(cmd, args[0], args[1])
	if err != nil {
		return err
	}
	if err := c.Do(cmd.Context(), method, path, body, nil); err != nil {
		return err
	}
	return a.said(cmd, done, args[1])
}
