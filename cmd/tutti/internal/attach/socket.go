package attach

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

const (
	subprotocol = "tutti.1"
	maxMessage  = 1 << 20          // bytes of one message of the bridge
	answerTime  = 10 * time.Second // the bridge may take for an answer
)

// message is one of the bridge (docs/protocol.md).
type message struct {
	Kind   string          `json:"kind"`
	ID     int64           `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *Refusal        `json:"error"`
}

// Refusal is what the bridge says no with.
type Refusal struct {
	Rule   string `json:"rule"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (r *Refusal) Error() string {
	if r.Detail != "" {
		return r.Detail
	}
	return r.Title
}

// socket is one WebSocket. Its methods but tell belong to one goroutine; another one reads.
type socket struct {
	conn     *websocket.Conn
	ctx      context.Context // ends when the WebSocket does
	cancel   context.CancelCauseFunc
	messages chan message
	read     chan struct{} // closed when nobody reads any more
	next     int64
}

// dial opens the WebSocket of the bridge whose page is at server.
func dial(ctx context.Context, server string, insecure bool) (*socket, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: insecure}} //nolint:gosec // asked for by --insecure
	defer transport.CloseIdleConnections()
	opening, done := context.WithTimeout(ctx, answerTime)
	defer done()
	conn, response, err := websocket.Dial(opening, strings.TrimSuffix(server, "/")+"/ws", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{subprotocol},
	})
	if err != nil {
		return nil, explain(server, response, err)
	}
	conn.SetReadLimit(maxMessage)
	s := &socket{conn: conn, messages: make(chan message, 64), read: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx)) // it outlives ctx by the goodbye
	go s.receive()
	return s, nil
}

// explain says what a person can do about a bridge that does not answer.
func explain(server string, response *http.Response, err error) error {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return fmt.Errorf("the certificate of %s is not trusted here, as one that a bridge makes itself is not (%w): "+
			"give the bridge one that is, or add --insecure if you know that it is your bridge", server, certificate.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no bridge answers at %s: start one with \"tutti serve\", or name the address of its page with --server", server)
	case response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("%s answered %s: is it the address of a bridge's page?", server, response.Status)
	}
	return fmt.Errorf("%s: %w", server, err)
}

// receive reads until the WebSocket ends.
func (s *socket) receive() {
	defer close(s.read)
	for {
		_, data, err := s.conn.Read(s.ctx)
		if err != nil {
			s.cancel(err)
			return
		}
		var m message
		if err := json.Unmarshal(data, &m); err != nil {
			s.cancel(fmt.Errorf("the bridge said what is not JSON: %w", err))
			return
		}
		select {
		case s.messages <- m:
		case <-s.ctx.Done():
			return
		}
	}
}

// close ends the WebSocket and waits for its reader.
func (s *socket) close() {
	s.cancel(errors.New("closed"))
	s.conn.CloseNow()
	<-s.read
}

// tell sends a message that wants no answer. It may be called from any goroutine.
func (s *socket) tell(method string, params any) error {
	return s.write(map[string]any{"kind": "message", "method": method, "params": params})
}

func (s *socket) write(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, answerTime)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, data)
}

// ask sends a request; sent, which may be nil, is called when it is on its way. What comes before the answer goes to other.
// The error is a *Refusal, that of other, or says why the answer did not come.
func (s *socket) ask(method string, params, result any, sent func(), other func(message) error) error {
	s.next++
	id := s.next
	if err := s.write(map[string]any{"kind": "request", "id": id, "method": method, "params": params}); err != nil {
		return s.broken(err)
	}
	if sent != nil {
		sent()
	}
	late := time.NewTimer(answerTime)
	defer late.Stop()
	for {
		m, err := s.take(late.C)
		if err != nil {
			return err
		}
		switch {
		case m.Kind != "response":
			if err := other(m); err != nil {
				return err
			}
		case m.ID != id:
		case m.Error != nil:
			return m.Error
		case result == nil:
			return nil
		default:
			return json.Unmarshal(m.Result, result)
		}
	}
}

// take is the next message. What came before the end is still given.
func (s *socket) take(late <-chan time.Time) (message, error) {
	select {
	case m := <-s.messages:
		return m, nil
	default:
	}
	select {
	case m := <-s.messages:
		return m, nil
	case <-s.read:
		select {
		case m := <-s.messages:
			return m, nil
		default:
			return message{}, s.broken(nil)
		}
	case <-late:
		return message{}, errLate
	}
}

var errLate = errors.New("the bridge does not answer")

// broken is why the WebSocket ended.
func (s *socket) broken(err error) error {
	if cause := context.Cause(s.ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("the connection to the bridge broke: %w", err)
}
