package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tutti/bridge"
)

const (
	heartbeat = 15 * time.Second // between signs of life
	patience  = 10 * time.Second // with a reader that does not read
)

// notice is what a notify event holds, as on the page's WebSocket.
type notice struct {
	Version uint64        `json:"version"`
	Patch   bridge.Object `json:"patch"`
}

func (a *api) events(h huma.API) {
	one := streamed("watch-conference", "/conferences/{name}/events",
		"What happens in a conference: an event `state` with the whole, then `notify` with merge patches, at last `ended` with a problem document")
	huma.Register(h, one, func(_ context.Context, in *Named) (*huma.StreamResponse, error) {
		w, err := a.bridge.Watch(in.Name)
		if err != nil {
			return nil, problem(err)
		}
		return stream(func(ctx context.Context, s *sender) { watch(ctx, s, w) }), nil
	})
	all := streamed("watch-conferences", "/events", "The list of conferences, whole, in an event `conferences` whenever it changed, at most four times a second")
	huma.Register(h, all, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		return stream(a.watchAll), nil
	})
}

// streamed describes an operation that answers with server-sent events.
func streamed(id, path, summary string) huma.Operation {
	o := operation(id, http.MethodGet, path, summary)
	o.Responses = map[string]*huma.Response{"200": {
		Description: "Server-sent events", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
	}}
	return o
}

// watch sends what changes in one conference.
func watch(ctx context.Context, s *sender, w *bridge.Watcher) {
	viewer := bridge.Viewer{Operator: true}
	for {
		wait, cancel := context.WithTimeout(ctx, heartbeat)
		prev, cur, err := w.Next(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, context.DeadlineExceeded):
			err = s.beat()
		case err != nil:
			_ = s.event("ended", problem(err))
			return
		case prev == nil:
			err = s.event("state", bridge.View(cur, viewer))
		default:
			if patch := bridge.Patch(prev, cur, viewer); len(patch) > 0 {
				err = s.event("notify", notice{cur.Version, patch})
			}
		}
		if err != nil {
			return
		}
	}
}

// watchAll sends the list of conferences.
func (a *api) watchAll(ctx context.Context, s *sender) {
	const pause = 250 * time.Millisecond
	w := a.bridge.WatchAll()
	for {
		wait, cancel := context.WithTimeout(ctx, heartbeat)
		_, _, err := w.Next(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			err = s.beat()
		default:
			err = s.event("conferences", a.list().Body)
		}
		if err != nil {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// stream answers with events until f returns.
func stream(f func(context.Context, *sender)) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no") // proxies must not hold events back
		w.WriteHeader(http.StatusOK)
		f(r.Context(), &sender{w, http.NewResponseController(w)})
	}}
}

// sender writes server-sent events.
type sender struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *sender) event(name string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("api: event %s: %w", name, err)
	}
	return s.write("event: " + name + "\ndata: " + string(text) + "\n\n")
}

func (s *sender) beat() error { return s.write(":\n\n") }

func (s *sender) write(text string) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(patience)) // where the server cannot, its own timeouts hold
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
