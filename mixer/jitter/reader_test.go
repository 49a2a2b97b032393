package jitter

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tutti/codec"
)

// counter is a source whose samples count up, one per sample of 8 kHz, so that a test sees what was played: 16-bit
// PCM from 1000 on.
type counter struct {
	seq uint16
	ts  uint32
	at  int // next sample
}

func (c *counter) packet(n int) *Packet {
	p := &Packet{Seq: c.seq, Timestamp: c.ts, Level: NoLevel}
	for i := range n {
		p.Payload = binary.BigEndian.AppendUint16(p.Payload, uint16(1000+c.at+i))
	}
	c.seq++
	c.ts += uint32(n)
	c.at += n
	return p
}

// pcm16 is a decoder of such packets. Its guess is a constant, and what it recovers is another.
type pcm16 struct{}

const (
	guess    = -7777
	restored = -8888
)

func (pcm16) Decode(pcm []int16, payload []byte) (int, error) {
	if len(payload) == 0 {
		return 0, codec.ErrEmpty
	}
	n := len(payload) / 2
	if n > len(pcm) {
		return 0, codec.ErrSpace
	}
	for i := range n {
		pcm[i] = int16(binary.BigEndian.Uint16(payload[2*i:]))
	}
	return n, nil
}

func (pcm16) Conceal(pcm []int16) error {
	for i := range pcm {
		pcm[i] = guess
	}
	return nil
}

// withFEC is a pcm16 whose packets carry a copy of the one before.
type withFEC struct{ pcm16 }

func (withFEC) Recover(pcm []int16, next []byte) error {
	if len(next) == 0 {
		return errors.New("nothing")
	}
	for i := range pcm {
		pcm[i] = restored
	}
	return nil
}

func newPair(d codec.AudioDecoder) (*Buffer, *Reader) {
	b := NewBuffer(8000)
	return b, NewReader(b, []Decoder{{Type: 0, Decoder: d, Rate: 8000}})
}

// read is one tick: its first sample, 0 for silence.
func read(r *Reader) int {
	f := r.Read(true)
	if f.PCM == nil {
		return 0
	}
	return int(f.PCM[0])
}

func TestCleanNetworkHoldsNothing(t *testing.T) {
	b, r := newPair(pcm16{})
	var c counter
	for tick := range 500 {
		b.Push(c.packet(160))
		if got, want := read(r), 1000+160*tick; got != want&0x7fff && tick < 190 && got != want {
			t.Fatalf("tick %d plays sample %d, want %d", tick, got, want)
		}
	}
	s := b.Stats()
	if s.Delay != 0 || s.Concealed != 0 || s.Lost != 0 || s.Grown != 0 || s.Late != 0 {
		t.Errorf("after 10 s: %+v", s)
	}
}

// steps is a story: what arrives before each tick, and the first sample that the tick plays.
type step struct {
	arrive []int // packets by number
	want   int   // number of the packet that is played; or one of the marks below
}

const (
	silence   = -1
	concealed = -2
	recovered = -3
)

