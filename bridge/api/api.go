// Package api is the HTTP API of a bridge: OpenAPI 3.1 from Go types, problem documents (RFC 9457), and an event stream.
//
// Whoever may use it is an operator. The document that describes it lies at /api/v1/openapi.json.
package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tutti/bridge"
	"tutti/bridge/store"
)

// Root is where the API lies.
const Root = "/api/v1"

const maxBody = 16 << 10 // bytes of a request

// New is the handler of everything under Root.
func New(b *bridge.Bridge, auth Auth, options ...Option) http.Handler {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("tutti", "1")
	config.Info.Description = "Conferences of this bridge, who is in them, and what happens there."
	config.CreateHooks = nil                                             // no $schema in answers
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", "" // the document is served below, once made
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{withRule}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	config.Security = []map[string][]string{{"token": {}}}
	h := humago.New(mux, config)
	a := &api{bridge: b}
	for _, option := range options {
		option(a)
	}
	if a.catalogue == nil {
		a.catalogue = store.NewCatalogue(store.Config{Bridge: b})
	}
	a.conferences(h)
	a.participants(h)
	a.commands(h)
	a.sidebars(h)
	a.events(h)
	a.definitions(h)

	document, err := json.MarshalIndent(h.OpenAPI(), "", "  ")
	if err != nil {
		panic(fmt.Sprintf("api: the OpenAPI document: %v", err)) // a mistake in the types, found by the first test
	}
	outer := http.NewServeMux()
	outer.HandleFunc("GET "+Root+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(document)
	})
	outer.Handle("/", authorized(auth, known(mux)))
	return outer
}

// api holds the handlers.
type api struct {
	bridge    *bridge.Bridge
	catalogue *store.Catalogue
}

// operation describes one method of one path.
func operation(id, method, path, summary string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: Root + path, Summary: summary, MaxBodyBytes: maxBody,
		DefaultStatus: http.StatusOK,
		Errors:        []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable},
	}
}

// empty is an operation whose answer has no body.
func empty(id, method, path, summary string) huma.Operation {
	o := operation(id, method, path, summary)
	o.DefaultStatus = http.StatusNoContent
	return o
}

// known answers what no operation takes with a problem document in place of the mux's text.
func known(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r) // not h: the mux sets the path's values
			return
		}
		probe := &headerProbe{header: w.Header(), status: http.StatusOK}
		h.ServeHTTP(probe, r)
		title := "No such resource"
		if probe.status == http.StatusMethodNotAllowed {
			title = "Method not allowed"
		}
		writeProblem(w, &Problem{Status: probe.status, Title: title, Detail: r.Method + " " + r.URL.Path, Rule: bridge.RuleUnknown})
	})
}

// headerProbe keeps what a handler says of itself, without its body.
type headerProbe struct {
	header http.Header
	status int
}

func (p *headerProbe) Header() http.Header         { return p.header }
func (p *headerProbe) WriteHeader(status int)      { p.status = status }
func (p *headerProbe) Write(b []byte) (int, error) { return len(b), nil }

// do carries out a command of the caller.
func (a *api) do(ctx context.Context, conference string, c bridge.Command) (*struct{}, error) {
	return nil, problem(a.bridge.Do(ctx, conference, caller(ctx), c))
}

// state is the newest snapshot of a conference.
func (a *api) state(name string) (*bridge.State, error) {
	c, err := a.bridge.Conference(name)
	if err != nil {
		return nil, problem(err)
	}
	return c.State(), nil
}
