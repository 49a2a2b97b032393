package device

import (
	"fmt"
	"sync"

	"github.com/pion/mediadevices/pkg/driver"
	"github.com/pion/mediadevices/pkg/io/audio"
	"github.com/pion/mediadevices/pkg/wave"
)

// SampleRate is what microphones are read at, Hz, mono; FrameSize is 20 ms of it.
const (
	SampleRate = 48000
	FrameSize  = SampleRate / 50
)

// Microphone is an open one. It belongs to one goroutine; only Close may be called from others, too.
type Microphone struct {
	device driver.Driver
	reader audio.Reader
	once   sync.Once
}

// OpenMicrophone opens a microphone by name. The caller closes it.
func OpenMicrophone(name string) (*Microphone, error) {
	d, err := microphone(name)
	if err != nil {
		return nil, err
	}
	reader, err := startMicrophone(d)
	if err != nil {
		forget(d)
		return nil, fmt.Errorf("microphone %q, of those that ALSA, PulseAudio and JACK name: %w", name, err)
	}
	return &Microphone{device: d, reader: audio.NewBuffer(FrameSize)(reader)}, nil
}

func microphone(name string) (driver.Driver, error) {
	if name == Phrase {
		return newPhrase()
	}
	return find(driver.Microphone, name)
}

func startMicrophone(d driver.Driver) (audio.Reader, error) {
	drivers.Lock()
	defer drivers.Unlock()
	if err := open(d); err != nil {
		return nil, err
	}
	reader, err := d.(driver.AudioRecorder).AudioRecord(microphoneMedia()) // after an error the driver has closed itself
	return reader, busy(err)
}

// Read waits for the next 20 ms and fills frame, which holds FrameSize samples.
func (m *Microphone) Read(frame []int16) error {
	chunk, release, err := m.reader.Read()
	if err != nil {
		return fmt.Errorf("microphone: %w", err)
	}
	defer release()
	if pcm, ok := chunk.(*wave.Int16Interleaved); ok {
		copy(frame, pcm.Data)
		return nil
	}
	for i := range min(len(frame), chunk.ChunkInfo().Len) {
		frame[i] = int16(wave.Int16SampleFormat.Convert(chunk.At(i, 0)).(wave.Int16Sample))
	}
	return nil
}

// Close ends the device; a Read under way ends with an error.
func (m *Microphone) Close() {
	m.once.Do(func() {
		shut(m.device)
		forget(m.device)
	})
}

// forget takes a phrase out of mediadevices' manager: each Microphone that says it has its own.
func forget(d driver.Driver) {
	if d.Info().Name == phraseName {
		driver.GetManager().Delete(d.ID())
	}
}
