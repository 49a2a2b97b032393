// Package client speaks the HTTP API of a running bridge, over its unix socket or over HTTPS with a token.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"tutti/cmd/tutti/internal/config"
)

// Client asks one bridge. Its methods may be called from any goroutine.
type Client struct {
	base   string // http://tutti or https://HOST
	token  string
	http   *http.Client
	server string // as a person would name it
}

// New returns a client of server: unix:PATH, https://HOST or http://HOST; "" is the bridge on this machine.
func New(server, token string) (*Client, error) {
	switch {
	case server == "":
		return overSocket(config.Sockets()...), nil
	case strings.HasPrefix(server, "unix:"):
		return overSocket(strings.TrimPrefix(server, "unix:")), nil
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("--server %q: write unix:PATH, https://HOST or http://HOST", server)
	}
	return &Client{base: strings.TrimSuffix(server, "/"), token: token, http: &http.Client{}, server: server}, nil
}

// overSocket tries the paths in order and takes the first at which somebody answers.
func overSocket(paths ...string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var errs []error
		for _, path := range paths {
			conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
		return nil, errors.Join(errs...)
	}
	return &Client{base: "http://tutti", http: &http.Client{Transport: &http.Transport{DialContext: dial}}, server: "unix:" + strings.Join(paths, " or unix:")}
}

// Problem is a refusal as the API tells it (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Rule   string `json:"rule"`
}

func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// Do sends body (nil for none) as JSON and decodes the answer into result (nil: not wanted). path starts behind /api/v1.
func (c *Client) Do(ctx context.Context, method, path string, body, result any) error {
	return c.DoIfMatch(ctx, method, path, "", body, result)
}

// DoIfMatch is Do for what still has the ETag match; "" is whatever there is.
func (c *Client) DoIfMatch(ctx context.Context, method, path, match string, body, result any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	response, err := c.send(ctx, method, path, match, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if result == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(result); err != nil {
		return fmt.Errorf("%s answered %s %s with something that is not its API: %w", c.server, method, path, err)
	}
	return nil
}

// maxText bounds what Text reads, in bytes.
const maxText = 32 << 20

// Text is what lies at path, as it is. path starts behind /api/v1.
func (c *Client) Text(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	response, err := c.send(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxText))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.server, err)
	}
	return text, nil
}

func (c *Client) send(ctx context.Context, method, path, match string, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("client: %s %s: %w", method, path, err)
		}
		reader = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1"+path, reader)
	if err != nil {
		return nil, fmt.Errorf("client: %s %s: %w", method, path, err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if match != "" {
		request.Header.Set("If-Match", match)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.explain(err)
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		return nil, problem(response)
	}
	return response, nil
}

// explain says what a person can do about a bridge that does not answer.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission for %s: run as root, or as a member of the group tutti", c.server)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no bridge answers at %s: start one with \"tutti serve\", or name it with --server", c.server)
	}
	return fmt.Errorf("%s: %w", c.server, err)
}

func problem(r *http.Response) error {
	p := &Problem{Status: r.StatusCode, Title: http.StatusText(r.StatusCode)}
	_ = json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(p) // what is no problem document keeps the status text
	if r.StatusCode == http.StatusUnauthorized {
		p.Detail = "the bridge wants a token: give one of http.tokens with --token or TUTTI_TOKEN"
	}
	return p
}

// Events calls visit with the name and the data of each server-sent event until ctx ends, the bridge ends the stream
// (nil), or visit fails.
func (c *Client) Events(ctx context.Context, path string, visit func(event string, data []byte) error) error {
	response, err := c.send(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 16<<20)
	var event string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			event = value
		case "data":
			if err := visit(event, []byte(value)); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return lines.Err()
}
