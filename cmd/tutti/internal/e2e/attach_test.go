package e2e

import (
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// attached is a running tutti attach.
type attached struct {
	t   testing.TB
	cmd *exec.Cmd
	mu  sync.Mutex // guards log
	log strings.Builder
}

// newAttached starts tutti attach at a bridge.
func newAttached(t testing.TB, b *bridge, args ...string) *attached {
	t.Helper()
	a := &attached{t: t}
	a.cmd = exec.Command(b.cmd.Path, append([]string{"attach", "--server", b.http}, args...)...)
	a.cmd.Stdout = &lockedWriter{&a.mu, &a.log}
	a.cmd.Stderr = a.cmd.Stdout
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { interrupt(a.cmd) })
	return a
}

func (a *attached) output() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.String()
}

func (a *attached) says(text string) {
	a.t.Helper()
	eventually(a.t, 15*time.Second, "attach says "+text, func() bool { return strings.Contains(a.output(), text) })
}

// ends waits for the end of the command and returns its exit code.
func (a *attached) ends() int {
	a.t.Helper()
	done := make(chan struct{})
	go func() { a.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		a.cmd.Process.Kill()
		<-done
		a.t.Errorf("attach does not end\n%s", a.output())
	}
	return a.cmd.ProcessState.ExitCode()
}

// loudness is the level of each so many seconds of a sound, dBFS of a sine.
func (s sound) loudness(seconds float64) []float64 {
	var all []float64
	n := int(seconds * float64(s.rate))
	for at := 0; at+n <= len(s.samples); at += n {
		var sum float64
		for _, v := range s.samples[at : at+n] {
			sum += float64(v) * float64(v)
		}
		all = append(all, 10*math.Log10(2*sum/float64(n)/(32767*32767)+1e-10))
	}
	return all
}

// A machine's devices are a participant like a browser: heard, with its pauses, in the roster, and gone after Ctrl-C.
func TestAttach(t *testing.T) {
	b := newBridge(t, "")
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMU", tone: 3150})
	alice.dial(b.uri("8001"))
	a := newAttached(t, b, "8001", "--camera", "videotest", "--microphone", "phrase", "--name", "Meeting room")
	a.says("Meeting room is in 8001")
	settle(t, 9, alice)
	heard := alice.heard().last(8)
	frames := heard.loudness(0.2)
	slices.Sort(frames)
	quiet, loud := frames[len(frames)/20], frames[len(frames)*9/10]
	if loud < -35 || quiet > -55 || loud-quiet < 25 {
		t.Errorf("alice hears %.1f dBFS in speech and %.1f in the pauses, want speech well above silence", loud, quiet)
	}
	if own := heard.level(3150); own > -50 {
		t.Errorf("alice hears her own tone at %.1f dBFS", own)
	}
	show := b.cli("conference", "show", "8001")
	for _, want := range []string{"Meeting room", "webrtc, connected", "audio, opus", "video, VP8"} {
		if !strings.Contains(show, want) {
			t.Errorf("conference show does not say %q:\n%s", want, show)
		}
	}
	metrics := b.metrics()
	for _, kind := range []string{"sip", "webrtc"} {
		if want := `tutti_setup_seconds_count{kind="` + kind + `",method="dialed-in"} 1`; !strings.Contains(metrics, want) {
			t.Errorf("the metrics do not say %s", want)
		}
	}

	a.cmd.Process.Signal(os.Interrupt)
	if code := a.ends(); code != 0 {
		t.Errorf("after Ctrl-C the exit code is %d\n%s", code, a.output())
	}
	if show := b.cli("conference", "show", "8001"); strings.Contains(show, "Meeting room") {
		t.Errorf("a ghost is left:\n%s", show)
	}
}

// received says which leg's sound is counted in the metrics, where there is only one, and how many packets have come.
func (b *bridge) received() (leg string, count int) {
	b.t.Helper()
	for line := range strings.Lines(b.metrics()) {
		if strings.HasPrefix(line, "tutti_received_packets_total{") && strings.Contains(line, `media="audio"`) {
			name, number, _ := strings.Cut(strings.TrimSpace(line), "} ")
			leg = name
			count, _ = strconv.Atoi(number)
		}
	}
	return leg, count
}

// The bridge is silent for longer than ICE waits; then the media go on, on the same leg.
func TestAttachOutlastsASilence(t *testing.T) {
	b := newBridge(t, "")
	a := newAttached(t, b, "8001", "--camera", "videotest", "--microphone", "phrase", "--name", "Room")
	a.says("Room is in 8001")
	before, _ := b.received()
	b.cmd.Process.Signal(syscall.SIGSTOP)
	silence := time.NewTimer(8 * time.Second) // ICE gives up hope after 5
	<-silence.C
	b.cmd.Process.Signal(syscall.SIGCONT)
	_, count := b.received()
	eventually(t, 15*time.Second, "sound after the silence", func() bool {
		leg, now := b.received()
		return leg == before && now > count+25
	})
	a.cmd.Process.Signal(os.Interrupt)
	if code := a.ends(); code != 0 {
		t.Errorf("exit code %d\n%s", code, a.output())
	}
}

// What the bridge says when it ends a participant is what attach says.
func TestAttachExpelled(t *testing.T) {
	b := newBridge(t, "")
	a := newAttached(t, b, "8001", "--camera", "none", "--microphone", "phrase", "--name", "Room")
	a.says("Room is in 8001")
	b.cli("participant", "expel", "8001", "Room", "--reason", "the room is needed")
	if code := a.ends(); code != 1 || !strings.Contains(a.output(), "the room is needed") {
		t.Errorf("exit code %d, want 1 and the reason:\n%s", code, a.output())
	}
}

// What is not there is named, with where it was looked for.
func TestAttachWithoutDevices(t *testing.T) {
	b := newBridge(t, "")
	tests := map[string]struct {
		args []string
		code int
		want []string
	}{
		"no such microphone": {[]string{"8001", "--camera", "videotest", "--microphone", "nosuch"}, 1, []string{"nosuch", "ALSA", "PulseAudio", "JACK"}},
		"no such camera":     {[]string{"8001", "--camera", "nosuch", "--microphone", "phrase"}, 1, []string{"nosuch", "V4L2"}},
		"nothing to bring":   {[]string{"8001", "--camera", "none", "--microphone", "none"}, 2, []string{"--camera none"}},
		"no conference":      {nil, 2, []string{"usage"}},
		"a bad name":         {[]string{"a b", "--camera", "videotest", "--microphone", "phrase"}, 1, []string{"a b"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := newAttached(t, b, test.args...)
			if code := a.ends(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(a.output(), want) {
					t.Errorf("%q does not say %q", a.output(), want)
				}
			}
		})
	}
}
