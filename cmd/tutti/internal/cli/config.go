package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"tutti/cmd/tutti/internal/config"
)

func (a *app) config() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check, show and make the configuration"}
	cmd.AddCommand(a.configCheck(), a.configShow(), a.configInit())
	return cmd
}

func (a *app) configCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check [FILE]", Short: "Report everything that is wrong with a configuration", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := configFile(args)
			c, err := config.Load(file, nil)
			if err != nil {
				return err
			}
			if wrong := c.CheckPrompts(); len(wrong) > 0 {
				return wrong
			}
			if file == "" {
				return a.said(cmd, "There is no configuration file, and none is needed: the defaults hold.")
			}
			return a.said(cmd, "%s is right.", file)
		},
	}
}

func (a *app) configShow() *cobra.Command {
	return &cobra.Command{
		Use: "show [FILE]", Short: "Print the configuration that holds: file, environment and defaults together, secrets hidden", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(configFile(args), nil)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return config.WriteJSON(cmd.OutOrStdout(), c)
			}
			return config.Write(cmd.OutOrStdout(), c, false)
		},
	}
}

func (a *app) configInit() *cobra.Command {
	return &cobra.Command{
		Use: "init FILE", Short: "Write a configuration with every key, its default and what it means (- prints it)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "-" {
				return config.Write(cmd.OutOrStdout(), config.Default(), true)
			}
			// Never over a file that somebody wrote.
			f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists already; remove it first, or write to another file", args[0])
			} else if err != nil {
				return err
			}
			if err := errors.Join(config.Write(f, config.Default(), true), f.Close()); err != nil {
				return err
			}
			return a.said(cmd, "Wrote %s. Start with: tutti serve --config %s", args[0], args[0])
		},
	}
}

func configFile(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return config.Find()
}
