package jitter

import (
	"math"
	"time"

	"tutti/codec"
)

// Limits of guessing.
const (
	maxConceal  = 80 * time.Millisecond // then silence
	fadeOut     = 20 * time.Millisecond // the end of it
	maxRecover  = 60 * time.Millisecond // the longest frame that carries a copy of the one before
	patience    = 150                   // ticks that a surplus of one tick of delay waits for a pause; a larger one waits less
	haste       = 5                     // ticks that the largest surplus waits
	silentLevel = 65                    // −dBov (RFC 6464): not worth decoding
	quietPeak   = 100                   // of 32768: −50 dBFS
	warmth      = 3                     // undecoded packets kept to warm a decoder with
)

// Decoder is one payload type that may come.
type Decoder struct {
	Type    uint8
	Decoder codec.AudioDecoder
	Rate    int // of its sound, Hz
}

// Frame is one tick of sound.
type Frame struct {
	PCM   []int16 // mono, a tick long, lent until the next Read; nil is silence
	Rate  int     // of PCM, Hz
	Level uint8   // what the packets say about their sound, −dBov (RFC 6464), or NoLevel
}

// Reader decodes what a Buffer holds. It belongs to the goroutine of the tick. Read allocates nothing.
type Reader struct {
	buf      *Buffer
	decoders [128]*Decoder
	dec      *Decoder // of the last packet
	taken    taken

	pcm       []int16 // decoded and not yet given, from the front
	have      int     // samples of pcm
	given     int     // samples of pcm lent by the last Read
	sounding  int     // samples at the front of pcm that are not known to be silence
	concealed int     // samples guessed in a row
	quiet     bool    // the source was silent, or said that it pauses: what is missing is no loss
	level     uint8
	residue   int // samples of delay that a splice could not take back
	waited    int // ticks that a surplus of delay has been waiting
	cold      []cold
}

// cold is a packet that was not decoded.
type cold struct {
	kind    uint8
	payload []byte
}

// NewReader reads buf with the given decoders.
func NewReader(buf *Buffer, decoders []Decoder) *Reader {
	r := &Reader{buf: buf, level: NoLevel, quiet: true}
	rate, fec := 8000, false
	for i := range decoders {
		d := &decoders[i]
		r.decoders[d.Type&127] = d
		rate = max(rate, d.Rate)
		_, recovers := d.Decoder.(codec.Recoverer)
		fec = fec || recovers
	}
	buf.useFEC(fec)
	r.pcm = make([]int16, samples(codec.MaxPTime+3*tick, rate))
	return r
}

func samples(d time.Duration, rate int) int { return int(int64(d) * int64(rate) / int64(time.Second)) }

func (r *Reader) need() int { return samples(tick, r.dec.Rate) }

// samples is units of the RTP clock as samples of the sound, and back.
func (r *Reader) samples(units int64) int { return int(units * int64(r.dec.Rate) / r.taken.rate) }
func (r *Reader) units(samples int) int64 { return int64(samples) * r.taken.rate / int64(r.dec.Rate) }

// Read gives the next tick. Where nobody listens (heard is false), or the packets say that they are silent, nothing
// is decoded.
func (r *Reader) Read(heard bool) Frame {
	r.consume()
	if r.dec == nil && !r.first() {
		return Frame{Level: NoLevel}
	}
	r.level = NoLevel
	r.fill(heard, 1)
	r.shrink(heard)
	r.given = r.need()
	f := Frame{Rate: r.dec.Rate, Level: r.level}
	if r.sounding > 0 {
		f.PCM = r.pcm[:r.given:r.given]
	}
	return f
}

// consume forgets what the last Read gave.
func (r *Reader) consume() {
	copy(r.pcm, r.pcm[r.given:r.have])
	r.have -= r.given
	r.sounding = max(0, r.sounding-r.given)
	r.given = 0
}

// first finds out in which format the source begins.
func (r *Reader) first() bool {
	kind, ok := r.buf.front()
	if ok {
		r.dec = r.decoders[kind&127]
	}
	return r.dec != nil
}

// fill decodes until so many ticks are there.
func (r *Reader) fill(heard bool, ticks int) {
	for range 2 * slots {
		want := ticks*r.need() - r.have
		if want <= 0 {
			return
		}
		r.step(want, heard)
	}
	r.silence(ticks*r.need() - r.have)
}

// step adds something to pcm, at most want samples where it is not a packet.
func (r *Reader) step(want int, heard bool) {
	switch r.buf.take(&r.taken) {
	case empty:
		r.conceal(want, heard)
		r.buf.advance(r.units(want))
	case lost:
		r.lost(want, heard)
	case pause:
		r.quiet = true
		n := min(want, r.samples(r.taken.gap))
		r.silence(n)
		if n == 0 {
			r.buf.advance(r.taken.gap)
		} else {
			r.buf.advance(r.units(n))
		}
	case hold:
		n := min(want, r.need())
		r.conceal(n, heard)
		r.buf.advance(r.units(n))
	case play:
		r.play(heard)
	}
}

func (r *Reader) lost(want int, heard bool) {
	t := &r.taken
	gap := r.samples(t.gap)
	if gap == 0 {
		r.buf.advance(t.gap)
		return
	}
	if rec, ok := r.dec.Decoder.(codec.Recoverer); ok && heard && t.following != nil && r.concealed == 0 &&
		gap <= samples(maxRecover, r.dec.Rate) && t.kind == r.dec.Type {
		if room := r.room(gap); room != nil && rec.Recover(room, t.following) == nil {
			r.added(gap, true)
			r.buf.recovered(t.gap)
			return
		}
	}
	n := min(want, gap)
	r.conceal(n, heard)
	r.buf.advance(r.units(n))
}

