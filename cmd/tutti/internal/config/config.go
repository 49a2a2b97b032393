// Package config is the one file a bridge is configured by: its keys, its defaults, and what is wrong with it.
//
// Every scalar key is also an environment variable (sip.domain is TUTTI_SIP_DOMAIN) and the common ones are flags.
// A flag wins over the environment, the environment over the file, the file over the default.
package config

import (
	"time"

	"tutti/bridge/announce"
)

// Config is the configuration of a bridge. The mapstructure tags are the keys of the YAML file.
type Config struct {
	SIP         SIP          `mapstructure:"sip"`
	HTTP        HTTP         `mapstructure:"http"`
	Media       Media        `mapstructure:"media"`
	State       State        `mapstructure:"state"`
	Control     Control      `mapstructure:"control"`
	Conferences []Conference `mapstructure:"conferences"`
	Policy      Policy       `mapstructure:"policy"`
	Prompts     Prompts      `mapstructure:"prompts"`
	DTMF        DTMF         `mapstructure:"dtmf"`
	Log         Log          `mapstructure:"log"`
}

// SIP is the user agent for phones, PBXs and trunks.
type SIP struct {
	Listen            []string   `mapstructure:"listen" doc:"addresses to listen on: udp://, tcp:// or tls://HOST:PORT"`
	Domain            string     `mapstructure:"domain" doc:"host part of our addresses; empty: the address that a phone dialled"`
	TLS               KeyPair    `mapstructure:"tls"`
	Users             []User     `mapstructure:"users" doc:"phones that may register"`
	Digests           []string   `mapstructure:"digests" doc:"how passwords are asked for, in this order: md5, sha-256; many phones refuse a choice" allowed:"md5,sha-256"`
	AuthenticateCalls bool       `mapstructure:"authenticate_calls" doc:"only users and trunks may dial in"`
	Trunks            []Trunk    `mapstructure:"trunks" doc:"PBXs and providers to call through"`
	Outbound          []Outbound `mapstructure:"outbound" doc:"which numbers and addresses may be dialled; none: only registered users"`
	SRTP              string     `mapstructure:"srtp" doc:"encryption of calls that we make: none, optional or required, which also refuses calls to us without it" allowed:"none,optional,required"`
	RingTime          Duration   `mapstructure:"ring_time" doc:"how long a call that we make may ring"`
	Factory           string     `mapstructure:"factory" doc:"dialling this name makes a conference with a number of its own; empty: no such name"`
	MaxCallsPerSource int        `mapstructure:"max_calls_per_source" doc:"calls at once from one address"`
	CallRate          int        `mapstructure:"call_rate" doc:"new calls a second from one address"`
	TotalCallRate     int        `mapstructure:"total_call_rate" doc:"new calls a second in all"`
}

// KeyPair names a certificate chain and its private key, PEM files.
type KeyPair struct {
	Certificate string `mapstructure:"certificate" doc:"PEM file with the certificate chain"`
	Key         string `mapstructure:"key" doc:"PEM file with the private key"`
}

// User is a phone that may register.
type User struct {
	Name     string `mapstructure:"name"`
	Password string `mapstructure:"password" secret:"true"`
}

// Trunk is a PBX or provider.
type Trunk struct {
	Name      string `mapstructure:"name"`
	Address   string `mapstructure:"address" doc:"HOST or HOST:PORT"`
	Transport string `mapstructure:"transport" allowed:",udp,tcp,tls"`
	User      string `mapstructure:"user"`
	Password  string `mapstructure:"password" secret:"true"`
}

// Outbound allows what matches to be dialled.
type Outbound struct {
	Match string `mapstructure:"match" doc:"a number or sip: address; * stands for anything"`
	Trunk string `mapstructure:"trunk" doc:"name of the trunk for numbers; empty: the address is called directly"`
}

