package audio

import (
	"cmp"
	"slices"
	"time"

	"tutti/codec"
)

const maxCSRC = 15 // RFC 3550 §5.1: the count has four bits

// classKey names a class: which buses it hears, with which exceptions, in which encoding.
type classKey struct {
	hears    *hearing
	encoding *encoding
	except   uint64 // hash of the exceptions in force
}

// class is a set of outputs that are sent the same bytes.
type class struct {
	key      classKey
	encoder  codec.AudioEncoder
	err      error // of making it
	limiter  limiter
	except   []exception
	members  []*Output
	tick     uint64 // in which it last had members
	sum      []int32
	pcm      []int16 // the sound of the ticks of one packet
	payload  []byte
	packet   Packet
	loudness []heard
}

type heard struct {
	ssrc  uint32
	level uint8 // −dBov
	rank  float32
}

func newClass(key classKey, except []exception) *class {
	e := key.encoding
	c := &class{key: key, except: slices.Clone(except)}
	c.encoder, c.err = e.audio.NewEncoder(e.params)
	n := e.audio.SampleRate / int(time.Second/Tick)
	c.sum = make([]int32, n)
	c.pcm = make([]int16, 0, n*max(1, int(e.params.PTime/Tick)))
	return c
}

// adopt goes on where another class of an output was, so that the output hears no gap and no click: it takes over the
// part of a packet that is gathered, and the state of the encoder.
func (c *class) adopt(from *class) {
	if from == nil || from == c || from.key.encoding != c.key.encoding || c.err != nil || from.err != nil {
		return
	}
	c.pcm = append(c.pcm[:0], from.pcm...)
	c.limiter = from.limiter
	if e, ok := from.encoder.(codec.Cloner); ok {
		if clone, err := e.Clone(); err == nil { // else the encoder that is there does, with a click
			c.encoder = clone
		}
	}
}

// mix adds one tick of sound to c.pcm, and lists who is in it.
func (c *class) mix(sounding []*Input, gains []float32, tick uint64) {
	rate := c.key.encoding.audio.SampleRate
	clear(c.sum)
	c.loudness = c.loudness[:0]
	for i, in := range sounding {
		g := c.gain(in.member, gains[i])
		if g == 0 {
			continue
		}
		add(c.sum, in.sound(rate, tick), g)
		c.loudness = append(c.loudness, heard{in.SSRC, in.level, g * g * in.power})
	}
	n := len(c.pcm)
	if n+len(c.sum) > cap(c.pcm) { // cannot be: it is emptied each time that it is full
		n = 0
	}
	c.pcm = c.pcm[:n+len(c.sum)]
	c.limiter.apply(c.pcm[n:], c.sum)
}

// gain is that of the row, with its exceptions.
func (c *class) gain(who *member, base float32) float32 {
	for _, e := range c.except {
		if e.who == who {
			return e.gain
		}
	}
	return base
}

// add adds pcm × gain to sum, in 32 bits: 65536 inputs at full scale fit.
func add(sum []int32, pcm []int16, gain float32) {
	n := min(len(sum), len(pcm))
	sum, pcm = sum[:n], pcm[:n]
	if gain == 1 {
		for i, s := range pcm {
			sum[i] += int32(s)
		}
		return
	}
	const one = 1 << 12
	q := int32(min(max(gain, -maxGain), maxGain) * one)
	for i, s := range pcm {
		sum[i] += (int32(s)*q + one/2) >> 12
	}
}

const maxGain = 15 // +23.5 dB; sixteen bits × it × 2^12 fit in 32

// send encodes what is gathered, when it is enough for a packet, and gives it to all members.
func (c *class) send(tick uint64) (encodes int, err error) {
	length := c.key.encoding.params.PTime
	ticks := uint64(max(1, length/Tick))
	if tick%ticks != 0 {
		return 0, nil
	}
	if c.err != nil {
		c.pcm = c.pcm[:0]
		return 0, c.err
	}
	c.contributors()
	frames := max(1, int(Tick/length))
	n := int(ticks) * len(c.sum) / frames
	c.pad(int(ticks) * len(c.sum))
	for i := range frames {
		c.payload, err = c.encoder.Encode(c.payload[:0], c.pcm[i*n:(i+1)*n])
		if err != nil || len(c.payload) == 0 {
			continue
		}
		encodes++
		c.packet.Payload = c.payload
		c.packet.Length = length
		c.packet.Offset = time.Duration(i)*length - time.Duration(ticks-1)*Tick
		for _, o := range c.members {
			o.sink.WritePacket(&c.packet)
		}
	}
	c.pcm = c.pcm[:0]
	return encodes, err
}

// pad puts silence before what a class that is younger than its packet has gathered.
func (c *class) pad(n int) {
	short := n - len(c.pcm)
	if short <= 0 {
		return
	}
	have := len(c.pcm)
	c.pcm = c.pcm[:n]
	copy(c.pcm[short:], c.pcm[:have])
	clear(c.pcm[:short])
}

// contributors lists who is audible, loudest first.
func (c *class) contributors() {
	slices.SortFunc(c.loudness, func(a, b heard) int { return cmp.Compare(b.rank, a.rank) })
	c.packet.CSRC, c.packet.Levels = c.packet.CSRC[:0], c.packet.Levels[:0]
	for _, h := range c.loudness[:min(len(c.loudness), maxCSRC)] {
		c.packet.CSRC = append(c.packet.CSRC, h.ssrc)
		c.packet.Levels = append(c.packet.Levels, h.level)
	}
}
