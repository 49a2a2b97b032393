package sip

import (
	"context"
	"time"

	"tutti/bridge"
	"tutti/sip/event"
)

// Watch follows the conference of this name. One that is defined need not live yet. The error is a *bridge.Refusal.
func (c conferences) Watch(name string) (event.Watcher, error) {
	w, err := c.Bridge.Watch(name)
	if err == nil {
		return w, nil
	}
	idle, ok := c.Bridge.Idle(name)
	if !ok {
		return nil, err
	}
	return &awaited{bridge: c.Bridge, name: name, idle: idle}, nil
}

// awaited follows a conference that did not live at first. It belongs to one goroutine.
type awaited struct {
	bridge *bridge.Bridge
	name   string
	idle   *bridge.State // until it was shown
	all    *bridge.ListWatcher
	watch  *bridge.Watcher // once it lives
}

// awaitPause keeps who waits for one conference from looking at every change of all others.
const awaitPause = 100 * time.Millisecond

// Next is nobody first, then what bridge.Watcher says (event.Watcher).
func (a *awaited) Next(ctx context.Context) (prev, cur *bridge.State, err error) {
	if cur = a.idle; cur != nil {
		a.idle = nil
		return nil, cur, nil
	}
	if a.watch == nil {
		a.all = a.bridge.WatchAll()
	}
	for a.watch == nil {
		if _, _, err := a.all.Next(ctx); err != nil {
			return nil, nil, err
		}
		if a.watch, err = a.bridge.Watch(a.name); err == nil {
			break
		}
		a.watch = nil
		select {
		case <-time.After(awaitPause):
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
	return a.watch.Next(ctx)
}
