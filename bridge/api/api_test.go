package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tutti/bridge"
	"tutti/bridge/api"
)

// phone hangs up when told to.
type phone struct{ leg *bridge.Leg }

func (p *phone) Hangup(r bridge.Reason) { p.leg.Leave(r) }

// exchange lets every call ring, but to nobody else than bob.
type exchange struct{}

func (exchange) Dial(leg *bridge.Leg, target string) (bridge.Actor, error) {
	if target != "bob" {
		return nil, &bridge.Refusal{Rule: bridge.RuleOutbound, Text: "no rule allows " + target}
	}
	leg.SetStatus(bridge.Alerting)
	return &phone{leg}, nil
}

func enter(t *testing.T, b *bridge.Bridge, name string) *bridge.Leg {
	t.Helper()
	p := &phone{}
	leg, err := b.Join(t.Context(), bridge.JoinRequest{Conference: "8001", Kind: bridge.SIP, DisplayText: name, Number: "+4930123467", Actor: p})
	if err != nil {
		t.Fatal(err)
	}
	p.leg = leg
	return leg
}

// serve is an API that trusts everybody, and its bridge.
func serve(t *testing.T, auth api.Auth) (*bridge.Bridge, *httptest.Server) {
	t.Helper()
	b := bridge.New(bridge.Config{Domain: "host", Policy: bridge.Policy{AdHoc: true}})
	b.SetDialer(exchange{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx, time.Second) }()
	s := httptest.NewServer(api.New(b, auth))
	t.Cleanup(func() { cancel(); <-done; s.Close() })
	return b, s
}

// ask sends one request and returns the status and the body.
func ask(t *testing.T, s *httptest.Server, method, path, body string, headers ...string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+api.Root+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	var v map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatalf("%s %s answers %d with %q", method, path, answer.StatusCode, text)
		}
	}
	if answer.StatusCode >= 400 && answer.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s %s: content type %q", method, path, answer.Header.Get("Content-Type"))
	}
	return answer.StatusCode, v
}