func (r *Reader) play(heard bool) {
	t := &r.taken
	r.concealed = 0
	if t.Kind == Noise {
		r.quiet = true
		return
	}
	dec := r.decoders[t.Type&127]
	if dec == nil {
		r.buf.undecoded()
		r.skip()
		return
	}
	if dec != r.dec {
		r.change(dec)
	}
	r.level = min(r.level, t.Level)
	if !heard || t.Level != NoLevel && t.Level >= silentLevel {
		r.quiet = true
		r.keep()
		r.skip()
		return
	}
	r.warm()
	room := r.pcm[r.have:]
	n, err := dec.Decoder.Decode(room, t.Payload)
	if err != nil || n <= 0 || n > len(room) {
		r.buf.undecoded()
		r.skip()
		return
	}
	r.quiet = len(t.Payload) <= 2 || peak(room[:n]) < quietPeak // an Opus packet of its TOC alone begins a pause
	r.added(n, true)
	r.buf.played(r.units(n))
}

// change goes on in another format. Sound of another rate that is left over is dropped.
func (r *Reader) change(dec *Decoder) {
	if dec.Rate != r.dec.Rate {
		r.have, r.sounding, r.residue = 0, 0, 0
	}
	r.dec = dec
	r.cold = r.cold[:0]
}

// skip passes over a packet without its sound.
func (r *Reader) skip() {
	units := r.buf.length(r.taken.ts)
	n := min(r.samples(units), len(r.pcm)-r.have)
	r.silence(n)
	r.buf.advance(units)
}

// keep remembers a packet that was not decoded.
func (r *Reader) keep() {
	if len(r.cold) < warmth {
		r.cold = append(r.cold, cold{})
	} else {
		oldest := r.cold[0]
		copy(r.cold, r.cold[1:])
		r.cold[warmth-1] = oldest
	}
	c := &r.cold[len(r.cold)-1]
	c.kind, c.payload = r.taken.Type, append(c.payload[:0], r.taken.Payload...)
}

// warm decodes what was kept, so that the decoder knows where it is.
func (r *Reader) warm() {
	for i := range r.cold {
		if d := r.decoders[r.cold[i].kind&127]; d == r.dec {
			_, _ = d.Decoder.Decode(r.pcm[r.have:], r.cold[i].payload) // what fails here fails again in its turn
		}
	}
	r.cold = r.cold[:0]
}

func (r *Reader) room(n int) []int16 {
	if n > len(r.pcm)-r.have {
		return nil
	}
	return r.pcm[r.have : r.have+n : r.have+n]
}

func (r *Reader) added(n int, sound bool) {
	r.have += n
	if sound {
		r.sounding = r.have
	}
}

func (r *Reader) silence(n int) {
	if room := r.room(n); room != nil {
		clear(room)
		r.added(n, false)
	}
}

// conceal guesses n samples, for a while.
func (r *Reader) conceal(n int, heard bool) {
	limit := samples(maxConceal, r.dec.Rate)
	room := r.room(n)
	if r.quiet || !heard || r.concealed >= limit || room == nil || r.dec.Decoder.Conceal(room) != nil {
		r.silence(n)
		return
	}
	fade := samples(fadeOut, r.dec.Rate)
	for i := range room {
		if left := limit - r.concealed - i; left < fade {
			room[i] = int16(int(room[i]) * max(left, 0) / fade)
		}
	}
	r.concealed += n
	r.added(n, true)
	r.buf.guessed()
}

// shrink takes back delay that nobody needs: a tick in a pause, if one comes soon, else so much of the sound that what is
// left joins well.
func (r *Reader) shrink(heard bool) {
	need := r.need()
	silent := r.sounding == 0 || peak(r.pcm[:need]) < quietPeak
	if r.residue > 0 && silent { // what the last time could not take
		r.cut(0, min(r.residue, r.have-need))
		r.residue = 0
	}
	surplus := r.buf.surplus()
	if surplus == 0 {
		r.waited = 0
		return
	}
	r.waited++
	if !silent && r.waited < max(patience/(surplus*surplus), haste) {
		return
	}
	r.fill(heard, 2)
	if r.have < 2*need {
		return
	}
	if silent {
		r.cut(0, need)
	} else {
		r.splice(need)
	}
	r.waited = 0
	r.buf.shrunk()
}

// splice leaves out between half a tick and a whole one, where the sound after it resembles the sound before it most,
// and fades from one to the other.
func (r *Reader) splice(need int) {
	fade := need / 2
	step := max(1, r.dec.Rate/8000)
	best, lag := float32(-1), need
	for l := need / 2; l <= need; l += step {
		if likeness := similar(r.pcm[:fade], r.pcm[l:l+fade], step); likeness > best {
			best, lag = likeness, l
		}
	}
	for i := range fade {
		a, b := int(r.pcm[i]), int(r.pcm[lag+i])
		r.pcm[i] = int16((a*(fade-i) + b*i) / fade)
	}
	r.cut(fade, lag)
	r.residue += need - lag
}

// similar is the correlation of two sounds, −1 to 1, from every step-th sample.
func similar(a, b []int16, step int) float32 {
	var product, aa, bb float32
	for i := 0; i < len(a); i += step {
		x, y := float32(a[i]), float32(b[i])
		product, aa, bb = product+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return product / float32(math.Sqrt(float64(aa)*float64(bb)))
}

// cut removes n samples of pcm at a place.
func (r *Reader) cut(at, n int) {
	if n <= 0 {
		return
	}
	copy(r.pcm[at:], r.pcm[at+n:r.have])
	r.have -= n
	if r.sounding > at {
		r.sounding = max(at, r.sounding-n)
	}
}

func peak(pcm []int16) int {
	p := 0
	for _, s := range pcm {
		p = max(p, int(s), -int(s))
	}
	return p
}
