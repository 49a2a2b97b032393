package server

import (
	"context"
	"sync"

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
			if err := p.Run(ctx, s.bridge); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
