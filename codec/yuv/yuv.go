// Package yuv scales, fills, copies and blends 4:2:0 pictures, with libyuv where it counts. A picture may be a part of a
// larger one (SubImage). Nothing here allocates.
//
// Samples are in the range that video uses (BT.601, luma 16–235), which is not what package color assumes: use Color.
package yuv

// #cgo LDFLAGS: -lyuv
// #include "shim.h"
import "C"

import (
	"fmt"
	"image"
	"image/color"

	"tutti/codec/internal/planes"
)

// Scale fills all of dst with all of src: with a box filter where it shrinks much, else bilinear. Keeping the aspect is
// the caller's, who chooses the rectangles.
func Scale(dst, src *image.YCbCr) error {
	d, err := planes.Of(dst)
	if err != nil {
		return fmt.Errorf("yuv: scale to: %w", err)
	}
	s, err := planes.Of(src)
	if err != nil {
		return fmt.Errorf("yuv: scale from: %w", err)
	}
	if d.Width == s.Width && d.Height == s.Height {
		copyPlanes(d, s)
		return nil
	}
	if C.tutti_yuv_scale(ptr(s.Y), C.int(s.YStride), ptr(s.Cb), ptr(s.Cr), C.int(s.CStride), C.int(s.Width), C.int(s.Height),
		ptr(d.Y), C.int(d.YStride), ptr(d.Cb), ptr(d.Cr), C.int(d.CStride), C.int(d.Width), C.int(d.Height)) != 0 {
		return fmt.Errorf("yuv: scale %d×%d to %d×%d failed", s.Width, s.Height, d.Width, d.Height)
	}
	return nil
}

func ptr(plane []byte) *C.uint8_t { return (*C.uint8_t)(&plane[0]) }

// Fill paints all of dst in one colour.
func Fill(dst *image.YCbCr, c color.YCbCr) error {
	d, err := planes.Of(dst)
	if err != nil {
		return fmt.Errorf("yuv: fill: %w", err)
	}
	fill(d.Y, d.YStride, d.Width, d.Height, c.Y)
	fill(d.Cb, d.CStride, d.CWidth, d.CHeight, c.Cb)
	fill(d.Cr, d.CStride, d.CWidth, d.CHeight, c.Cr)
	return nil
}

func fill(plane []byte, stride, w, h int, v byte) {
	first := plane[:w]
	for i := range first {
		first[i] = v
	}
	for y := 1; y < h; y++ {
		copy(plane[y*stride:y*stride+w], first)
	}
}

// Copy puts src into dst with its upper left corner at the point at, in dst's coordinates, rounded down to even ones as
// chroma asks. What would lie outside is left out.
func Copy(dst, src *image.YCbCr, at image.Point) error {
	d, s, err := overlap(dst, src, at)
	if err != nil || d.Width == 0 {
		return err
	}
	copyPlanes(d, s)
	return nil
}

func copyPlanes(d, s planes.Planes) {
	copyPlane(d.Y, d.YStride, s.Y, s.YStride, d.Width, d.Height)
	copyPlane(d.Cb, d.CStride, s.Cb, s.CStride, d.CWidth, d.CHeight)
	copyPlane(d.Cr, d.CStride, s.Cr, s.CStride, d.CWidth, d.CHeight)
}

func copyPlane(dst []byte, dstStride int, src []byte, srcStride, w, h int) {
	for y := range h {
		copy(dst[y*dstStride:y*dstStride+w], src[y*srcStride:y*srcStride+w])
	}
}

// Blend is Copy through a mask: where alpha is 255 src shows, where it is 0 dst stays. alpha has the size of src.
func Blend(dst, src *image.YCbCr, alpha *image.Alpha, at image.Point) error {
	if alpha.Rect.Size() != src.Rect.Size() {
		return fmt.Errorf("yuv: blend: mask of %v for a picture of %v", alpha.Rect.Size(), src.Rect.Size())
	}
	d, s, err := overlap(dst, src, at)
	if err != nil || d.Width == 0 {
		return err
	}
	offset := even(at).Sub(dst.Rect.Min)
	mask := alpha.Pix[max(0, -offset.Y)*alpha.Stride+max(0, -offset.X):]
	if len(mask) < (d.Height-1)*alpha.Stride+d.Width {
		return fmt.Errorf("yuv: blend: mask of %d bytes is too short", len(alpha.Pix))
	}
	if C.tutti_yuv_blend(ptr(s.Y), C.int(s.YStride), ptr(s.Cb), ptr(s.Cr), C.int(s.CStride), ptr(mask), C.int(alpha.Stride),
		ptr(d.Y), C.int(d.YStride), ptr(d.Cb), ptr(d.Cr), C.int(d.CStride), C.int(d.Width), C.int(d.Height)) != 0 {
		return fmt.Errorf("yuv: blend of %d×%d failed", d.Width, d.Height)
	}
	return nil
}

// overlap is the parts of dst and src that meet when src lies at the point at; a width of 0 says that none do.
func overlap(dst, src *image.YCbCr, at image.Point) (d, s planes.Planes, err error) {
	if d, err = planes.Of(dst); err != nil {
		return d, s, fmt.Errorf("yuv: onto: %w", err)
	}
	if s, err = planes.Of(src); err != nil {
		return d, s, fmt.Errorf("yuv: from: %w", err)
	}
	offset := even(at).Sub(dst.Rect.Min)
	r := image.Rect(0, 0, s.Width, s.Height).Add(offset).Intersect(image.Rect(0, 0, d.Width, d.Height))
	if r.Empty() {
		return planes.Planes{}, s, nil
	}
	return d.Part(r), s.Part(r.Sub(offset)), nil
}

func even(p image.Point) image.Point { return image.Pt(p.X&^1, p.Y&^1) }

// FromRGBA converts src, whose transparency is ignored, into dst of the same size.
func FromRGBA(dst *image.YCbCr, src *image.RGBA) error {
	d, err := planes.Of(dst)
	if err != nil {
		return fmt.Errorf("yuv: from RGBA: %w", err)
	}
	if src.Rect.Size() != dst.Rect.Size() || len(src.Pix) < (d.Height-1)*src.Stride+4*d.Width {
		return fmt.Errorf("yuv: from RGBA: %v into %v", src.Rect, dst.Rect)
	}
	if C.tutti_yuv_from_rgba(ptr(src.Pix), C.int(src.Stride), ptr(d.Y), C.int(d.YStride), ptr(d.Cb), ptr(d.Cr), C.int(d.CStride),
		C.int(d.Width), C.int(d.Height)) != 0 {
		return fmt.Errorf("yuv: from RGBA: %v failed", src.Rect)
	}
	return nil
}

// Color is the colour as video writes it (ITU-R BT.601, luma 16–235, chroma 16–240).
func Color(c color.Color) color.YCbCr {
	r16, g16, b16, _ := c.RGBA()
	r, g, b := int(r16>>8), int(g16>>8), int(b16>>8)
	return color.YCbCr{
		Y:  byte((66*r+129*g+25*b+128)>>8 + 16),
		Cb: byte((-38*r-74*g+112*b+128)>>8 + 128),
		Cr: byte((112*r-94*g-18*b+128)>>8 + 128),
	}
}
