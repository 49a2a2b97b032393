package device

import (
	"fmt"
	"github.com/pion/mediadevices/pkg/driver"
	"github.com/pion/mediadevices/pkg/io/audio"
	"github.com/pion/mediadevices/pkg/wave"
)

// SampleRate is what microphones are read at, Hz, mono; FrameSize is 20 ms of it.
const (
	SampleRate = 48000
	FrameSize  = SampleRate / 50
)

// Microphone is an open one. It belongs to one goroutine.
type Microphone struct {
	device driver.Driver
	reader audio.Reader
}

// OpenMicrophone opens a microphone by name.
func OpenMicrophone(name string) (*Microphone, error) {
	d, err := microphone(name)
	if err != nil {
		return nil, err
	}
	if err := d.Open(); err != nil {
		return nil, fmt.Errorf("device: microphone %q: %w", name, err)
	}
	reader, err := d.(driver.AudioRecorder).AudioRecord(microphoneMedia())
	if err != nil {
		return nil, fmt.Errorf("device: microphone %q: %w", name, err) // the driver has closed itself
	}
	return &Microphone{d, audio.NewBuffer(FrameSize)(reader)}, nil
}

func microphone(name string) (driver.Driver, error) {
	if name == Phrase {
		return newPhrase()
	}
	return find(driver.Microphone, name)
}

// Read waits for the next 20 ms and fills frame, which holds FrameSize samples.
func (m *Microphone) Read(frame []int16) error {
	chunk, release, err := m.reader.Read()
	if err != nil {
		return fmt.Errorf("device: microphone: %w", err)
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
func (m *Microphone) Close() error {
	err := m.device.Close()
	if m.device.Info().Name == phraseName {
		driver.GetManager().Delete(m.device.ID())
	}
	return err
}
