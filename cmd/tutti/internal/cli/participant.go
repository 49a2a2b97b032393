package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tutti/bridge"
	"tutti/cmd/tutti/internal/client"
)

func (a *app) participant() *cobra.Command {
	cmd := &cobra.Command{
		Use: "participant", Aliases: []string{"participants"}, Short: "List, mute, admit, expel participants, and give them roles",
		Long: "List, mute, admit, expel participants, and give them roles. A participant is named by id or, where only one has it, by name.",
	}
	cmd.AddCommand(a.participantList(),
		a.participantMute(),
		a.one("unmute", "Let a participant be heard again", http.MethodPost, "/unmute", "%s is heard again."),
		a.one("ask-unmute", "Ask a participant to unmute", http.MethodPost, "/ask-unmute", "%s is asked to unmute."),
		a.toggle("deafen", "Let a participant hear nobody", "/deafen", true, "%s hears nobody."),
		a.toggle("undeafen", "Let a participant hear again", "/deafen", false, "%s hears again."),
		a.toggle("hide", "Hide a participant's camera", "/video", false, "%s is not shown."),
		a.toggle("show", "Show a participant's camera", "/video", true, "%s is shown."),
		a.toggle("broadcast", "Let a participant be heard in all sidebars too", "/broadcast", true, "%s is heard in all sidebars."),
		a.toggle("unbroadcast", "Let a participant be heard where they are only", "/broadcast", false, "%s is heard where they are."),
		a.one("lower-hand", "Lower a participant's hand", http.MethodPost, "/lower-hand", "%s has the hand down."),
		a.one("admit", "Let a participant in from the lobby", http.MethodPost, "/admit", "%s is in."),
		a.one("deny", "Turn a participant away from the lobby", http.MethodPost, "/deny", "%s is turned away."),
		a.roleCommand("grant", "Give a role: moderator, presenter, participant, guest or listener", http.MethodPut, "%s is %s."),
		a.roleCommand("revoke", "Take a role away", http.MethodDelete, "%s is no %s any more."),
		a.participantGain(), a.participantRename(), a.participantExpel())
	return cmd
}

func (a *app) participantList() *cobra.Command {
	return &cobra.Command{
		Use: "list CONFERENCE", Short: "List who is in a conference", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeConferences,
		RunE: func(cmd *cobra.Command, args []string) error {
			state, err := a.state(cmd, args[0])
			if err != nil {
				return err
			}
			roster := client.Roster(state)
			return a.print(cmd, map[string]any{"participants": roster}, func(w io.Writer) error { return writeRoster(w, roster) })
		},
	}
}

// state asks for one conference.
func (a *app) state(cmd *cobra.Command, conference string) (*bridge.Document, error) {
	c, err := a.client()
	if err != nil {
		return nil, err
	}
	var state bridge.Document
	err = c.Do(cmd.Context(), http.MethodGet, conferencePath(conference), nil, &state)
	return &state, err
}

func writeRoster(w io.Writer, roster []client.User) error {
	rows := [][]string{{"ID", "NAME", "NUMBER", "KIND", "STATUS", "FOR", "SOUND", ""}}
	for _, u := range roster {
		for _, e := range u.Endpoints {
			rows = append(rows, []string{
				u.ID, u.Name, u.Number, string(e.Kind), string(e.Status), since(e.Joined, time.Now()), codecOf(e, "audio"),
				marks(when(u.Muted, "muted"), when(u.Speaking, "speaking"), when(u.Hand != "", "hand raised"), e.Reason),
			})
		}
	}
	return table(w, rows)
}

func codecOf(e bridge.EndpointView, kind string) string {
	for _, m := range e.Media {
		if m.Type == kind {
			return m.Codec
		}
	}
	return ""
}

func participantPath(args []string) string {
	return conferencePath(args[0]) + "/participants/" + url.PathEscape(args[1])
}

func (a *app) participantMute() *cobra.Command {
	var hard bool
	return a.command(call{
		use: "mute CONFERENCE PARTICIPANT", short: "Silence a participant", method: http.MethodPost, args: cobra.ExactArgs(2),
		flags: func(cmd *cobra.Command) {
			cmd.Flags().BoolVar(&hard, "hard", false, "so that only a moderator or an operator can undo it")
		},
		request: func(args []string) (string, any, error) {
			return participantPath(args) + "/mute" + when(hard, "?hard=true"), nil, nil
		},
		done: func(args []string) string { return args[1] + " is muted." },
	})
}

func (a *app) participantExpel() *cobra.Command {
	var reason string
	var ban bool
	cmd := &cobra.Command{
		Use: "expel CONFERENCE PARTICIPANT", Short: "Take a participant out, or cancel a call that still rings", Args: cobra.ExactArgs(2),
		ValidArgsFunction: a.completeParticipants,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{}
			if reason != "" {
				query.Set("reason", reason)
			}
			if ban {
				query.Set("ban", "true")
			}
			if err := c.Do(cmd.Context(), http.MethodDelete, participantPath(args)+"?"+query.Encode(), nil, nil); err != nil {
				return err
			}
			return a.said(cmd, "%s is out.", args[1])
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "what the participant is told")
	cmd.Flags().BoolVar(&ban, "ban", false, "they may not come again")
	return cmd
}

// completeParticipants completes the conference, then its participants' names.
func (a *app) completeParticipants(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeConferences(cmd, args, toComplete)
	}
	state, err := a.state(cmd, args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, u := range client.Roster(state) {
		names = append(names, u.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) dial() *cobra.Command {
	var name string
	var wait bool
	cmd := &cobra.Command{
		Use: "dial CONFERENCE TARGET", Short: "Call a phone into a conference", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeConferences,
		Long: `Call a phone into a conference. TARGET is a registered user's name, a number or a SIP address.

Registered users can always be called. Numbers and addresses need a rule under sip.outbound.`,
		Example: "  tutti dial 8001 alice\n  tutti dial 8001 +4930123456\n  tutti dial 8001 sip:room@pbx.example",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var result struct {
				Participant string `json:"participant"`
			}
			body := map[string]string{"target": args[1]}
			if name != "" {
				body["name"] = name
			}
			if err := c.Do(cmd.Context(), http.MethodPost, conferencePath(args[0])+"/dial", body, &result); err != nil {
				return err
			}
			if wait {
				return a.follow(cmd, c, args[0], result.Participant)
			}
			return a.print(cmd, result, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "Calling %s; tutti participant list %s shows how it fares.\n", args[1], args[0])
				return err
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name shown in the conference")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the answer, showing the states of the call")
	return cmd
}

// follow prints the states of a call until it is connected, and fails where the call does.
func (a *app) follow(cmd *cobra.Command, c *client.Client, conference, participant string) error {
	var last bridge.Status
	return a.watch(cmd, c, conference, func(state *bridge.Document, _ json.RawMessage) error {
		u, here := state.Users[participant]
		if !here {
			return fmt.Errorf("the call is over")
		}
		for _, e := range u.Endpoints {
			if e.Status != last {
				last = e.Status
				fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(string(e.Status)+" "+e.Reason))
			}
			switch e.Status {
			case bridge.Connected:
				return errDone
			case bridge.Disconnected:
				return fmt.Errorf("%s was not reached: %s", u.Name, e.Reason)
			}
		}
		return nil
	})
}
