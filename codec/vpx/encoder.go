package vpx

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"image"
	"runtime"
	"time"
	"unsafe"

	"tutti/codec"
	"tutti/codec/internal/planes"
)

// keyInterval bounds how long a stream goes without a key frame that nobody asked for.
const keyInterval = 2 * time.Minute

type encoder struct {
	c             *C.tutti_vpx_encoder
	tuning        Tuning
	width, height int
	frameRate     int
	bitrate       int           // bit/s
	last          C.int64_t     // pts of the last picture, 90 kHz
	started       bool          // a pts of 0 is legal
	lastKey       time.Duration // pts
	keyDue        bool          // one was asked for, and the picture skipped
	frame         []byte        // lent
}

func newEncoder(p codec.VideoParams, t Tuning) (*encoder, error) {
	if err := codec.CheckSize(p.Width, p.Height); err != nil {
		return nil, fmt.Errorf("vpx: %w", err)
	}
	if p.FrameRate < 1 || p.FrameRate > 120 || p.Bitrate < 1000 {
		return nil, fmt.Errorf("vpx: encoder for %d frames a second at %d bit/s", p.FrameRate, p.Bitrate)
	}
	e := &encoder{tuning: t, width: p.Width, height: p.Height, frameRate: p.FrameRate, bitrate: p.Bitrate}
	if err := e.open(); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(e, (*encoder).free) // a net; Close is the rule
	return e, nil
}

func (e *encoder) open() error {
	var err C.int
	e.c = C.tutti_vpx_encoder_new(C.int(e.width), C.int(e.height), C.int(e.bitrate/1000), e.tuning.cpuUsed(),
		e.tuning.threads(e.width, e.height), &err)
	if e.c == nil {
		return failure("encoder", err)
	}
	return nil
}

// Encode follows a picture of another size by starting anew, with a key frame.
func (e *encoder) Encode(img *image.YCbCr, pts time.Duration, key bool) (frame []byte, isKey bool, err error) {
	p, err := planes.Of(img)
	if err != nil {
		return nil, false, fmt.Errorf("vpx: %w", err)
	}
	if p.Width != e.width || p.Height != e.height {
		if err := e.resize(p.Width, p.Height); err != nil {
			return nil, false, err
		}
	}
	if e.c == nil {
		return nil, false, fmt.Errorf("vpx: encoder: %w", codec.ErrClosed)
	}
	e.keyDue = e.keyDue || key || pts-e.lastKey >= keyInterval
	out := C.tutti_vpx_encode(e.c, (*C.uint8_t)(&p.Y[0]), (*C.uint8_t)(&p.Cb[0]), (*C.uint8_t)(&p.Cr[0]), C.int(p.YStride),
		C.int(p.CStride), e.tick(pts), C.int64_t(clockRate/e.frameRate), flag(e.keyDue))
	if out.err != 0 {
		return nil, false, failure("encode", out.err)
	}
	if out.size == 0 {
		return nil, false, nil
	}
	e.frame = append(e.frame[:0], unsafe.Slice((*byte)(out.data), int(out.size))...)
	if isKey = out.key != 0; isKey {
		e.keyDue, e.lastKey = false, pts
	}
	return e.frame, isKey, nil
}

// tick is pts in libvpx's time, which has to grow.
func (e *encoder) tick(pts time.Duration) C.int64_t {
	t := C.int64_t(pts * clockRate / time.Second)
	if e.started && t <= e.last {
		t = e.last + 1
	}
	e.last, e.started = t, true
	return t
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func (e *encoder) resize(width, height int) error {
	if e.c == nil {
		return fmt.Errorf("vpx: encoder: %w", codec.ErrClosed)
	}
	if err := codec.CheckSize(width, height); err != nil {
		return fmt.Errorf("vpx: %w", err)
	}
	e.free()
	e.width, e.height, e.started = width, height, false
	return e.open()
}

func (e *encoder) SetBitrate(bps int) error {
	if e.c == nil {
		return fmt.Errorf("vpx: encoder: %w", codec.ErrClosed)
	}
	if bps < 1000 {
		return fmt.Errorf("vpx: bitrate of %d bit/s", bps)
	}
	if err := C.tutti_vpx_bitrate(e.c, C.int(bps/1000)); err != 0 {
		return failure("bitrate", err)
	}
	e.bitrate = bps
	return nil
}

func (e *encoder) free() {
	if e.c != nil {
		C.tutti_vpx_encoder_free(e.c)
		e.c = nil
	}
}

// Close frees what libvpx holds. Closing twice does nothing.
func (e *encoder) Close() error {
	e.free()
	runtime.SetFinalizer(e, nil)
	return nil
}

var errShort = errors.New("frame too short for its header")
