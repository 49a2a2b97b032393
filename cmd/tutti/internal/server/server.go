// Package server composes a bridge from its parts: the focus, the SIP user agent, the WebRTC endpoint, and the HTTP servers
// in front of page, API and WebSockets. It is the one place that sees them all.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"tutti/bridge"
	"tutti/bridge/store"
	"tutti/cmd/tutti/internal/config"
	"tutti/codec"
	"tutti/codec/g711"
	"tutti/codec/g722"
	"tutti/codec/h264"
	"tutti/codec/opus"
	"tutti/codec/vpx"
	"tutti/mixer"
	"tutti/sip"
	"tutti/sip/media"
	"tutti/webrtc"
)

// grace is how long legs have to say goodbye when the bridge ends.
const grace = 5 * time.Second

// Options are what serve was told.
type Options struct {
	Config  config.Config
	File    string // that Config was read from; "" for none
	Version string
	Demo    bool      // with built-in participants
	Out     io.Writer // of the banner
	Logger  *slog.Logger
}

// server is a bridge that runs.
type server struct {
	Options
	audio    []codec.Audio
	video    []codec.Video
	bridge   *bridge.Bridge
	store    *store.JetStream
	known    *store.Catalogue // the conferences that are defined
	agent    *sip.UserAgent
	browsers *webrtc.Endpoint
	started  time.Time
}

// Run serves until ctx ends, then says goodbye to every leg. An error is why the bridge could not start or go on; the end of
// ctx is none.
func Run(ctx context.Context, o Options) error {
	s := &server{Options: o, started: time.Now()}
	s.audio = []codec.Audio{opus.Opus(), g722.G722(), g711.PCMA(), g711.PCMU()}
	s.video = []codec.Video{h264.H264(), vpx.VP8()}
	if err := s.compose(); err != nil {
		return err
	}
	s.openStore(ctx)
	defer s.store.Close()
	listeners, err := s.listen()
	if err != nil {
		return err
	}
	return s.run(ctx, listeners)
}

// compose makes the parts and joins them. Nothing listens yet but the port of the browsers.
func (s *server) compose() error {
	c := s.Config
	s.bridge = bridge.New(s.bridgeConfig())
	var err error
	if s.browsers, err = webrtc.New(s.webrtcConfig(), s.bridge); err != nil {
		return fmt.Errorf("media.webrtc_port %d: %w", c.Media.WebRTCPort, err)
	}
	agent, err := s.sipConfig()
	if err != nil {
		return err
	}
	ports, err := media.NewPorts(c.Media.RTPPorts.First, c.Media.RTPPorts.Last)
	if err != nil {
		return fmt.Errorf("media.rtp_ports: %w", err)
	}
	certificate, err := media.NewCertificate(time.Now())
	if err != nil {
		return err
	}
	sessions := sip.Sessions{Browsers: s.browsers, RTP: media.Config{
		Ports: ports, Advertise: s.advertised(), Audio: s.audio, Video: s.video, Slides: true,
		Encryption: encryption(c.SIP.SRTP), Certificate: certificate, Logger: s.Logger,
	}}
	if s.agent, err = sip.New(agent, s.bridge, sessions); err != nil {
		return err
	}
	s.bridge.SetDialer(s.agent)
	if c.Prompts.Enabled {
		s.bridge.SetAnnouncer(s.announcer())
	}
	return nil
}