func TestStories(t *testing.T) {
	tests := map[string]struct {
		fec   bool
		story []step
		stats Stats
	}{
		"lost, the next one is there": {
			story: []step{{[]int{0}, 0}, {[]int{1}, 1}, {[]int{3}, concealed}, {nil, 3}},
			stats: Stats{Lost: 1, Concealed: 1},
		},
		"lost, nothing is there": {
			story: []step{{[]int{0}, 0}, {nil, concealed}, {[]int{2}, 2}},
			stats: Stats{Lost: 1, Concealed: 1},
		},
		"lost with FEC": {
			fec:   true,
			story: []step{{[]int{0}, 0}, {[]int{1}, 1}, {[]int{3}, recovered}, {nil, 3}},
			stats: Stats{Lost: 1, Recovered: 1},
		},
		"two lost with FEC: only the second copy could help": {
			fec:   true,
			story: []step{{[]int{0}, 0}, {[]int{3}, concealed}, {nil, concealed}, {nil, 3}},
			stats: Stats{Lost: 2, Concealed: 2},
		},
		"late: played when it comes, the delay grows": {
			story: []step{{[]int{0}, 0}, {nil, concealed}, {[]int{1, 2}, 1}, {[]int{3}, 2}, {[]int{4}, 3}},
			stats: Stats{Concealed: 1, Grown: 1, Delay: 20 * time.Millisecond},
		},
		"swapped within a tick": {
			story: []step{{[]int{0}, 0}, {[]int{2, 1}, 1}, {[]int{3}, 2}},
			stats: Stats{Delay: 20 * time.Millisecond},
		},
		"twice": {
			story: []step{{[]int{0}, 0}, {[]int{1, 1, 1}, 1}, {[]int{2}, 2}},
			stats: Stats{Duplicate: 0, Late: 0},
		},
		"overtaken, and not given up": {
			story: []step{{[]int{0}, 0}, {[]int{2}, concealed}, {[]int{1, 3}, 1}, {[]int{4}, 2}, {[]int{5}, 3}},
			stats: Stats{Concealed: 1, Grown: 1, Delay: 40 * time.Millisecond},
		},
		"after its turn": {
			story: []step{{[]int{0}, 0}, {[]int{2}, concealed}, {[]int{3}, 2}, {[]int{1, 4}, 3}, {nil, 4}},
			stats: Stats{Lost: 1, Concealed: 1, Late: 1},
		},
		"80 ms of guesses, then silence": {
			story: []step{{[]int{0}, 0}, {nil, concealed}, {nil, concealed}, {nil, concealed}, {nil, concealed}, {nil, silence}, {nil, silence}, {[]int{7}, 7}},
			stats: Stats{Lost: 6, Concealed: 4},
		},
		"a stall, then all at once: the old is dropped": {
			story: []step{
				{[]int{0}, 0},
				{nil, concealed}, {nil, concealed}, {nil, concealed}, {nil, concealed}, {nil, silence},
				{upTo(1, 40), 37}, {[]int{41}, 38},
			},
			stats: Stats{Overflow: 36, Concealed: 4, Delay: 60 * time.Millisecond},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var d codec.AudioDecoder = pcm16{}
			if tt.fec {
				d = withFEC{}
			}
			b, r := newPair(d)
			packets := numbered(60)
			for i, s := range tt.story {
				for _, n := range s.arrive {
					b.Push(packets[n])
				}
				got := read(r)
				want := map[int]int{silence: 0, concealed: guess, recovered: restored}[s.want]
				if s.want >= 0 {
					want = 1000 + 160*s.want
				}
				if got != want {
					t.Fatalf("tick %d plays %d, want %d", i, got, want)
				}
			}
			got := b.Stats()
			got.Pushed, got.Restarts = 0, 0
			if name == "twice" {
				if got.Duplicate != 2 {
					t.Errorf("duplicates: %+v", got)
				}
				got.Duplicate = 0
			}
			if got != tt.stats {
				t.Errorf("stats %+v\nwant  %+v", got, tt.stats)
			}
		})
	}
}

func upTo(from, to int) []int {
	var all []int
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}

// numbered are the packets of a source whose numbers wrap right away.
func numbered(n int) []*Packet {
	c := counter{seq: 65533, ts: 0xffffff00}
	var all []*Packet
	for range n {
		all = append(all, c.packet(160))
	}
	return all
}

func TestPacketsOfAnyLength(t *testing.T) {
	for _, ms := range []int{10, 20, 30, 40, 60, 120} {
		b, r := newPair(pcm16{})
		var c counter
		expect := -1
		sent := 0
		for tick := range 100 {
			for ; sent*ms <= tick*20; sent++ {
				b.Push(c.packet(8 * ms))
			}
			f := r.Read(true)
			for _, s := range f.PCM {
				if int(s) < 1000 { // a guess, or silence
					continue
				}
				if expect >= 0 && int(s) != expect && tick > 20 {
					t.Fatalf("%d ms: tick %d plays %d, want %d", ms, tick, s, expect)
				}
				expect = int(s) + 1
			}
		}
		if s := b.Stats(); s.Concealed > 3 || s.Lost > 0 {
			t.Errorf("%d ms: %+v", ms, s)
		}
	}
}

