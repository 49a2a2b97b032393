package webrtc

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// pionLogger passes pion's words on at level debug, whatever pion thinks of them: most are about single packets of a far end,
// and no packet may make a log line. Its trace and debug levels are left out.
type pionLogger struct {
	log   *slog.Logger
	scope string
}

func (l pionLogger) say(text string) {
	l.log.Debug("pion: "+text, "scope", l.scope)
}

func (l pionLogger) sayf(format string, args []any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.say(fmt.Sprintf(format, args...))
	}
}

func (pionLogger) Trace(string)                       {}
func (pionLogger) Tracef(string, ...any)              {}
func (pionLogger) Debug(string)                       {}
func (pionLogger) Debugf(string, ...any)              {}
func (l pionLogger) Info(msg string)                  { l.say(msg) }
func (l pionLogger) Infof(format string, args ...any) { l.sayf(format, args) }
func (l pionLogger) Warn(msg string)                  { l.say(msg) }
func (l pionLogger) Warnf(format string, args ...any) { l.sayf(format, args) }
func (l pionLogger) Error(msg string)                 { l.say(msg) }
func (l pionLogger) Errorf(f string, args ...any)     { l.sayf(f, args) }

// pionLoggers makes them, one for each of pion's scopes.
type pionLoggers struct{ log *slog.Logger }

func (f pionLoggers) NewLogger(scope string) logging.LeveledLogger { return pionLogger{f.log, scope} }
