package mixer

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"tutti/codec/g711"
	"tutti/codec/opus"
	"tutti/codec/telephone"
	"tutti/mixer/plan"
)

// wantTone is the level at which a phone's tone arrives on a linear path, dBov.
func wantTone(p *phone) float64 { return 20 * math.Log10(p.amplitude/math.Sqrt2/32768) }

// hears fails the test unless p heard q in the last so many milliseconds, within tolerance dB.
func hears(t *testing.T, p, q *phone, last time.Duration, tolerance float64) {
	t.Helper()
	got := toneLevel(p.recording(last), q.frequency, float64(p.format.SampleRate))
	if want := wantTone(q); math.Abs(got-want) > tolerance {
		t.Errorf("%s hears %s at %.1f dBov, want %.1f", p.id, q.id, got, want)
	}
}

func hearsNot(t *testing.T, p, q *phone, last time.Duration) {
	t.Helper()
	got := toneLevel(p.recording(last), q.frequency, float64(p.format.SampleRate))
	if got > -65 {
		t.Errorf("%s hears %s at %.1f dBov, want silence", p.id, q.id, got)
	}
}

func TestFormatsMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhoneWith(t, "a", g711.PCMA(), 440), newPhoneWith(t, "b", opus.Opus(), 880)
		c := newPhone(t, "c", 1320)
		m, end := conference(t, Config{}, a, b, c)
		talkAll(3*time.Second, a, b, c)
		for _, p := range []*phone{a, b, c} {
			for _, q := range []*phone{a, b, c} {
				if p != q {
					hears(t, p, q, time.Second, 1)
				}
			}
		}
		if audio, video := m.Encodings(); len(audio) != 3 || len(video) != 0 {
			t.Errorf("Encodings() = %v, %v", audio, video)
		}
		end()
	})
}

func TestFiftyPacketsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 440), newPhone(t, "b", 880)
		m, end := conference(t, Config{}, a, b)
		time.Sleep(time.Second - time.Millisecond)
		synctest.Wait()
		if n := len(a.packets()); n != 50 {
			t.Fatalf("%d packets in 1 s, want 50", n)
		}
		for i, h := range a.packets() {
			first := a.packets()[0]
			if h.SequenceNumber != first.SequenceNumber+uint16(i) || h.Timestamp != first.Timestamp+uint32(160*i) ||
				h.Marker != (i == 0) || h.SSRC != a.stream().Send.SSRC || h.PayloadType != 0 || a.sizes[i] != 160 {
				t.Fatalf("packet %d: %+v", i, h)
			}
		}
		if s := m.Stats(); s.Ticks != 50 || s.Late != 0 || s.Skipped != 0 || s.AudioClasses != 1 {
			t.Errorf("%+v", s)
		}
		end()
		n := len(a.packets())
		time.Sleep(time.Second)
		if len(a.packets()) != n {
			t.Error("a packet after Run returned")
		}
	})
}

func TestContributorsAndLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := newPhone(t, "a", 440), newPhone(t, "b", 880), newPhone(t, "c", 0)
		a.amplitude, b.amplitude = 1000, 8000
		m, end := conference(t, Config{}, a, b, c)
		s := c.stream()
		s.MixerLevels = 5
		attach(t, m, c, s)
		talkAll(time.Second, a, b, c)
		h := c.packets()[len(c.packets())-2]
		if !slices.Equal(h.CSRC, []uint32{b.ssrc, a.ssrc}) {
			t.Errorf("CSRC %x, want %x then %x", h.CSRC, b.ssrc, a.ssrc)
		}
		// −15 and −33 dBov: 20·log10(8000/√2/32768) = −15.3
		if got := h.GetExtension(5); !slices.Equal(got, []byte{15, 33}) {
			t.Errorf("levels %v, want 15 and 33", got)
		}
		if h := a.packets()[len(a.packets())-2]; !slices.Equal(h.CSRC, []uint32{b.ssrc}) || h.Extension {
			t.Errorf("a is sent %+v", h)
		}
		end()
	})
}

func TestBadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 440), newPhone(t, "b", 0)
		m, end := conference(t, Config{}, a, b)
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 500 {
			data := a.packet()
			copies := 1
			switch x := rnd.Float64(); {
			case x < 0.03:
				copies = 0
			case x < 0.06:
				copies = 2
			}
			for range copies {
				time.AfterFunc(time.Duration(rnd.IntN(50))*time.Millisecond, func() { a.send(data) })
			}
			time.Sleep(20 * time.Millisecond)
		}
		hears(t, b, a, 5*time.Second, 1)
		st := m.Stats().Legs[0].Streams[0].Received
		if st.Packets < 400 || st.Jitter < 5*time.Millisecond || st.Buffer.Duplicate+st.Buffer.Late == 0 || st.Buffer.Lost == 0 {
			t.Errorf("%+v", st)
		}
		time.Sleep(100 * time.Millisecond)
		end()
	})
}

func TestSSRCChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 440), newPhone(t, "b", 0)
		m, end := conference(t, Config{}, a, b)
		a.talk(time.Second)
		a.ssrc, a.seq, a.timestamp = 77, 12345, 999
		a.talk(time.Second)
		hears(t, b, a, 900*time.Millisecond, 0.5)
		if got := m.Stats().Legs[0].Streams[0].Received.SSRC; got != 77 {
			t.Errorf("SSRC %d, want 77", got)
		}
		// A single stray packet of somebody else changes nothing.
		a.ssrc = 78
		stray := a.packet()
		a.ssrc = 77
		a.seq--
		a.send(stray)
		a.talk(200 * time.Millisecond)
		if got := m.Stats().Legs[0].Streams[0].Received.SSRC; got != 77 {
			t.Errorf("SSRC %d after a stray packet, want 77", got)
		}
		end()
	})
}

func TestOwnPacketsComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 440), newPhone(t, "b", 0)
		m, end := conference(t, Config{}, a, b)
		time.Sleep(50 * time.Millisecond)
		a.ssrc = b.stream().Send.SSRC
		a.talk(time.Second)
		hearsNot(t, b, a, 500*time.Millisecond)
		if got := m.Stats().Legs[0].Streams[0].Received.Loops; got != 50 {
			t.Errorf("%d loops counted, want 50", got)
		}
		end()
	})
}

func TestHoldAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 440), newPhone(t, "b", 880)
		events := &eventList{}
		m, end := conference(t, Config{Events: events, Silence: 2 * time.Second}, a, b)
		talkAll(time.Second, a, b)
		held := a.stream()
		held.Send, held.Receive = nil, nil
		inlet := a.inlet
		attach(t, m, a, held)
		if a.inlet != inlet {
			t.Error("the inlet changed")
		}
		time.Sleep(20 * time.Millisecond)
		n, last := len(a.packets()), a.packets()[len(a.packets())-1]
		talkAll(5*time.Second, a, b)
		if len(a.packets()) != n {
			t.Errorf("%d packets to a leg on hold", len(a.packets())-n)
		}
		hearsNot(t, b, a, 500*time.Millisecond)
		attach(t, m, a, a.stream())
		talkAll(time.Second, a, b)
		hears(t, b, a, 800*time.Millisecond, 0.5)
		hears(t, a, b, 800*time.Millisecond, 0.5)
		first := a.packets()[n]
		if first.SequenceNumber != last.SequenceNumber+1 || !first.Marker {
			t.Errorf("after the hold %+v follows %+v", first, last)
		}
		for _, e := range events.list() {
			if q, ok := e.(Quiet); ok {
				t.Errorf("%+v", q)
			}
		}
		end()
	})
}

func TestNewFormatAfterReinvite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 440), newPhone(t, "b", 880)
		m, end := conference(t, Config{}, a, b)
		talkAll(time.Second, a, b)
		wide := newPhoneWith(t, "a", opus.Opus(), 440)
		wide.ssrc, wide.seq = a.ssrc, a.seq
		attach(t, m, wide, wide.stream())
		talkAll(time.Second, wide, b)
		hears(t, b, wide, 700*time.Millisecond, 1)
		hears(t, wide, b, 700*time.Millisecond, 1)
		end()
	})
}

