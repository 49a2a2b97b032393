package h264

// #include "shim.h"
import "C"

import (
	"fmt"
	"image"
	"runtime"
	"slices"
	"time"

	"tutti/codec"
	"tutti/codec/internal/planes"
)

// defaultNAL bounds a NAL unit in mode 0 where the caller did not, in bytes.
const defaultNAL = 1200

type encoder struct {
	c             *C.tutti_h264_encoder
	width, height int
	frameRate     int
	bitrate       int    // bit/s
	fmtp          string // the far end's
	level         level
	maxNAL        int    // bytes, 0 for no limit
	keyDue        bool   // one was asked for, and the picture skipped
	frame         []byte // lent
}

func newEncoder(p codec.VideoParams) (*encoder, error) {
	if p.FrameRate < 1 || p.FrameRate > 60 || p.Bitrate < 1000 {
		return nil, fmt.Errorf("h264: encoder for %d frames a second at %d bit/s", p.FrameRate, p.Bitrate)
	}
	e := &encoder{frameRate: p.FrameRate, bitrate: p.Bitrate, fmtp: p.Fmtp}
	if packetizationMode(p.Fmtp) == 0 { // each NAL unit has to fit a packet
		if e.maxNAL = p.MaxPayload; e.maxNAL < 200 {
			e.maxNAL = defaultNAL
		}
	}
	if err := e.open(p.Width, p.Height); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(e, (*encoder).free) // a net; Close is the rule
	return e, nil
}

func (e *encoder) open(width, height int) error {
	if err := codec.CheckSize(width, height); err != nil {
		return fmt.Errorf("h264: %w", err)
	}
	if width < 16 || height < 16 || width%2 != 0 || height%2 != 0 {
		return fmt.Errorf("h264: %d×%d: sides are even and at least 16: %w", width, height, codec.ErrSize)
	}
	l := levelFor(e.fmtp, width, height, e.frameRate)
	var err C.int
	c := C.tutti_h264_encoder_new(C.int(width), C.int(height), C.int(e.frameRate), C.int(min(e.bitrate, l.Bitrate)),
		C.int(l.idc), C.int(e.maxNAL), &err)
	if c == nil {
		return failure("encoder", err)
	}
	e.free()
	e.c, e.width, e.height, e.level = c, width, height, l
	return nil
}

// Encode follows a picture of another size by starting anew, with a key frame. The frame is an Annex B byte stream.
func (e *encoder) Encode(img *image.YCbCr, pts time.Duration, key bool) (frame []byte, isKey bool, err error) {
	if e.c == nil {
		return nil, false, fmt.Errorf("h264: encoder: %w", codec.ErrClosed)
	}
	p, err := planes.Of(img)
	if err != nil {
		return nil, false, fmt.Errorf("h264: %w", err)
	}
	if p.Width != e.width || p.Height != e.height {
		if err := e.open(p.Width, p.Height); err != nil {
			return nil, false, err
		}
	}
	e.keyDue = e.keyDue || key
	out := C.tutti_h264_encode(e.c, (*C.uint8_t)(&p.Y[0]), (*C.uint8_t)(&p.Cb[0]), (*C.uint8_t)(&p.Cr[0]), C.int(p.YStride),
		C.int(p.CStride), C.int64_t(pts.Milliseconds()), flag(e.keyDue))
	if out.err != 0 {
		return nil, false, failure("encode", out.err)
	}
	n := int(out.size)
	if n == 0 {
		return nil, false, nil
	}
	e.frame = slices.Grow(e.frame[:0], n)[:n]
	C.tutti_h264_take(e.c, (*C.uint8_t)(&e.frame[0]))
	if isKey = out.key != 0; isKey {
		e.keyDue = false
	}
	return e.frame, isKey, nil
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// SetBitrate goes no higher than the stream's level allows.
func (e *encoder) SetBitrate(bps int) error {
	if e.c == nil {
		return fmt.Errorf("h264: encoder: %w", codec.ErrClosed)
	}
	if bps < 1000 {
		return fmt.Errorf("h264: bitrate of %d bit/s", bps)
	}
	if err := C.tutti_h264_bitrate(e.c, C.int(min(bps, e.level.Bitrate))); err != 0 {
		return failure("bitrate", err)
	}
	e.bitrate = bps
	return nil
}

func (e *encoder) free() {
	if e.c != nil {
		C.tutti_h264_encoder_free(e.c)
		e.c = nil
	}
}

// Close frees what openh264 holds. Closing twice does nothing.
func (e *encoder) Close() error {
	e.free()
	runtime.SetFinalizer(e, nil)
	return nil
}
