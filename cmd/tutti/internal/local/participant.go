package local

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pion/rtp"

	"tutti/bridge"
	"tutti/cmd/tutti/internal/device"
	"tutti/codec"
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

const (
	frameRate = 15
	mtu       = 1200
)

// Run takes part until ctx ends or the focus wants it out (nil), or a device fails.
func (p Participant) Run(ctx context.Context, b *bridge.Bridge) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keys := make(chan struct{}, 1)
	leg, err := b.Join(ctx, bridge.JoinRequest{
		Conference: p.Conference, Kind: bridge.Local, Entity: "local:" + p.Name, DisplayText: p.Name, Endpoint: "local:" + p.Name,
		Method: bridge.DialedIn, Actor: actor{cancel},
	})
	if err != nil {
		return fmt.Errorf("local: %s: %w", p.Name, err)
	}
	defer leg.Leave(bridge.Reason{Method: "departed"})
	inlets, err := leg.Attach(p.streams(keys))
	if err != nil {
		return fmt.Errorf("local: %s: %w", p.Name, err)
	}
	return p.send(ctx, inlets, keys)
}

// actor ends the participant when the focus says so.
type actor struct{ cancel context.CancelCauseFunc }

func (a actor) Hangup(bridge.Reason) { a.cancel(context.Canceled) }

func (p Participant) streams(keys chan<- struct{}) []mixer.Stream {
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
		}, RequestKeyFrame: func() {
			select {
			case keys <- struct{}{}:
			default: // one wish is enough
			}
		}})
	}
	return streams
}

// nowhere is the wire to a participant without ears and eyes.
type nowhere struct{}

func (nowhere) WriteRTP(*rtp.Header, []byte) error { return nil }
func (nowhere) WriteRTCP([]byte) error             { return nil }

// send runs the devices until one fails or ctx ends.
func (p Participant) send(ctx context.Context, inlets []mixer.Inlet, keys <-chan struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	if p.Microphone != "" {
		m, err := device.OpenMicrophone(p.Microphone)
		if err != nil {
			return err
		}
		out := newSender(inlets[0], opus.Opus().PayloadType)
		inlets = inlets[1:]
		wg.Go(func() {
			cancel(Voice(ctx, m, func(payload []byte) error {
				out.send(payload, false)
				out.header.Timestamp += device.FrameSize
				return nil
			}))
		})
	}
	if p.Camera != "" {
		c, err := device.OpenCamera(p.Camera, 640, 360, frameRate)
		if err != nil {
			return err
		}
		format := vpx.VP8()
		out, packetizer, start := newSender(inlets[0], format.PayloadType), format.NewPacketizer("", mtu), rand.Uint32()
		wg.Go(func() {
			cancel(Picture(ctx, c, frameRate, keys, func(frame []byte, at time.Duration) error {
				out.header.Timestamp = start + uint32(at*time.Duration(format.ClockRate)/time.Second)
				out.sendAll(packetizer, frame)
				return nil
			}))
		})
	}
	<-ctx.Done()
	if err := context.Cause(ctx); err != nil && err != context.Canceled {
		return err
	}
	return nil
}

// sender makes RTP of payloads and gives it to an inlet, as if it had come from the network.
type sender struct {
	inlet  mixer.Inlet
	header rtp.Header
	buffer []byte
}

func newSender(inlet mixer.Inlet, payloadType uint8) *sender {
	return &sender{inlet: inlet, buffer: make([]byte, 1500), header: rtp.Header{
		Version: 2, PayloadType: payloadType, SSRC: rand.Uint32(), SequenceNumber: uint16(rand.Uint32()), Timestamp: rand.Uint32(),
	}}
}

func (s *sender) send(payload []byte, marker bool) {
	s.header.SequenceNumber++
	s.header.Marker = marker
	packet := rtp.Packet{Header: s.header, Payload: payload}
	n, err := packet.MarshalTo(s.buffer)
	if err != nil {
		return // a payload that fits no packet is not ours
	}
	s.inlet.ReceiveRTP(mixer.Packet{Data: s.buffer[:n], At: time.Now()})
}

func (s *sender) sendAll(p codec.Packetizer, frame []byte) {
	payloads := p.Packetize(frame)
	for i, payload := range payloads {
		s.send(payload, i == len(payloads)-1)
	}
}