func TestKeys(t *testing.T) {
	press := func(p *phone, key rune, packets int) {
		code, _ := telephone.Code(key)
		for i := range packets {
			e := telephone.Event{Code: code, End: i >= packets-3, Volume: 10, Duration: uint16(160 * (i + 1))}
			p.send(p.raw(101, e.Append(nil), i == 0))
			time.Sleep(20 * time.Millisecond)
		}
		p.timestamp += uint32(160 * packets)
	}
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 0), newPhone(t, "b", 0)
		events := &eventList{}
		_, end := conference(t, Config{Events: events}, a, b)
		a.talk(time.Second)
		for _, key := range "1199*#D" {
			press(a, key, 8)
			a.talk(100 * time.Millisecond)
		}
		var got []rune
		for _, e := range events.list() {
			if d, ok := e.(Digit); ok && d.Leg == "a" {
				got = append(got, d.Key)
			}
		}
		if string(got) != "1199*#D" {
			t.Errorf("keys %q", string(got))
		}
		if p := slices.Max(b.recording(time.Second)); p > 100 {
			t.Errorf("keys are heard: %d", p)
		}
		end()
	})
}

func TestWhoSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 440), newPhone(t, "b", 0)
		events := &eventList{}
		m, end := conference(t, Config{Events: events}, a, b)
		talkAll(100*time.Millisecond, a, b)
		synctest.Wait()
		if got := events.list(); !slices.Equal(got, []Event{Speaking{"a", true}}) {
			t.Fatalf("after 100 ms: %v", got)
		}
		if !m.Stats().Legs[0].Speaking {
			t.Error("the statistics do not know")
		}
		a.frequency = 0
		talkAll(600*time.Millisecond, a, b)
		if got := events.list(); len(got) != 1 {
			t.Fatalf("within a pause: %v", got)
		}
		talkAll(600*time.Millisecond, a, b)
		if got := events.list(); !slices.Equal(got, []Event{Speaking{"a", true}, Speaking{"a", false}}) {
			t.Fatalf("after a pause: %v", got)
		}
		a.frequency = 440
		p := everybody(a, b)
		p.Inputs[0].Gain = 0
		m.Apply(p)
		talkAll(time.Second, a, b)
		if got := events.list(); len(got) != 2 {
			t.Errorf("a muted leg speaks: %v", got)
		}
		hearsNot(t, b, a, 500*time.Millisecond)
		end()
	})
}

func TestLevelsOfPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 440), newPhone(t, "b", 0)
		m, end := conference(t, Config{}, a, b)
		s := a.stream()
		s.AudioLevel = 3
		attach(t, m, a, s)
		send := func(level byte, n int) {
			for range n {
				var p rtp.Packet
				if err := p.Unmarshal(a.packet()); err != nil {
					t.Fatal(err)
				}
				if err := p.SetExtension(3, []byte{level}); err != nil {
					t.Fatal(err)
				}
				data, _ := p.Marshal()
				a.send(data)
				time.Sleep(20 * time.Millisecond)
			}
		}
		send(127, 50) // a lie, so that we see that it is believed
		hearsNot(t, b, a, 500*time.Millisecond)
		send(0x80|18, 50)
		hears(t, b, a, 800*time.Millisecond, 0.5)
		end()
	})
}

func TestQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 440), newPhone(t, "b", 0)
		events := &eventList{}
		_, end := conference(t, Config{Events: events, Silence: 3 * time.Second}, a, b)
		for range 2 {
			talkAll(2*time.Second, a, b)
			b.talk(10 * time.Second) // a is gone
		}
		var quiet []Quiet
		for _, e := range events.list() {
			if q, ok := e.(Quiet); ok {
				quiet = append(quiet, q)
			}
		}
		if len(quiet) != 2 || quiet[0].Leg != "a" || quiet[0].Stream != "0" || quiet[0].For < 3*time.Second || quiet[0].For > 4*time.Second {
			t.Errorf("%+v, want two of a, each once", quiet)
		}
		end()
	})
}

func TestBrokenWireHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := newPhone(t, "a", 440), newPhone(t, "b", 880), newPhone(t, "c", 0)
		b.broken = true
		m, end := conference(t, Config{}, a, b, c)
		talkAll(2*time.Second, a, b, c)
		hears(t, c, a, time.Second, 0.5)
		hears(t, c, b, time.Second, 0.5)
		if got := m.Stats().Legs[1].Streams[0].Sent.Errors; got < 90 {
			t.Errorf("%d errors counted", got)
		}
		end()
	})
}

func TestLegWithoutRowHearsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := newPhone(t, "a", 440), newPhone(t, "b", 880), newPhone(t, "c", 0)
		m, end := conference(t, Config{}, a, b, c)
		m.Apply(everybody(a, b))
		talkAll(time.Second, a, b, c)
		hearsNot(t, c, a, 500*time.Millisecond)
		if n := len(c.packets()); n < 49 {
			t.Errorf("%d packets of silence, want 50", n)
		}
		end()
	})
}

func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 440), newPhone(t, "b", 880)
		m, end := conference(t, Config{CNAME: "here"}, a, b)
		start := time.Now()
		go talkAll(20*time.Second, a, b)
		// The far end answers each SR: it held it for 100 ms, and 50 ms are on the way.
		var sr *rtcp.SenderReport
		for sr == nil {
			time.Sleep(10 * time.Millisecond)
			sr = find1[*rtcp.SenderReport](a)
		}
		answer := &rtcp.ReceiverReport{SSRC: a.ssrc, Reports: []rtcp.ReceptionReport{{
			SSRC: sr.SSRC, FractionLost: 5, TotalLost: 0xfffffe, Jitter: 80,
			LastSenderReport: uint32(sr.NTPTime >> 16), Delay: 65536 / 10,
		}}}
		sent := time.Now().Add(-10 * time.Millisecond) // at the latest
		time.Sleep(150*time.Millisecond - time.Since(sent))
		data, _ := answer.Marshal()
		a.inlet.ReceiveRTCP(Packet{Data: data, At: time.Now()})
		st := m.Stats().Legs[0].Streams[0].Sent
		if st.RTT < 35*time.Millisecond || st.RTT > 65*time.Millisecond || st.Lost != -2 || st.Jitter != 10*time.Millisecond {
			t.Errorf("%+v, want 50 ms, −2, 10 ms", st)
		}
		time.Sleep(time.Until(start.Add(21 * time.Second)))
		var reports, names int
		for _, p := range a.rtcp() {
			switch p := p.(type) {
			case *rtcp.SenderReport:
				reports++
				if p.SSRC != a.stream().Send.SSRC || p.PacketCount == 0 || p.OctetCount != 160*p.PacketCount {
					t.Errorf("%+v", p)
				}
				if len(p.Reports) == 1 && (p.Reports[0].SSRC != a.ssrc || p.Reports[0].TotalLost != 0) {
					t.Errorf("%+v", p.Reports)
				}
			case *rtcp.SourceDescription:
				names++
				if c := p.Chunks[0]; c.Source != a.stream().Send.SSRC || c.Items[0].Text != "here" {
					t.Errorf("%+v", p)
				}
			case *rtcp.Goodbye:
				t.Error("a BYE before the end")
			}
		}
		if reports < 3 || reports > 9 || names != reports {
			t.Errorf("%d reports and %d names in 20 s", reports, names)
		}
		m.Detach("a")
		time.Sleep(40 * time.Millisecond)
		n := len(a.packets())
		if find1[*rtcp.Goodbye](a) == nil || find1[*rtcp.Goodbye](b) != nil {
			t.Error("the leg that left is to hear BYE, and nobody else")
		}
		a.talk(time.Second)
		if len(a.packets()) != n {
			t.Error("a packet after the BYE")
		}
		end()
		if find1[*rtcp.Goodbye](b) == nil {
			t.Error("no BYE at the end")
		}
	})
}

