package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tutti/bridge/api"
	"tutti/bridge/store"
)

// definitions are the commands about conferences that are known beforehand.
func (a *app) definitions() []*cobra.Command {
	return []*cobra.Command{a.definitionList(), a.definitionShow(), a.definitionCreate(), a.definitionChange(), a.definitionDelete(), a.definitionInvite()}
}

// definitionPath is the API's path of a definition.
func definitionPath(name string) string { return "/definitions/" + url.PathEscape(name) }

// definition asks for one.
func (a *app) definition(cmd *cobra.Command, name string) (d api.Definition, err error) {
	c, err := a.client()
	if err == nil {
		err = c.Do(cmd.Context(), http.MethodGet, definitionPath(name), nil, &d)
	}
	return d, err
}

func (a *app) definitionList() *cobra.Command {
	return &cobra.Command{
		Use: "definitions", Short: "List the conferences that are defined", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var list struct {
				Definitions []api.Definition `json:"definitions"`
			}
			if err := c.Do(cmd.Context(), http.MethodGet, "/definitions", nil, &list); err != nil {
				return err
			}
			return a.print(cmd, list, func(w io.Writer) error { return writeDefinitions(w, list.Definitions) })
		},
	}
}

func writeDefinitions(w io.Writer, list []api.Definition) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No conference is defined.")
		return err
	}
	rows := [][]string{{"NAME", "TITLE", "LAYOUT", "MEETS", ""}}
	for _, d := range list {
		rows = append(rows, []string{d.Name, d.Title, string(d.Layout), meets(d.Schedule), marks(
			when(d.HasPIN, "PIN"), when(d.HasModeratorPIN, "moderator PIN"), when(d.Lobby, "lobby"), when(d.ReadOnly, "read-only"))})
	}
	return table(w, rows)
}

// meets is a schedule in one line.
func meets(s *store.Schedule) string {
	if s == nil {
		return ""
	}
	start := s.Start
	if zone, err := time.LoadLocation(s.TimeZone); err == nil {
		start = start.In(zone)
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s, %dm %s", start.Format("2006-01-02 15:04"), s.TimeZone, s.Minutes, s.Recurrence)), " ")
}

func (a *app) definitionShow() *cobra.Command {
	return &cobra.Command{
		Use: "definition NAME", Short: "Show how a conference is defined", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.definition(cmd, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, d, func(w io.Writer) error { return writeDefinition(w, d) })
		},
	}
}

func writeDefinition(w io.Writer, d api.Definition) error {
	rows := [][]string{{"name", d.Name}, {"phones", d.URI}}
	row := func(what, value string) {
		if value != "" {
			rows = append(rows, []string{what, value})
		}
	}
	row("browsers", d.Page)
	row("title", d.Title)
	row("subject", d.Subject)
	row("layout", string(d.Layout))
	if d.MaxUsers > 0 {
		row("at most", strconv.Itoa(d.MaxUsers))
	}
	row("wants", marks(when(d.HasPIN, "PIN"), when(d.HasModeratorPIN, "moderator PIN"), when(d.Lobby, "lobby"), when(d.WaitForModerator, "a moderator"),
		when(d.MuteOnEntry, "newcomers muted"), when(d.EndWithModerator, "to end with the moderator")))
	row("meets", meets(d.Schedule))
	row("read-only", when(d.ReadOnly, d.File))
	if !d.ReadOnly {
		row("revision", strconv.FormatUint(d.Revision, 10))
	}
	return table(w, rows)
}

// wishes are the flags of create and change.
type wishes struct {
	title, subject, layout, text string
	pin, moderatorPIN            string
	maxUsers, minutes            int
	lobby, wait, mute, end       bool
	start, zone, repeat          string
	unscheduled                  bool
}

func (f *wishes) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.title, "title", "", "what people read")
	flags.StringVar(&f.subject, "subject", "", "what it is about")
	flags.StringVar(&f.text, "text", "", "further words for the invitation")
	flags.StringVar(&f.layout, "layout", "", "grid, speaker or single")
	flags.StringVar(&f.pin, "pin", "", "digits that everybody needs; \"\" for none")
	flags.StringVar(&f.moderatorPIN, "moderator-pin", "", "digits that make a moderator; \"\" for none")
	flags.IntVar(&f.maxUsers, "max-users", 0, "how many may come; 0 for any number")
	flags.BoolVar(&f.lobby, "lobby", false, "who comes waits to be admitted")
	flags.BoolVar(&f.wait, "wait-for-moderator", false, "nobody hears anybody before a moderator has come")
	flags.BoolVar(&f.mute, "mute-on-entry", false, "who comes is muted")
	flags.BoolVar(&f.end, "end-with-moderator", false, "end when the last moderator leaves")
	flags.StringVar(&f.start, "start", "", "first meeting, such as \"2027-01-11 09:00\" (in --time-zone) or 2027-01-11T09:00:00+01:00")
	flags.IntVar(&f.minutes, "minutes", 60, "how long a meeting lasts")
	flags.StringVar(&f.zone, "time-zone", "", "such as Europe/Berlin, whose summer time meetings follow (default UTC)")
	flags.StringVar(&f.repeat, "repeat", "", "recurrence rule (RFC 5545), such as FREQ=WEEKLY;BYDAY=MO; \"\" for once")
	_ = cmd.RegisterFlagCompletionFunc("layout", cobra.FixedCompletions([]string{"grid", "speaker", "single"}, cobra.ShellCompDirectiveNoFileComp))
}

