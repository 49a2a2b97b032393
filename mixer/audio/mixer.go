package audio

import (
	"math"
	"slices"

	"tutti/mixer/plan"
)

// Mixer is the gain matrix. It belongs to one goroutine.
type Mixer struct {
	members   map[plan.LegID]*member
	hearings  []*hearing
	encodings map[encodingKey]*encoding
	inputs    []*Input
	outputs   []*Output
	classes   map[classKey]*class

	tick     uint64
	sounding []*Input
	active   []*class
	except   []exception // of the output at hand
	silence  *hearing    // of outputs without a row
	ids      uint64
	stats    Stats
}

// Stats says what the mixer does.
type Stats struct {
	Classes  int    // that had a listener in the last step
	Sounding int    // inputs that sounded in it
	Encodes  uint64 // in all
	Failures uint64 // encodings that failed, in all
}

// hearing is a list of buses with gains that rows have in common, and what it makes of the sounding inputs.
type hearing struct {
	buses []plan.BusGain
	gains []float32 // by place among the sounding inputs; of this tick
	tick  uint64
}

// New returns a mixer in which nobody hears anybody.
func New() *Mixer {
	return &Mixer{
		members:   map[plan.LegID]*member{},
		encodings: map[encodingKey]*encoding{},
		classes:   map[classKey]*class{},
		silence:   &hearing{},
	}
}

// Stats is about the last step.
func (m *Mixer) Stats() Stats { return m.stats }

func (m *Mixer) member(leg plan.LegID) *member {
	who := m.members[leg]
	if who == nil {
		m.ids++
		who = &member{leg: leg, id: m.ids}
		m.members[leg] = who
	}
	return who
}

// named is the member of a leg that the plan names.
func (m *Mixer) named(leg plan.LegID) *member {
	who := m.member(leg)
	who.named = true
	return who
}

// Apply takes the inputs and rows that are in force from the next step on.
func (m *Mixer) Apply(inputs []plan.Input, rows []plan.Row) {
	for _, who := range m.members {
		who.buses, who.except, who.hears, who.whisper, who.named = nil, nil, nil, false, false
	}
	for _, in := range inputs {
		if in.Gain != 0 {
			who := m.named(in.Leg)
			who.buses = append(who.buses, busGain{in.Bus, in.Gain})
		}
	}
	old := m.hearings
	m.hearings = nil
	for _, r := range rows {
		who := m.named(r.Leg)
		who.hears = m.hearing(r.Hear, old)
		for _, e := range r.Except {
			x := m.named(e.Leg)
			who.except = append(who.except, exception{x, e.Gain})
			x.whisper = x.whisper || e.Gain != 0
		}
	}
	for leg, who := range m.members {
		if who.inputs+who.outputs == 0 && !who.named {
			delete(m.members, leg)
		}
	}
}

// hearing finds the one that equals buses, so that rows that say the same are the same.
func (m *Mixer) hearing(buses []plan.BusGain, old []*hearing) *hearing {
	equal := func(h *hearing) bool { return slices.Equal(h.buses, buses) }
	if i := slices.IndexFunc(m.hearings, equal); i >= 0 {
		return m.hearings[i]
	}
	h := &hearing{buses: buses}
	if i := slices.IndexFunc(old, equal); i >= 0 {
		h = old[i]
	}
	m.hearings = append(m.hearings, h)
	return h
}

// AddInput makes an input of leg, silent until Set.
func (m *Mixer) AddInput(leg plan.LegID) *Input {
	in := &Input{member: m.member(leg), level: Silence, below: soundOff}
	in.inputs++
	m.inputs = append(m.inputs, in)
	return in
}

// RemoveInput forgets in.
func (m *Mixer) RemoveInput(in *Input) {
	if i := slices.Index(m.inputs, in); i >= 0 {
		in.inputs--
		m.inputs = slices.Delete(m.inputs, i, i+1)
	}
}

