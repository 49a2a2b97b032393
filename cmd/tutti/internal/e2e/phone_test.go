package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// phoneOptions is what one baresip is like.
type phoneOptions struct {
	name      string
	codec     string  // PCMU, PCMA, G722 or opus
	tone      float64 // Hz, sent at −20 dBFS
	video     string  // H264 or VP8; "" is a phone without a camera
	colour    string  // of the camera's picture, a name that ffmpeg knows
	encrypt   string  // mediaenc of baresip: srtp, srtp-mand, dtls_srtp, …
	transport string  // udp (default), tcp or tls
	register  string  // password; "" does not register
	answer    bool    // answers calls by itself
	trace     bool    // prints every message of SIP
	config    string  // further lines of its configuration
}

// phone is a running baresip.
type phone struct {
	t      testing.TB
	name   string
	shots  int // snapshots taken
	dir    string
	port   int
	cmd    *exec.Cmd
	ear    *ear
	ctrl   net.Conn
	events chan phoneEvent
	mu     sync.Mutex // guards log
	log    strings.Builder
}

// phoneEvent is one line of baresip's ctrl_tcp module.
type phoneEvent struct {
	Event bool   `json:"event"`
	Class string `json:"class"`
	Type  string `json:"type"`
	Param string `json:"param"`
}

// phoneCodecs is how baresip calls a codec, and the sound that it wants for it.
var phoneCodecs = map[string]struct {
	account        string
	rate, channels int
}{
	"PCMU": {"PCMU/8000/1", 8000, 1}, "PCMA": {"PCMA/8000/1", 8000, 1}, "G722": {"G722/16000/1", 16000, 1}, "opus": {"opus/48000/2", 48000, 2},
}

// newPhone starts a baresip on loopback that belongs to the bridge's domain.
func newPhone(t testing.TB, b *bridge, o phoneOptions) *phone {
	t.Helper()
	p := &phone{t: t, name: o.name, dir: t.TempDir(), events: make(chan phoneEvent, 256)}
	p.port = freePort(t)
	freePort(t) // baresip takes the next one for TLS
	control := freePort(t)
	p.configure(b, o, control)
	p.ear = newEar(t)
	p.cmd = exec.Command("baresip", "-f", p.dir, "-v")
	if o.trace {
		p.cmd.Args = append(p.cmd.Args, "-s")
	}
	p.cmd.Dir = p.dir // snapshots lie there
	p.cmd.Env = append(os.Environ(), "PULSE_SERVER="+p.ear.server)
	p.cmd.Stdout = &lockedWriter{&p.mu, &p.log}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("baresip does not start: %v", err)
	}
	t.Cleanup(p.stop)
	eventually(t, 10*time.Second, "baresip's control port", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", control))
		if err == nil {
			p.ctrl = c
		}
		return err == nil
	})
	go p.readEvents()
	return p
}

func (p *phone) configure(b *bridge, o phoneOptions, control int) {
	c := phoneCodecs[o.codec]
	source := filepath.Join(p.dir, "source.wav")
	tone(c.rate, o.tone, -20, 120).write(p.t, source, c.channels)
	config := fmt.Sprintf(`sip_listen 127.0.0.1:%d
net_interface 127.0.0.1
module_path /usr/lib/baresip/modules
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
module g711.so
module g722.so
module opus.so
module aufile.so
module pulse.so
module srtp.so
module_app dtls_srtp.so
ctrl_tcp_listen 127.0.0.1:%d
audio_source aufile,%s
audio_player pulse,ear
audio_alert pulse,ear
audio_buffer 20-160
audio_level no
rtp_stats yes
rtp_timeout 60
call_local_timeout 120
call_max_calls 4
`, p.port, control, source)
	config += o.config
	if o.video != "" {
		config += p.camera(o)
	}
	account := fmt.Sprintf("<sip:%s@%s;transport=%s>;audio_codecs=%s", o.name, b.sip, or(o.transport, "udp"), c.account)
	if o.video != "" {
		account += ";video_codecs=" + o.video
	}
	if o.encrypt != "" {
		account += ";mediaenc=" + o.encrypt
	}
	if o.register != "" {
		account += ";auth_pass=" + o.register + ";regint=300"
	} else {
		account += ";regint=0"
	}
	if o.answer {
		account += ";answermode=auto"
	}
	p.writeFile("config", config)
	p.writeFile("accounts", account+"\n")
	p.writeFile("contacts", "")
}

// camera configures a picture of one colour in which a counter moves.
func (p *phone) camera(o phoneOptions) string {
	file := filepath.Join(p.dir, "camera.mp4")
	makePicture(p.t, file, o.colour, 640, 360, 120)
	return fmt.Sprintf(`module avcodec.so
module vp8.so
module swscale.so
module avformat.so
module fakevideo.so
module_app snapshot.so
video_source avformat,%s
video_display fakevideo
video_size 640x360
video_bitrate 800000
video_fps 15
video_fullscreen no
videnc_format yuv420p
`, file)
}

func (p *phone) writeFile(name, text string) {
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// heard is what the phone's loudspeaker played until now.
func (p *phone) heard() sound { p.t.Helper(); return p.ear.heard() }

func (p *phone) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// do sends one command of baresip's menu.
func (p *phone) do(command, params string) {
	p.t.Helper()
	b, err := json.Marshal(map[string]string{"command": command, "params": params})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(p.ctrl, "%d:%s,", len(b), b); err != nil {
		p.t.Fatalf("baresip: %v\n%s", err, p.output())
	}
}

// dial calls a URI and waits until the call is established.
func (p *phone) dial(uri string) {
	p.t.Helper()
	p.do("dial", uri)
	p.wait("CALL_ESTABLISHED")
}

// wait waits for an event of baresip.
func (p *phone) wait(want string) phoneEvent {
	p.t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		select {
		case e, ok := <-p.events:
			if !ok {
				p.t.Fatalf("baresip ended while waiting for %s\n%s", want, p.output())
			}
			if e.Type == want {
				return e
			}
			if e.Type == "CALL_CLOSED" && want == "CALL_ESTABLISHED" {
				p.t.Fatalf("the call was closed (%s) while waiting for %s\n%s", e.Param, want, p.output())
			}
		case <-deadline:
			p.t.Fatalf("baresip did not report %s\n%s", want, p.output())
		}
	}
}

// registered waits until the phone says that the bridge knows it.
func (p *phone) registered() {
	p.t.Helper()
	eventually(p.t, 15*time.Second, "the registration of "+p.name, func() bool { return strings.Contains(p.output(), "[1 binding]") })
}

// readEvents reads netstrings ("LENGTH:JSON,") until the connection ends.
func (p *phone) readEvents() {
	defer close(p.events)
	r := bufio.NewReader(p.ctrl)
	for {
		var n int
		if _, err := fmt.Fscanf(r, "%d:", &n); err != nil {
			return
		}
		buf := make([]byte, n+1)
		for read := 0; read < len(buf); {
			k, err := r.Read(buf[read:])
			if err != nil {
				return
			}
			read += k
		}
		var e phoneEvent
		if json.Unmarshal(buf[:n], &e) == nil && e.Event {
			select {
			case p.events <- e:
			default:
			}
		}
	}
}

func (p *phone) stop() {
	if p.ctrl != nil {
		p.ctrl.Close()
	}
	interrupt(p.cmd)
}
