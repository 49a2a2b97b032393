package bench

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// A burst is one frame of µ-law codes of segment 6 (0x9_ positive, 0x1_ negative), whose low bits name the phone. The bridge
// decodes, adds zeros and encodes, so the codes come out as they went in.
const (
	burstCode  = 0x10
	burstMask  = 0x70
	quietAfter = 640 // samples of silence between two bursts, at least
)

// burst fills a frame with the burst of phone id, 0 to 15.
func burst(id int, p []byte) {
	for i := range p {
		p[i] = byte(burstCode | id)
		if i%8 < 4 { // 1 kHz
			p[i] |= 0x80
		}
	}
}

// onset is a burst that was heard.
type onset struct {
	id      int
	at      time.Time // when its first packet arrived
	place   int       // of its first sample in that packet
	samples int       // of it that were heard
}

// ear is what one phone hears.
type ear struct {
	socket  *socket
	packets int
	lost    int // sequence numbers that did not come
	jumps   int // timestamps that do not go on by a frame for each packet
	strange int // no RTP, or not 160 octets of PCMU
	onsets  []onset

	known bool
	last  rtp.Header
	still int // samples since the last loud one
	rtp   rtp.Packet

	arrivals map[uint16]time.Time // by sequence number, where wanted
}

// note lets e remember when each packet came.
func (e *ear) note() *map[uint16]time.Time {
	e.arrivals = map[uint16]time.Time{}
	return &e.arrivals
}

// hear takes one datagram.
func (e *ear) hear(p []byte, at time.Time) {
	if len(p) > 1 && p[1] >= 192 && p[1] <= 223 { // RTCP
		return
	}
	if e.rtp.Unmarshal(p) != nil || e.rtp.PayloadType != 0 || len(e.rtp.Payload) != samples {
		e.strange++
		return
	}
	e.packets++
	h := e.rtp.Header
	if e.arrivals != nil {
		e.arrivals[h.SequenceNumber] = at
	}
	if e.known {
		steps := h.SequenceNumber - e.last.SequenceNumber
		e.lost += int(steps) - 1
		if h.Timestamp-e.last.Timestamp != uint32(steps)*samples {
			e.jumps++
		}
	}
	e.known, e.last.SequenceNumber, e.last.Timestamp = true, h.SequenceNumber, h.Timestamp
	for i, code := range e.rtp.Payload {
		e.sample(code, i, at)
	}
}

func (e *ear) sample(code byte, i int, at time.Time) {
	if code&burstMask != burstCode {
		e.still++
		return
	}
	if e.still >= quietAfter || len(e.onsets) == 0 {
		e.onsets = append(e.onsets, onset{id: int(code & 0xf), at: at, place: i})
	}
	e.still = 0
	e.onsets[len(e.onsets)-1].samples++
}

// drain reads all ears every now and then until end is called; then what they heard may be read.
func drain(t testing.TB, ears ...*ear) (end func()) {
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		p, oob := make([]byte, 2048), make([]byte, 128)
		for last := false; !last; {
			last = stop.Load()
			for _, e := range ears {
				if err := e.empty(p, oob); err != nil {
					t.Errorf("receiving: %v", err)
					return
				}
			}
			nap(frame)
		}
	})
	return func() {
		stop.Store(true)
		wg.Wait()
	}
}

func (e *ear) empty(p, oob []byte) error {
	for {
		n, at, err := e.socket.receive(p, oob)
		if n == 0 || err != nil {
			return err
		}
		e.hear(p[:n], at)
	}
}
