package device

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gen2brain/malgo"
	"github.com/pion/mediadevices/pkg/driver"
	"github.com/pion/mediadevices/pkg/io/audio"
	"github.com/pion/mediadevices/pkg/prop"
	"github.com/pion/mediadevices/pkg/wave"
)

// capture is a microphone of the machine as a driver.AudioRecorder.
//
// It stands in for mediadevices' own microphone driver, which opens ALSA, PulseAudio and JACK when the process starts: every
// command, and a bridge without any sound hardware, would pay for that and print those libraries' complaints. This one is
// registered when somebody asks for microphones.
type capture struct {
	sound *malgo.AllocatedContext
	id    malgo.DeviceID

	ctx    context.Context
	cancel context.CancelFunc
}

// registered says that the microphones are known to mediadevices' manager, which is one for the process.
var registered = sync.OnceValue(register) //nolint:gochecknoglobals // the manager is global, too

// register makes the microphones known.
func register() error {
	sound, err := malgo.InitContext(nil, malgo.ContextConfig{}, nil)
	if err != nil {
		return fmt.Errorf("device: sound hardware: %w", err)
	}
	found, err := sound.Devices(malgo.Capture)
	if err != nil {
		_ = sound.Uninit() // there is a better error to tell
		sound.Free()
		return fmt.Errorf("device: sound hardware: %w", err)
	}
	for _, info := range found {
		priority := driver.PriorityNormal
		if info.IsDefault > 0 {
			priority = driver.PriorityHigh
		}
		about := driver.Info{Label: info.ID.String(), Name: info.Name(), DeviceType: driver.Microphone, Priority: priority}
		if err := driver.GetManager().Register(&capture{sound: sound, id: info.ID}, about); err != nil {
			return fmt.Errorf("device: %s: %w", info.Name(), err)
		}
	}
	return nil
}

// Open implements driver.Adapter, whose Close is all that ends a reader.
func (c *capture) Open() error {
	c.ctx, c.cancel = context.WithCancel(context.Background()) //nolint:contextcheck // the driver's interface has none
	return nil
}

func (c *capture) Close() error {
	c.cancel()
	return nil
}

func (c *capture) Properties() []prop.Media { return []prop.Media{microphoneMedia()} }

// queued bounds the sound that waits for a slow reader, in periods of 20 ms.
const queued = 10

// AudioRecord starts the device. What a slow reader leaves is dropped, oldest first.
func (c *capture) AudioRecord(prop.Media) (audio.Reader, error) {
	periods := make(chan []int16, queued)
	config := malgo.DefaultDeviceConfig(malgo.Capture)
	config.SampleRate = SampleRate
	config.PeriodSizeInMilliseconds = 20
	config.Capture.Format, config.Capture.Channels = malgo.FormatS16, 1
	config.Capture.DeviceID = c.id.Pointer()
	device, err := malgo.InitDevice(c.sound.Context, config, malgo.DeviceCallbacks{Data: func(_, in []byte, _ uint32) {
		period := make([]int16, len(in)/2) // in is the device's
		for i := range period {
			period[i] = int16(binary.NativeEndian.Uint16(in[2*i:]))
		}
		for {
			select {
			case periods <- period:
				return
			default:
			}
			select {
			case <-periods:
			default:
			}
		}
	}})
	if err != nil {
		return nil, err
	}
	if err := device.Start(); err != nil {
		device.Uninit()
		return nil, err
	}
	ctx := c.ctx
	context.AfterFunc(ctx, device.Uninit)
	return audio.ReaderFunc(func() (wave.Audio, func(), error) {
		select {
		case <-ctx.Done():
			return nil, func() {}, io.EOF
		case p := <-periods:
			return &wave.Int16Interleaved{Data: p, Size: wave.ChunkInfo{Len: len(p), Channels: 1, SamplingRate: SampleRate}}, func() {}, nil
		}
	}), nil
}

// microphoneMedia is what our microphones give.
func microphoneMedia() prop.Media {
	return prop.Media{Audio: prop.Audio{SampleRate: SampleRate, ChannelCount: 1, SampleSize: 2, IsInterleaved: true, Latency: 20 * time.Millisecond}}
}
