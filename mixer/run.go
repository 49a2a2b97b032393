package mixer

import (
	"context"
	"slices"
	"sync"
	"time"

	"tutti/codec"
	"tutti/mixer/audio"
	"tutti/mixer/jitter"
)

const (
	lateTick   = 5 * time.Millisecond
	letIn      = time.Millisecond
	maxBehind  = 200 * time.Millisecond // a clock further behind skips
	quietEvery = 25                     // ticks between two looks for quiet streams
)

// Run moves media until ctx ends, then returns its cause. It returns after all its goroutines have ended, and after a
// BYE on every stream.
func (m *Mixer) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { cancel(m.video.Run(ctx)) })
	defer wg.Wait()
	defer cancel(nil)
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			m.end()
			return context.Cause(ctx)
		case <-timer.C:
		}
		if time.Since(next) > lateTick {
			// Who was late is perhaps this whole process. Then packets wait in sockets: let them in first, or they
			// would be taken for lost.
			time.Sleep(letIn)
		}
		m.step(next)
		next = m.keepTime(next.Add(audio.Tick))
		timer.Reset(time.Until(next))
	}
}

// keepTime is the time of the next tick: the one that is due, or a later one when the clock is hopelessly behind.
func (m *Mixer) keepTime(next time.Time) time.Time {
	m.clock++
	behind := time.Since(next)
	var late, skipped uint64
	if behind > lateTick {
		late = 1
	}
	if behind > maxBehind {
		skipped = uint64(behind / audio.Tick)
		m.clock += skipped
		next = next.Add(time.Duration(skipped) * audio.Tick)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Ticks++
	m.stats.Late += late
	m.stats.Skipped += skipped
	return next
}

// step is one tick.
func (m *Mixer) step(now time.Time) {
	m.now = now
	m.takeOver()
	read := time.Now()
	for _, s := range m.streams {
		if s.config.Source != nil {
			s.config.Source.Poll(read)
		}
		s.listen()
	}
	m.audio.Step()
	for _, s := range m.streams {
		s.report(now)
		if s.kind == Video {
			s.askFarEnd(now)
		}
	}
	m.notice(now)
	m.publish()
}

// takeOver does what was asked for since the last tick.
func (m *Mixer) takeOver() {
	m.mu.Lock()
	m.doing, m.pending = m.pending, m.doing[:0]
	p := m.plan
	m.plan = nil
	m.mu.Unlock()
	for i, do := range m.doing {
		do()
		m.doing[i] = nil
	}
	if p != nil {
		if !same(p.Inputs, m.applied.Inputs) || !same(p.Rows, m.applied.Rows) {
			m.audio.Apply(p.Inputs, p.Rows)
		}
		m.video.SetScenes(p.Scenes)
		m.applied = *p
	}
}

// same says whether both are one slice. The focus keeps what has not changed, and nobody changes a plan.
func same[T any](a, b []T) bool {
	return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0]
}

// publish lets others see what the step did.
func (m *Mixer) publish() {
	st := m.audio.Stats()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.AudioClasses, m.stats.Sounding = st.Classes, st.Sounding
	m.stats.AudioEncodes, m.stats.AudioFailed = st.Encodes, st.Failures
}

// end says BYE to all.
func (m *Mixer) end() {
	m.now = time.Now()
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	m.takeOver()
	for _, s := range slices.Clone(m.streams) {
		m.leave(s)
	}
}

// join begins a stream.
func (m *Mixer) join(s *stream) { m.streams = append(m.streams, s) }

// configure makes a stream what was negotiated.
func (m *Mixer) configure(s *stream, c Stream, decoders []jitter.Decoder) {
	old := s.config
	s.config = c
	m.rebuild(s, old, decoders)
	s.startReports(m.now)
}

// rebuild makes what follows from the configuration of a stream.
func (m *Mixer) rebuild(s *stream, old Stream, decoders []jitter.Decoder) {
	if s.kind == Video {
		m.configureVideo(s, old)
	} else {
		m.configureInput(s, old, decoders)
		m.configureOutput(s, old)
	}
	audio, video := m.formatsOf(Audio), m.formatsOf(Video)
	m.mu.Lock()
	m.audioFormats, m.videoFormats = audio, video
	m.mu.Unlock()
}

// formatsOf counts what is sent, most used first.
func (m *Mixer) formatsOf(k Kind) []codec.Format {
	var formats []codec.Format
	var uses []int
	for _, s := range m.streams {
		if s.kind != k || s.config.Send == nil {
			continue
		}
		f := format(s.config.Send)
		i := slices.IndexFunc(formats, f.Equal)
		if i < 0 {
			i, formats, uses = len(formats), append(formats, f), append(uses, 0)
		}
		uses[i]++
		for ; i > 0 && uses[i] > uses[i-1]; i-- {
			formats[i], formats[i-1], uses[i], uses[i-1] = formats[i-1], formats[i], uses[i-1], uses[i]
		}
	}
	return formats
}