func TestOperatorSteersAConference(t *testing.T) {
	b, s := serve(t, api.Trust("test"))
	ada := enter(t, b, "Ada")
	enter(t, b, "Bob")
	enter(t, b, "Bob")

	steps := []struct {
		method, path, body string
		status             int
		contains           string
	}{
		{"GET", "/conferences", "", 200, `"participants":3`},
		{"GET", "/conferences/8001", "", 200, `"number":"+4930123467"`},
		{"GET", "/conferences/none", "", 404, `"rule":"unknown"`},
		{"GET", "/conferences/8001/participants", "", 200, `"name":"Ada"`},
		{"POST", "/conferences/8001/participants/Ada/mute", "", 204, ``},
		{"GET", "/conferences/8001/participants", "", 200, `"muted":true`},
		{"POST", "/conferences/8001/participants/Ada/unmute", "", 204, ``},
		{"POST", "/conferences/8001/participants/Bob/mute", "", 409, `"rule":"ambiguous"`},
		{"POST", "/conferences/8001/participants/Eve/mute", "", 404, `"rule":"absent"`},
		{"POST", "/conferences/8001/lock", "", 204, ``},
		{"GET", "/conferences/8001", "", 200, `"locked":true`},
		{"POST", "/conferences/8001/dial", `{"target": "bob"}`, 409, `"rule":"locked"`},
		{"POST", "/conferences/8001/unlock", "", 204, ``},
		{"PATCH", "/conferences/8001", `{"layout": "speaker", "spotlight": "Ada"}`, 204, ``},
		{"GET", "/conferences/8001", "", 200, `"layout":"speaker"`},
		{"PATCH", "/conferences/8001", `{"layout": "round"}`, 422, `body.layout`},
		{"PATCH", "/conferences/8001", `{"lay": "grid"}`, 422, `body.lay`},
		{"PATCH", "/conferences/8001", `{"layout": `, 400, `"rule":"invalid"`},
		{"POST", "/conferences/8001/dial", `{"target": "` + strings.Repeat("x", 20<<10) + `"}`, 413, `"rule":"invalid"`},
		{"POST", "/conferences/8001/dial", `{"target": "eve"}`, 403, `"rule":"outbound"`},
		{"POST", "/conferences/8001/dial", `{"target": "bob", "name": "Rob"}`, 202, `"participant"`},
		{"GET", "/conferences/8001/participants", "", 200, `"status":"alerting"`},
		{"DELETE", "/conferences/8001/participants/Rob?reason=enough", "", 204, ``},
		{"DELETE", "/conferences/8001/participants/Rob", "", 404, `"rule":"absent"`},
		{"POST", "/conferences/8001/participants/Ada/mute?hard=true", "", 204, ``},
		{"GET", "/conferences/8001/participants", "", 200, `"hard":true`},
		{"POST", "/conferences/8001/participants/Ada/ask-unmute", "", 204, ``},
		{"POST", "/conferences/8001/participants/Ada/gain", `{"gain": 0.5}`, 204, ``},
		{"POST", "/conferences/8001/participants/Ada/gain", `{"gain": 9}`, 422, `body.gain`},
		{"POST", "/conferences/8001/participants/Ada/deafen", `{"on": true}`, 204, ``},
		{"POST", "/conferences/8001/participants/Ada/deny", "", 422, `not in the lobby`},
		{"PUT", "/conferences/8001/participants/Ada/roles/listener", "", 204, ``},
		{"GET", "/conferences/8001/participants", "", 200, `"roles":["listener"]`},
		{"DELETE", "/conferences/8001/participants/Ada/roles/listener", "", 204, ``},
		{"PUT", "/conferences/8001/participants/Ada/roles/king", "", 422, `path.role`},
		{"POST", "/conferences/8001/mute", "", 204, ``},
		{"POST", "/conferences/8001/unmute", "", 204, ``},
		{"POST", "/conferences/8001/chat", `{"text": "hello", "to": "Ada"}`, 204, ``},
		{"POST", "/conferences/8001/play", `{"file": "song.wav"}`, 422, `plays nothing`},
		{"PATCH", "/conferences/8001/settings", `{"subject": "Budget", "lobby": true, "maxUsers": 50}`, 204, ``},
		{"GET", "/conferences/8001", "", 200, `"subject":"Budget"`},
		{"POST", "/conferences/8001/sidebars", `{"name": "Side", "participants": ["Ada"]}`, 201, `"sidebar"`},
		{"GET", "/conferences/8001", "", 200, `"kind":"sidebar"`},
		{"POST", "/conferences/8001/sidebars/none/move", `{"participants": ["Ada"]}`, 404, `"rule":"sidebar"`},
		{"POST", "/conferences/8001/sidebars/leave", `{"participants": ["Ada"]}`, 204, ``},
		{"DELETE", "/conferences/8001/sidebars", "", 204, ``},
		{"DELETE", "/conferences/8001/bans", "", 204, ``},
		{"POST", "/conferences/8001/participants/Ada/transfer", `{"conference": "a b"}`, 422, `"rule":"name"`},
		{"POST", "/conferences/8001/participants/Ada/transfer", `{"conference": "8002"}`, 204, ``},
		{"GET", "/conferences/8002/participants", "", 200, `"name":"Ada"`},
		{"POST", "/conferences/8002/participants/Ada/transfer", `{"conference": "8001"}`, 204, ``},
		{"DELETE", "/conferences/8001?cause=x", "", 422, `cause`},
		{"PUT", "/conferences/8001", "", 405, `"title":"Method not allowed"`},
		{"GET", "/nothing", "", 404, `"title":"No such resource"`},
		{"DELETE", "/conferences/8001", "", 204, ``},
		{"GET", "/conferences", "", 200, `"conferences":[]`},
	}
	for _, step := range steps {
		status, v := ask(t, s, step.method, step.path, step.body)
		text, _ := json.Marshal(v)
		for range 200 { // a call rings a moment after it was asked for
			if step.method != "GET" || strings.Contains(string(text), step.contains) {
				break
			}
			status, v = ask(t, s, step.method, step.path, step.body)
			text, _ = json.Marshal(v)
		}
		if status != step.status || !strings.Contains(string(text), step.contains) {
			t.Errorf("%s %s %.60s = %d %.600s\nwant %d with %s", step.method, step.path, step.body, status, text, step.status, step.contains)
		}
	}
	select {
	case <-ada.Done():
	case <-time.After(5 * time.Second):
		t.Error("Ada was not hung up")
	}
}