// HTTP is the page, the API and the WebSockets.
type HTTP struct {
	Listen  string   `mapstructure:"listen" doc:"plain HTTP, for this machine or a proxy; empty: none"`
	TLS     HTTPTLS  `mapstructure:"tls"`
	Tokens  []Token  `mapstructure:"tokens" doc:"operators' keys for the API over HTTP"`
	Origins []string `mapstructure:"origins" doc:"further hosts whose pages may open our WebSockets"`
}

// HTTPTLS is HTTPS: a certificate from files, from ACME, or made by ourselves.
type HTTPTLS struct {
	Listen      string `mapstructure:"listen" doc:"HTTPS, for all other machines; empty: none"`
	Certificate string `mapstructure:"certificate" doc:"PEM file; empty: a certificate that we make ourselves"`
	Key         string `mapstructure:"key" doc:"PEM file"`
	ACME        ACME   `mapstructure:"acme"`
}

// ACME gets the certificate from an authority such as Let's Encrypt (RFC 8555).
type ACME struct {
	Hosts     []string `mapstructure:"hosts" doc:"names to get a certificate for; none: no ACME"`
	Email     string   `mapstructure:"email"`
	Directory string   `mapstructure:"directory" doc:"URL of the authority; empty: Let's Encrypt"`
}

// Token is an operator's key.
type Token struct {
	Name  string `mapstructure:"name"`
	Token string `mapstructure:"token" secret:"true"`
}

// Media is how sound and pictures travel.
type Media struct {
	Address    string      `mapstructure:"address" doc:"address that we tell others to send to; auto: the one that faces them"`
	RTPPorts   PortRange   `mapstructure:"rtp_ports" doc:"UDP ports for phones, FIRST-LAST"`
	WebRTCPort int         `mapstructure:"webrtc_port" doc:"the one port for all browsers, UDP and TCP"`
	ICEServers []ICEServer `mapstructure:"ice_servers" doc:"STUN and TURN servers that pages are told of"`
	Timeout    Duration    `mapstructure:"timeout" doc:"a leg that sends nothing for so long is ended; 0s: never"`
	Width      int         `mapstructure:"width" doc:"of the composed picture, pixels"`
	Height     int         `mapstructure:"height" doc:"of the composed picture, pixels"`
	FrameRate  int         `mapstructure:"frame_rate" doc:"of the composed picture, frames a second"`
}

// ICEServer is a STUN or TURN server.
type ICEServer struct {
	URL        string `mapstructure:"url" doc:"stun:HOST:PORT, turn:HOST:PORT or turns:HOST:PORT"`
	Username   string `mapstructure:"username"`
	Credential string `mapstructure:"credential" secret:"true"`
}

// State is where what must outlive the process lies.
type State struct {
	Directory string `mapstructure:"directory" doc:"empty: /var/lib/tutti as a service or root, else the XDG state directory"`
}

// Control is the socket of the command line.
type Control struct {
	Socket string `mapstructure:"socket" doc:"empty: /run/tutti/control.sock as a service or root, else in the XDG runtime directory"`
}

// Conference is one known beforehand.
type Conference struct {
	Name   string `mapstructure:"name" doc:"what is dialled, and the page's path"`
	Title  string `mapstructure:"title"`
	Layout string `mapstructure:"layout" allowed:",grid,speaker,single"`

	PIN              string `mapstructure:"pin" secret:"true" doc:"digits that everybody needs; empty: none"`
	ModeratorPIN     string `mapstructure:"moderator_pin" secret:"true" doc:"digits that make a moderator; empty: none"`
	Lobby            bool   `mapstructure:"lobby" doc:"who comes waits to be let in by a moderator"`
	WaitForModerator bool   `mapstructure:"wait_for_moderator" doc:"who comes waits until a moderator is here"`
	MuteOnEntry      bool   `mapstructure:"mute_on_entry"`
	EndWithModerator bool   `mapstructure:"end_with_moderator" doc:"it ends when the last moderator leaves"`
}