func format(e *Encoding) codec.Format {
	if e.Video != nil {
		return e.Video.Format
	}
	return e.Audio.Format
}

func (m *Mixer) configureInput(s *stream, old Stream, decoders []jitter.Decoder) {
	if s.reader != nil && equalReceive(old.Receive, s.config.Receive) {
		return
	}
	s.reader = nil
	if len(decoders) == 0 {
		if s.input != nil {
			m.audio.RemoveInput(s.input)
			s.input = nil
		}
		return
	}
	s.mu.Lock()
	s.buffer.Reset(s.rate) // what came before the hold is of the past
	s.mu.Unlock()
	s.reader = jitter.NewReader(s.buffer, decoders)
	if s.input == nil {
		s.input = m.audio.AddInput(s.leg.id)
	}
}

func (m *Mixer) configureOutput(s *stream, old Stream) {
	enc := s.config.Send
	if equalSend(old.Send, enc) {
		s.config.Send = enc
		return
	}
	if s.output != nil {
		m.audio.RemoveOutput(s.output)
		s.output = nil
	}
	m.disown(old.Send)
	clock := 0
	if enc != nil {
		m.claim(enc)
		clock = enc.Audio.ClockRate
		s.output = m.audio.AddOutput(s.leg.id, encodingOf(enc), s)
	}
	s.begin(enc, clock)
}

// claim notes an SSRC as ours, disown forgets it.
func (m *Mixer) claim(e *Encoding) {
	n, _ := m.own.Load(e.SSRC)
	count, _ := n.(int)
	m.own.Store(e.SSRC, count+1)
}

func (m *Mixer) disown(e *Encoding) {
	if e == nil {
		return
	}
	n, _ := m.own.Load(e.SSRC)
	if count, _ := n.(int); count > 1 {
		m.own.Store(e.SSRC, count-1)
	} else {
		m.own.Delete(e.SSRC)
	}
}

// leave ends a stream.
func (m *Mixer) leave(s *stream) {
	i := slices.Index(m.streams, s)
	if i < 0 {
		return
	}
	m.streams = slices.Delete(m.streams, i, i+1)
	s.mu.Lock()
	s.gone = true // no frame after the BYE
	s.mu.Unlock()
	s.bye(m.now)
	old := s.config
	s.config.Receive, s.config.Send = nil, nil
	m.rebuild(s, old, nil)
}

// listen reads one tick of sound.
func (s *stream) listen() {
	if s.input == nil {
		return
	}
	heard := s.input.Heard()
	f := s.reader.Read(heard)
	if !heard {
		f.Level = audio.Silence // nobody is told of a voice that nobody hears
	}
	s.input.Set(f.PCM, f.Rate, f.Level)
	s.input.SSRC = s.contributor()
}

// contributor is the SSRC that stands for the stream in CSRC lists.
func (s *stream) contributor() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.layers {
		if l.current != nil {
			return l.current.SSRC
		}
	}
	return 0
}

// notice reports what happened in the tick.
func (m *Mixer) notice(now time.Time) {
	m.events = m.events[:0]
	for _, s := range m.streams {
		m.noticeKeys(s)
		m.noticeVoice(s)
		if m.cfg.Silence > 0 && m.clock%quietEvery == 0 {
			m.noticeQuiet(s, now)
		}
	}
	if m.cfg.Events == nil {
		return
	}
	for _, e := range m.events {
		m.cfg.Events.Report(e)
	}
}

func (m *Mixer) noticeKeys(s *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.digits {
		m.events = append(m.events, Digit{s.leg.id, key})
	}
	s.digits = s.digits[:0]
}

func (m *Mixer) noticeVoice(s *stream) {
	if s.kind != Audio {
		return
	}
	on := s.input != nil && s.input.Speaking
	if on == s.speaking {
		return
	}
	s.speaking = on
	s.leg.speaking.Store(on)
	m.events = append(m.events, Speaking{s.leg.id, on})
}

func (m *Mixer) noticeQuiet(s *stream, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	silent := now.Sub(s.heardAt)
	if !s.receives || s.quiet || silent < m.cfg.Silence {
		return
	}
	s.quiet = true
	m.events = append(m.events, Quiet{s.leg.id, s.id, silent})
}

var _ audio.Sink = (*stream)(nil)
