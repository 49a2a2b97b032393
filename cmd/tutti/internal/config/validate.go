package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"tutti/bridge/announce"
)

// Validate reports everything that is wrong with the values of c, each with its key.
func Validate(c Config) Problems {
	v := &validator{}
	v.allowed(reflect.ValueOf(c), "")
	v.sip(c.SIP)
	v.http(c.HTTP)
	v.media(c.Media)
	v.conferences(c.Conferences)
	v.policy(c.Policy)
	v.telephones(c.Prompts, c.DTMF)
	return v.problems
}

type validator struct{ problems Problems }

func (v *validator) add(key, text string, args ...any) {
	v.problems = append(v.problems, Problem{Key: key, Text: fmt.Sprintf(text, args...)})
}

// allowed checks every value that has a list of allowed ones.
func (v *validator) allowed(value reflect.Value, prefix string) {
	for _, f := range fieldsOf(value.Type()) {
		key, child := prefix+f.name, value.Field(f.index)
		switch {
		case section(f.typ):
			v.allowed(child, key+".")
		case f.typ.Kind() == reflect.Slice && section(f.typ.Elem()):
			for i := range child.Len() {
				v.allowed(child.Index(i), fmt.Sprintf("%s[%d].", key, i))
			}
		case f.typ.Kind() == reflect.Slice:
			for i := range child.Len() {
				v.oneOf(fmt.Sprintf("%s[%d]", key, i), child.Index(i).String(), f.allowed)
			}
		case f.typ.Kind() == reflect.String:
			v.oneOf(key, child.String(), f.allowed)
		}
	}
}

// oneOf checks a value against a list of allowed ones; nil allows all.
func (v *validator) oneOf(key, value string, allowed []string) {
	if allowed == nil || slices.Contains(allowed, value) {
		return
	}
	named := slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == "" })
	v.add(key, "%q is not allowed; allowed: %s", value, strings.Join(named, ", "))
}

func (v *validator) sip(c SIP) {
	for i, listen := range c.Listen {
		key := fmt.Sprintf("sip.listen[%d]", i)
		u, err := url.Parse(listen)
		if err != nil || !slices.Contains([]string{"udp", "tcp", "tls"}, u.Scheme) {
			v.add(key, "%q: write udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT", listen)
			continue
		}
		v.address(key, u.Host)
		if u.Scheme == "tls" && c.TLS.Certificate == "" {
			v.add(key, "%q needs sip.tls.certificate and sip.tls.key", listen)
		}
	}
	v.pair("sip.tls", c.TLS.Certificate, c.TLS.Key)
	v.unique("sip.users", len(c.Users), func(i int) string { return c.Users[i].Name })
	for i, u := range c.Users {
		if u.Password == "" {
			v.add(fmt.Sprintf("sip.users[%d].password", i), "is missing: %s could be impersonated by anybody", u.Name)
		}
	}
	v.unique("sip.trunks", len(c.Trunks), func(i int) string { return c.Trunks[i].Name })
	for i, t := range c.Trunks {
		if t.Address == "" {
			v.add(fmt.Sprintf("sip.trunks[%d].address", i), "is missing: HOST or HOST:PORT")
		}
	}
	for i, o := range c.Outbound {
		v.outbound(fmt.Sprintf("sip.outbound[%d]", i), o, c.Trunks)
	}
	if c.RingTime <= 0 {
		v.add("sip.ring_time", "must be more than 0s")
	}
	v.positive("sip.max_calls_per_source", c.MaxCallsPerSource)
	v.positive("sip.call_rate", c.CallRate)
	v.positive("sip.total_call_rate", c.TotalCallRate)
}

func (v *validator) outbound(key string, o Outbound, trunks []Trunk) {
	if o.Match == "" {
		v.add(key+".match", "is missing: a number or sip: address, * stands for anything")
	}
	address := strings.HasPrefix(o.Match, "sip:") || strings.HasPrefix(o.Match, "sips:")
	if strings.Contains(o.Match, "?") || !address && strings.ContainsAny(o.Match, "[]") { // an IPv6 host has brackets
		v.add(key+".match", "%q: only * stands for something else than itself", o.Match)
	}
	known := slices.ContainsFunc(trunks, func(t Trunk) bool { return t.Name == o.Trunk })
	if o.Trunk != "" && !known {
		v.add(key+".trunk", "there is no trunk named %q under sip.trunks", o.Trunk)
	}
	if o.Trunk == "" && !address {
		v.add(key+".trunk", "is missing: numbers need a trunk; only sip: addresses are called directly")
	}
}

func (v *validator) http(c HTTP) {
	if c.Listen != "" {
		v.address("http.listen", c.Listen)
	}
	if c.TLS.Listen != "" {
		v.address("http.tls.listen", c.TLS.Listen)
	}
	v.pair("http.tls", c.TLS.Certificate, c.TLS.Key)
	if len(c.TLS.ACME.Hosts) > 0 && c.TLS.Certificate != "" {
		v.add("http.tls.acme.hosts", "cannot stand beside http.tls.certificate: choose one")
	}
	v.unique("http.tokens", len(c.Tokens), func(i int) string { return c.Tokens[i].Name })
	for i, t := range c.Tokens {
		if len(t.Token) < 16 {
			v.add(fmt.Sprintf("http.tokens[%d].token", i), "is shorter than 16 characters and could be guessed; openssl rand -hex 16 makes one")
		}
	}
}

