package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"tutti/bridge/api"
	"tutti/webrtc/page"
	"tutti/webrtc/secure"
)

// listeners are the doors of the HTTP server. A nil one is not wanted.
type listeners struct {
	plain   net.Listener
	secure  net.Listener
	control net.Listener
	self    bool // the certificate is our own
}

// handlers are what is behind the doors.
type handlers struct {
	public  http.Handler // for browsers and, with a token, operators
	control http.Handler // for the command line of this machine
}

func (s *server) listen() (*listeners, error) {
	l := &listeners{}
	c := s.Config
	var err error
	if c.HTTP.Listen != "" {
		if l.plain, err = net.Listen("tcp", c.HTTP.Listen); err != nil {
			return nil, fmt.Errorf("http.listen: %w", err)
		}
	}
	if c.HTTP.TLS.Listen != "" {
		if err := s.listenTLS(l); err != nil {
			return nil, err
		}
	}
	if l.control, err = listenControl(c.Control.Socket); err != nil {
		return nil, fmt.Errorf("control.socket: %w", err)
	}
	if _, err := s.agent.Listen(); err != nil {
		return nil, err
	}
	return l, nil
}

func (s *server) listenTLS(l *listeners) error {
	config, err := s.tlsConfig(l)
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp", s.Config.HTTP.TLS.Listen)
	if err != nil {
		return fmt.Errorf("http.tls.listen: %w", err)
	}
	l.secure = tls.NewListener(plain, config)
	return nil
}

func (s *server) tlsConfig(l *listeners) (*tls.Config, error) {
	c := s.Config.HTTP.TLS
	l.self = c.Certificate == "" && len(c.ACME.Hosts) == 0
	config, err := secure.Config{
		Directory: s.Config.State.Directory, Hosts: []string{s.domain()}, Certificate: c.Certificate, Key: c.Key,
		ACME: c.ACME.Hosts, Email: c.ACME.Email, Authority: c.ACME.Directory,
	}.TLS()
	if err != nil {
		return nil, fmt.Errorf("http.tls: %w", err)
	}
	return config, nil
}

// listenControl opens the unix socket. One that a dead bridge left behind is removed, a living one is not.
func listenControl(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s: another bridge answers there", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil { // the service's own user and group
		l.Close()
		return nil, err
	}
	return l, nil
}

// serve answers at all doors until ctx ends, then lets requests that are under way finish for a moment.
func (l *listeners) serve(ctx context.Context, h handlers) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	door := func(listener net.Listener, handler http.Handler) {
		if listener == nil {
			return
		}
		server := &http.Server{
			Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
			BaseContext: func(net.Listener) context.Context { return ctx },
			ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // what strangers do to TLS is no event of ours
		}
		stop := context.AfterFunc(ctx, func() {
			closing, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer done()
			if server.Shutdown(closing) != nil {
				server.Close()
			}
		})
		wg.Go(func() {
			defer stop()
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				cancel(err)
			}
		})
	}
	door(l.plain, h.public)
	door(l.secure, h.public)
	door(l.control, h.control)
	wg.Wait()
	return context.Cause(ctx)
}

func (s *server) handlers() handlers {
	mux := http.NewServeMux()
	operators := api.New(s.bridge, api.Tokens(s.tokens()...), api.Definitions(s.known))
	mux.Handle("/ws", s.browsers.Handler())
	mux.Handle("/sip", s.agent.WebSocket())
	mux.Handle("/api/", operators)
	mux.HandleFunc("GET /healthz", s.health)
	mux.Handle("GET /metrics", s.private(s.metrics()))
	mux.Handle("/", page.Handler(s.Config.HTTP.TLS.Listen))

	control := http.NewServeMux()
	control.Handle("/api/", api.New(s.bridge, api.Trust("operator"), api.Definitions(s.known)))
	control.HandleFunc("GET /healthz", s.health)
	control.Handle("GET /metrics", s.metrics())
	return handlers{public: mux, control: control}
}

// private lets operators and this machine in: the figures name conferences.
func (s *server) private(h http.Handler) http.Handler {
	operator := api.Tokens(s.tokens()...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		_, known := operator(r)
		if !known && (err != nil || !from.Addr().Unmap().IsLoopback()) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the figures are for operators: send one of http.tokens as a bearer token", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// tokens are the operators' keys.
func (s *server) tokens() []string {
	var out []string
	for _, t := range s.Config.HTTP.Tokens {
		out = append(out, t.Token)
	}
	return out
}

// health says ok, or degraded and why: calls and conferences go on, but something that an operator may want does not.
func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	status := struct {
		Status  string `json:"status"`
		Reason  string `json:"reason,omitempty"`
		Version string `json:"version"`
		Uptime  int    `json:"uptime_seconds"`
	}{"ok", "", s.Version, int(time.Since(s.started).Seconds())}
	if err := s.known.Trouble(); err != nil {
		status.Status, status.Reason = "degraded", "definitions cannot be changed: "+err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(status)
}

// addresses is where the doors are, as a person would type it.
func (l *listeners) addresses(s *server) addresses {
	a := addresses{self: l.self, try: "8001", command: os.Args[0]}
	if s.Demo {
		a.try = demoConference
	}
	if l.plain != nil {
		bound := addrPort(l.plain)
		host := bound.Addr().String()
		if bound.Addr().IsLoopback() || bound.Addr().IsUnspecified() {
			host = "localhost"
		}
		a.local = "http://" + net.JoinHostPort(host, strconv.Itoa(int(bound.Port())))
	}
	if l.secure != nil {
		bound := addrPort(l.secure)
		for _, host := range s.hosts(bound.Addr()) {
			a.secure = append(a.secure, "https://"+net.JoinHostPort(host, strconv.Itoa(int(bound.Port()))))
		}
	}
	a.sip = s.sipAddresses()
	a.ports = fmt.Sprintf("UDP and TCP %d, UDP %d-%d, and SIP", s.browsers.Port(), s.Config.Media.RTPPorts.First, s.Config.Media.RTPPorts.Last)
	return a
}

// hosts are the names that lead to a listener: those of its certificate, or our addresses.
func (s *server) hosts(bound netip.Addr) []string {
	if acme := s.Config.HTTP.TLS.ACME.Hosts; len(acme) > 0 {
		return acme
	}
	if s.Config.SIP.Domain != "" {
		return []string{s.Config.SIP.Domain}
	}
	var hosts []string
	for _, a := range reachable(bound) {
		hosts = append(hosts, a.String())
	}
	return hosts
}

func addrPort(l net.Listener) netip.AddrPort {
	a, _ := netip.ParseAddrPort(l.Addr().String())
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
