package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"tutti/bridge"
	"tutti/bridge/api"
)

func TestDefinitions(t *testing.T) {
	b, s := serve(t, api.Trust("test"))
	steps := []struct {
		method, path, body string
		match              string // If-Match
		status             int
		contains           string
	}{
		{"GET", "/definitions", "", "", 200, `{"definitions":[]}`},
		{"POST", "/definitions", `{"name": "8001", "title": "Weekly", "layout": "speaker", "pin": "1234", "lobby": true}`, "", 201, `"revision":1`},
		{"POST", "/definitions", `{"name": "8001"}`, "", 409, `"rule":"taken"`},
		{"POST", "/definitions", `{"name": "a b"}`, "", 422, `"rule":"invalid"`},
		{"POST", "/definitions", `{"title": "x"}`, "", 422, `body`},
		{"POST", "/definitions", `{"name": "x", "layout": "round"}`, "", 422, `body.layout`},
		{"POST", "/definitions", `{"name": "x", "pin": "12a4"}`, "", 422, `body.pin`},
		{"POST", "/definitions", `{"name": "x", "pin": "12"}`, "", 422, `3 to 32 digits`},
		{"POST", "/definitions", `{"name": "x", "schedule": {"start": "2027-01-11T09:00:00Z", "minutes": 45, "recurrence": "weekly"}}`, "", 422, `recurrence`},
		{"POST", "/definitions", `{"name": "x", "schedule": {"start": "tomorrow", "minutes": 45}}`, "", 422, `schedule.start`},
		{"GET", "/definitions/8001", "", "", 200, `"hasPIN":true`},
		{"GET", "/definitions/none", "", "", 404, `"rule":"unknown"`},
		{"GET", "/definitions/8001/invitation.ics", "", "", 404, `no schedule`},
		{"PUT", "/definitions/8001", `{"name": "8001", "title": "Monthly"}`, `"1"`, 200, `"revision":2`},
		{"PUT", "/definitions/8001", `{"name": "8001", "title": "Yearly"}`, `"1"`, 412, `"rule":"stale"`},
		{"PUT", "/definitions/8001", `{"name": "8001"}`, `"first"`, 422, `If-Match`},
		{"PUT", "/definitions/8001", `{"name": "8002"}`, "", 422, `renamed`},
		{"PUT", "/definitions/8002", `{"name": "8002"}`, "", 404, `"rule":"unknown"`},
		{"GET", "/definitions/8001", "", "", 200, `"title":"Monthly"`},
		{"GET", "/definitions/8001", "", "", 200, `"hasPIN":true`}, // kept, for nobody spoke of it
		{"PUT", "/definitions/8001", `{"name": "8001", "pin": ""}`, "*", 200, `{"name":"8001","revision":3,"uri":"sip:8001@host"}`},
		{"DELETE", "/definitions/8001", "", `"1"`, 412, `"rule":"stale"`},
		{"DELETE", "/definitions/8001", "", `"3"`, 204, ``},
		{"DELETE", "/definitions/8001", "", "", 404, `"rule":"unknown"`},
	}
	for _, step := range steps {
		status, v := ask(t, s, step.method, step.path, step.body, "If-Match", step.match)
		delete(v, "changed")
		text, _ := json.Marshal(v)
		if status != step.status || !strings.Contains(string(text), step.contains) {
			t.Errorf("%s %s %.80s = %d %.600s\nwant %d with %s", step.method, step.path, step.body, status, text, step.status, step.contains)
		}
		if strings.Contains(string(text), "1234") || strings.Contains(string(text), "pbkdf2") {
			t.Errorf("%s %s tells the PIN: %s", step.method, step.path, text)
		}
	}
	if _, err := b.Admit(bridge.JoinRequest{Conference: "8001"}); err != nil {
		t.Error(err)
	}
}

// What is defined through the API is so for who comes: the PIN is wanted, and opens.
func TestDefinitionHoldsForCallers(t *testing.T) {
	b, s := serve(t, api.Trust("test"))
	if status, v := ask(t, s, "POST", "/definitions", `{"name": "8001", "pin": "4711"}`); status != 201 {
		t.Fatal(status, v)
	}
	if _, err := b.Admit(bridge.JoinRequest{Conference: "8001"}); err == nil {
		t.Error("nobody asks for the PIN")
	}
	if _, err := b.Admit(bridge.JoinRequest{Conference: "8001", PIN: "4711"}); err != nil {
		t.Errorf("the PIN does not open: %v", err)
	}
}

func TestInvitation(t *testing.T) {
	_, s := serve(t, api.Trust("test"))
	ask(t, s, "POST", "/definitions", `{"name": "8001", "title": "Weekly, all", "pin": "471147", "schedule":
		{"start": "2027-01-11T09:00:00+01:00", "minutes": 45, "timeZone": "Europe/Berlin", "recurrence": "FREQ=WEEKLY;BYDAY=MO"}}`)
	r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+api.Root+"/definitions/8001/invitation.ics", nil)
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/calendar; charset=utf-8" ||
		!strings.Contains(string(text), "RRULE:FREQ=WEEKLY;BYDAY=MO\r\n") || strings.Contains(string(text), "471147") {
		t.Errorf("%d %s: %s", answer.StatusCode, answer.Header.Get("Content-Type"), text)
	}
	if _, v := ask(t, s, "GET", "/openapi.json", ""); v["paths"].(map[string]any)["/api/v1/definitions/{name}"] == nil {
		t.Error("the OpenAPI document does not know definitions")
	}
}
