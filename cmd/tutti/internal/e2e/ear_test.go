package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// ear is a loudspeaker that records: a PulseAudio of its own with a null sink, and a recorder at its monitor.
type ear struct {
	t      testing.TB
	server string // PULSE_SERVER
	file   string // raw PCM, 48 kHz mono
}

const earRate = 48000

func newEar(t testing.TB) *ear {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "native")
	e := &ear{t: t, server: "unix:" + socket, file: filepath.Join(dir, "heard.raw")}
	environment := append(os.Environ(), "HOME="+dir, "PULSE_RUNTIME_PATH="+dir, "PULSE_SERVER="+e.server)
	e.start(environment, "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
		"-L", "module-native-protocol-unix socket="+socket+" auth-anonymous=1",
		"-L", "module-null-sink sink_name=ear rate=48000 channels=1")
	eventually(t, 10*time.Second, "PulseAudio's socket", func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	e.start(environment, "parec", "--device=ear.monitor", "--rate=48000", "--channels=1", "--format=s16le", "--latency-msec=20", "--raw", e.file)
	return e
}

func (e *ear) start(environment []string, name string, args ...string) {
	e.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = environment
	if err := cmd.Start(); err != nil {
		e.t.Fatalf("%s does not start: %v", name, err)
	}
	e.t.Cleanup(func() { interrupt(cmd) })
}

// heard is all that was played until now.
func (e *ear) heard() sound {
	e.t.Helper()
	data, err := os.ReadFile(e.file)
	if err != nil && !os.IsNotExist(err) {
		e.t.Fatal(err)
	}
	s := sound{rate: earRate, samples: make([]int16, len(data)/2)}
	for i := range s.samples {
		s.samples[i] = int16(uint16(data[2*i]) | uint16(data[2*i+1])<<8)
	}
	return s
}
