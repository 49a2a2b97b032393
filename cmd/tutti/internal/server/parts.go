package server

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tutti/mixer/plan"
	"tutti/sip"
	"tutti/sip/auth"
	"tutti/sip/offer"
	"tutti/sip/transport"
	"tutti/webrtc"
)

// This file turns the configuration into what each part wants to know.

func (s *server) webrtcConfig() webrtc.Config {
	c := webrtc.Config{Port: s.Config.Media.WebRTCPort, Audio: s.audio, Video: s.video, Origins: s.Config.HTTP.Origins, Logger: s.Logger}
	for _, i := range s.Config.Media.ICEServers {
		c.ICEServers = append(c.ICEServers, webrtc.ICEServer{URLs: []string{i.URL}, Username: i.Username, Credential: i.Credential})
	}
	if a := s.advertised(); a.IsValid() {
		c.Advertised = []netip.Addr{a}
	}
	return c
}

func (s *server) sipConfig() (sip.Config, error) {
	in := s.Config.SIP
	c := sip.Config{
		Listen: in.Listen, Advertise: in.Domain, Realm: s.domain(), Product: "tutti/" + s.Version,
		AuthenticateCalls: in.AuthenticateCalls, AllowWS: s.Config.HTTP.Origins, RingTimeout: time.Duration(in.RingTime), Grace: grace,
		Factory: in.Factory, SubscribersAreKnown: s.Config.Policy.Subscribe == "participants",
		Limits: sip.Limits{Calls: s.Config.Policy.MaxLegs, CallsPerSource: in.MaxCallsPerSource, RatePerSource: in.CallRate, Rate: in.TotalCallRate},
		Logger: s.Logger,
	}
	for _, d := range in.Digests {
		c.Digests = append(c.Digests, auth.Algorithm(strings.ToUpper(d)))
	}
	for _, u := range in.Users {
		c.Users = append(c.Users, sip.User{Name: u.Name, Password: u.Password})
	}
	for _, t := range in.Trunks {
		c.Trunks = append(c.Trunks, sip.Trunk{Name: t.Name, Address: t.Address, Transport: t.Transport, User: t.User, Password: t.Password})
	}
	for _, o := range in.Outbound {
		c.Outbound = append(c.Outbound, sip.Rule{Match: o.Match, Trunk: o.Trunk})
	}
	if in.TLS.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(in.TLS.Certificate, in.TLS.Key)
		if err != nil {
			return c, fmt.Errorf("sip.tls: %w", err)
		}
		c.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	return c, nil
}

// sipAddresses is where phones dial, without the port where it is the usual one.
func (s *server) sipAddresses() []string {
	var out []string
	seen := map[string]bool{}
	for _, network := range []transport.Network{transport.UDP, transport.TCP} {
		for _, bound := range s.agent.Addrs(network) {
			for _, host := range reachable(bound.Addr()) {
				text := host.String()
				if s.Config.SIP.Domain != "" {
					text = s.Config.SIP.Domain
				}
				text = netHost(text)
				if bound.Port() != 5060 {
					text += ":" + strconv.Itoa(int(bound.Port()))
				}
				if !seen[text] {
					seen[text] = true
					out = append(out, text)
				}
			}
		}
	}
	return out
}

// netHost is a host as it stands before a port.
func netHost(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return "[" + host + "]"
	}
	return host
}

func layout(name string) plan.Layout {
	if name == "" {
		return plan.Grid
	}
	return plan.Layout(name)
}

func encryption(srtp string) offer.Encryption {
	switch srtp {
	case "optional":
		return offer.Optional
	case "required":
		return offer.Required
	}
	return offer.Offered
}
