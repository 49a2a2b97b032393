package webrtc

import "context"

// follow keeps a page up to date.
func (k *socket) follow(ctx context.Context, in inbound) error {
	return k.reject(ctx, *in.ID, badParams("not yet"))
}

func participant(l leg) string { return "" }