// AddOutput makes an output of leg. It takes part from the next step on.
func (m *Mixer) AddOutput(leg plan.LegID, e Encoding, sink Sink) *Output {
	key := keyOf(e)
	shared := m.encodings[key]
	if shared == nil {
		shared = &encoding{key: key, params: e.params(), audio: e.Audio}
		m.encodings[key] = shared
	}
	shared.users++
	o := &Output{member: m.member(leg), sink: sink, encoding: shared}
	o.outputs++
	m.outputs = append(m.outputs, o)
	return o
}

// RemoveOutput forgets o.
func (m *Mixer) RemoveOutput(o *Output) {
	i := slices.Index(m.outputs, o)
	if i < 0 {
		return
	}
	o.outputs--
	m.outputs = slices.Delete(m.outputs, i, i+1)
	if o.encoding.users--; o.encoding.users == 0 {
		delete(m.encodings, o.encoding.key)
	}
}

// Step mixes one tick and gives the packets that are complete to their sinks.
func (m *Mixer) Step() {
	m.tick++
	m.listen()
	m.group()
	for _, c := range m.active {
		c.mix(m.sounding, m.gains(c.key.hears), m.tick)
		encodes, err := c.send(m.tick)
		m.stats.Encodes += uint64(encodes)
		if err != nil {
			m.stats.Failures++
		}
	}
	m.stats.Classes, m.stats.Sounding = len(m.active), len(m.sounding)
	m.expire()
}

// listen finds the inputs that sound.
func (m *Mixer) listen() {
	m.sounding = m.sounding[:0]
	for _, in := range m.inputs {
		in.listen()
		if in.sounding && in.Heard() {
			in.member.sounded = m.tick
			m.sounding = append(m.sounding, in)
		}
	}
}

// gains are what h gives to the sounding inputs.
func (m *Mixer) gains(h *hearing) []float32 {
	if h.tick == m.tick {
		return h.gains
	}
	h.tick, h.gains = m.tick, h.gains[:0]
	for _, in := range m.sounding {
		h.gains = append(h.gains, h.gain(in.member))
	}
	return h.gains
}

func (h *hearing) gain(who *member) float32 {
	var g float32
	for _, b := range who.buses {
		for _, hear := range h.buses {
			if hear.Bus == b.bus {
				g += hear.Gain * b.gain
			}
		}
	}
	return g
}

// group puts each output into its class.
func (m *Mixer) group() {
	m.active = m.active[:0]
	for _, o := range m.outputs {
		c := m.classOf(o)
		if c.tick != m.tick {
			if c.tick+1 != m.tick { // what it gathered is not of this packet
				c.pcm = c.pcm[:0]
				c.adopt(o.class)
			}
			c.tick = m.tick
			c.members = c.members[:0]
			m.active = append(m.active, c)
		}
		c.members = append(c.members, o)
		o.class = c
	}
}

// classOf finds the class of an output by the exceptions that are in force for it.
func (m *Mixer) classOf(o *Output) *class {
	h := o.hears
	if h == nil {
		h = m.silence
	}
	m.except = m.except[:0]
	hash := uint64(fnvOffset)
	for _, e := range o.member.except {
		if e.who.recent(m.tick) && h.gain(e.who) != e.gain {
			m.except = append(m.except, e)
			hash = (hash ^ e.who.id) * fnvPrime
			hash = (hash ^ uint64(math.Float32bits(e.gain))) * fnvPrime
		}
	}
	key := classKey{h, o.encoding, hash}
	if o.class != nil && o.class.key == key {
		return o.class
	}
	c := m.classes[key]
	if c == nil {
		c = newClass(key, m.except)
		m.classes[key] = c
	}
	return c
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// forget lets go of what a slice held before.
func forget[T any](s []T) { clear(s[len(s):cap(s)]) }

// expire forgets the classes that nobody has listened to for a while.
func (m *Mixer) expire() {
	if m.tick%recentTicks != 0 {
		return
	}
	for key, c := range m.classes {
		if m.tick-c.tick > recentTicks {
			delete(m.classes, key)
		}
		forget(c.members)
	}
	forget(m.active)
	forget(m.sounding)
}
