package mixer

import (
	"fmt"
	"runtime"

	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"tutti/codec"
	"tutti/codec/g711"
	"tutti/mixer/plan"
)

// slowWire is a phone whose wire blocks, which it must not.
type slowWire struct {
	*phone
	takes time.Duration
}

func (s slowWire) WriteRTP(h *rtp.Header, payload []byte) error {
	time.Sleep(s.takes)
	return s.phone.WriteRTP(h, payload)
}

func TestSlowWireHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := newPhone(t, "a", 440), newPhone(t, "b", 880), newPhone(t, "c", 0)
		m, end := conference(t, Config{}, a, b, c)
		s := b.stream()
		s.Wire = slowWire{b, 70 * time.Millisecond}
		attach(t, m, b, s)
		talkAll(10*time.Second, a, b, c)
		hears(t, c, a, 5*time.Second, 1)
		hears(t, c, b, 5*time.Second, 1)
		if n := len(c.packets()); n < 490 {
			t.Errorf("%d packets to the others in 10 s, want 500", n)
		}
		if st := m.Stats(); st.Late == 0 || st.Legs[1].Streams[0].Sent.Errors == 0 {
			t.Errorf("neither late ticks nor errors are counted: %+v", st)
		}
		time.Sleep(100 * time.Millisecond)
		end()
	})
}

// A wire that holds up everything for a second: the clock skips, and the timestamps tell of it.
func TestClockSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newPhone(t, "a", 440)
		m, end := conference(t, Config{})
		s := a.stream()
		s.Wire = slowWire{a, time.Second}
		attach(t, m, a, s)
		time.Sleep(10 * time.Second)
		st := m.Stats()
		if st.Skipped == 0 || st.Ticks+st.Skipped < 450 || st.Ticks+st.Skipped > 501 {
			t.Errorf("%d ticks, %d skipped in 10 s", st.Ticks, st.Skipped)
		}
		packets := a.packets()
		for i := 1; i < len(packets); i++ {
			if packets[i].SequenceNumber != packets[i-1].SequenceNumber+1 {
				t.Error("skipped ticks leave a hole in the sequence")
			}
			if d := packets[i].Timestamp - packets[i-1].Timestamp; d < 7000 && i < 3 {
				t.Errorf("timestamps go on by %d over a second", d)
			}
		}
		time.Sleep(time.Second)
		end()
	})
}

// sinkWire puts each packet together, as a wire must, and forgets it.
type sinkWire struct{ packet *[1500]byte }

func (w sinkWire) WriteRTP(h *rtp.Header, payload []byte) error {
	n, err := h.MarshalTo(w.packet[:])
	copy(w.packet[n:], payload)
	return err
}

func (sinkWire) WriteRTCP([]byte) error { return nil }

// crowd is a mixer with n legs on the main bus. The first three talk, and so many legs send packets at all.
func crowd(tb testing.TB, n, senders int) (m *Mixer, talk func(tick int)) {
	tb.Helper()
	m = New(Config{})
	var talkers []*phone
	everybody := &plan.Plan{}
	hear := []plan.BusGain{{Bus: plan.Main, Gain: 1}}
	wire := sinkWire{new([1500]byte)}
	for i := range n {
		id := plan.LegID(fmt.Sprint(i))
		everybody.Inputs = append(everybody.Inputs, plan.Input{Leg: id, Bus: plan.Main, Gain: 1})
		everybody.Rows = append(everybody.Rows, plan.Row{Leg: id, Hear: hear, Except: []plan.InputGain{{Leg: id}}})
		p := &phone{id: id, format: g711.PCMU(), frequency: 440, amplitude: 4000, ssrc: uint32(i + 1), ptime: 20 * time.Millisecond}
		p.encoder, _ = p.format.NewEncoder(codec.AudioParams{})
		s := p.stream()
		s.Wire = wire
		s.Send.SSRC = uint32(1_000_000 + i)
		inlets, err := m.Attach(id, []Stream{s})
		if err != nil {
			tb.Fatal(err)
		}
		if i >= 3 {
			p.amplitude = 0
		}
		if i < senders {
			p.inlet = inlets[0]
			talkers = append(talkers, p)
		}
	}
	m.Apply(everybody)
	data := make([][]byte, len(talkers))
	for i, p := range talkers {
		data[i] = p.packet()
	}
	return m, func(tick int) {
		for i, p := range talkers {
			d := data[i]
			d[2], d[3] = byte(tick>>8), byte(tick)
			ts := uint32(160 * tick)
			d[4], d[5], d[6], d[7] = byte(ts>>24), byte(ts>>16), byte(ts>>8), byte(ts)
			p.send(d)
		}
	}
}

// run steps the mixer; the time is made up.
func (m *Mixer) run(talk func(int), from, to int) {
	for tick := from; tick < to; tick++ {
		talk(tick)
		m.step(time.Unix(1000, 0).Add(time.Duration(tick) * 20 * time.Millisecond))
		m.clock++
	}
}

func TestTickAllocatesNothing(t *testing.T) {
	m, talk := crowd(t, 20, 20)
	m.run(talk, 0, 200) // each place of the jitter buffers has its memory
	for _, s := range m.streams {
		s.reports.next = time.Unix(1<<40, 0) // reports are seldom, and allocate
	}
	tick := 200
	if n := testing.AllocsPerRun(100, func() { m.run(talk, tick, tick+1); tick++ }); n != 0 {
		t.Errorf("%v allocations a tick", n)
	}
	if c := m.Stats().AudioClasses; c != 4 {
		t.Errorf("%d classes, want 4", c)
	}
}

// What a leg costs, and that it is given back.
func TestMemoryOfALeg(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	const legs = 200
	before := heap()
	m, talk := crowd(t, legs, legs)
	m.run(talk, 0, 100)
	during := heap()
	t.Logf("%d octets a leg", (during-before)/legs)
	if during > before+legs*30_000 {
		t.Errorf("%d octets a leg", (during-before)/legs)
	}
	for i := range legs {
		m.Detach(plan.LegID(fmt.Sprint(i)))
	}
	m.Apply(&plan.Plan{})
	m.run(func(int) {}, 100, 500)
	if len(m.streams) != 0 || len(m.legs) != 0 || len(m.Stats().Legs) != 0 {
		t.Error("legs are left")
	}
	empty := 0
	m.own.Range(func(any, any) bool { empty++; return true })
	if empty != 0 {
		t.Errorf("%d SSRCs are left", empty)
	}
	if after := heap(); after > before+legs*2000 {
		t.Errorf("%d octets are left", after-before)
	}
	runtime.KeepAlive(m)

}
