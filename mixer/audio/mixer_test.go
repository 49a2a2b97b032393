package audio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"tutti/codec"
	"tutti/mixer/plan"
)

// l16 is a format whose payload is its sound, so that a test sees what was mixed. made counts its encoders.
func l16(rate int, made *int) codec.Audio {
	return codec.Audio{
		Format: codec.Format{Name: "L16", ClockRate: rate}, SampleRate: rate,
		NewEncoder: func(codec.AudioParams) (codec.AudioEncoder, error) {
			if made != nil {
				*made++
			}
			return l16Encoder{}, nil
		},
	}
}

type l16Encoder struct{}

func (l16Encoder) Encode(dst []byte, pcm []int16) ([]byte, error) {
	for _, s := range pcm {
		dst = binary.BigEndian.AppendUint16(dst, uint16(s))
	}
	return dst, nil
}

// ear is a Sink that remembers what it heard.
type ear struct {
	pcm     []int16
	payload *byte // first of the last payload: equal ears share it
	packets int
	last    Packet
}

func (e *ear) WritePacket(p *Packet) {
	for i := 0; i+1 < len(p.Payload); i += 2 {
		e.pcm = append(e.pcm, int16(binary.BigEndian.Uint16(p.Payload[i:])))
	}
	e.payload = &p.Payload[0]
	e.packets++
	e.last = Packet{CSRC: slices.Clone(p.CSRC), Levels: slices.Clone(p.Levels), Offset: p.Offset, Length: p.Length, Payload: bytes.Clone(p.Payload)}
}

// tone is n samples of a sine from sample at on.
func tone(n, at, rate int, frequency, amplitude float64) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*frequency*float64(at+i)/float64(rate))))
	}
	return pcm
}

// level is the power of one frequency in dBov.
func level(pcm []int16, frequency, rate float64) float64 {
	var re, im, weight float64
	for i, s := range pcm {
		w := 1 - math.Cos(2*math.Pi*(float64(i)+0.5)/float64(len(pcm)))
		sin, cos := math.Sincos(2 * math.Pi * frequency * float64(i) / rate)
		re += w * float64(s) * cos
		im += w * float64(s) * sin
		weight += w
	}
	a := 2 * math.Hypot(re, im) / weight
	return 10 * math.Log10(a*a/2/(32768*32768)+1e-15)
}

// room is a mixer whose legs all talk on the main bus and hear the others.
type room struct {
	m      *Mixer
	inputs []*Input
	ears   []*ear
	freqs  []float64
	rate   int
	at     int
}

func newRoom(rate int, talkers, listeners int, e func(leg int) Encoding) *room {
	r := &room{m: New(), rate: rate}
	var inputs []plan.Input
	var rows []plan.Row
	for i := range talkers + listeners {
		leg := plan.LegID(fmt.Sprint(i))
		inputs = append(inputs, plan.Input{Leg: leg, Bus: plan.Main, Gain: 1})
		rows = append(rows, plan.Row{Leg: leg, Hear: []plan.BusGain{{Bus: plan.Main, Gain: 1}}, Except: []plan.InputGain{{Leg: leg}}})
		in := r.m.AddInput(leg)
		in.SSRC = uint32(i)
		if i < talkers {
			r.inputs = append(r.inputs, in)
			r.freqs = append(r.freqs, 440*float64(i+1))
		}
		sink := &ear{}
		r.ears = append(r.ears, sink)
		r.m.AddOutput(leg, e(i), sink)
	}
	r.m.Apply(inputs, rows)
	return r
}

func (r *room) step(ticks int, amplitude float64) {
	n := r.rate / 50
	for range ticks {
		for i, in := range r.inputs {
			in.Set(tone(n, r.at, r.rate, r.freqs[i], amplitude), r.rate, 255)
		}
		r.m.Step()
		r.at += n
	}
}

