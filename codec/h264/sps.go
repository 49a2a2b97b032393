package h264

import (
	"errors"
	"fmt"
	"image"

	"tutti/codec"
)

// sps is what we need of a sequence parameter set (H.264 §7.3.2.1.1).
type sps struct {
	profile byte
	level   byte
	size    image.Point // coded, in pixels: whole macroblocks, before cropping
}

var (
	errProfile    = errors.New("profile that we do not decode")
	errTruncated  = errors.New("cut short")
	errInterlaced = errors.New("interlaced")
	errFormat     = errors.New("not 4:2:0 of 8 bits")
)

const (
	maxReferences = 16
	profileHigh   = 100
)

// parseSPS refuses what openh264 does not decode, and what it should not be asked to.
func parseSPS(nal []byte) (sps, error) {
	if len(nal) < 5 {
		return sps{}, errTruncated
	}
	s := sps{profile: nal[1], level: nal[3]}
	r := bits{data: nal[4:]}
	if id := r.unsigned(); id > 31 {
		return s, fmt.Errorf("id %d", id)
	}
	switch s.profile {
	case 66, 77, 88:
	case profileHigh:
		// chroma_format_idc 1 is 4:2:0; then two bit depths less 8, and a bypass we do not have
		if r.unsigned() != 1 || r.unsigned() != 0 || r.unsigned() != 0 || r.bit() != 0 {
			return s, errFormat
		}
		if r.bit() != 0 {
			r.scalingMatrix()
		}
	default:
		return s, fmt.Errorf("%d: %w", s.profile, errProfile)
	}
	r.unsigned() // log2_max_frame_num_minus4
	r.pictureOrder()
	if n := r.unsigned(); n > maxReferences {
		return s, fmt.Errorf("%d reference pictures", n)
	}
	r.bit() // gaps_in_frame_num_value_allowed_flag
	w, h := r.unsigned(), r.unsigned()
	progressive := r.bit() == 1
	switch {
	case r.broken:
		return s, errTruncated
	case !progressive:
		return s, errInterlaced
	case w >= codec.MaxSide/16 || h >= codec.MaxSide/16:
		return s, fmt.Errorf("%d×%d macroblocks: %w", w+1, h+1, codec.ErrSize)
	}
	s.size = image.Pt(16*int(w+1), 16*int(h+1))
	return s, codec.CheckSize(s.size.X, s.size.Y)
}

// bits reads an RBSP: emulation prevention bytes (00 00 03) are skipped. Past the end it gives zeros and is broken.
type bits struct {
	data   []byte
	at     int // byte
	used   int // bits of it
	zeros  int // bytes of zero before it
	broken bool
}

func (r *bits) bit() uint32 {
	if r.used == 0 && r.zeros >= 2 && r.at < len(r.data) && r.data[r.at] == 3 {
		r.at++
		r.zeros = 0
	}
	if r.at >= len(r.data) {
		r.broken = true
		return 0
	}
	b := uint32(r.data[r.at]>>(7-r.used)) & 1
	if r.used++; r.used == 8 {
		r.zeros++
		if r.data[r.at] != 0 {
			r.zeros = 0
		}
		r.at, r.used = r.at+1, 0
	}
	return b
}

// unsigned is ue(v), H.264 §9.1.
func (r *bits) unsigned() uint32 {
	n := 0
	for r.bit() == 0 {
		if n++; n > 31 || r.broken {
			r.broken = true
			return 0
		}
	}
	v := uint32(1)
	for range n {
		v = v<<1 | r.bit()
	}
	return v - 1
}

// signed is se(v), H.264 §9.1.1.
func (r *bits) signed() int32 {
	v := r.unsigned()
	if v&1 == 1 {
		return int32(v/2) + 1
	}
	return -int32(v / 2)
}

// scalingMatrix skips the lists of H.264 §7.3.2.1.1.1: six of 16 and, in 4:2:0, two of 64.
func (r *bits) scalingMatrix() {
	for i := range 8 {
		if r.bit() == 0 {
			continue
		}
		n, last, next := 16, int32(8), int32(8)
		if i >= 6 {
			n = 64
		}
		for range n {
			if next != 0 {
				next = (last + r.signed() + 256) & 255
			}
			if next != 0 {
				last = next
			}
		}
	}
}

// pictureOrder skips pic_order_cnt_type and what belongs to it.
func (r *bits) pictureOrder() {
	switch r.unsigned() {
	case 0:
		r.unsigned()
	case 1:
		r.bit()
		r.signed()
		r.signed()
		cycle := r.unsigned()
		if cycle > 255 {
			r.broken = true
			return
		}
		for range cycle {
			r.signed()
		}
	}
}
