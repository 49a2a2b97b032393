// Package local turns devices of this machine into media: RTP packets for whoever sends them on.
package local

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pion/rtp"

	"tutti/cmd/tutti/internal/device"
	"tutti/codec"
	"tutti/codec/opus"
	"tutti/codec/vpx"
)

const (
	frameWidth  = 640 // pixels, what cameras are asked for
	frameHeight = 360
	frameRate   = 15
	bitrate     = 800_000 // bit/s of the picture
	mtu         = 1200    // bytes of payload
)

// A Write sends one packet on. It borrows both and must not block.
type Write func(h *rtp.Header, payload []byte)

// Keys carries wishes for a key frame; one that waits is enough.
type Keys chan struct{}

// NewKeys returns an empty one.
func NewKeys() Keys { return make(Keys, 1) }

// Ask wishes for a key frame. It never blocks.
func (k Keys) Ask() {
	select {
	case k <- struct{}{}:
	default:
	}
}

func (k Keys) asked() bool {
	select {
	case <-k:
		return true
	default:
		return false
	}
}

// Devices are an open camera and an open microphone; either may be missing.
type Devices struct {
	camera     *device.Camera
	microphone *device.Microphone
}

// Open opens the devices of these names; "" is none. The error tells of all that could not be opened. The caller runs or closes them.
func Open(camera, microphone string) (*Devices, error) {
	if camera == "" && microphone == "" {
		return nil, errors.New("neither a camera nor a microphone is wanted")
	}
	d := &Devices{}
	var errs [2]error
	if camera != "" {
		d.camera, errs[0] = device.OpenCamera(camera, frameWidth, frameHeight, frameRate)
	}
	if microphone != "" {
		d.microphone, errs[1] = device.OpenMicrophone(microphone)
	}
	if err := errors.Join(errs[:]...); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close ends the devices.
func (d *Devices) Close() {
	if d.camera != nil {
		d.camera.Close()
	}
	if d.microphone != nil {
		d.microphone.Close()
	}
}

// Voice sends the microphone as Opus, a packet each 20 ms, until ctx ends (nil) or something fails. Then the microphone is closed.
func (d *Devices) Voice(ctx context.Context, write Write) error {
	defer d.microphone.Close()
	defer context.AfterFunc(ctx, d.microphone.Close)()
	format := opus.Opus()
	encoder, err := format.NewEncoder(codec.AudioParams{})
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	frame := make([]int16, device.FrameSize)
	header := newHeader(format.PayloadType)
	var payload []byte
	for {
		if err := d.microphone.Read(frame); err != nil {
			return unlessDone(ctx, err)
		}
		if payload, err = encoder.Encode(payload[:0], frame); err != nil {
			return fmt.Errorf("local: %w", err)
		}
		write(&header, payload)
		header.SequenceNumber++
		header.Timestamp += device.FrameSize
	}
}

// Picture sends the camera as VP8 until ctx ends (nil) or something fails. Then the camera is closed.
func (d *Devices) Picture(ctx context.Context, keys Keys, write Write) error {
	c := d.camera
	defer c.Close()
	defer context.AfterFunc(ctx, c.Close)()
	format := vpx.VP8()
	encoder, err := format.NewEncoder(codec.VideoParams{Width: c.Width, Height: c.Height, FrameRate: frameRate, Bitrate: bitrate})
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	defer encoder.Close()
	packetizer, header := format.NewPacketizer("", mtu), newHeader(format.PayloadType)
	start, base := time.Now(), header.Timestamp
	for {
		picture, release, err := c.Read()
		if err != nil {
			return unlessDone(ctx, err)
		}
		at := time.Since(start)
		frame, _, err := encoder.Encode(picture, at, keys.asked())
		release()
		if err != nil {
			return fmt.Errorf("local: %w", err)
		}
		header.Timestamp = base + uint32(at*time.Duration(format.ClockRate)/time.Second)
		sendFrame(packetizer.Packetize(frame), &header, write)
	}
}

// sendFrame sends the packets of one frame; there are none where the encoder left the picture out.
func sendFrame(payloads [][]byte, header *rtp.Header, write Write) {
	for i, payload := range payloads {
		header.Marker = i == len(payloads)-1
		write(header, payload)
		header.SequenceNumber++
	}
}

// newHeader begins a stream as RFC 3550 §5.1 wants it: with random numbers.
func newHeader(payloadType uint8) rtp.Header {
	return rtp.Header{
		Version: 2, PayloadType: payloadType, SSRC: rand.Uint32(), SequenceNumber: uint16(rand.Uint32()), Timestamp: rand.Uint32(),
	}
}

// unlessDone is err, but nil when ctx ended first.
func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
