package mixer

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"tutti/codec"
	"tutti/codec/g711"
	"tutti/mixer/plan"
)

// phone is a far end: it sends a tone, and records what it is sent. It is a Wire.
type phone struct {
	id        plan.LegID
	format    codec.Audio
	frequency float64 // Hz; 0 is silence
	amplitude float64
	ssrc      uint32
	seq       uint16
	timestamp uint32
	ptime     time.Duration
	inlet     Inlet
	encoder   codec.AudioEncoder
	decoder   codec.AudioDecoder
	phase     int

	mu      sync.Mutex
	headers []rtp.Header
	sizes   []int
	heard   []int16
	reports []rtcp.Packet
	broken  bool
}

func newPhone(t *testing.T, id plan.LegID, frequency float64) *phone {
	t.Helper()
	return newPhoneWith(t, id, g711.PCMU(), frequency)
}

func newPhoneWith(t *testing.T, id plan.LegID, format codec.Audio, frequency float64) *phone {
	t.Helper()
	p := &phone{
		id: id, format: format, frequency: frequency, amplitude: 4000,
		ssrc: 0x1000 + uint32(id[0]), seq: 65500, timestamp: 0xffffff00, ptime: codec.DefaultPTime,
	}
	var err error
	if p.encoder, err = format.NewEncoder(codec.AudioParams{}); err != nil {
		t.Fatal(err)
	}
	if p.decoder, err = format.NewDecoder(codec.AudioParams{}); err != nil {
		t.Fatal(err)
	}
	return p
}

// stream is what the phone's adapter has agreed with it.
func (p *phone) stream() Stream {
	format := p.format
	return Stream{
		ID: "0", Kind: Audio, Wire: p,
		Receive: []Payload{
			{Type: format.PayloadType, Audio: &format, ClockRate: format.ClockRate},
			{Type: 101, Event: true, ClockRate: 8000},
			{Type: 13, ComfortNoise: true, ClockRate: 8000},
		},
		Send: &Encoding{SSRC: 0xB0000000 + uint32(p.id[0]), PayloadType: format.PayloadType, Audio: &format},
	}
}

// packet is the next one of the tone, and not yet sent.
func (p *phone) packet() []byte {
	n := int(p.ptime) * p.format.SampleRate / int(time.Second)
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.Round(p.amplitude * math.Sin(2*math.Pi*p.frequency*float64(p.phase+i)/float64(p.format.SampleRate))))
	}
	p.phase += n
	payload, err := p.encoder.Encode(nil, pcm)
	if err != nil {
		panic(err)
	}
	data := p.raw(p.format.PayloadType, payload, false)
	p.timestamp += uint32(int(p.ptime) * p.format.ClockRate / int(time.Second))
	return data
}

// raw is a packet with the phone's numbers; the timestamp stays.
func (p *phone) raw(payloadType uint8, payload []byte, marker bool) []byte {
	packet := rtp.Packet{
		Header: rtp.Header{
			Version: 2, PayloadType: payloadType, SequenceNumber: p.seq, Timestamp: p.timestamp, SSRC: p.ssrc, Marker: marker,
		},
		Payload: payload,
	}
	p.seq++
	data, err := packet.Marshal()
	if err != nil {
		panic(err)
	}
	return data
}

func (p *phone) send(data []byte) { p.inlet.ReceiveRTP(Packet{Data: data, At: time.Now()}) }

// talk sends one packet each ptime.
func (p *phone) talk(d time.Duration) {
	for range d / p.ptime {
		p.send(p.packet())
		time.Sleep(p.ptime)
	}
}

func (p *phone) WriteRTP(h *rtp.Header, payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken {
		return errors.New("broken")
	}
	if _, err := h.Marshal(); err != nil {
		return err
	}
	head := h.Clone()
	p.headers = append(p.headers, head)
	p.sizes = append(p.sizes, len(payload))
	pcm := make([]int16, 5760)
	n, err := p.decoder.Decode(pcm, payload)
	if err != nil {
		return err
	}
	p.heard = append(p.heard, pcm[:n]...)
	return nil
}

func (p *phone) WriteRTCP(data []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken {
		return errors.New("broken")
	}
	packets, err := rtcp.Unmarshal(data)
	if err != nil {
		return err
	}
	p.reports = append(p.reports, packets...)
	return nil
}

// packets are the headers of all that came.
func (p *phone) packets() []rtp.Header {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]rtp.Header(nil), p.headers...)
}

// rtcp are the packets of all compound packets that came.
func (p *phone) rtcp() []rtcp.Packet {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]rtcp.Packet(nil), p.reports...)
}

// recording is what was heard in the last so many milliseconds.
func (p *phone) recording(last time.Duration) []int16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.heard), int(last)*p.format.SampleRate/int(time.Second))
	return append([]int16(nil), p.heard[len(p.heard)-n:]...)
}

// toneLevel is the power of one frequency in dBov, under a Hann window.
func toneLevel(pcm []int16, frequency, rate float64) float64 {
	var re, im, weight float64
	for i, s := range pcm {
		w := 1 - math.Cos(2*math.Pi*(float64(i)+0.5)/float64(len(pcm)))
		sin, cos := math.Sincos(2 * math.Pi * frequency * float64(i) / rate)
		re += w * float64(s) * cos
		im += w * float64(s) * sin
		weight += w
	}
	a := 2 * math.Hypot(re, im) / weight
	return 10 * math.Log10(a*a/2/(32768*32768)+1e-12)
}

// everybody is the plan in which all legs hear each other and not themselves.
func everybody(phones ...*phone) *plan.Plan {
	p := &plan.Plan{}
	for _, ph := range phones {
		p.Inputs = append(p.Inputs, plan.Input{Leg: ph.id, Bus: plan.Main, Gain: 1})
		p.Rows = append(p.Rows, plan.Row{
			Leg: ph.id, Hear: []plan.BusGain{{Bus: plan.Main, Gain: 1}}, Except: []plan.InputGain{{Leg: ph.id}},
		})
	}
	return p
}

// eventList is Events.
type eventList struct {
	mu  sync.Mutex
	all []Event
}

func (e *eventList) Report(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *eventList) list() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Event(nil), e.all...)
}

var errEnded = errors.New("ended")

// conference runs a mixer with the phones attached, until the test ends. To be called in a bubble.
func conference(t *testing.T, cfg Config, phones ...*phone) (m *Mixer, end func()) {
	t.Helper()
	m = New(cfg)
	for _, p := range phones {
		attach(t, m, p, p.stream())
	}
	m.Apply(everybody(phones...))
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	return m, func() {
		cancel(errEnded)
		if err := <-done; !errors.Is(err, errEnded) {
			t.Errorf("Run() = %v, want %v", err, errEnded)
		}
	}
}

func attach(t *testing.T, m *Mixer, p *phone, s Stream) {
	t.Helper()
	inlets, err := m.Attach(p.id, []Stream{s})
	if err != nil {
		t.Fatal(err)
	}
	p.inlet = inlets[0]
}

// talkAll lets all phones talk at once.
func talkAll(d time.Duration, phones ...*phone) {
	var wg sync.WaitGroup
	for _, p := range phones {
		wg.Go(func() { p.talk(d) })
	}
	wg.Wait()
}