func TestPauseIsNoLoss(t *testing.T) {
	tests := map[string]func(c *counter) []*Packet{
		"silence before": func(c *counter) []*Packet {
			p := c.packet(160)
			clear(p.Payload)
			return []*Packet{p}
		},
		"comfort noise": func(c *counter) []*Packet {
			p := &Packet{Seq: c.seq, Timestamp: c.ts, Type: 13, Kind: Noise, Payload: []byte{60}, Level: NoLevel}
			c.seq++
			return []*Packet{p}
		},
		"a key": func(c *counter) []*Packet {
			p := &Packet{Seq: c.seq, Timestamp: c.ts, Type: 101, Kind: Event, Payload: []byte{1, 0, 0, 0}, Level: NoLevel}
			c.seq++
			return []*Packet{p}
		},
		"said to be silent": func(c *counter) []*Packet {
			p := c.packet(160)
			p.Level = 127
			return []*Packet{p}
		},
	}
	for name, before := range tests {
		t.Run(name, func(t *testing.T) {
			b, r := newPair(pcm16{})
			var c counter
			for range 10 {
				b.Push(c.packet(160))
				read(r)
			}
			for _, p := range before(&c) {
				b.Push(p)
			}
			for range 50 {
				if got := read(r); got != 0 {
					t.Fatalf("a pause plays %d", got)
				}
				c.ts += 160
			}
			first := 1000 + c.at
			b.Push(c.packet(160))
			played := false
			for range 3 {
				if played = read(r) == first; played {
					break
				}
			}
			if !played {
				t.Error("the sound after the pause is not played within 60 ms")
			}
			if s := b.Stats(); s.Concealed+s.Lost > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestClockOfTheSourceJumps(t *testing.T) {
	for _, jump := range []int{-1 << 30, -8000, -800, 4000, 8000, 1 << 30} {
		b, r := newPair(pcm16{})
		var c counter
		for range 20 {
			b.Push(c.packet(160))
			read(r)
		}
		c.ts += uint32(jump)
		for i := range 500 {
			c.at %= 16000
			first := 1000 + c.at
			b.Push(c.packet(160))
			if got := read(r); got != first {
				t.Fatalf("jump of %d: %d packets after it a tick plays %d, want %d", jump, i, got, first)
			}
		}
	}
}

// relay is a network: packets arrive after a delay, in any order, some never, some twice.
type relay struct {
	rnd     *rand.Rand
	jitter  time.Duration
	loss    float64
	twice   float64
	packets []arrival
}

type arrival struct {
	at time.Duration
	p  *Packet
}

func (n *relay) send(now time.Duration, p *Packet) {
	if n.rnd.Float64() < n.loss {
		return
	}
	n.packets = append(n.packets, arrival{now + time.Duration(n.rnd.Float64()*float64(n.jitter)), p})
	if n.rnd.Float64() < n.twice {
		n.packets = append(n.packets, n.packets[len(n.packets)-1])
	}
	slices.SortStableFunc(n.packets, func(a, b arrival) int { return int(a.at - b.at) })
}

func (n *relay) deliver(now time.Duration, b *Buffer) {
	for len(n.packets) > 0 && n.packets[0].at <= now {
		b.Push(n.packets[0].p)
		n.packets = n.packets[1:]
	}
}

// run plays seconds of a source over n and counts the ticks that begin with sound of the source.
func run(n *relay, b *Buffer, r *Reader, c *counter, seconds int) (good, ticks int, delay time.Duration) {
	for tick := range seconds * 50 {
		now := time.Duration(tick) * 20 * time.Millisecond
		if c.at > 28000 {
			c.at = 0
		}
		n.send(now, c.packet(160))
		n.deliver(now+10*time.Millisecond, b)
		if read(r) >= 1000 {
			good++
		}
		ticks++
		delay = max(delay, b.Stats().Delay)
	}
	return good, ticks, delay
}

func TestBadNetworks(t *testing.T) {
	tests := map[string]struct {
		relay relay
		good  float64       // share of ticks with sound
		delay time.Duration // at most
	}{
		"clean":          {relay{}, 1, 20 * time.Millisecond},
		"5 % loss":       {relay{loss: 0.05}, 0.94, 40 * time.Millisecond},
		"40 ms jitter":   {relay{jitter: 40 * time.Millisecond}, 0.97, 80 * time.Millisecond},
		"100 ms jitter":  {relay{jitter: 100 * time.Millisecond}, 0.97, 160 * time.Millisecond},
		"everything bad": {relay{jitter: 60 * time.Millisecond, loss: 0.05, twice: 0.05}, 0.91, 140 * time.Millisecond},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.relay.rnd = rand.New(rand.NewPCG(1, 2))
			b, r := newPair(pcm16{})
			good, ticks, delay := run(&tt.relay, b, r, &counter{}, 60)
			share := float64(good) / float64(ticks)
			t.Logf("%.3f of ticks with sound, delay at most %v: %+v", share, delay, b.Stats())
			if share < tt.good || delay > tt.delay {
				t.Errorf("%.3f of ticks with sound and %v of delay, want %.3f and %v", share, delay, tt.good, tt.delay)
			}
		})
	}
}

// Packets that carry a copy of the one before are of use only when both are held: a lossy network gets a tick of delay.
func TestFECIsGivenTimeToWork(t *testing.T) {
	for name, tt := range map[string]struct {
		loss float64
		held bool
	}{"clean": {0, false}, "1 of 200": {0.005, false}, "1 of 10": {0.1, true}} {
		b, r := newPair(withFEC{})
		n := &relay{rnd: rand.New(rand.NewPCG(5, 6)), loss: tt.loss}
		var c counter
		run(n, b, r, &c, 30)
		s := b.Stats()
		recovered := float64(s.Recovered) / float64(max(s.Lost, 1))
		t.Logf("%s: %+v", name, s)
		if held := s.Delay >= 20*time.Millisecond; held != tt.held || tt.held && recovered < 0.6 {
			t.Errorf("%s: delay %v, %.2f of the lost packets restored", name, s.Delay, recovered)
		}
		n.loss = 0
		run(n, b, r, &c, 60)
		if s := b.Stats(); s.Delay > 0 {
			t.Errorf("%s: delay %v after a minute without loss", name, s.Delay)
		}
	}
}

func TestDelayShrinksWhenTheNetworkCalms(t *testing.T) {
	b, r := newPair(pcm16{})
	bad := &relay{rnd: rand.New(rand.NewPCG(3, 4)), jitter: 100 * time.Millisecond}
	var c counter
	_, _, delay := run(bad, b, r, &c, 10)
	if delay < 60*time.Millisecond {
		t.Fatalf("delay %v in a bad network", delay)
	}
	bad.jitter = 0
	run(bad, b, r, &c, 60)
	if s := b.Stats(); s.Delay > 20*time.Millisecond || s.Shrunk == 0 {
		t.Errorf("a minute later the delay is %v: %+v", s.Delay, s)
	}
}

// Where there is no pause, the delay shrinks within the sound. A tone of 475 Hz, whose ticks are in antiphase, shows a
// bad splice as a hole.
func TestDelayShrinksWithoutAHole(t *testing.T) {
	b, r := newPair(pcm16{})
	c := counter{}
	sent := 0
	send := func() {
		p := c.packet(160)
		for i := range 160 {
			v := int16(8000 * math.Sin(2*math.Pi*475*float64(sent*160+i)/8000))
			binary.BigEndian.PutUint16(p.Payload[2*i:], uint16(v))
		}
		sent++
		b.Push(p)
	}
	for range 50 {
		send()
		r.Read(true)
	}
	for range 3 { // a stall of three packets, which then come at once
		r.Read(true)
	}
	for range 3 {
		send()
	}
	for tick := range 3000 {
		send()
		f := r.Read(true)
		for half := range 2 {
			if p := peak(f.PCM[80*half : 80*half+80]); p < 7000 {
				t.Fatalf("tick %d has a hole: %d", tick, p)
			}
		}
	}
	s := b.Stats()
	t.Logf("%+v, %d samples decoded ahead", s, r.have-r.given)
	if s.Shrunk < 3 || s.Delay > 0 || r.have-r.given > 160 {
		t.Errorf("a minute later: %+v", s)
	}
}

// A clock that runs 500 ppm fast brings 30 ms too much in a minute: the delay must not.
func TestFollowsADriftingClock(t *testing.T) {
	for name, period := range map[string]time.Duration{"fast": 19990 * time.Microsecond, "slow": 20010 * time.Microsecond} {
		b, r := newPair(pcm16{})
		var c counter
		var next time.Duration
		for tick := range 5 * 60 * 50 {
			now := time.Duration(tick) * 20 * time.Millisecond
			for ; next <= now; next += period {
				if c.at > 28000 {
					c.at = 0
				}
				b.Push(c.packet(160))
			}
			read(r)
		}
		s := b.Stats()
		t.Logf("%s: %+v", name, s)
		if s.Delay > 40*time.Millisecond || s.Concealed > 20 {
			t.Errorf("%s: after 5 minutes %+v", name, s)
		}
	}
}

func TestSilentPacketsAreNotDecodedAndWarmTheDecoder(t *testing.T) {
	d := &counting{}
	b := NewBuffer(8000)
	r := NewReader(b, []Decoder{{Type: 0, Decoder: d, Rate: 8000}})
	var c counter
	for range 50 {
		p := c.packet(160)
		p.Level = 127
		b.Push(p)
		if f := r.Read(true); f.PCM != nil || f.Level != 127 && f.Level != NoLevel {
			t.Fatalf("silence reads as %v, level %d", f.PCM != nil, f.Level)
		}
	}
	if d.n != 0 {
		t.Fatalf("%d silent packets decoded", d.n)
	}
	p := c.packet(160)
	p.Level = 20
	b.Push(p)
	if f := r.Read(true); f.PCM == nil || f.Level != 20 {
		t.Errorf("a voice reads as %v, level %d", f.PCM != nil, f.Level)
	}
	if d.n != 1+warmth {
		t.Errorf("%d packets decoded, want the voice and %d before it", d.n, warmth)
	}
	b.Push(c.packet(160))
	if f := r.Read(false); f.PCM != nil || d.n != 1+warmth {
		t.Error("what nobody hears is decoded")
	}
}

type counting struct {
	pcm16
	n int
}

func (c *counting) Decode(pcm []int16, payload []byte) (int, error) {
	c.n++
	return c.pcm16.Decode(pcm, payload)
}

func TestReadAllocatesNothing(t *testing.T) {
	b, r := newPair(pcm16{})
	var c counter
	p := c.packet(160)
	i := 0
	tick := func() {
		if i%7 != 3 {
			b.Push(p)
		}
		p.Seq++
		p.Timestamp += 160
		r.Read(true)
		i++
	}
	for range 300 {
		tick()
	}
	if n := testing.AllocsPerRun(500, tick); n != 0 {
		t.Errorf("%v allocations a tick", n)
	}
}

// Whatever comes in whatever order, a Read gives one tick, and the buffer is no larger than it is.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0, 160, 0, 2, 0, 64, 1})
	f.Add([]byte{255, 255, 255, 255, 0, 128, 0, 128, 7, 7, 7, 7})
	f.Fuzz(func(t *testing.T, script []byte) {
		b, r := newPair(withFEC{})
		for ; len(script) >= 4; script = script[4:] {
			b.Push(&Packet{
				Seq:       binary.BigEndian.Uint16(script),
				Timestamp: uint32(int8(script[2])) * 80,
				Type:      script[3] >> 7,
				Kind:      Kind(script[3] >> 5 & 3 % 3),
				Level:     script[3],
				Payload:   make([]byte, int(script[3]&31)*64),
			})
			if script[3]&1 == 1 {
				if f := r.Read(script[3]&2 == 0); f.PCM != nil && len(f.PCM) != 160 {
					t.Fatalf("a tick of %d samples", len(f.PCM))
				}
			}
		}
		for range 200 {
			r.Read(true)
		}
		if f := r.Read(true); f.PCM != nil {
			t.Error("a source that ended sounds for ever")
		}
	})
}

// A process that stood still for a second finds a second of packets. It plays what is fresh, and is not late for ever.
func TestDelayOfAStallIsGivenBack(t *testing.T) {
	b, r := newPair(pcm16{})
	var c counter
	tick := func() {
		b.Push(c.packet(160))
		read(r)
	}
	for range 200 {
		tick()
	}
	for range 50 {
		b.Push(c.packet(160))
	}
	tick()
	if s := b.Stats(); s.Delay > 100*time.Millisecond {
		t.Errorf("right after the stall the delay is %v", s.Delay)
	}
	dropped := b.Stats().Overflow
	for range 400 {
		tick()
	}
	if s := b.Stats(); s.Delay > 20*time.Millisecond || s.Overflow != dropped {
		t.Errorf("8 s later the delay is %v, and %d more packets were dropped", s.Delay, s.Overflow-dropped)
	}
}
