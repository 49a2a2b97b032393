package announce

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp"

	"tutti/codec/l16"
	"tutti/mixer"
	"tutti/mixer/plan"
)

const (
	frame     = 20 * time.Millisecond
	frameSize = l16.SampleRate / 50 // samples
	leadIn    = 5                   // frames of silence before the first word: a source has to become known
	leadOut   = 8                   // and after the last: what the jitter buffer holds is still to be heard
	maxQueue  = 16                  // requests for one listener that wait or are played
	maxLate   = 200 * time.Millisecond
)

var errBusy = errors.New("announce: too much is to be said already")

// Request asks for words. Only whom the plan lets hear the source hears them.
type Request struct {
	Conference string
	Source     plan.LegID // a leg of the mixer that is no participant
	Leg        plan.LegID // who hears it, "" is everybody: what one listener is to hear is said one after another
	Words      []Word
	Language   string // BCP 47, "" is the standard one
	Loop       bool   // again and again until Stop; nothing waits for it
	// Attach connects the source to the mixer.
	Attach func([]mixer.Stream) ([]mixer.Inlet, error)
	// Stop is closed when nobody is to hear it any more.
	Stop <-chan struct{}
	// Done is called exactly once, and last: nil after all has been said, or was stopped.
	Done func(error)
}

// Config is what a Player needs to know.
type Config struct {
	Library *Library
	Menu    Menu         // that Help tells
	Off     []Word       // that are never said
	Logger  *slog.Logger // may be nil
}

// Player plays requests. Its methods may be called from any goroutine. It has a goroutine for each listener to whom something is
// said now, and none besides.
type Player struct {
	cfg Config
	log *slog.Logger

	running sync.WaitGroup
	mu      sync.Mutex // guards queues
	queues  map[listener][]Request
}

// listener is who hears one queue. A request that loops has one of its own.
type listener struct {
	conference string
	leg, loop  plan.LegID
}

// NewPlayer returns one that says nothing yet.
func NewPlayer(cfg Config) *Player {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Player{cfg: cfg, log: log, queues: map[listener][]Request{}}
}

// Play says the words of r when those before have been said to the same listener. It takes r and returns at once. Words that cannot be
// said are left out.
func (p *Player) Play(r Request) {
	r.Words = p.wanted(r.Words)
	if len(r.Words) == 0 {
		r.Done(nil)
		return
	}
	who := listener{r.Conference, r.Leg, ""}
	if r.Loop {
		who.loop = r.Source
	}
	p.mu.Lock()
	waiting := p.queues[who]
	if len(waiting) >= maxQueue {
		p.mu.Unlock()
		r.Done(errBusy)
		return
	}
	p.queues[who] = append(waiting, r)
	if len(waiting) == 0 {
		p.running.Go(func() { p.serve(who) })
	}
	p.mu.Unlock()
}

// Wait returns when nothing is played. Who calls it makes sure that nothing new comes and that what goes on is stopped.
func (p *Player) Wait() { p.running.Wait() }

// wanted are words without those that are off, and with the menu for help.
func (p *Player) wanted(words []Word) []Word {
	var all []Word
	for _, w := range words {
		switch {
		case slices.Contains(p.cfg.Off, w.sentence()):
		case w == Help:
			all = append(all, p.cfg.Menu.Help(false)...)
		case w == HelpModerator:
			all = append(all, p.cfg.Menu.Help(true)...)
		default:
			all = append(all, w)
		}
	}
	return all
}

// serve plays the queue of a listener until it is empty. The request being played stays in it.
func (p *Player) serve(who listener) {
	for {
		p.mu.Lock()
		if len(p.queues[who]) == 0 {
			delete(p.queues, who)
			p.mu.Unlock()
			return
		}
		r := p.queues[who][0]
		p.mu.Unlock()
		err := p.play(r)
		p.mu.Lock()
		p.queues[who] = slices.Delete(p.queues[who], 0, 1)
		p.mu.Unlock()
		r.Done(err)
	}
}

