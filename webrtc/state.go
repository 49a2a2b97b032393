package webrtc

import (
	"context"
	"encoding/json"
	"time"

	"tutti/bridge"
)

// breath is the least time between two notifications: what changes meanwhile comes as one.
const breath = 40 * time.Millisecond

type subscribeParams struct {
	Events string `json:"events"`
}

// follow begins to keep a page up to date. The answer comes when the page is a member.
func (k *socket) follow(ctx context.Context, in inbound) error {
	p, err := params[subscribeParams](in.Params)
	switch {
	case err != nil:
	case p.Events != "conference":
		err = badParams(`params: events %.40q is not "conference"`, p.Events)
	case k.session == nil:
		err = badParams("subscribe comes after offer")
	case k.following:
		err = badParams("this connection is subscribed already")
	}
	if err != nil {
		return k.reject(ctx, *in.ID, err)
	}
	k.following = true
	s := k.session
	k.followers.Go(func() {
		if err := k.tell(ctx, s, *in.ID); err != nil {
			k.cancel(err)
		}
	})
	return nil
}

// tell writes the state and then what changes. A write that takes its time delays only this page: the next one tells
// all that has changed since. The error is that of the WebSocket.
func (k *socket) tell(ctx context.Context, s *session, id int64) error {
	select {
	case <-s.joined:
	case <-s.over:
		return nil // the page is told otherwise
	case <-ctx.Done():
		return nil
	}
	l := s.current()
	watcher, viewer := l.Watch(), l.Viewer()
	for {
		before, now, err := watcher.Next(ctx)
		if err != nil {
			return nil //nolint:nilerr // the conference, or the WebSocket, has ended
		}
		if err := k.tellChange(ctx, id, before, now, viewer); err != nil {
			return err
		}
		select {
		case <-time.After(breath):
		case <-ctx.Done():
			return nil
		}
	}
}

// tellChange writes what one page has to know; before is nil for the first time.
func (k *socket) tellChange(ctx context.Context, id int64, before, now *bridge.State, v bridge.Viewer) error {
	if before == nil {
		return k.write(ctx, response{Kind: kindResponse, ID: id, Result: bridge.View(now, v)})
	}
	patch := bridge.Patch(before, now, v)
	if len(patch) == 0 {
		return nil
	}
	raw, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return k.write(ctx, notify{kindNotify, now.Version, raw})
}
