package server

import (
	"context"
	"sync"
	"time"

	"tutti/cmd/tutti/internal/device"
	"tutti/cmd/tutti/internal/local"
)

// demoConference is where the built-in participants are.
const demoConference = "demo"

// demo keeps two participants in a conference, so that the first phone or browser has company: one that speaks and one that is
// seen. It returns when ctx ends or one of them fails.
func (s *server) demo(ctx context.Context) error {
	company := []local.Participant{
		{Conference: demoConference, Name: "Paula Phrase", Microphone: device.Phrase},
		{Conference: demoConference, Name: "Vera Videotest", Camera: device.VideoTest},
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, p := range company {
		wg.Go(func() {
			cancel(s.stay(ctx, p))
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// stay lets a participant take part, and again a moment after somebody ended the conference.
func (s *server) stay(ctx context.Context, p local.Participant) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-pause.C:
		}
		if err := p.Run(ctx, s.bridge); err != nil {
			return err
		}
		pause.Reset(5 * time.Second)
	}
}
