package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

// call is a command that is one request of the API without an answer worth printing.
type call struct {
	use    string // words, then the arguments: "mute CONFERENCE PARTICIPANT"
	short  string
	method string
	// request makes the path behind /api/v1 and the body (nil for none) of the arguments.
	request func(args []string) (path string, body any, err error)
	done    func(args []string) string // the sentence when it is done
	args    cobra.PositionalArgs
	flags   func(*cobra.Command)
}

// command makes the command. Its arguments complete from the running bridge: the conference, then its participants.
func (a *app) command(c call) *cobra.Command {
	cmd := &cobra.Command{
		Use: c.use, Short: c.short, Args: c.args, ValidArgsFunction: a.completeParticipants,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, body, err := c.request(args)
			if err != nil {
				return usageError{err}
			}
			bridge, err := a.client()
			if err != nil {
				return err
			}
			if err := bridge.Do(cmd.Context(), c.method, path, body, nil); err != nil {
				return err
			}
			return a.said(cmd, "%s", c.done(args))
		},
	}
	if c.flags != nil {
		c.flags(cmd)
	}
	return cmd
}

// whole is a command about a conference: POST to a path below it.
func (a *app) whole(use, short, method, path, done string) *cobra.Command {
	return a.command(call{
		use: use + " CONFERENCE", short: short, method: method, args: cobra.ExactArgs(1),
		request: func(args []string) (string, any, error) { return conferencePath(args[0]) + path, nil, nil },
		done:    func(args []string) string { return fmt.Sprintf(done, args[0]) },
	})
}

// one is a command about a participant: a request to a path below them.
func (a *app) one(use, short, method, path, done string) *cobra.Command {
	return a.command(call{
		use: use + " CONFERENCE PARTICIPANT", short: short, method: method, args: cobra.ExactArgs(2),
		request: func(args []string) (string, any, error) { return participantPath(args) + path, nil, nil },
		done:    func(args []string) string { return fmt.Sprintf(done, args[1]) },
	})
}

// toggle is a command about a participant that switches something on or off.
func (a *app) toggle(use, short, path string, on bool, done string) *cobra.Command {
	return a.command(call{
		use: use + " CONFERENCE PARTICIPANT", short: short, method: http.MethodPost, args: cobra.ExactArgs(2),
		request: func(args []string) (string, any, error) {
			return participantPath(args) + path, map[string]bool{"on": on}, nil
		},
		done: func(args []string) string { return fmt.Sprintf(done, args[1]) },
	})
}

// roleCommand gives a role to a participant, or takes it away.
func (a *app) roleCommand(use, short, method, done string) *cobra.Command {
	return a.command(call{
		use: use + " CONFERENCE PARTICIPANT ROLE", short: short, method: method, args: cobra.ExactArgs(3),
		request: func(args []string) (string, any, error) {
			return participantPath(args) + "/roles/" + url.PathEscape(args[2]), nil, nil
		},
		done: func(args []string) string { return fmt.Sprintf(done, args[1], args[2]) },
	})
}

// participantGain makes somebody louder or quieter.
func (a *app) participantGain() *cobra.Command {
	return a.command(call{
		use: "gain CONFERENCE PARTICIPANT GAIN", short: "Make a participant louder or quieter for all others: 0 to 4, 1 is as it comes",
		method: http.MethodPost, args: cobra.ExactArgs(3),
		request: func(args []string) (string, any, error) {
			gain, err := strconv.ParseFloat(args[2], 32)
			if err != nil || gain < 0 || gain > 4 {
				return "", nil, fmt.Errorf("%q is not a gain: a number from 0 to 4, 1 is as it comes", args[2])
			}
			return participantPath(args) + "/gain", map[string]float64{"gain": gain}, nil
		},
		done: func(args []string) string { return fmt.Sprintf("%s has a gain of %s.", args[1], args[2]) },
	})
}

// participantRename gives somebody another name.
func (a *app) participantRename() *cobra.Command {
	return a.command(call{
		use: "rename CONFERENCE PARTICIPANT NAME", short: "Give a participant another name", method: http.MethodPost, args: cobra.ExactArgs(3),
		request: func(args []string) (string, any, error) {
			return participantPath(args) + "/rename", map[string]string{"name": args[2]}, nil
		},
		done: func(args []string) string { return fmt.Sprintf("%s is now called %s.", args[1], args[2]) },
	})
}
