package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tutti/cmd/tutti/internal/attach"
	"tutti/cmd/tutti/internal/device"
)

// pageHere is where the page of a bridge without configuration is.
const pageHere = "http://localhost:8080"

func (a *app) attach() *cobra.Command {
	var o attach.Options
	var list bool
	cmd := &cobra.Command{
		Use: "attach CONFERENCE", Short: "Bring this machine's camera and microphone into a conference",
		Long: `Bring this machine's camera and microphone into a conference, until Ctrl-C. Nothing is played or shown here.

--list prints the devices. Two are on every machine: the camera "videotest" and the microphone "phrase".

The address of the bridge's page is ` + pageHere + `, or what --server says: the unix socket of the other commands has no media.
A certificate that the bridge made itself is refused unless --insecure is given.`,
		Example: "  tutti attach 8001 --name \"Meeting room\"\n  tutti attach 8001 --camera none --server https://bridge.example:8443",
		Args: func(cmd *cobra.Command, args []string) error {
			if list {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return a.listDevices(cmd)
			}
			server, err := pageOf(a.server)
			if err != nil {
				return usageError{err}
			}
			o.Server, o.Conference = server, args[0]
			return a.runAttach(cmd, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Camera, "camera", "default", "camera by name, default or none")
	flags.StringVar(&o.Microphone, "microphone", "default", "microphone by name, default or none")
	flags.StringVar(&o.Name, "name", "", "name shown in the conference; default is this machine's")
	flags.BoolVar(&o.Insecure, "insecure", false, "accept any certificate of the bridge")
	flags.BoolVar(&list, "list", false, "print the devices of this machine")
	return cmd
}

// pageOf is the address of the page of the bridge that --server names.
func pageOf(server string) (string, error) {
	if server == "" || strings.HasPrefix(server, "unix:") {
		return pageHere, nil
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("--server %q: write https://HOST or http://HOST", server)
	}
	return strings.TrimSuffix(server, "/"), nil
}

func (a *app) runAttach(cmd *cobra.Command, o attach.Options) error {
	for _, wanted := range []*string{&o.Camera, &o.Microphone} {
		if *wanted == "none" {
			*wanted = ""
		}
	}
	if o.Camera == "" && o.Microphone == "" {
		return usageError{errors.New("--camera none and --microphone none leave nothing to bring")}
	}
	host, _ := os.Hostname() // without one the bridge gives a name
	o.Name = cmp.Or(o.Name, host)
	if !utf8.ValidString(o.Name) {
		return usageError{fmt.Errorf("--name %q is not UTF-8", o.Name)}
	}
	o.Tell = func(e attach.Event) { a.tell(cmd, o, e) }
	return attach.Run(cmd.Context(), o)
}

// tell prints one line for an event.
func (a *app) tell(cmd *cobra.Command, o attach.Options, e attach.Event) {
	name, line := "joined", fmt.Sprintf("%s is in %s; Ctrl-C leaves.", o.Name, o.Conference)
	text := e.Text
	switch {
	case e.Lost != nil:
		name, line, text = "lost", fmt.Sprintf("Trying again: %v.", e.Lost), e.Lost.Error()
	case e.Left && text != "":
		name, line = "left", fmt.Sprintf("%s has left %s: %s.", o.Name, o.Conference, strings.TrimSuffix(text, "."))
	case e.Left:
		name, line = "left", fmt.Sprintf("%s has left %s.", o.Name, o.Conference)
	}
	if a.output == "json" {
		_ = json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{"event": name, "text": text}) // there is nobody else to tell
		return
	}
	fmt.Fprintln(cmd.OutOrStdout(), line)
}

func (a *app) listDevices(cmd *cobra.Command) error {
	all := device.List()
	rows := [][]string{{"KIND", "NAME"}}
	devices := make([]map[string]string, 0, len(all))
	for _, d := range all {
		rows = append(rows, []string{d.Kind, d.Name})
		devices = append(devices, map[string]string{"kind": d.Kind, "name": d.Name})
	}
	return a.print(cmd, map[string]any{"devices": devices}, func(w io.Writer) error { return table(w, rows) })
}
