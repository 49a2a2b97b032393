package server

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"tutti/bridge/store"
)

// openStore reads the definitions that were kept. A store that fails is no reason not to start: those of the configuration are
// there, and /healthz says what is not.
func (s *server) openStore(ctx context.Context) {
	s.store = store.Open(ctx, s.Config.State.Directory, s.Logger)
	s.known = store.NewCatalogue(store.Config{
		Bridge: s.bridge, Fixed: s.bridgeConfig().Conferences, File: s.File, Store: s.store, Page: s.page, Logger: s.Logger,
	})
	s.known.Open(ctx)
}

// page is where others open a conference; "" if only this machine can.
func (s *server) page(conference string) string {
	c := s.Config.HTTP
	scheme, listen, usual := "https", c.TLS.Listen, "443"
	if listen == "" {
		scheme, listen, usual = "http", c.Listen, "80"
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		host = strings.Trim(s.domain(), "[]")
	}
	if hosts := c.TLS.ACME.Hosts; scheme == "https" && len(hosts) > 0 {
		host = hosts[0]
	}
	at := net.JoinHostPort(host, port)
	if port == usual {
		at = netHost(host)
	}
	return (&url.URL{Scheme: scheme, Host: at, Path: "/" + conference}).String()
}
