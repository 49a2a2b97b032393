package device

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/pion/mediadevices/pkg/driver"
	"github.com/pion/mediadevices/pkg/io/audio"
	"github.com/pion/mediadevices/pkg/prop"
	"github.com/pion/mediadevices/pkg/wave"

	"tutti/codec/resample"
)

// phraseWAV is 16 kHz mono; "make phrase" speaks it anew.
//
//go:embed phrase.wav
var phraseWAV []byte

const (
	phraseName = "tutti phrase"
	phraseRate = 16000
	wavHeader  = 44 // bytes before the samples
)

// newPhrase registers a microphone that says a sentence again and again, at the pace of speech.
func newPhrase() (driver.Driver, error) {
	manager := driver.GetManager()
	about := driver.Info{Label: rand.Text(), DeviceType: driver.Microphone, Name: phraseName} // the label is how we find it again
	if err := manager.Register(&phrase{}, about); err != nil {
		return nil, fmt.Errorf("phrase: %w", err)
	}
	found := manager.Query(func(d driver.Driver) bool { return d.Info().Label == about.Label })
	if len(found) != 1 {
		return nil, fmt.Errorf("phrase: %d drivers after one was registered", len(found))
	}
	return found[0], nil
}

// phrase is a driver.AudioRecorder.
type phrase struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// Open implements driver.Adapter, whose Close is all that ends a reader.
func (p *phrase) Open() error {
	p.ctx, p.cancel = context.WithCancel(context.Background()) //nolint:contextcheck // the driver's interface has none
	return nil
}

func (p *phrase) Close() error {
	p.cancel()
	return nil
}

func (p *phrase) Properties() []prop.Media {
	return []prop.Media{microphoneMedia()}
}

// late is how far behind its time the phrase may be before it leaves something out.
const late = 200 * time.Millisecond

// AudioRecord reads frames of 20 ms, each when its time has come.
func (p *phrase) AudioRecord(prop.Media) (audio.Reader, error) {
	up, err := resample.New(phraseRate, SampleRate)
	if err != nil {
		return nil, err
	}
	const n = phraseRate / 50
	in, out := make([]int16, n), make([]int16, FrameSize)
	ctx, at, next := p.ctx, 0, time.Now()
	samples := (len(phraseWAV) - wavHeader) / 2
	return audio.ReaderFunc(func() (wave.Audio, func(), error) {
		if next = next.Add(20 * time.Millisecond); time.Since(next) > late {
			next = time.Now() // the machine slept: what was not said is not said now
		}
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return nil, func() {}, io.EOF
		case <-timer.C:
		}
		for i := range in {
			in[i] = int16(binary.LittleEndian.Uint16(phraseWAV[wavHeader+2*at:]))
			at = (at + 1) % samples
		}
		frame := up.Process(out[:0], in)
		return &wave.Int16Interleaved{Data: frame, Size: wave.ChunkInfo{Len: len(frame), Channels: 1, SamplingRate: SampleRate}}, func() {}, nil
	}), nil
}
