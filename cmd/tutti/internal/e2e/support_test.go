package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// eventually asks until the answer is yes. It is for events of other processes that only can be asked for. otherwise is done
// before the test fails.
func eventually(t testing.TB, limit time.Duration, what string, yes func() bool, otherwise ...func()) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !yes() {
		if time.Now().After(deadline) {
			for _, do := range otherwise {
				do()
			}
			t.Fatalf("%s: not within %v", what, limit)
		}
		pause()
	}
}

// pause is the time between two questions to another process.
func pause() { time.Sleep(50 * time.Millisecond) }

func join(words []string) string { return strings.Join(words, ", ") }

func contains(words []string, word string) bool { return slices.Contains(words, word) }

// nextPort is where freePort goes on looking: below the ports that the kernel gives to others, and apart from other tests.
var nextPort atomic.Int32

func init() { nextPort.Store(int32(14000 + os.Getpid()%40*400)) }

// freePort is a port that nobody has now, UDP and TCP.
func freePort(t testing.TB) int {
	t.Helper()
	for range 2000 {
		port := 14000 + int(nextPort.Add(1)-14000)%18000
		if free(port) {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// free says whether a port can be bound on every address of loopback.
func free(port int) bool {
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		address := fmt.Sprintf("%s:%d", host, port)
		l, err := net.Listen("tcp", address)
		if err != nil {
			return false
		}
		u, err := net.ListenPacket("udp", address)
		l.Close()
		if err != nil {
			return false
		}
		u.Close()
	}
	return true
}

// rtpPorts is a range of RTP ports for one bridge; the bridge passes over those that are taken.
func rtpPorts(testing.TB) string { return "10000-13998" }

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// lockedWriter lets a process write while the test reads.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// interrupt ends a process that the test started: asked first, then killed.
func interrupt(cmd *exec.Cmd) {
	if cmd == nil || cmd.Process == nil || cmd.ProcessState != nil {
		return
	}
	cmd.Process.Signal(os.Interrupt)
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		cmd.Process.Kill()
		<-done
	}
}

// makePicture makes a film of one colour in which a white bar moves, so that a frozen picture shows.
func makePicture(t testing.TB, file, colour string, width, height, seconds int) {
	t.Helper()
	bar := fmt.Sprintf("color=c=white:s=%dx%d:r=15:d=%d", width/16, height/8, seconds)
	film := fmt.Sprintf("[0]scale=%d:%d[p];[p][1]overlay=x='mod(t*W/4,W)':y=H/16", width, height)
	if filepath.Ext(colour) == ".png" {
		film = fmt.Sprintf("[0]scale=%d:%d", width, height)
	}
	args := append([]string{"-v", "error", "-y"}, pictureSource(colour, width, height, seconds)...)
	args = append(args, "-f", "lavfi", "-i", bar, "-filter_complex", film, "-pix_fmt", "yuv420p")
	switch filepath.Ext(file) {
	case ".mp4":
		args = append(args, "-c:v", "libx264", "-preset", "ultrafast", "-g", "15")
	case ".mjpeg":
		args = append(args, "-q:v", "4")
	}
	if out, err := exec.Command("ffmpeg", append(args, file)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
}
