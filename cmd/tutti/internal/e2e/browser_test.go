package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// browserOptions is what one Chromium is like.
type browserOptions struct {
	tone   float64 // Hz of the microphone, pulsed; 0 is no microphone
	colour string  // of the camera's picture; "" is no camera
	deny   bool    // the person refuses camera and microphone
	args   []string
}

// browser is a running Chromium with one page.
type browser struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	mu   sync.Mutex // guards the pipes and next
	next int
	errs bytes.Buffer
}

func newBrowser(t testing.TB, o browserOptions) *browser {
	t.Helper()
	b := &browser{t: t}
	b.cmd = exec.Command("node", "browser/driver.mjs")
	b.cmd.Stderr = &b.errs
	in, err := b.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.in, b.out = in, bufio.NewReaderSize(out, 1<<20)
	if err := b.cmd.Start(); err != nil {
		t.Fatalf("node does not start: %v", err)
	}
	t.Cleanup(b.stop)
	params := map[string]any{"deny": o.deny, "args": append([]string{}, o.args...)}
	dir := t.TempDir()
	if o.tone > 0 {
		file := filepath.Join(dir, "microphone.wav")
		tone(48000, o.tone, -14, 20).pulsed(0.6, 1).write(t, file, 1)
		params["audio"] = file
	}
	if o.colour != "" {
		file := filepath.Join(dir, "camera.mjpeg")
		makePicture(t, file, o.colour, 320, 180, 20)
		params["video"] = file
	}
	b.do("launch", params)
	return b
}

// do runs one operation of driver.mjs; an error ends the test.
func (b *browser) do(op string, params map[string]any) json.RawMessage {
	b.t.Helper()
	result, err := b.try(op, params)
	if err != nil {
		logs, _ := b.try("logs", nil)
		b.t.Fatalf("browser: %s %v: %v\nconsole: %s\n%s", op, params, err, logs, b.errs.String())
	}
	return result
}

func (b *browser) try(op string, params map[string]any) (json.RawMessage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	request := map[string]any{"id": b.next, "op": op}
	for k, v := range params {
		request[k] = v
	}
	line, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	answer, err := b.out.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("the driver ended: %w: %s", err, b.errs.String())
	}
	var response struct {
		Result json.RawMessage `json:"result"`
		Error  string          `json:"error"`
	}
	if err := json.Unmarshal(answer, &response); err != nil {
		return nil, err
	}
	if response.Error != "" {
		return nil, fmt.Errorf("%s", response.Error)
	}
	return response.Result, nil
}

// eval runs JavaScript in the page and decodes its value.
func (b *browser) eval(code string, into any) {
	b.t.Helper()
	result := b.do("eval", map[string]any{"code": code})
	if into == nil {
		return
	}
	if err := json.Unmarshal(result, into); err != nil {
		b.t.Fatalf("browser: %s is %s: %v", code, result, err)
	}
}

func unmarshal(data []byte, into any) error { return json.Unmarshal(data, into) }

// join opens a conference and goes in under a name.
func (b *browser) join(page, name string) {
	b.t.Helper()
	b.do("goto", map[string]any{"url": page})
	b.do("fill", map[string]any{"selector": "#name", "text": name})
	b.do("click", map[string]any{"selector": "#join"})
	b.connected()
}

// connected waits until media flows.
func (b *browser) connected() {
	b.t.Helper()
	eventually(b.t, 20*time.Second, "the browser's media", func() bool {
		var ok bool
		b.eval(`!!window.tuttiTest && !!window.tuttiTest.track("audio") && !!window.tuttiTest.track("video")`, &ok)
		return ok
	})
}

// listen keeps what the browser hears from now on.
func (b *browser) listen() { b.t.Helper(); b.eval("tuttiTest.listen()", nil) }

// heard is what the browser heard since listen.
func (b *browser) heard() sound {
	b.t.Helper()
	var text string
	b.eval("tuttiTest.sound()", &text)
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		b.t.Fatal(err)
	}
	s := sound{rate: 48000}
	for i := 0; i+1 < len(data); i += 2 {
		s.samples = append(s.samples, int16(uint16(data[i])|uint16(data[i+1])<<8))
	}
	return s
}

// picture is what the browser is shown now; nil before the first frame.
func (b *browser) picture() image.Image {
	b.t.Helper()
	var text string
	b.eval("tuttiTest.picture()", &text)
	if text == "" {
		return nil
	}
	img, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	if err != nil {
		b.t.Fatal(err)
	}
	return img
}

func (b *browser) screenshot(file string) {
	b.t.Helper()
	b.do("screenshot", map[string]any{"file": file})
}

func (b *browser) stop() {
	b.try("close", nil)
	b.in.Close()
	interrupt(b.cmd)
}
