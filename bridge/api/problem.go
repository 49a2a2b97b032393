package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tutti/bridge"
)

// Problem is a problem document (RFC 9457) with the rule that refused.
type Problem struct {
	Title  string              `json:"title"`
	Status int                 `json:"status"`
	Detail string              `json:"detail,omitempty"`
	Rule   string              `json:"rule" doc:"the same word on every surface"`
	Errors []*huma.ErrorDetail `json:"errors,omitempty" doc:"which field is wrong and why"`
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus is for huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is for huma.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// problem is what an error of the bridge looks like on the wire.
func problem(err error) error {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*bridge.Refusal](err); ok {
		return &Problem{Title: r.Title(), Status: statusOf(r.Rule), Detail: r.Text, Rule: r.Rule}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &Problem{Title: "Gave up", Status: http.StatusServiceUnavailable, Detail: "no answer in time", Rule: bridge.RuleBusy}
	}
	return &Problem{Title: "Failed", Status: http.StatusInternalServerError, Detail: err.Error(), Rule: "failed"}
}

func statusOf(rule string) int {
	switch rule {
	case bridge.RuleUnknown, bridge.RuleAbsent, bridge.RuleSidebar:
		return http.StatusNotFound
	case bridge.RuleName, bridge.RuleInvalid:
		return http.StatusUnprocessableEntity
	case bridge.RuleStale:
		return http.StatusPreconditionFailed
	case bridge.RuleRole, bridge.RuleOutbound, bridge.RulePIN, bridge.RuleBanned, bridge.RuleMuted, bridge.RuleLobby:
		return http.StatusForbidden
	case bridge.RuleLimit, bridge.RuleLockedOut:
		return http.StatusTooManyRequests
	case bridge.RuleBusy, bridge.RuleShutdown, bridge.RuleStore:
		return http.StatusServiceUnavailable
	}
	return http.StatusConflict // full, locked, ended, ambiguous
}

// withRule gives the errors that huma makes (a wrong field, a body that is too large) the form of ours.
func withRule(_ huma.Context, _ string, v any) (any, error) {
	if e, ok := v.(*huma.ErrorModel); ok {
		return &Problem{Title: e.Title, Status: e.Status, Detail: e.Detail, Rule: bridge.RuleInvalid, Errors: e.Errors}, nil
	}
	return v, nil
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.Header().Del("X-Content-Type-Options")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