// run keeps all parts until ctx ends or one fails. Legs are told goodbye first, the sockets close last.
func (s *server) run(ctx context.Context, l *listeners) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The sockets outlive the legs' goodbyes.
	sockets, closeSockets := context.WithCancel(context.WithoutCancel(ctx))
	defer closeSockets()
	var parts, transports sync.WaitGroup
	part := func(wg *sync.WaitGroup, name string, run func() error) {
		wg.Go(func() {
			if err := run(); err != nil && !errors.Is(err, context.Canceled) && inner.Err() == nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	part(&parts, "bridge", func() error { return s.bridge.Run(inner, grace) })
	part(&parts, "sip", func() error { return s.agent.Run(inner) })
	part(&transports, "webrtc", func() error { return s.browsers.Run(sockets) })
	part(&transports, "http", func() error { return l.serve(sockets, s.handlers()) })
	parts.Go(func() { watchdog(inner, s.Logger, s.alive) })
	if s.Demo {
		part(&parts, "demo", func() error { return s.demo(inner) })
	}
	s.Logger.Info("ready", "version", s.Version)
	l.addresses(s).print(s.Out)
	notify(s.Logger, daemon.SdNotifyReady)
	<-inner.Done()
	notify(s.Logger, daemon.SdNotifyStopping)
	s.Logger.Info("ending", "legs", s.legs())
	parts.Wait()
	closeSockets()
	transports.Wait()
	s.Logger.Info("ended")
	if err := context.Cause(inner); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// alive says whether conferences still answer.
func (s *server) alive() bool { return s.bridge.Stats().Conferences >= 0 }

// legs is the number of phones and browsers that are here.
func (s *server) legs() int {
	sum := 0
	for _, n := range s.bridge.Stats().Legs {
		sum += n
	}
	return sum
}

func (s *server) bridgeConfig() bridge.Config {
	c := s.Config
	definitions := make([]bridge.Definition, 0, len(c.Conferences))
	for _, d := range c.Conferences {
		definitions = append(definitions, bridge.Definition{
			Name: d.Name, Title: d.Title, Layout: layout(d.Layout), PIN: d.PIN, ModeratorPIN: d.ModeratorPIN, Lobby: d.Lobby,
			WaitForModerator: d.WaitForModerator, MuteOnEntry: d.MuteOnEntry, EndWithModerator: d.EndWithModerator,
		})
	}
	return bridge.Config{
		Domain:      s.authority(),
		Conferences: definitions,
		Policy: bridge.Policy{
			AdHoc: c.Policy.AdHoc, MaxConferences: c.Policy.MaxConferences, MaxParticipants: c.Policy.MaxParticipants,
			MaxLegs: c.Policy.MaxLegs, MaxLegsPerSource: c.Policy.MaxPerSource,
		},
		Menu:   s.menu(),
		Logger: s.Logger,
		Mixer: mixer.Config{
			Width: c.Media.Width, Height: c.Media.Height, FrameRate: c.Media.FrameRate,
			Silence: time.Duration(c.Media.Timeout), CNAME: "tutti@" + s.domain(),
		},
	}
}

// authority is what stands behind the @ of our URIs: the domain, and the port of the first SIP address where it is not the
// usual one.
func (s *server) authority() string {
	listen := s.Config.SIP.Listen
	if s.Config.SIP.Domain != "" || len(listen) == 0 {
		return netHost(s.domain())
	}
	u, err := url.Parse(listen[0])
	if err != nil || u.Port() == "5060" || u.Port() == "0" {
		return netHost(s.domain())
	}
	return net.JoinHostPort(s.domain(), u.Port())
}

// domain is the host by which we are known.
func (s *server) domain() string {
	if s.Config.SIP.Domain != "" {
		return s.Config.SIP.Domain
	}
	for _, listen := range s.Config.SIP.Listen {
		if a, err := netip.ParseAddrPort(strings.SplitN(listen, "://", 2)[1]); err == nil && !a.Addr().IsUnspecified() {
			return a.Addr().String()
		}
	}
	if a := s.advertised(); a.IsValid() {
		return a.String()
	}
	if all := reachable(netip.IPv4Unspecified()); len(all) > 0 {
		return all[0].String()
	}
	return "localhost"
}

// advertised is the address that others are told to send media to; invalid is the one that faces them.
func (s *server) advertised() netip.Addr {
	a, err := netip.ParseAddr(s.Config.Media.Address)
	if err != nil { // auto
		return netip.Addr{}
	}
	return a
}