func TestMixMinusIsExact(t *testing.T) {
	for _, rate := range []int{8000, 16000, 48000} {
		format := l16(rate, nil)
		r := newRoom(rate, 3, 1, func(int) Encoding { return Encoding{Audio: format} })
		r.step(50, 5000)
		want := 20 * math.Log10(5000/math.Sqrt2/32768)
		for i, e := range r.ears {
			for j, f := range r.freqs {
				got := level(e.pcm, f, float64(rate))
				if i == j && got > want-60 {
					t.Errorf("%d Hz: leg %d hears itself at %.1f dBov", rate, i, got)
				}
				if i != j && math.Abs(got-want) > 0.05 {
					t.Errorf("%d Hz: leg %d hears %d at %.2f dBov, want %.2f", rate, i, j, got, want)
				}
			}
		}
	}
}

// Each input is heard at each rate, and at the same level.
func TestRatesMeet(t *testing.T) {
	rates := []int{8000, 16000, 48000}
	m := New()
	var inputs []plan.Input
	var rows []plan.Row
	var ins []*Input
	var ears []*ear
	for i, rate := range rates {
		leg := plan.LegID(fmt.Sprint(rate))
		ins = append(ins, m.AddInput(leg))
		inputs = append(inputs, plan.Input{Leg: leg, Bus: plan.Main, Gain: 1})
		rows = append(rows, plan.Row{Leg: leg, Hear: []plan.BusGain{{Bus: plan.Main, Gain: 1}}, Except: []plan.InputGain{{Leg: leg}}})
		ears = append(ears, &ear{})
		m.AddOutput(leg, Encoding{Audio: l16(rate, nil)}, ears[i])
	}
	m.Apply(inputs, rows)
	freqs := []float64{440, 880, 1320}
	for tick := range 100 {
		for i, rate := range rates {
			ins[i].Set(tone(rate/50, tick*rate/50, rate, freqs[i], 5000), rate, 255)
		}
		m.Step()
	}
	want := 20 * math.Log10(5000/math.Sqrt2/32768)
	for i, rate := range rates {
		pcm := ears[i].pcm[rate/2:]
		for j, f := range freqs {
			got := level(pcm, f, float64(rate))
			if i == j && got > want-60 || i != j && math.Abs(got-want) > 0.5 {
				t.Errorf("at %d Hz, %v Hz is heard at %.2f dBov, others are sent at %.2f", rate, f, got, want)
			}
		}
	}
}

func TestListenersAreOneClass(t *testing.T) {
	made := 0
	format := l16(8000, &made)
	r := newRoom(8000, 2, 100, func(int) Encoding { return Encoding{Audio: format} })
	r.step(10, 5000)
	if got := r.m.Stats().Classes; got != 3 {
		t.Errorf("%d classes of 2 talkers and 100 listeners, want 3", got)
	}
	if made > 3+1 {
		t.Errorf("%d encoders made", made)
	}
	for _, e := range r.ears[3:] {
		if e.payload != r.ears[2].payload {
			t.Fatal("listeners are sent different bytes")
		}
	}
	if r.ears[0].payload == r.ears[2].payload {
		t.Error("a talker is sent what the listeners are sent")
	}
	// When nobody has talked for a while, all are one.
	for _, in := range r.inputs {
		in.Set(nil, 8000, 127)
	}
	for range 400 {
		r.m.Step()
	}
	if got := r.m.Stats().Classes; got != 1 {
		t.Errorf("%d classes when all are silent, want 1", got)
	}
	if n := len(r.m.classes); n != 1 {
		t.Errorf("%d classes are kept", n)
	}
}

