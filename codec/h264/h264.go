// Package h264 speaks H.264 with openh264 and its RTP payload format (RFC 6184) in packetization modes 0 and 1.
//
// We send the constrained baseline profile, which every decoder of any common profile reads, with the parameter sets in
// front of each IDR picture and IDR pictures only when asked for. What openh264 lends is copied out, so nothing we lend
// can dangle. Before openh264 sees a byte from the network, sizes and profiles have been checked in Go.
package h264

// #cgo pkg-config: openh264
// #include "shim.h"
import "C"

import (
	"fmt"

	"tutti/codec"
)

// H264 is what we offer: constrained baseline, level 3.1 (1280×720 at 30 a second), packetization mode 1. For what we
// answer see AnswerFmtp.
func H264() codec.Video {
	return codec.Video{
		Format:        codec.Format{Name: "H264", ClockRate: 90000},
		PayloadType:   102,
		Fmtp:          "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
		NewEncoder:    func(p codec.VideoParams) (codec.VideoEncoder, error) { return newEncoder(p) },
		NewDecoder:    func() (codec.VideoDecoder, error) { return newDecoder() },
		NewPacketizer: func(fmtp string, mtu int) codec.Packetizer { return newPacketizer(fmtp, mtu) },
		NewAssembler:  func() codec.Assembler { return new(assembler) },
	}
}

// packetizationMode of the far end; without a word it is 0 (RFC 6184 §8.1).
func packetizationMode(fmtp string) int { return codec.FmtpInt(fmtp, "packetization-mode", 0) }

func failure(doing string, err C.int) error {
	return fmt.Errorf("h264: %s: openh264 error %#x", doing, int(err))
}
