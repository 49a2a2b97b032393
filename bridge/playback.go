package bridge

import (
	"sync"

	"tutti/mixer"
)

// announce lets the announcer play. Only the conference's goroutine calls it.
func (c *Conference) announce(p Play) func() {
	c.bridge.mu.Lock()
	announcer := c.bridge.announcer
	c.bridge.mu.Unlock()
	if announcer == nil {
		return func() { c.happened(announced{p.Source, true}, mustKeep) }
	}
	stop := make(chan struct{})
	c.plays[p.Source] = stop
	var mu sync.Mutex // guards done, and that nothing is attached after it
	done := false
	r := PlayRequest{
		Conference: c.name, Source: p.Source, Leg: p.Leg, Prompts: p.Prompts, Loop: p.Loop, Stop: stop, Language: c.language(p.Leg),
		Attach: func(streams []mixer.Stream) ([]mixer.Inlet, error) {
			mu.Lock()
			defer mu.Unlock()
			if done {
				return nil, refuseGone()
			}
			return c.mixer.Attach(p.Source, streams)
		},
		Done: func(err error) {
			mu.Lock()
			first := !done
			done = true
			if first {
				c.mixer.Detach(p.Source)
			}
			mu.Unlock()
			if !first {
				return
			}
			if err != nil {
				c.log.Warn("a prompt was not played", "prompts", p.Prompts, "error", err)
			}
			c.happened(announced{p.Source, err != nil}, mustKeep)
		},
	}
	return func() { announcer.Play(r) }
}

// hush tells the announcer that nobody hears it any more.
func (c *Conference) hush(h Hush) {
	if stop := c.plays[h.Source]; stop != nil {
		close(stop)
		delete(c.plays, h.Source)
	}
}

// hushAll is hush for all that is played.
func (c *Conference) hushAll() {
	for source := range c.plays {
		c.hush(Hush{source})
	}
}
