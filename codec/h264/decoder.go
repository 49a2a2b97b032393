package h264

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
	c       *C.tutti_h264_decoder
	size    image.Point  // coded, of the sequence parameter set in force
	ready   bool         // an IDR picture came through, and nothing broke since
	input   []byte       // the NAL units that openh264 gets to see
	picture *image.YCbCr // lent
}

func newDecoder() (*decoder, error) {
	d := new(decoder)
	if err := d.open(); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(d, (*decoder).free) // a net; Close is the rule
	return d, nil
}

func (d *decoder) open() error {
	var err C.int
	c := C.tutti_h264_decoder_new(&err)
	if c == nil {
		return failure("decoder", err)
	}
	d.free()
	d.c, d.ready = c, false
	return nil
}

// contents is what a frame holds, of what matters here.
type contents struct{ slice, idr bool }

// Decode takes an Annex B byte stream: one picture, or parameter sets alone, which give no picture.
func (d *decoder) Decode(frame []byte) (*image.YCbCr, error) {
	if d.c == nil {
		return nil, fmt.Errorf("h264: decoder: %w", codec.ErrClosed)
	}
	if len(frame) > codec.MaxFrame {
		return nil, fmt.Errorf("h264: frame of %d bytes", len(frame))
	}
	has, err := d.filter(frame)
	if err != nil {
		return nil, err
	}
	if has.slice && !has.idr && !d.ready {
		return nil, fmt.Errorf("h264: %w", codec.ErrNoKey)
	}
	if len(d.input) == 0 {
		return nil, nil
	}
	out := C.tutti_h264_decode(d.c, (*C.uint8_t)(&d.input[0]), C.int(len(d.input)))
	if !has.slice {
		return nil, nil // whether the sets are good shows at the next picture
	}
	if d.ready = out.err == 0; !d.ready {
		return nil, failure("decode", out.err)
	}
	return d.take(out)
}

// filter copies the NAL units that a decoder of single-layer H.264 needs to input, and looks at each sequence parameter
// set: what it says decides how much memory openh264 takes.
func (d *decoder) filter(frame []byte) (has contents, err error) {
	d.input = d.input[:0]
	for nal, rest := nextNAL(frame); nal != nil; nal, rest = nextNAL(rest) {
		switch typeOf(nal) {
		case nalIDR:
			has.idr, has.slice = true, true
		case nalSlice:
			has.slice = true
		case nalSPS:
			if err := d.sequence(nal); err != nil {
				return has, err
			}
		case nalPPS:
		default:
			continue // SEI, delimiters, filler, and extensions that we do not offer
		}
		d.input = append(append(d.input, 0, 0, 0, 1), nal...)
	}
	return has, nil
}

// sequence starts openh264 anew for pictures of another size. It could change by itself, but that has been the place of
// its worst errors.
func (d *decoder) sequence(nal []byte) error {
	s, err := parseSPS(nal)
	if err != nil {
		return fmt.Errorf("h264: sequence parameter set: %w", err)
	}
	if s.size == d.size {
		return nil
	}
	if err := d.open(); err != nil {
		return err
	}
	d.size = s.size
	return nil
}

// take copies what openh264 shows.
func (d *decoder) take(out C.tutti_h264_picture) (*image.YCbCr, error) {
	w, h := int(out.width), int(out.height)
	if w == 0 {
		return nil, nil
	}
	if err := codec.CheckSize(w, h); err != nil || w > int(out.ystride) || (w+1)/2 > int(out.cstride) {
		return nil, fmt.Errorf("h264: decoded %d×%d: %w", w, h, codec.ErrSize)
	}
	d.picture = planes.Reuse(d.picture, w, h)
	p, err := planes.Of(d.picture)
	if err != nil {
		return nil, fmt.Errorf("h264: decoded: %w", err)
	}
	C.tutti_h264_copy((*C.uint8_t)(&p.Y[0]), C.int(p.YStride), out.y, out.ystride, C.int(w), C.int(h))
	C.tutti_h264_copy((*C.uint8_t)(&p.Cb[0]), C.int(p.CStride), out.cb, out.cstride, C.int(p.CWidth), C.int(p.CHeight))
	C.tutti_h264_copy((*C.uint8_t)(&p.Cr[0]), C.int(p.CStride), out.cr, out.cstride, C.int(p.CWidth), C.int(p.CHeight))
	return d.picture, nil
}

func (d *decoder) free() {
	if d.c != nil {
		C.tutti_h264_decoder_free(d.c)
		d.c = nil
	}
}

// Close frees what openh264 holds. Closing twice does nothing.
func (d *decoder) Close() error {
	d.free()
	runtime.SetFinalizer(d, nil)
	return nil
}
