// Package cli is the command line: one file for each family of commands. Every command but serve, attach, config and version
// is a call of the HTTP API.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tutti/cmd/tutti/internal/client"
	"tutti/cmd/tutti/internal/config"
)

// Exit codes.
const (
	exitFailed = 1 // the bridge refused, or cannot be reached
	exitUsage  = 2 // the command line or the configuration is wrong
)

// usageError is a mistake in the command line.
type usageError struct{ error }

// app is what the commands share.
type app struct {
	version string
	output  string // text, json or, of some commands, xml
	server  string
	token   string
}

// Main runs the command line and returns the exit code. A signal to end cancels the command.
func Main(version string, args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(version)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(errs, "tutti: %v\n", err)
	var problems config.Problems
	var usage usageError
	if errors.As(err, &problems) || errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// printsXML marks commands that know --output xml.
const printsXML = "xml"

func newRoot(version string) *cobra.Command {
	a := &app{version: version}
	root := &cobra.Command{
		Use:   "tutti",
		Short: "A conference bridge for phones and browsers",
		Long: `tutti lets desk phones, PBXs and browsers meet in one conference, with sound and picture.

  tutti serve        starts a bridge; it needs no configuration
  tutti conference   and the other commands speak to the running one`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())}
	})
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", "text", "how to print: text or json")
	flags.StringVar(&a.server, "server", os.Getenv("TUTTI_SERVER"), "bridge to speak to: unix:PATH, https://HOST; default is the one on this machine (TUTTI_SERVER)")
	flags.StringVar(&a.token, "token", os.Getenv("TUTTI_TOKEN"), "operator's key for --server over https (TUTTI_TOKEN)")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		allowed := []string{"text", "json"}
		if _, ok := cmd.Annotations[printsXML]; ok {
			allowed = append(allowed, "xml")
		}
		if !slices.Contains(allowed, a.output) {
			return usageError{fmt.Errorf("--output %q is not allowed; allowed: %s", a.output, strings.Join(allowed, ", "))}
		}
		return nil
	}
	root.AddGroup(&cobra.Group{ID: "bridge", Title: "The bridge:"}, &cobra.Group{ID: "control", Title: "What happens in it:"})
	for _, cmd := range []*cobra.Command{a.serve(), a.config()} {
		cmd.GroupID = "bridge"
		root.AddCommand(cmd)
	}
	for _, cmd := range []*cobra.Command{a.conference(), a.participant(), a.sidebar(), a.dial(), a.attach()} {
		cmd.GroupID = "control"
		root.AddCommand(cmd)
	}
	root.AddCommand(a.versionCommand())
	return strict(root)
}

// strict makes an unknown command and a wrong number of arguments mistakes in the command line, for every command.
func strict(cmd *cobra.Command) *cobra.Command {
	check := cmd.Args
	if cmd.HasSubCommands() {
		check = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			text := fmt.Sprintf("there is no command %q", c.CommandPath()+" "+args[0])
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				text += fmt.Sprintf("; did you mean %s?", near[0])
			}
			return fmt.Errorf("%s", text)
		}
		cmd.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		cmd.SuggestionsMinimumDistance = 2
	}
	if check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			switch {
			case err == nil:
				return nil
			case c.HasSubCommands():
				return usageError{fmt.Errorf("%w (%s --help lists them)", err, c.CommandPath())}
			}
			return usageError{fmt.Errorf("%w; usage: %s", err, c.UseLine())}
		}
	}
	for _, child := range cmd.Commands() {
		strict(child)
	}
	return cmd
}

func (a *app) client() (*client.Client, error) {
	c, err := client.New(a.server, a.token)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// print writes v as JSON when that was asked for, and otherwise as text does.
func (a *app) print(cmd *cobra.Command, v any, text func(io.Writer) error) error {
	if a.output == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	return text(cmd.OutOrStdout())
}

// said prints one sentence about what was done; as JSON it is an empty object.
func (a *app) said(cmd *cobra.Command, format string, args ...any) error {
	return a.print(cmd, struct{}{}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, format+"\n", args...)
		return err
	})
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which version this is", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.print(cmd, map[string]string{"version": a.version}, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, "tutti", a.version)
				return err
			})
		},
	}
}
