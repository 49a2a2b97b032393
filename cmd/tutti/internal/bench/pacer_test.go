package bench

import (
	"cmp"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	frame   = 20 * time.Millisecond
	samples = 160 // in one frame
	silence = 0xff
)

// line is one stream of packets that a pacer sends, every 20 ms at a phase of its own.
type line struct {
	from  *socket
	to    *unix.SockaddrInet4
	phase time.Duration // after the begin of the frame
	// voice fills the payload of frame k, and says whether the moment that it leaves is to be noted.
	voice func(k int, payload []byte) (note bool)

	packet [12 + samples]byte
	noted  []sent
	late   time.Duration // the latest that a packet left after its time
}

// sent is a noted packet.
type sent struct {
	frame int
	at    time.Time
}

func newLine(from *socket, to *unix.SockaddrInet4, phase time.Duration, voice func(int, []byte) bool) *line {
	l := &line{from: from, to: to, phase: phase, voice: voice}
	l.packet[0] = 2 << 6
	binary.BigEndian.PutUint32(l.packet[8:], uint32(from.port)) // SSRC
	return l
}

// quiet is the voice of who listens.
func quiet(_ int, p []byte) bool {
	for i := range p {
		p[i] = silence
	}
	return false
}

func (l *line) send(k int, due time.Time) error {
	binary.BigEndian.PutUint16(l.packet[2:], uint16(k))
	binary.BigEndian.PutUint32(l.packet[4:], uint32(k*samples))
	note := l.voice(k, l.packet[12:])
	now := time.Now()
	l.late = max(l.late, now.Sub(due))
	if note {
		l.noted = append(l.noted, sent{k, now.Round(0)}) // the wall clock, as the kernel's times
	}
	err := unix.Sendto(l.from.fd, l.packet[:], unix.MSG_DONTWAIT, l.to)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ECONNREFUSED) {
		return nil
	}
	return err
}

// pacer sends the lines from one thread, whose clock is finer than that of Go's poller.
type pacer struct {
	t     testing.TB
	lines []*line
	stop  atomic.Bool
	wg    sync.WaitGroup
}

// pace begins to send; end ends it, and then what the lines noted may be read.
func pace(t testing.TB, lines ...*line) (end func()) {
	p := &pacer{t: t, lines: slices.Clone(lines)}
	slices.SortStableFunc(p.lines, func(a, b *line) int { return cmp.Compare(a.phase, b.phase) })
	p.wg.Go(p.run)
	return func() {
		p.stop.Store(true)
		p.wg.Wait()
	}
}

func (p *pacer) run() {
	runtime.LockOSThread() // ends with the thread, which is changed
	punctual()
	start := time.Now()
	for k := 0; !p.stop.Load(); k++ {
		for _, l := range p.lines {
			due := start.Add(time.Duration(k)*frame + l.phase)
			nap(time.Until(due))
			if err := l.send(k, due); err != nil {
				p.t.Errorf("sending: %v", err)
				return
			}
		}
	}
}

// punctual lets the thread wake in time also where this machine is busy: phones are other machines. As root, it goes before
// all others.
func punctual() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0)
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
}

// nap sleeps for d in the kernel.
func nap(d time.Duration) {
	if d <= 0 {
		return
	}
	ts := unix.NsecToTimespec(int64(d))
	for errors.Is(unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, &ts), unix.EINTR) {
	}
}
