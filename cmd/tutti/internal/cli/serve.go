package cli

import (
	"github.com/spf13/cobra"

	"tutti/cmd/tutti/internal/config"
	"tutti/cmd/tutti/internal/server"
)

func (a *app) serve() *cobra.Command {
	var file string
	var demo bool
	cmd := &cobra.Command{
		Use: "serve", Short: "Start a bridge, in the foreground", Args: cobra.NoArgs,
		Long: `Start a bridge, in the foreground, until Ctrl-C or SIGTERM; then every phone and browser is told goodbye.

It needs no configuration: phones dial sip:NAME@HOST, browsers open the page that is printed. With one, every key may also
be given as an environment variable: sip.domain is TUTTI_SIP_DOMAIN. tutti config init - prints all keys.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				file = config.Find()
			}
			c, err := config.Load(file, cmd.Flags())
			if err != nil {
				return err
			}
			return server.Run(cmd.Context(), server.Options{
				Config: c, File: file, Version: a.version, Demo: demo, Out: cmd.OutOrStdout(), Logger: server.NewLogger(cmd.ErrOrStderr(), c.Log),
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&file, "config", "c", "", "configuration file; default is tutti/tutti.yaml in the XDG configuration directory, then /etc/tutti/tutti.yaml, if there is one")
	flags.BoolVar(&demo, "demo", false, "add two built-in participants to the conference \"demo\", to have company")
	flags.StringSlice("sip-listen", nil, "udp://, tcp:// or tls:// addresses (sip.listen)")
	flags.String("http-listen", "", "address of plain HTTP (http.listen)")
	flags.String("https-listen", "", "address of HTTPS (http.tls.listen)")
	flags.String("media-address", "", "address that others are told to send media to (media.address)")
	flags.String("rtp-ports", "", "UDP ports for phones (media.rtp_ports)")
	flags.Int("webrtc-port", 0, "port for all browsers (media.webrtc_port)")
	flags.String("state-directory", "", "where certificates and definitions are kept (state.directory)")
	flags.String("control-socket", "", "unix socket of the command line (control.socket)")
	flags.String("log-level", "", "debug, info, warn or error (log.level)")
	flags.String("log-format", "", "text or json (log.format)")
	return cmd
}
