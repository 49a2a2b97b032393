package vpx

// #include "shim.h"
import "C"

import (
	"fmt"
	"image"
	"runtime"

	"tutti/codec"
	"tutti/codec/internal/planes"
)

type decoder struct {
	c       *C.tutti_vpx_decoder
	ready   bool         // a key frame came through, and nothing broke since
	picture *image.YCbCr // lent
}

func newDecoder() (*decoder, error) {
	var err C.int
	c := C.tutti_vpx_decoder_new(&err)
	if c == nil {
		return nil, failure("decoder", err)
	}
	d := &decoder{c: c}
	runtime.SetFinalizer(d, (*decoder).free) // a net; Close is the rule
	return d, nil
}

// Decode looks at the frame before libvpx does: sizes above the limits and frames without their key stay outside.
func (d *decoder) Decode(frame []byte) (*image.YCbCr, error) {
	if d.c == nil {
		return nil, fmt.Errorf("vpx: decoder: %w", codec.ErrClosed)
	}
	h, err := parseHeader(frame)
	if err != nil {
		return nil, err
	}
	if h.key {
		if err := codec.CheckSize(h.width, h.height); err != nil {
			return nil, fmt.Errorf("vpx: key frame: %w", err)
		}
	} else if !d.ready {
		return nil, fmt.Errorf("vpx: %w", codec.ErrNoKey)
	}
	out := C.tutti_vpx_decode(d.c, (*C.uint8_t)(&frame[0]), C.size_t(len(frame)))
	if d.ready = out.err == 0; !d.ready {
		return nil, failure("decode", out.err)
	}
	return d.take(out)
}

// take copies what libvpx shows; a frame that is not to be shown gives nothing.
func (d *decoder) take(out C.tutti_vpx_picture) (*image.YCbCr, error) {
	w, h := int(out.width), int(out.height)
	if w == 0 {
		return nil, nil
	}
	if err := codec.CheckSize(w, h); err != nil {
		return nil, fmt.Errorf("vpx: decoded: %w", err)
	}
	d.picture = planes.Reuse(d.picture, w, h)
	p, err := planes.Of(d.picture)
	if err != nil {
		return nil, fmt.Errorf("vpx: decoded: %w", err)
	}
	C.tutti_vpx_copy((*C.uint8_t)(&p.Y[0]), C.int(p.YStride), out.y, out.ystride, C.int(w), C.int(h))
	C.tutti_vpx_copy((*C.uint8_t)(&p.Cb[0]), C.int(p.CStride), out.cb, out.cstride, C.int(p.CWidth), C.int(p.CHeight))
	C.tutti_vpx_copy((*C.uint8_t)(&p.Cr[0]), C.int(p.CStride), out.cr, out.cstride, C.int(p.CWidth), C.int(p.CHeight))
	return d.picture, nil
}

func (d *decoder) free() {
	if d.c != nil {
		C.tutti_vpx_decoder_free(d.c)
		d.c = nil
	}
}

// Close frees what libvpx holds. Closing twice does nothing.
func (d *decoder) Close() error {
	d.free()
	runtime.SetFinalizer(d, nil)
	return nil
}

// header is the begin of a frame (RFC 6386 §9.1): three bytes, and in a key frame a start code and the size.
type header struct {
	key           bool
	width, height int // pixels, of key frames only
}

func parseHeader(frame []byte) (header, error) {
	if len(frame) < 3 {
		return header{}, fmt.Errorf("vpx: %d bytes: %w", len(frame), errShort)
	}
	if frame[0]&1 != 0 {
		return header{}, nil
	}
	if len(frame) < 10 {
		return header{}, fmt.Errorf("vpx: key frame of %d bytes: %w", len(frame), errShort)
	}
	if frame[3] != 0x9D || frame[4] != 0x01 || frame[5] != 0x2A {
		return header{}, fmt.Errorf("vpx: key frame without its start code")
	}
	return header{ // the two upper bits of each are a scale for the display
		key:    true,
		width:  int(frame[6]) | int(frame[7]&0x3F)<<8,
		height: int(frame[8]) | int(frame[9]&0x3F)<<8,
	}, nil
}
