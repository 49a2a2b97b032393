package local

import (
	"context"
	"fmt"
	"time"

	"github.com/pion/rtp"

	"tutti/bridge"
	"tutti/codec/opus"
	"tutti/codec/vpx"
	"tutti/mixer"
)

// Participant is a member of a conference whose devices are those of the bridge's own machine. It hears and sees nothing.
type Participant struct {
	Conference string
	Name       string
	Camera     string // "" for none
	Microphone string // "" for none
}

// Run takes part until ctx ends or the focus wants it out (nil), or a device fails.
func (p Participant) Run(ctx context.Context, b *bridge.Bridge) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := p.run(ctx, cancel, b); err != nil && ctx.Err() == nil {
		return fmt.Errorf("local: %s: %w", p.Name, err)
	}
	return nil
}

func (p Participant) run(ctx context.Context, cancel context.CancelFunc, b *bridge.Bridge) error {
	devices, err := Open(p.Camera, p.Microphone)
	if err != nil {
		return err
	}
	defer devices.Close()
	leg, err := b.Join(ctx, bridge.JoinRequest{
		Conference: p.Conference, Kind: bridge.Local, Entity: "local:" + p.Name, DisplayText: p.Name, Endpoint: "local:" + p.Name,
		Method: bridge.DialedIn, Actor: actor{cancel},
	})
	if err != nil {
		return err
	}
	defer leg.Leave(bridge.Reason{Method: bridge.Departed})
	keys := NewKeys()
	inlets, err := leg.Attach(p.streams(keys))
	if err != nil {
		return err
	}
	return devices.Run(ctx, keys, into(inlets[0]), into(inlets[len(inlets)-1]))
}

// actor ends the participant when the focus says so.
type actor struct{ cancel context.CancelFunc }

func (a actor) Hangup(bridge.Reason) { a.cancel() }

// streams are one m-line for each device, sound first.
func (p Participant) streams(keys Keys) []mixer.Stream {
	var streams []mixer.Stream
	if p.Microphone != "" {
		format := opus.Opus()
		streams = append(streams, mixer.Stream{ID: "0", Kind: mixer.Audio, Wire: nowhere{}, Receive: []mixer.Payload{
			{Type: format.PayloadType, Audio: &format, ClockRate: format.ClockRate},
		}})
	}
	if p.Camera != "" {
		format := vpx.VP8()
		streams = append(streams, mixer.Stream{ID: "1", Kind: mixer.Video, Wire: nowhere{}, Receive: []mixer.Payload{
			{Type: format.PayloadType, Video: &format, ClockRate: format.ClockRate},
		}, RequestKeyFrame: keys.Ask})
	}
	return streams
}

// nowhere is the wire to a participant without ears and eyes.
type nowhere struct{}

func (nowhere) WriteRTP(*rtp.Header, []byte) error { return nil }
func (nowhere) WriteRTCP([]byte) error             { return nil }

// into gives packets to an inlet, as if they had come from the network.
func into(inlet mixer.Inlet) Write {
	buffer := make([]byte, 1500)
	return func(h *rtp.Header, payload []byte) {
		packet := rtp.Packet{Header: *h, Payload: payload}
		n, err := packet.MarshalTo(buffer)
		if err != nil {
			return // a payload that fits no packet is not ours
		}
		inlet.ReceiveRTP(mixer.Packet{Data: buffer[:n], At: time.Now()})
	}
}
