// Package local turns devices of this machine into media: encoded frames for whoever sends them on.
package local

import (
	"context"
	"fmt"
	"time"

	"tutti/cmd/tutti/internal/device"
	"tutti/codec"
	"tutti/codec/opus"
	"tutti/codec/vpx"
)

// Voice reads a microphone and calls emit with the Opus payload of every 20 ms, until ctx ends (nil) or something fails. emit
// borrows the payload.
func Voice(ctx context.Context, m *device.Microphone, emit func(payload []byte) error) error {
	encoder, err := opus.Opus().NewEncoder(codec.AudioParams{})
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { m.Close() })
	defer stop()
	frame := make([]int16, device.FrameSize)
	var payload []byte
	for {
		if err := m.Read(frame); err != nil {
			return unlessDone(ctx, err)
		}
		if payload, err = encoder.Encode(payload[:0], frame); err != nil {
			return fmt.Errorf("local: %w", err)
		}
		if err := emit(payload); err != nil {
			return unlessDone(ctx, err)
		}
	}
}

// Picture reads a camera and calls emit with every VP8 frame and the time since the first, until ctx ends (nil) or something
// fails. A value in keys asks for a key frame. emit borrows the frame.
func Picture(ctx context.Context, c *device.Camera, rate int, keys <-chan struct{}, emit func(frame []byte, at time.Duration) error) error {
	encoder, err := vpx.VP8().NewEncoder(codec.VideoParams{Width: c.Width, Height: c.Height, FrameRate: rate, Bitrate: 800_000})
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	defer encoder.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	start := time.Now()
	for {
		picture, release, err := c.Read()
		if err != nil {
			return unlessDone(ctx, err)
		}
		at := time.Since(start)
		frame, _, err := encoder.Encode(picture, at, asked(keys))
		release()
		if err != nil {
			return fmt.Errorf("local: %w", err)
		}
		if len(frame) == 0 {
			continue
		}
		if err := emit(frame, at); err != nil {
			return unlessDone(ctx, err)
		}
	}
}

func asked(keys <-chan struct{}) bool {
	select {
	case <-keys:
		return true
	default:
		return false
	}
}

// unlessDone is err, but nil when ctx ended first.
func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
