package codec

import (
	"image"
	"time"
)

// Video is a video payload format that the bridge can speak. A value, no registry.
// Pictures are *image.YCbCr with 4:2:0 subsampling everywhere.
type Video struct {
	Format             // clock 90000
	PayloadType uint8  // the dynamic number we prefer
	Fmtp        string // our a=fmtp, "" for none
	NewEncoder  func(VideoParams) (VideoEncoder, error)
	NewDecoder  func() (VideoDecoder, error)
	// NewPacketizer makes payloads of at most mtu bytes, which leaves the RTP header out. H.264 honours the
	// packetization-mode of the far end's fmtp.
	NewPacketizer func(fmtp string, mtu int) Packetizer
	NewAssembler  func() Assembler
}

// VideoParams is what one encoder is made for.
type VideoParams struct {
	Width, Height int    // pixels, both even; an encoder follows pictures of another size with a key frame
	FrameRate     int    // frames a second
	Bitrate       int    // bit/s
	Fmtp          string // the far end's a=fmtp, "" for none
	MaxPayload    int    // bytes; the limit for a NAL unit in H.264 mode 0
}

// VideoEncoder turns pictures into frames. It belongs to one goroutine; its memory lies in C, so Close is a duty.
type VideoEncoder interface {
	// Encode borrows img and lends the frame until the next call. key asks for a key frame; isKey says whether the
	// frame is one. A frame of no bytes means that the encoder skipped the picture to hold its bitrate. pts grows.
	Encode(img *image.YCbCr, pts time.Duration, key bool) (frame []byte, isKey bool, err error)
	// SetBitrate changes the rate from the next frame on, bit/s.
	SetBitrate(bps int) error
	Close() error
}

// VideoDecoder turns frames into pictures. It belongs to one goroutine; its memory lies in C, so Close is a duty.
type VideoDecoder interface {
	// Decode borrows frame and lends the picture until the next call; nil, nil when the frame gives none.
	Decode(frame []byte) (*image.YCbCr, error)
	Close() error
}

// Packetizer cuts frames into RTP payloads. It belongs to one goroutine.
type Packetizer interface {
	// Packetize borrows frame and lends the payloads until the next call; the last one carries the marker bit.
	Packetize(frame []byte) [][]byte
}

// Assembler joins RTP payloads (in order, losses told) into whole frames for the decoder. It belongs to one goroutine.
type Assembler interface {
	// Push borrows the payload of the next packet in order; when a frame is complete, it lends that frame until the
	// next call. lost says that packets are missing before this one. key: the frame is a key frame (IDR, VP8 key).
	//
	// A frame with a hole is dropped, and so is all that refers to it: after a loss ok stays false up to the next
	// key frame, which the caller has to ask for.
	Push(payload []byte, timestamp uint32, marker, lost bool) (frame []byte, key bool, ok bool)
}