// find1 is the first report of a type that p got.
func find1[T rtcp.Packet](p *phone) (found T) {
	for _, r := range p.rtcp() {
		if x, ok := r.(T); ok {
			return x
		}
	}
	return found
}

// The clock of the sender report fits the packets: 1 s of NTP is 8000 ticks.
func TestReportsMapTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newPhone(t, "a", 440)
		_, end := conference(t, Config{}, a)
		start := time.Now()
		a.talk(20 * time.Second)
		first := a.packets()[0].Timestamp
		for _, p := range a.rtcp() {
			sr, ok := p.(*rtcp.SenderReport)
			if !ok {
				continue
			}
			seconds := float64(sr.NTPTime-ntp(start)) / (1 << 32)
			if off := float64(sr.RTPTime-first) - 8000*seconds; math.Abs(off) > 1 {
				t.Errorf("SR is off by %.1f ticks", off)
			}
		}
		end()
	})
}

func ntp(t time.Time) uint64 {
	return uint64(t.Unix()+2208988800)<<32 | uint64(t.Nanosecond())<<32/1e9
}

func TestAttachRefuses(t *testing.T) {
	a := newPhone(t, "a", 0)
	good := a.stream()
	noWire, noKind, noFormat := good, good, good
	noWire.Wire, noKind.Kind, noFormat.Send = nil, 0, &Encoding{}
	tests := map[string][]Stream{
		"no wire":   {noWire},
		"no kind":   {noKind},
		"no format": {noFormat},
		"twice":     {good, good},
		"too many":  make([]Stream, maxStreams+1),
	}
	for name, streams := range tests {
		m := New(Config{})
		if _, err := m.Attach("a", streams); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if n := len(m.Stats().Legs); n != 0 {
			t.Errorf("%s: leaves %d legs behind", name, n)
		}
	}
}

// Nothing that a far end sends panics, and what it makes us keep is bounded.
func FuzzInlet(f *testing.F) {
	a := phone{ssrc: 5, seq: 65534}
	a.format = g711.PCMU()
	good := a.raw(0, make([]byte, 160), false)
	f.Add(good, false)
	f.Add(append(good, a.raw(101, []byte{1, 0, 0, 0}, true)...), false)
	sr, _ := (&rtcp.SenderReport{SSRC: 5, Reports: []rtcp.ReceptionReport{{SSRC: 6}}}).Marshal()
	fir, _ := (&rtcp.FullIntraRequest{SenderSSRC: 5, FIR: []rtcp.FIREntry{{SSRC: 6, SequenceNumber: 1}}}).Marshal()
	bye, _ := (&rtcp.Goodbye{Sources: []uint32{5}}).Marshal()
	f.Add(slices.Concat(sr, fir, bye), true)
	wire := &phone{id: "a", format: g711.PCMU(), broken: true}
	f.Fuzz(func(t *testing.T, data []byte, isRTCP bool) {
		m := New(Config{})
		s := wire.stream()
		s.AudioLevel = 1
		inlets, err := m.Attach("a", []Stream{s})
		if err != nil {
			t.Fatal(err)
		}
		m.Apply(&plan.Plan{Inputs: []plan.Input{{Leg: "a", Bus: plan.Main, Gain: 1}}})
		now := time.Unix(1000, 0)
		m.step(now)
		for i := range 4 { // the same again and again, with numbers that go on
			p := Packet{Data: slices.Clone(data), At: now.Add(time.Duration(i) * 20 * time.Millisecond), RID: string(data[:min(len(data), 2)])}
			if len(data) > 3 && !isRTCP {
				p.Data[3] += byte(i)
			}
			if isRTCP {
				inlets[0].ReceiveRTCP(p)
			} else {
				inlets[0].ReceiveRTP(p)
			}
			m.step(p.At)
		}
		in := inlets[0].(*stream)
		if len(in.layers) > maxLayers || len(in.digits) > maxDigits || len(in.far.firSeq) > maxFIRSenders {
			t.Error("more is kept than there is room for")
		}
		m.Detach("a")
		m.step(now)
	})
}