// play says one request.
func (p *Player) play(r Request) error {
	select {
	case <-r.Stop:
		return nil
	default:
	}
	var pieces [][]int16
	for _, w := range r.Words {
		said, err := p.cfg.Library.Say(r.Language, w)
		if err != nil && len(r.Words) == 1 {
			return err
		} else if err != nil {
			p.log.Warn("a prompt is left out", "error", err)
		}
		pieces = append(pieces, said...)
	}
	if len(pieces) == 0 {
		return errors.New("announce: nothing of it can be said")
	}
	format := l16.L16()
	inlets, err := r.Attach([]mixer.Stream{{ID: "0", Kind: mixer.Audio, Wire: nowhere{}, Receive: []mixer.Payload{
		{Type: format.PayloadType, Audio: &format, ClockRate: format.ClockRate},
	}}})
	if err != nil {
		return err
	}
	f := newFeed(inlets[0], format.PayloadType)
	return f.run(newTape(pieces, r.Loop), r.Stop)
}

// sentence is w without what is filled in.
func (w Word) sentence() Word {
	for i, c := range w {
		if c == ':' {
			return w[:i]
		}
	}
	return w
}

// nowhere is the wire to a source without ears.
type nowhere struct{}

func (nowhere) WriteRTP(*rtp.Header, []byte) error { return nil }
func (nowhere) WriteRTCP([]byte) error             { return nil }

// tape is sound to be read frame by frame: silence, the pieces, silence.
type tape struct {
	pieces [][]int16
	loop   bool
	before int // frames of silence still to come
	after  int
	piece  int
	at     int // samples of the piece
}

func newTape(pieces [][]int16, loop bool) *tape {
	return &tape{pieces: pieces, loop: loop, before: leadIn, after: leadOut}
}

// next fills frame, and says false when there is no more.
func (t *tape) next(frame []int16) bool {
	clear(frame)
	if t.before > 0 {
		t.before--
		return true
	}
	filled := 0
	for filled < len(frame) && t.piece < len(t.pieces) {
		n := copy(frame[filled:], t.pieces[t.piece][t.at:])
		filled += n
		if t.at += n; t.at < len(t.pieces[t.piece]) {
			break
		}
		t.at = 0
		if t.piece++; t.piece == len(t.pieces) && t.loop {
			t.piece = 0
		}
	}
	if filled == 0 {
		t.after--
	}
	return t.after >= 0
}

// feed is an RTP source at an inlet.
type feed struct {
	inlet  mixer.Inlet
	header rtp.Header
	buffer [rtpHeader + 2*frameSize]byte
}

const rtpHeader = 12 // bytes

func newFeed(inlet mixer.Inlet, payloadType uint8) *feed {
	return &feed{inlet: inlet, header: rtp.Header{
		Version: 2, PayloadType: payloadType, SSRC: rand.Uint32(), SequenceNumber: uint16(rand.Uint32()), Timestamp: rand.Uint32(),
	}}
}

// run sends a frame every 20 ms until the tape or the wish for it ends. It waits for one frame after the last.
func (f *feed) run(t *tape, stop <-chan struct{}) error {
	frameOf := make([]int16, frameSize)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for next := time.Now(); ; {
		select {
		case <-stop:
			return nil
		case <-timer.C:
		}
		if !t.next(frameOf) {
			return nil
		}
		f.send(frameOf)
		next = next.Add(frame)
		if time.Since(next) > maxLate { // the machine slept: what follows is said at its pace
			next = time.Now()
		}
		timer.Reset(time.Until(next))
	}
}

func (f *feed) send(pcm []int16) {
	n, err := f.header.MarshalTo(f.buffer[:])
	if err != nil {
		return // never: the buffer has room for a header
	}
	payload := f.buffer[n:n]
	for _, s := range pcm {
		payload = append(payload, byte(uint16(s)>>8), byte(s))
	}
	f.inlet.ReceiveRTP(mixer.Packet{Data: f.buffer[:n+len(payload)], At: time.Now()})
	f.header.SequenceNumber++
	f.header.Timestamp += frameSize
}
