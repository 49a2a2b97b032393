package webrtc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/coder/websocket"

	"tutti/bridge"
)

// Subprotocol is the WebSocket subprotocol (docs/protocol.md).
const Subprotocol = "tutti.1"

// maxMessage is the longest message that a page may send, bytes.
const maxMessage = 256 << 10

// Kinds of message.
const (
	kindRequest   = "request"
	kindResponse  = "response"
	kindSubscribe = "subscribe"
	kindNotify    = "notify"
	kindMessage   = "message"
)

// inbound is a message of a page.
type inbound struct {
	Kind   string          `json:"kind"`
	ID     *int64          `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// response answers a request or a subscription.
type response struct {
	Kind   string   `json:"kind"`
	ID     int64    `json:"id"`
	Result any      `json:"result,omitempty"`
	Error  *problem `json:"error,omitempty"`
}

// notify is what changed.
type notify struct {
	Kind    string          `json:"kind"`
	Version uint64          `json:"version"`
	Patch   json.RawMessage `json:"patch"`
}

// outbound is a message that wants no answer.
type outbound struct {
	Kind   string `json:"kind"`
	Method string `json:"method"`
	Params any    `json:"params"`
}

// problem is an error as pages are told: the rule is for programs, the rest for people.
type problem struct {
	Rule   string `json:"rule"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
}

// none is the result of a request that only succeeds.
type none struct{}

// A breach ends a WebSocket (RFC 6455 §7.4.1).
type breach struct {
	code   websocket.StatusCode
	reason string // for a close frame: at most 123 bytes
}

func (b *breach) Error() string { return b.reason }

func breachf(code websocket.StatusCode, format string, args ...any) *breach {
	reason := fmt.Sprintf(format, args...)
	for len(reason) > 120 || !utf8.ValidString(reason) {
		reason = reason[:min(len(reason), 121)-1]
	}
	return &breach{code, reason}
}

// parseMessage reads one message. The error is a *breach.
func parseMessage(kind websocket.MessageType, data []byte) (inbound, error) {
	var in inbound
	if kind != websocket.MessageText {
		return in, breachf(websocket.StatusUnsupportedData, "text messages only")
	}
	if !utf8.Valid(data) {
		return in, breachf(websocket.StatusInvalidFramePayloadData, "message is not UTF-8")
	}
	if err := decode(data, &in); err != nil {
		return in, breachf(websocket.StatusInvalidFramePayloadData, "message is not of the form {kind, …}: %v", err)
	}
	switch in.Kind {
	case kindRequest, kindSubscribe:
		if in.ID == nil {
			return in, breachf(websocket.StatusUnsupportedData, "%s without an id", in.Kind)
		}
	case kindMessage:
	default:
		return in, breachf(websocket.StatusUnsupportedData, "kind %.20q is not one of request, subscribe, message", in.Kind)
	}
	if in.Method == "" && in.Kind != kindSubscribe {
		return in, breachf(websocket.StatusUnsupportedData, "%s without a method", in.Kind)
	}
	return in, nil
}

// decode reads exactly one JSON object without fields that v does not have.
func decode(data []byte, v any) error {
	if data = bytes.TrimLeft(data, " \t\r\n"); len(data) == 0 || data[0] != '{' {
		return errors.New("not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// A paramsError refuses the parameters of one request.
type paramsError struct{ text string }

func (e *paramsError) Error() string { return e.text }

func badParams(format string, args ...any) error {
	return &paramsError{fmt.Sprintf(format, args...)}
}

// params reads the parameters of a request; absent ones are an empty object.
func params[T any](raw json.RawMessage) (T, error) {
	var v T
	if len(raw) == 0 || string(raw) == "null" {
		return v, nil
	}
	if err := decode(raw, &v); err != nil {
		return v, badParams("params: %v", err)
	}
	return v, nil
}

// limitText refuses a string that is longer than a page has reason to send. limit counts characters.
func limitText(name, s string, limit int) error {
	if n := utf8.RuneCountInString(s); n > limit {
		return badParams("%s has %d characters; %d are allowed", name, n, limit)
	}
	return nil
}

// explain puts an error into words for a page. ok is false for what is our fault and only for the log.
func explain(err error) (p problem, ok bool) {
	var refusal *bridge.Refusal
	var offer *OfferError
	var bad *paramsError
	switch {
	case errors.As(err, &refusal):
		return problem{refusal.Rule, refusal.Title(), refusal.Text}, true
	case errors.As(err, &offer):
		return problem{"offer", "Offer not accepted", offer.Text}, true
	case errors.As(err, &bad):
		return problem{bridge.RuleInvalid, "Not understood", bad.text}, true
	case errors.Is(err, errClosed), errors.Is(err, errFailed), errors.Is(err, errSetUp), errors.Is(err, errShutdown), errors.Is(err, errStreams):
		return problem{bridge.RuleEnded, "Connection has ended", "the connection has ended; join again"}, true
	}
	return problem{"internal", "Something went wrong", "the bridge has written down what"}, false
}
