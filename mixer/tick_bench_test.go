package mixer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"

	"tutti/codec"
	"tutti/codec/g711"
)

// BenchmarkTick is one tick of a conference of PCMU phones: 3 talk, the others listen, and all are sent packets. "x-floor"
// is its time over that of the work that cannot be left out: 3 packets decoded, one mix and one encoding for each of the four
// classes, and a loop that writes a header and the payload for each wire. Medians; the floor's ticks are between ours.
//
// In the last case the listeners send silence, as phones do, and taking a packet from each is in the tick and in the floor.
func BenchmarkTick(b *testing.B) {
	for _, listeners := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("3 talkers, %d listeners", listeners), func(b *testing.B) { benchmarkTick(b, listeners, 3) })
	}
	b.Run("3 talkers, 1000 listeners who send", func(b *testing.B) { benchmarkTick(b, 1000, 1003) })
}

func benchmarkTick(b *testing.B, listeners, senders int) {
	legs := 3 + listeners
	m, talk := crowd(b, legs, senders)
	floor := newTickFloor(b, legs, senders)
	tick := 0
	round := func() (ours, bare time.Duration) {
		begin := time.Now()
		m.run(talk, tick, tick+1)
		middle := time.Now()
		floor.tick(tick)
		tick++
		return middle.Sub(begin), time.Since(middle)
	}
	for range 200 { // the classes are made, and each place of the jitter buffers has its memory
		round()
	}
	for _, s := range m.streams {
		s.reports.next = time.Unix(1<<40, 0) // reports are seldom, and allocate
	}
	ours, bare := make([]time.Duration, 0, 1<<20), make([]time.Duration, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		o, f := round()
		if len(ours) < cap(ours) {
			ours, bare = append(ours, o), append(bare, f)
		}
	}
	if c := m.Stats().AudioClasses; c != 4 {
		b.Errorf("%d classes, want 4", c)
	}
	o, f := median(ours), median(bare)
	b.ReportMetric(0, "ns/op") // both, and no median
	b.ReportMetric(o, "ns/tick")
	b.ReportMetric(o/float64(listeners), "ns/listener")
	b.ReportMetric(o/f, "x-floor")
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2])
}

// tickFloor does what a tick must, and nothing else.
type tickFloor struct {
	b        *testing.B
	decoders [3]codec.AudioDecoder
	encoders [4]codec.AudioEncoder
	packets  [][]byte
	pcm      [3][]int16
	mixed    []int16
	payloads [4][]byte
	in, out  rtp.Header
	legs     int
	wire     sinkWire
}

func newTickFloor(b *testing.B, legs, senders int) *tickFloor {
	f := &tickFloor{b: b, legs: legs, wire: sinkWire{new([1500]byte)}, mixed: make([]int16, 160)}
	format := g711.PCMU()
	for i := range f.encoders {
		f.encoders[i], _ = format.NewEncoder(codec.AudioParams{})
	}
	for i := range f.decoders {
		f.decoders[i], _ = format.NewDecoder(codec.AudioParams{})
		f.pcm[i] = make([]int16, 160)
	}
	for i := range senders {
		p := &phone{format: format, frequency: 440, ssrc: uint32(i + 1), ptime: 20 * time.Millisecond}
		if i < len(f.decoders) {
			p.amplitude = 4000
		}
		p.encoder, _ = format.NewEncoder(codec.AudioParams{})
		f.packets = append(f.packets, p.packet())
	}
	return f
}

func (f *tickFloor) tick(n int) {
	for i, p := range f.packets {
		at, err := f.in.Unmarshal(p)
		if err == nil && i < len(f.decoders) {
			_, err = f.decoders[i].Decode(f.pcm[i], p[at:])
		}
		if err != nil {
			f.b.Fatal(err)
		}
	}
	for c, e := range f.encoders { // of everybody else, and of each talker
		for i := range f.mixed {
			sum := int32(0)
			for k := range f.pcm {
				if k != c-1 {
					sum += int32(f.pcm[k][i])
				}
			}
			f.mixed[i] = int16(max(-32768, min(32767, sum)))
		}
		var err error
		if f.payloads[c], err = e.Encode(f.payloads[c][:0], f.mixed); err != nil {
			f.b.Fatal(err)
		}
	}
	for leg := range f.legs {
		class := 0
		if leg < 3 {
			class = leg + 1
		}
		f.out = rtp.Header{Version: 2, SequenceNumber: uint16(n), Timestamp: uint32(160 * n), SSRC: uint32(leg)}
		_ = f.wire.WriteRTP(&f.out, f.payloads[class])
	}
}
