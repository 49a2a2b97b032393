// Package mixer is the media plane of a conference: packets in, packets out. It knows RTP, gains and scenes, and
// nothing of SIP, SDP, PeerConnections, HTTP or people.
package mixer

import (
	"context"
	"log/slog"
	"time"

	"tutti/mixer/plan"
)

// Config is what a Mixer needs to know.
type Config struct {
	Name      string        // of the conference, for logs
	CNAME     string        // of our own RTCP SDES (RFC 3550 §6.5.1)
	Events    Events        // may be nil
	Logger    *slog.Logger  // may be nil
	Width     int           // canvas, pixels; 0 is 1280
	Height    int           // canvas, pixels; 0 is 720
	FrameRate int           // canvas, frames/s; 0 is 25
	Silence   time.Duration // Quiet is reported when a stream sent nothing for so long; 0 is never
}

// Mixer is the media plane of one conference (an RFC 3550 §7.1 mixer). Its methods may be called from any goroutine.
type Mixer struct {
	cfg Config
}

// New returns a mixer without legs. It moves no media until Run.
func New(cfg Config) *Mixer { return &Mixer{cfg: cfg} }

// Run moves media until ctx ends, then returns its cause. It returns after all its goroutines have ended.
func (m *Mixer) Run(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }

// Attach makes the streams of a leg known, or replaces them after a renegotiation: a stream whose ID stays keeps its
// sequence numbers, clocks and statistics. The inlets are in the order of streams.
func (m *Mixer) Attach(leg plan.LegID, streams []Stream) ([]Inlet, error) { return nil, nil }

// Detach forgets a leg, after a BYE on each of its streams (RFC 3550 §6.6). A leg that is unknown is no error.
func (m *Mixer) Detach(leg plan.LegID) {}

// Apply takes the plan that is in force from the next tick and the next frame on.
func (m *Mixer) Apply(p *plan.Plan) {}

// RequestKeyFrame is a viewer's wish for a key frame on one of its video streams that came by other ways than RTCP (RFC 5168).
func (m *Mixer) RequestKeyFrame(leg plan.LegID, stream string) {}