// Policy limits what strangers can start.
type Policy struct {
	AdHoc           bool   `mapstructure:"ad_hoc" doc:"dialling or opening an unknown name makes that conference"`
	Subscribe       string `mapstructure:"subscribe" doc:"who may watch a conference by SIP: anyone who may dial in, or participants, which includes registered users" allowed:"anyone,participants"`
	MaxConferences  int    `mapstructure:"max_conferences"`
	MaxParticipants int    `mapstructure:"max_participants" doc:"of one conference"`
	MaxLegs         int    `mapstructure:"max_legs" doc:"phones and browsers at once, in all"`
	MaxPerSource    int    `mapstructure:"max_per_source" doc:"phones and browsers at once from one address"`
}

// Prompts are what telephones are told by a voice.
type Prompts struct {
	Enabled   bool     `mapstructure:"enabled" doc:"say anything at all; without it, nobody can be asked for a PIN by telephone"`
	Directory string   `mapstructure:"directory" doc:"folder with WAV files in a folder for each language, which replace ours; empty: none"`
	Language  string   `mapstructure:"language" doc:"of callers whose own is not known: a folder of directory, or en"`
	Off       []string `mapstructure:"off" doc:"prompts and sounds that are not played"`
}

// DTMF is the menu of telephones: keys for each action.
type DTMF struct {
	Mute    string `mapstructure:"mute" doc:"mute oneself, or no longer; empty, here and below: no keys for it"`
	Hand    string `mapstructure:"hand" doc:"raise or lower the hand"`
	Help    string `mapstructure:"help" doc:"hear this menu"`
	Count   string `mapstructure:"count" doc:"hear how many are here"`
	Lock    string `mapstructure:"lock" doc:"moderators: lock or open the conference"`
	MuteAll string `mapstructure:"mute_all" doc:"moderators: mute everybody else"`
	End     string `mapstructure:"end" doc:"moderators: end the conference"`
}

// Menu is the menu that a bridge understands.
func (d DTMF) Menu() (announce.Menu, error) {
	return announce.NewMenu(map[announce.Action]string{
		announce.ActMute: d.Mute, announce.ActHand: d.Hand, announce.ActHelp: d.Help, announce.ActCount: d.Count,
		announce.ActLock: d.Lock, announce.ActMuteAll: d.MuteAll, announce.ActEnd: d.End,
	})
}

// Log is what is written and how.
type Log struct {
	Level  string `mapstructure:"level" allowed:"debug,info,warn,error"`
	Format string `mapstructure:"format" allowed:"text,json"`
}

// Default is the configuration of a bridge that was told nothing.
func Default() Config {
	return Config{
		SIP: SIP{
			Listen:            []string{"udp://0.0.0.0:5060", "tcp://0.0.0.0:5060"},
			Digests:           []string{"md5"},
			SRTP:              "none",
			RingTime:          Duration(time.Minute),
			Factory:           "factory",
			MaxCallsPerSource: 100,
			CallRate:          50,
			TotalCallRate:     200,
		},
		HTTP:    HTTP{Listen: "localhost:8080", TLS: HTTPTLS{Listen: ":8443"}},
		Media:   Media{Address: "auto", RTPPorts: PortRange{20000, 29999}, WebRTCPort: 40000, Timeout: Duration(time.Minute), Width: 1280, Height: 720, FrameRate: 25},
		Policy:  Policy{AdHoc: true, Subscribe: "anyone", MaxConferences: 500, MaxParticipants: 500, MaxLegs: 2000, MaxPerSource: 200},
		Prompts: Prompts{Enabled: true, Language: announce.English},
		DTMF:    DTMF{Mute: "*6", Hand: "*5", Help: "*0", Count: "*1", Lock: "*7", MuteAll: "*8", End: "*9"},
		Log:     Log{Level: "info", Format: "text"},
	}
}
