package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tutti/bridge"
)

func (a *app) conference() *cobra.Command {
	cmd := &cobra.Command{Use: "conference", Aliases: []string{"conferences"}, Short: "List, show, watch, steer, end and define conferences"}
	cmd.AddCommand(
		a.conferenceList(), a.conferenceShow(), a.conferenceWatch(),
		a.whole("lock", "Keep newcomers out", http.MethodPost, "/lock", "Nobody else gets into %s."),
		a.whole("unlock", "Let newcomers in again", http.MethodPost, "/unlock", "%s is open again."),
		a.whole("mute", "Silence everybody but moderators", http.MethodPost, "/mute", "Everybody in %s is muted."),
		a.whole("unmute", "Let everybody be heard again", http.MethodPost, "/unmute", "Everybody in %s is heard again."),
		a.whole("admit", "Let everybody in from the lobby", http.MethodPost, "/admit", "Nobody waits for %s any more."),
		a.whole("end", "End a conference for everybody", http.MethodDelete, "", "%s has ended."),
		a.conferenceLayout(), a.conferenceSpotlight(), a.conferenceChat(), a.conferenceSet(),
	)
	cmd.AddCommand(a.definitions()...)
	return cmd
}

// conferencePath is the API's path of a conference.
func conferencePath(name string) string { return "/conferences/" + url.PathEscape(name) }

type summary struct {
	Name         string `json:"name"`
	Title        string `json:"title"`
	URI          string `json:"uri"`
	Participants int    `json:"participants"`
	Locked       bool   `json:"locked"`
	Started      string `json:"started"`
}

func (a *app) conferenceList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the conferences that are going on", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var list struct {
				Conferences []summary `json:"conferences"`
			}
			if err := c.Do(cmd.Context(), http.MethodGet, "/conferences", nil, &list); err != nil {
				return err
			}
			return a.print(cmd, list, func(w io.Writer) error { return writeConferences(w, list.Conferences) })
		},
	}
}

func writeConferences(w io.Writer, list []summary) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No conference is going on.")
		return err
	}
	rows := [][]string{{"NAME", "PARTICIPANTS", "FOR", "TITLE", ""}}
	for _, c := range list {
		rows = append(rows, []string{c.Name, strconv.Itoa(c.Participants), since(c.Started, time.Now()), c.Title, when(c.Locked, "locked")})
	}
	return table(w, rows)
}

func (a *app) conferenceShow() *cobra.Command {
	return &cobra.Command{
		Use: "show CONFERENCE", Short: "Show who is in a conference, with which devices and media", Args: cobra.ExactArgs(1),
		Long:              "Show who is in a conference, with which devices and media. With --output xml as phones are told of it (RFC 4575).",
		ValidArgsFunction: a.completeConferences, Annotations: map[string]string{printsXML: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if a.output == "xml" {
				text, err := c.Text(cmd.Context(), conferencePath(args[0])+"/conference-info")
				if err == nil {
					_, err = cmd.OutOrStdout().Write(text)
				}
				return err
			}
			var raw json.RawMessage
			if err := c.Do(cmd.Context(), http.MethodGet, conferencePath(args[0]), nil, &raw); err != nil {
				return err
			}
			var state bridge.Document
			if err := json.Unmarshal(raw, &state); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return a.print(cmd, raw, func(w io.Writer) error { return writeState(w, &state) })
		},
	}
}

// completeConferences completes the name of a conference from the running bridge.
func (a *app) completeConferences(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := a.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var list struct {
		Conferences []summary `json:"conferences"`
	}
	if err := c.Do(cmd.Context(), http.MethodGet, "/conferences", nil, &list); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := make([]string, 0, len(list.Conferences))
	for _, s := range list.Conferences {
		names = append(names, s.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
