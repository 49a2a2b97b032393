package video

import (
	"encoding/binary"
	"errors"
	"image"
	"sync"
	"time"

	"tutti/codec"
	"tutti/mixer/plan"
)

// The fake codec: a frame is a key flag, a size, the number of its encoder and its own, and 16 × 9 samples of the picture.
const (
	sampleCols, sampleRows = 16, 9
	frameHead              = 9
)

type colour struct{ y, cb, cr uint8 }

// fakeFrame is a frame of one colour.
func fakeFrame(key bool, w, h int, c colour) []byte {
	f := make([]byte, frameHead, frameHead+3*sampleCols*sampleRows)
	if key {
		f[0] = 1
	}
	binary.BigEndian.PutUint16(f[1:], uint16(w))
	binary.BigEndian.PutUint16(f[3:], uint16(h))
	for range sampleCols * sampleRows {
		f = append(f, c.y, c.cb, c.cr)
	}
	return f
}

// sampleAt is the colour of a frame at x, y, given in parts of 1.
func sampleAt(frame []byte, x, y float64) colour {
	i := frameHead + 3*(int(y*sampleRows)*sampleCols+int(x*sampleCols))
	return colour{frame[i], frame[i+1], frame[i+2]}
}

// fake is a codec that may be slow.
type fake struct {
	slow   time.Duration // of encoders
	decode time.Duration // how long decoders take

	mu       sync.Mutex
	encoders int // open
	made     int
	decoders int // open
	decoded  int
}

func (f *fake) video(name string) *codec.Video {
	return &codec.Video{
		Format: codec.Format{Name: name, ClockRate: 90000},
		NewEncoder: func(p codec.VideoParams) (codec.VideoEncoder, error) {
			f.add(&f.encoders, 1)
			f.add(&f.made, 1)
			return &fakeEncoder{fake: f, params: p, number: uint16(f.get(&f.made))}, nil
		},
		NewDecoder: func() (codec.VideoDecoder, error) {
			f.add(&f.decoders, 1)
			return &fakeDecoder{fake: f}, nil
		},
		NewPacketizer: func(string, int) codec.Packetizer { return &fakePacketizer{} },
		NewAssembler:  func() codec.Assembler { return &fakeAssembler{} },
	}
}

func (f *fake) add(n *int, d int) { f.mu.Lock(); defer f.mu.Unlock(); *n += d }

func (f *fake) get(n *int) int { f.mu.Lock(); defer f.mu.Unlock(); return *n }

type fakeEncoder struct {
	fake   *fake
	params codec.VideoParams
	number uint16
	frames uint16
	begun  bool
	last   time.Duration
	frame  []byte
}

func (e *fakeEncoder) Encode(m *image.YCbCr, pts time.Duration, key bool) ([]byte, bool, error) {
	if e.fake.slow > 0 {
		time.Sleep(e.fake.slow) // in a bubble: no real time passes
	}
	if e.begun && pts <= e.last {
		return nil, false, errors.New("pts does not grow")
	}
	key = key || !e.begun
	e.begun, e.last = true, pts
	w, h := m.Rect.Dx(), m.Rect.Dy()
	if w != e.params.Width || h != e.params.Height {
		return nil, false, errors.New("picture of another size")
	}
	e.frame = append(e.frame[:0], 0)
	if key {
		e.frame[0] = 1
	}
	e.frame = binary.BigEndian.AppendUint16(e.frame, uint16(w))
	e.frame = binary.BigEndian.AppendUint16(e.frame, uint16(h))
	e.frame = binary.BigEndian.AppendUint16(e.frame, e.number)
	e.frame = binary.BigEndian.AppendUint16(e.frame, e.frames)
	e.frames++
	for row := range sampleRows {
		for col := range sampleCols {
			x, y := (2*col+1)*w/(2*sampleCols), (2*row+1)*h/(2*sampleRows)
			c := m.COffset(x, y)
			e.frame = append(e.frame, m.Y[m.YOffset(x, y)], m.Cb[c], m.Cr[c])
		}
	}
	return e.frame, key, nil
}