// apply changes what flags were given for.
func (f *wishes) apply(cmd *cobra.Command, d *api.DefinitionDraft) error {
	given := func(flag string) bool { return cmd.Flags().Changed(flag) }
	set(given("title"), &d.Title, f.title)
	set(given("subject"), &d.Subject, f.subject)
	set(given("text"), &d.FreeText, f.text)
	set(given("layout"), (*string)(&d.Layout), f.layout)
	set(given("pin"), &d.PIN, &f.pin)
	set(given("moderator-pin"), &d.ModeratorPIN, &f.moderatorPIN)
	set(given("max-users"), &d.MaxUsers, f.maxUsers)
	set(given("lobby"), &d.Lobby, f.lobby)
	set(given("wait-for-moderator"), &d.WaitForModerator, f.wait)
	set(given("mute-on-entry"), &d.MuteOnEntry, f.mute)
	set(given("end-with-moderator"), &d.EndWithModerator, f.end)
	if f.unscheduled {
		d.Schedule = nil
		return nil
	}
	if d.Schedule == nil {
		if !given("start") {
			for _, flag := range []string{"minutes", "time-zone", "repeat"} {
				if given(flag) {
					return usageError{fmt.Errorf("--%s needs --start", flag)}
				}
			}
			return nil
		}
		d.Schedule = &store.Schedule{Minutes: f.minutes}
	}
	set(given("minutes"), &d.Schedule.Minutes, f.minutes)
	set(given("time-zone"), &d.Schedule.TimeZone, f.zone)
	set(given("repeat"), &d.Schedule.Recurrence, f.repeat)
	if !given("start") {
		return nil
	}
	start, err := startOf(f.start, d.Schedule.TimeZone)
	d.Schedule.Start = start
	return err
}

func set[T any](given bool, field *T, value T) {
	if given {
		*field = value
	}
}

// startOf reads a moment with its offset, or one of the clock of a zone.
func startOf(s, zone string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	where, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, usageError{fmt.Errorf("--time-zone %q is not known; write one such as Europe/Berlin", zone)}
	}
	for _, form := range []string{"2006-01-02 15:04", "2006-01-02T15:04"} {
		if at, err := time.ParseInLocation(form, s, where); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("--start %q: write \"2027-01-11 09:00\" or 2027-01-11T09:00:00+01:00", s)}
}

func (a *app) definitionCreate() *cobra.Command {
	var f wishes
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Define a conference, with PINs and a schedule if need be", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var draft api.DefinitionDraft
			draft.Name = args[0]
			if err := f.apply(cmd, &draft); err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			var d api.Definition
			if err := c.Do(cmd.Context(), http.MethodPost, "/definitions", draft, &d); err != nil {
				return err
			}
			return a.print(cmd, d, func(w io.Writer) error { return writeDefinition(w, d) })
		},
	}
	f.flags(cmd)
	return cmd
}

func (a *app) definitionChange() *cobra.Command {
	var f wishes
	var revision uint64
	cmd := &cobra.Command{
		Use: "change NAME", Short: "Change a definition; what no flag names stays", Args: cobra.ExactArgs(1),
		Long: "Change a definition; what no flag names stays. If somebody else changes it at the same moment, one of the two is refused.",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.definition(cmd, args[0])
			if err != nil {
				return err
			}
			draft := api.DefinitionDraft{Definition: d.Definition, Schedule: d.Schedule}
			if err := f.apply(cmd, &draft); err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			if revision == 0 {
				revision = d.Revision
			}
			var now api.Definition
			if err := c.DoIfMatch(cmd.Context(), http.MethodPut, definitionPath(args[0]), tag(revision), draft, &now); err != nil {
				return err
			}
			return a.print(cmd, now, func(w io.Writer) error { return writeDefinition(w, now) })
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&f.unscheduled, "unscheduled", false, "take the schedule away")
	cmd.Flags().Uint64Var(&revision, "revision", 0, "change only this revision (conference definition shows it)")
	return cmd
}

func (a *app) definitionDelete() *cobra.Command {
	var revision uint64
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Forget a definition; a conference that goes on goes on", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if err := c.DoIfMatch(cmd.Context(), http.MethodDelete, definitionPath(args[0]), tag(revision), nil, nil); err != nil {
				return err
			}
			return a.said(cmd, "%s is no longer defined.", args[0])
		},
	}
	cmd.Flags().Uint64Var(&revision, "revision", 0, "delete only this revision")
	return cmd
}

// tag is a revision as an ETag, "" for any.
func tag(revision uint64) string {
	if revision == 0 {
		return ""
	}
	return strconv.Quote(strconv.FormatUint(revision, 10))
}

func (a *app) definitionInvite() *cobra.Command {
	return &cobra.Command{
		Use: "invite NAME", Short: "Print the invitation for calendars (iCalendar)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			text, err := c.Text(cmd.Context(), definitionPath(args[0])+"/invitation.ics")
			if err != nil {
				return err
			}
			if a.output == "json" {
				text, err = json.Marshal(map[string]string{"invitation": string(text)})
				text = append(text, '\n')
			}
			if err == nil {
				_, err = io.Copy(cmd.OutOrStdout(), bytes.NewReader(text))
			}
			return err
		},
	}
}