func (v *validator) media(c Media) {
	if c.Address != "auto" {
		if _, err := netip.ParseAddr(c.Address); err != nil {
			v.add("media.address", "%q is neither an IP address nor auto", c.Address)
		}
	}
	if c.WebRTCPort < 1 || c.WebRTCPort > 65535 {
		v.add("media.webrtc_port", "%d is not a port: 1 to 65535", c.WebRTCPort)
	}
	if p := c.WebRTCPort; p >= int(c.RTPPorts.First) && p <= int(c.RTPPorts.Last) {
		v.add("media.webrtc_port", "%d lies inside media.rtp_ports %d-%d", p, c.RTPPorts.First, c.RTPPorts.Last)
	}
	for i, server := range c.ICEServers {
		if scheme, rest, _ := strings.Cut(server.URL, ":"); rest == "" || !slices.Contains([]string{"stun", "stuns", "turn", "turns"}, scheme) {
			v.add(fmt.Sprintf("media.ice_servers[%d].url", i), "%q: write stun:HOST:PORT, turn:HOST:PORT or turns:HOST:PORT", server.URL)
		}
	}
	for key, edge := range map[string]struct{ is, least, most int }{
		"media.width": {c.Width, 320, 1920}, "media.height": {c.Height, 180, 1080},
	} {
		if edge.is < edge.least || edge.is > edge.most || edge.is%2 != 0 {
			v.add(key, "%d: an even number from %d to %d", edge.is, edge.least, edge.most)
		}
	}
	if c.FrameRate < 1 || c.FrameRate > 60 {
		v.add("media.frame_rate", "%d: 1 to 60", c.FrameRate)
	}
}

func (v *validator) conferences(cs []Conference) {
	v.unique("conferences", len(cs), func(i int) string { return cs[i].Name })
	for i, c := range cs {
		if strings.ContainsAny(c.Name, "/@: \t") || len(c.Name) > 64 {
			v.add(fmt.Sprintf("conferences[%d].name", i), "%q: at most 64 characters, without / @ : and spaces, so that it can be dialled and opened", c.Name)
		}
		for key, pin := range map[string]string{"pin": c.PIN, "moderator_pin": c.ModeratorPIN} {
			if strings.Trim(pin, "0123456789") != "" || len(pin) > 32 {
				v.add(fmt.Sprintf("conferences[%d].%s", i, key), "has other characters than digits, or more than 32: a telephone could not enter it")
			}
		}
		if c.PIN != "" && c.PIN == c.ModeratorPIN {
			v.add(fmt.Sprintf("conferences[%d].moderator_pin", i), "is the same as pin: everybody would be a moderator")
		}
	}
}

func (v *validator) policy(c Policy) {
	v.positive("policy.max_conferences", c.MaxConferences)
	v.positive("policy.max_participants", c.MaxParticipants)
	v.positive("policy.max_legs", c.MaxLegs)
	v.positive("policy.max_per_source", c.MaxPerSource)
}

func (v *validator) telephones(p Prompts, d DTMF) {
	for i, w := range p.Off {
		if !slices.Contains(announce.Words(), announce.Word(w)) {
			v.add(fmt.Sprintf("prompts.off[%d]", i), "there is no prompt %q, only %v", w, announce.Words())
		}
	}
	if _, err := d.Menu(); err != nil {
		v.add("dtmf", "%v", err)
	}
}

// CheckPrompts reports which files of prompts.directory cannot be used. A bridge starts without them.
func (c Config) CheckPrompts() Problems {
	_, err := announce.Open(c.Prompts.Directory, c.Prompts.Language)
	if err == nil {
		return nil
	}
	v := &validator{}
	for line := range strings.Lines(err.Error()) {
		v.add("prompts.directory", "%s", strings.TrimSpace(line))
	}
	return v.problems
}

func (v *validator) address(key, address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		v.add(key, "%q: write HOST:PORT", address)
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		v.add(key, "%q is not a port: 0 to 65535 (0 takes a free one)", port)
	}
	if strings.ContainsAny(host, "/ ") {
		v.add(key, "%q is not a host", host)
	}
}

func (v *validator) pair(key, certificate, private string) {
	if (certificate == "") != (private == "") {
		v.add(key, "certificate and key go together: one of them is missing")
	}
}

func (v *validator) positive(key string, n int) {
	if n < 1 {
		v.add(key, "%d: must be 1 or more", n)
	}
}

// unique checks that every entry of a list has a name, and no two the same.
func (v *validator) unique(key string, n int, name func(int) string) {
	seen := map[string]int{}
	for i := range n {
		at := fmt.Sprintf("%s[%d].name", key, i)
		first, twice := seen[name(i)]
		switch {
		case name(i) == "":
			v.add(at, "is missing")
		case twice:
			v.add(at, "%q is taken by %s[%d]", name(i), key, first)
		}
		seen[name(i)] = i
	}
}