func TestEqualEncodings(t *testing.T) {
	opus := codec.Audio{Format: codec.Format{Name: "opus", ClockRate: 48000, Channels: 2}, SampleRate: 48000}
	pcmu := codec.Audio{Format: codec.Format{Name: "PCMU", ClockRate: 8000}, SampleRate: 8000}
	tests := map[string]struct {
		a, b Encoding
		want bool
	}{
		"the same":         {Encoding{Audio: opus}, Encoding{Audio: opus}, true},
		"order of fmtp":    {Encoding{Audio: opus, Fmtp: "useinbandfec=1; minptime=10"}, Encoding{Audio: opus, Fmtp: "minptime=20;USEINBANDFEC=1"}, true},
		"FEC or not":       {Encoding{Audio: opus, Fmtp: "useinbandfec=1"}, Encoding{Audio: opus, Fmtp: "useinbandfec=0"}, false},
		"bitrate":          {Encoding{Audio: opus, Bitrate: 16000}, Encoding{Audio: opus}, false},
		"fmtp of G.711":    {Encoding{Audio: pcmu, Fmtp: "annexb=no"}, Encoding{Audio: pcmu}, true},
		"20 ms is default": {Encoding{Audio: pcmu, PTime: 20 * time.Millisecond}, Encoding{Audio: pcmu}, true},
		"30 ms is 20":      {Encoding{Audio: pcmu, PTime: 30 * time.Millisecond}, Encoding{Audio: pcmu}, true},
		"40 ms":            {Encoding{Audio: pcmu, PTime: 40 * time.Millisecond}, Encoding{Audio: pcmu}, false},
		"format":           {Encoding{Audio: opus}, Encoding{Audio: pcmu}, false},
	}
	for name, tt := range tests {
		if got := keyOf(tt.a) == keyOf(tt.b); got != tt.want {
			t.Errorf("%s: equal is %t", name, got)
		}
	}
}

func TestGainsOfThePlan(t *testing.T) {
	// b whispers to c, who is in a sidebar and hears the main room at −18 dB; d is deaf; e has no row.
	m := New()
	inputs := []plan.Input{{Leg: "a", Bus: plan.Main, Gain: 1}, {Leg: "b", Bus: plan.Main, Gain: 0}, {Leg: "c", Bus: "side", Gain: 2}}
	self := func(leg plan.LegID) plan.InputGain { return plan.InputGain{Leg: leg} }
	rows := []plan.Row{
		{Leg: "a", Hear: []plan.BusGain{{Bus: plan.Main, Gain: 1}}, Except: []plan.InputGain{self("a")}},
		{Leg: "b", Hear: []plan.BusGain{{Bus: plan.Main, Gain: 1}, {Bus: "side", Gain: 1}}, Except: []plan.InputGain{self("b")}},
		{Leg: "c", Hear: []plan.BusGain{{Bus: plan.Main, Gain: 0.125}, {Bus: "side", Gain: 1}}, Except: []plan.InputGain{self("c"), {Leg: "b", Gain: 1}}},
		{Leg: "d"},
	}
	freqs := map[plan.LegID]float64{"a": 400, "b": 800, "c": 1200}
	want := map[plan.LegID]map[plan.LegID]float64{"a": {}, "b": {"a": 1, "c": 2}, "c": {"a": 0.125, "b": 1}, "d": {}, "e": {}}
	ins, ears := map[plan.LegID]*Input{}, map[plan.LegID]*ear{}
	for leg := range want {
		ears[leg] = &ear{}
		m.AddOutput(leg, Encoding{Audio: l16(8000, nil)}, ears[leg])
		if freqs[leg] > 0 {
			ins[leg] = m.AddInput(leg)
		}
	}
	m.Apply(inputs, rows)
	for tick := range 50 {
		for leg, in := range ins {
			in.Set(tone(160, 160*tick, 8000, freqs[leg], 3000), 8000, 255)
		}
		m.Step()
	}
	for leg, hears := range want {
		for other, f := range freqs {
			got := level(ears[leg].pcm, f, 8000)
			w := 20 * math.Log10(3000/math.Sqrt2/32768*hears[other]+1e-12)
			if hears[other] == 0 && got > -85 || hears[other] > 0 && math.Abs(got-w) > 0.1 {
				t.Errorf("%s hears %s at %.1f dBov, want %.1f", leg, other, got, w)
			}
		}
	}
}

func TestContributors(t *testing.T) {
	r := newRoom(8000, 20, 1, func(int) Encoding { return Encoding{Audio: l16(8000, nil)} })
	for tick := range 3 {
		for i, in := range r.inputs {
			in.Set(tone(160, 160*tick, 8000, 500, 1000+100*float64(i)), 8000, 255)
		}
		r.m.Step()
	}
	p := r.ears[20].last
	if len(p.CSRC) != maxCSRC || len(p.Levels) != maxCSRC {
		t.Fatalf("%d contributors with %d levels, want %d", len(p.CSRC), len(p.Levels), maxCSRC)
	}
	if !slices.IsSorted(p.Levels) || p.CSRC[0] < 17 {
		t.Errorf("loudest first: %v at %v", p.CSRC, p.Levels)
	}
	if slices.Contains(r.ears[19].last.CSRC, 19) {
		t.Error("a talker contributes to what it hears itself")
	}
}

