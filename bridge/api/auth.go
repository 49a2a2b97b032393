package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"tutti/bridge"
)

// Auth says who asks; false is nobody we know.
type Auth func(r *http.Request) (bridge.Caller, bool)

// Trust makes everybody an operator: who can open the unix socket may do everything.
func Trust(name string) Auth {
	return func(*http.Request) (bridge.Caller, bool) { return bridge.Operator(name), true }
}

// Tokens makes whoever brings one of the tokens (RFC 6750 §2.1) an operator.
func Tokens(tokens ...string) Auth {
	var sums [][sha256.Size]byte
	for _, t := range tokens {
		if t != "" {
			sums = append(sums, sha256.Sum256([]byte(t)))
		}
	}
	return func(r *http.Request) (bridge.Caller, bool) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return bridge.Caller{}, false
		}
		// Hashes have one length, and all are compared: the time taken says nothing about a token.
		sum, found := sha256.Sum256([]byte(strings.TrimSpace(token))), 0
		for i := range sums {
			found |= subtle.ConstantTimeCompare(sum[:], sums[i][:])
		}
		return bridge.Operator("token"), found == 1
	}
}

type callerKey struct{}

func caller(ctx context.Context) bridge.Caller {
	c, _ := ctx.Value(callerKey{}).(bridge.Caller)
	return c
}

// authorized lets only those through whom auth knows.
func authorized(auth Auth, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, ok := auth(r)
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="tutti"`)
			writeProblem(w, &Problem{
				Status: http.StatusUnauthorized, Title: "Who are you?", Rule: bridge.RuleRole,
				Detail: "the API is for operators: send Authorization: Bearer with a token of the configuration (http.tokens), or use the control socket",
			})
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	})
}
