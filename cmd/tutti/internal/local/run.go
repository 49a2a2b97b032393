package local

import (
	"context"
	"sync"
)

// Run sends what the devices give until ctx ends (nil) or one of them fails. Then they are closed. A Write is called by one goroutine;
// voice and picture have one each.
func (d *Devices) Run(ctx context.Context, keys Keys, voice, picture Write) error {
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	if d.microphone != nil {
		wg.Go(func() { cancel(d.Voice(running, voice)) })
	}
	if d.camera != nil {
		wg.Go(func() { cancel(d.Picture(running, keys, picture)) })
	}
	<-running.Done()
	wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(running)
}