func TestPTime(t *testing.T) {
	for _, tt := range []struct {
		ptime   time.Duration
		packets int // in a second
		samples int
	}{{10, 100, 80}, {20, 50, 160}, {30, 50, 160}, {40, 25, 320}, {60, 16, 480}, {0, 50, 160}} {
		format := l16(8000, nil)
		r := newRoom(8000, 1, 1, func(int) Encoding { return Encoding{Audio: format, PTime: tt.ptime * time.Millisecond} })
		r.step(50, 5000)
		e := r.ears[1]
		if e.packets != tt.packets || len(e.last.Payload) != 2*tt.samples {
			t.Errorf("ptime %d: %d packets of %d samples, want %d of %d", tt.ptime, e.packets, len(e.last.Payload)/2, tt.packets, tt.samples)
		}
		for i := 2 * tt.samples; i < len(e.pcm); i++ { // the first packet may begin with silence
			want := tone(1, i-len(e.pcm)+e.packets*tt.samples, 8000, 440, 5000)[0]
			if tt.ptime != 60 && e.pcm[i] != want {
				t.Fatalf("ptime %d: sample %d is %d, want %d", tt.ptime, i, e.pcm[i], want)
			}
		}
	}
}

// A listener who begins to talk is put into a class of its own in the middle of a 60 ms packet: it hears the others
// without a gap.
func TestClassChangeInsideAPacket(t *testing.T) {
	format := l16(8000, nil)
	r := newRoom(8000, 2, 0, func(int) Encoding { return Encoding{Audio: format, PTime: 60 * time.Millisecond} })
	for tick := range 60 {
		r.inputs[0].Set(tone(160, 160*tick, 8000, 440, 5000), 8000, 255)
		if tick >= 31 {
			r.inputs[1].Set(tone(160, 160*tick, 8000, 880, 5000), 8000, 255)
		}
		r.m.Step()
	}
	pcm := r.ears[1].pcm[480:]
	for i := range pcm[:len(pcm)-1] {
		if d := int(pcm[i+1]) - int(pcm[i]); d > 1800 || d < -1800 { // 5000·2π·440/8000 = 1728
			t.Fatalf("a step of %d at sample %d", d, i)
		}
	}
}

func TestBrokenEncoderHarmsNobodyElse(t *testing.T) {
	broken := l16(8000, nil)
	broken.Name = "broken"
	broken.NewEncoder = func(codec.AudioParams) (codec.AudioEncoder, error) { return nil, fmt.Errorf("no") }
	r := newRoom(8000, 1, 2, func(leg int) Encoding {
		if leg == 1 {
			return Encoding{Audio: broken}
		}
		return Encoding{Audio: l16(8000, nil)}
	})
	r.step(10, 5000)
	if r.ears[1].packets != 0 || r.ears[2].packets != 10 || r.m.Stats().Failures == 0 {
		t.Errorf("broken %d packets, other %d, stats %+v", r.ears[1].packets, r.ears[2].packets, r.m.Stats())
	}
}

type discard struct{}

func (discard) WritePacket(*Packet) {}

func BenchmarkTick(b *testing.B) {
	for _, listeners := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("3 talkers, %d listeners", listeners), func(b *testing.B) {
			format := l16(48000, nil)
			r := newRoom(48000, 3, listeners, func(int) Encoding { return Encoding{Audio: format} })
			for _, o := range r.m.outputs {
				o.sink = discard{}
			}
			r.step(10, 5000)
			b.ReportAllocs()
			for b.Loop() {
				r.m.Step()
			}
			if c := r.m.Stats().Classes; c != 4 {
				b.Errorf("%d classes, want 4", c)
			}
		})
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	format := l16(8000, nil)
	r := newRoom(48000, 3, 50, func(int) Encoding { return Encoding{Audio: format} })
	for _, o := range r.m.outputs {
		o.sink = discard{}
	}
	r.step(10, 5000)
	if n := testing.AllocsPerRun(300, r.m.Step); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}