func (e *fakeEncoder) SetBitrate(int) error { return nil }
func (e *fakeEncoder) Close() error         { e.fake.add(&e.fake.encoders, -1); return nil }

type fakeDecoder struct {
	fake *fake
	ref  bool
	img  *image.YCbCr
}

func (d *fakeDecoder) Decode(f []byte) (*image.YCbCr, error) {
	if len(f) < frameHead+3 {
		return nil, errors.New("short frame")
	}
	if d.fake.decode > 0 {
		time.Sleep(d.fake.decode)
	}
	d.ref = d.ref || f[0] == 1
	if !d.ref {
		return nil, errors.New("no key frame yet")
	}
	w, h := int(binary.BigEndian.Uint16(f[1:])), int(binary.BigEndian.Uint16(f[3:]))
	if d.img == nil || d.img.Rect.Dx() != w || d.img.Rect.Dy() != h {
		d.img = image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	}
	fillBytes(d.img.Y, f[frameHead])
	fillBytes(d.img.Cb, f[frameHead+1])
	fillBytes(d.img.Cr, f[frameHead+2])
	d.fake.add(&d.fake.decoded, 1)
	return d.img, nil
}

func (d *fakeDecoder) Close() error { d.fake.add(&d.fake.decoders, -1); return nil }

func fillBytes(p []byte, v byte) {
	for i := range p {
		p[i] = v
	}
}

// fakePacketizer cuts a frame in two.
type fakePacketizer struct{ out [2][]byte }

func (p *fakePacketizer) Packetize(f []byte) [][]byte {
	p.out[0], p.out[1] = f[:3], f[3:]
	return p.out[:]
}

// fakeAssembler joins up to the marker, and after a loss waits for a key frame.
type fakeAssembler struct {
	frame   []byte
	broken  bool // this frame has a hole
	waiting bool
}

func (a *fakeAssembler) Push(p []byte, _ uint32, marker, lost bool) ([]byte, bool, bool) {
	if lost {
		a.broken, a.waiting = true, true
	}
	a.frame = append(a.frame, p...)
	if !marker {
		return nil, false, false
	}
	f, broken := a.frame, a.broken
	a.frame, a.broken = a.frame[:0], false
	key := f[0] == 1
	if broken || a.waiting && !key {
		return nil, false, false
	}
	a.waiting = false
	return f, key, true
}

// screen is a Sink that keeps the last frame.
type screen struct {
	mu         sync.Mutex
	frame      []byte
	frames     int
	keys       int
	firstKey   bool
	encoder    uint16 // of the last frame
	number     uint16
	broken     int // frames that build upon one that did not come
	timestamps []uint32
	legs       []plan.LegID
}

func (s *screen) WriteFrame(payloads [][]byte, timestamp uint32, legs []plan.LegID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frame = s.frame[:0]
	for _, p := range payloads {
		s.frame = append(s.frame, p...)
	}
	if s.frames++; s.frame[0] == 1 {
		s.keys++
		s.firstKey = s.firstKey || s.frames == 1
	}
	encoder, number := binary.BigEndian.Uint16(s.frame[5:]), binary.BigEndian.Uint16(s.frame[7:])
	if s.frame[0] != 1 && (encoder != s.encoder || number != s.number+1) {
		s.broken++
	}
	s.encoder, s.number = encoder, number
	s.timestamps = append(s.timestamps, timestamp)
	s.legs = legs
}

func (s *screen) count() (frames, keys int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frames, s.keys
}

// at is the colour the screen shows, x and y in parts of 1.
func (s *screen) at(x, y float64) colour {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.frame) == 0 {
		return colour{}
	}
	return sampleAt(s.frame, x, y)
}