// The XML that phones are sent lies at a URL too.
func TestConferenceInfo(t *testing.T) {
	b, s := serve(t, api.Trust("test"))
	enter(t, b, "Ada")
	r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+api.Root+"/conferences/8001/conference-info", nil)
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "application/conference-info+xml" ||
		!strings.HasPrefix(string(text), `<?xml`) || !strings.Contains(string(text), "<display-text>Ada</display-text>") {
		t.Errorf("%d %s: %s", answer.StatusCode, answer.Header.Get("Content-Type"), text)
	}
	if status, v := ask(t, s, "GET", "/conferences/none/conference-info", ""); status != 404 || v["rule"] != "unknown" {
		t.Errorf("an unknown conference: %d %v", status, v)
	}
	if _, v := ask(t, s, "GET", "/openapi.json", ""); !strings.Contains(fmt.Sprint(v["paths"]), "application/conference-info+xml") {
		t.Error("the OpenAPI document does not say what comes")
	}
}

func TestOnlyTokensOpenTheAPI(t *testing.T) {
	_, s := serve(t, api.Tokens("", "secret", "other"))
	for header, want := range map[string]int{
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer wrong": 401, "Basic secret": 401, "Bearer secret": 200, "bearer other": 200,
	} {
		if got, _ := ask(t, s, "GET", "/conferences", "", "Authorization", header); got != want {
			t.Errorf("Authorization %q = %d, want %d", header, got, want)
		}
	}
	if got, doc := ask(t, s, "GET", "/openapi.json", ""); got != 200 || doc["openapi"] != "3.1.0" {
		t.Errorf("OpenAPI document: %d, version %v", got, doc["openapi"])
	}
}

// Names that are not plain letters and numbers work too.
func TestNamesInPaths(t *testing.T) {
	b, s := serve(t, api.Trust("test"))
	p := &phone{}
	leg, err := b.Join(t.Context(), bridge.JoinRequest{Conference: "Büro&Co", DisplayText: "Ada / Bob", Actor: p})
	if err != nil {
		t.Fatal(err)
	}
	p.leg = leg
	const one = "/conferences/B%C3%BCro%26Co"
	if status, _ := ask(t, s, "POST", one+"/participants/Ada%20%2F%20Bob/mute", ""); status != 204 {
		t.Errorf("mute = %d", status)
	}
	if _, v := ask(t, s, "GET", one, ""); v["conference"].(map[string]any)["uri"] != "sip:B%C3%BCro&Co@host" {
		t.Errorf("state: %v", v)
	}
	leg.Leave(bridge.Reason{Method: bridge.Departed})
}

// Who watches the list is told of every conference that comes and goes.
func TestListOfConferencesIsWatched(t *testing.T) {
	b, s := serve(t, api.Trust("test"))
	r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+api.Root+"/events", nil)
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	until := func(part string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "data: ") && strings.Contains(lines.Text(), part) {
				return
			}
		}
		t.Fatalf("the stream ended before %s", part)
	}
	until(`{"conferences":[]}`)
	ada := enter(t, b, "Ada")
	until(`"participants":1`)
	ada.Leave(bridge.Reason{Method: bridge.Departed})
	until(`{"conferences":[]}`)
}

// The event stream tells the whole, then what changed, then the end.
func TestEvents(t *testing.T) {
	b, s := serve(t, api.Trust("test"))
	ada := enter(t, b, "Ada")
	r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+api.Root+"/conferences/8001/events", nil)
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	next := func(event, contains string) {
		t.Helper()
		var got []string
		for lines.Scan() && lines.Text() != "" {
			got = append(got, lines.Text())
		}
		if len(got) != 2 || got[0] != "event: "+event || !strings.Contains(got[1], contains) {
			t.Fatalf("got %q, want event %s with %s", got, event, contains)
		}
	}
	next("state", `"name":"Ada"`)
	if err := ada.Do(t.Context(), bridge.Mute{On: true}); err != nil {
		t.Fatal(err)
	}
	next("notify", `{"version":2,"patch":{"users":{"`+string(ada.User())+`":{"muted":true,"mutedBy":"self"}}}}`)
	ada.Leave(bridge.Reason{Method: bridge.Departed})
	next("ended", `"rule":"ended"`)
	if lines.Scan() {
		t.Errorf("after the end: %q", lines.Text())
	}
}
