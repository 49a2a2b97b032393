package server

import (
	"strings"

	"tutti/bridge"
	"tutti/bridge/announce"
)

// announcer lets a player say what the focus asks for.
type announcer struct{ player *announce.Player }

// Play implements bridge.Announcer.
func (a announcer) Play(r bridge.PlayRequest) {
	words := make([]announce.Word, len(r.Prompts))
	for i, p := range r.Prompts {
		words[i] = announce.Word(p)
	}
	a.player.Play(announce.Request{
		Conference: r.Conference, Source: r.Source, Leg: r.Leg, Words: words, Language: r.Language, Loop: r.Loop,
		Attach: r.Attach, Stop: r.Stop, Done: r.Done,
	})
}

// announcer is who plays prompts. What is wrong with the operator's files is written to the log and costs only these files.
func (s *server) announcer() announcer {
	c := s.Config.Prompts
	library, err := announce.Open(c.Directory, c.Language)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			s.Logger.Warn("a prompt cannot be used", "error", strings.TrimSpace(line))
		}
	}
	off := make([]announce.Word, len(c.Off))
	for i, w := range c.Off {
		off[i] = announce.Word(w)
	}
	return announcer{announce.NewPlayer(announce.Config{Library: library, Menu: *s.menu(), Off: off, Logger: s.Logger})}
}

// menu is what the keys of telephones mean. Validate has seen it.
func (s *server) menu() *announce.Menu {
	m, err := s.Config.DTMF.Menu()
	if err != nil {
		m = announce.DefaultMenu()
	}
	return &m
}
