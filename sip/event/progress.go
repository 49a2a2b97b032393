package event

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"tutti/bridge"
)

// Progress is the feed of a REFER: how the call to one participant goes (RFC 3515 §2.4.5).
type Progress struct {
	watch Watcher
	user  bridge.UserID

	mu   sync.Mutex // guards the fields below
	line string     // the newest status line
	last string     // what was told
}

// NewProgress follows the call of a participant. Without a watcher it is over with code.
func NewProgress(w Watcher, user bridge.UserID) *Progress {
	return &Progress{watch: w, user: user, line: statusLine(100, "Trying")}
}

// Finished is the feed of a REFER that is done.
func Finished(code int, text string) *Progress { return &Progress{line: statusLine(code, text)} }

func statusLine(code int, text string) string { return fmt.Sprintf("SIP/2.0 %d %s\r\n", code, text) }

var errFinished = errors.New("event: the REFER is done")

// Next waits for the next step of the call (Feed).
func (p *Progress) Next(ctx context.Context) error {
	for {
		if p.watch == nil {
			return errFinished
		}
		_, now, err := p.watch.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return err
		case err != nil: // the conference has ended
			p.watch = nil
			p.set(487, "Request Terminated")
			continue
		}
		code, text := progressOf(now.User(p.user))
		if code >= 200 {
			p.watch = nil
		}
		if p.set(code, text) && code < 200 {
			return nil
		}
	}
}

// set says whether the step is a new one.
func (p *Progress) set(code int, text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := statusLine(code, text)
	changed := line != p.line
	p.line = line
	return changed
}

// progressOf is the state of a call out as a response.
func progressOf(u *bridge.User) (int, string) {
	if u == nil { // taken out again
		return 487, "Request Terminated"
	}
	if u.Connected() {
		return 200, "OK"
	}
	for _, e := range u.Endpoints {
		switch {
		case e.Disconnection != nil && e.Disconnection.Code >= 300:
			return e.Disconnection.Code, phrase(e.Disconnection.Text)
		case e.Disconnection != nil:
			return 480, "Temporarily Unavailable"
		case e.Status == bridge.Alerting:
			return 180, "Ringing"
		}
	}
	return 100, "Trying"
}

// phrase is text as it can stand in a status line.
func phrase(text string) string {
	out := make([]rune, 0, len(text))
	for _, r := range text {
		if r >= ' ' && r != 0x7f {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return "Failed"
	}
	return string(out)
}

// Full is the newest step (Feed).
func (p *Progress) Full() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = p.line
	return []byte(p.line)
}

// Changes is the newest step unless it was told (Feed).
func (p *Progress) Changes() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == p.line {
		return nil
	}
	p.last = p.line
	return []byte(p.line)
}
