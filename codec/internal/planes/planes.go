// Package planes looks at pictures as C does: pointers, strides and sizes, after checking that the memory is there.
package planes

import (
	"fmt"
	"image"

	"tutti/codec"
)

// Planes is one 4:2:0 picture. Each slice begins at the picture's first sample and holds at least its last.
type Planes struct {
	Y, Cb, Cr       []byte
	YStride         int
	CStride         int
	Width, Height   int // of luma; chroma has half, rounded up
	CWidth, CHeight int
}

// Of checks img, which may be a part of a larger one, and opens it.
func Of(img *image.YCbCr) (Planes, error) {
	if img == nil || img.SubsampleRatio != image.YCbCrSubsampleRatio420 {
		return Planes{}, fmt.Errorf("planes: picture is not 4:2:0")
	}
	r := img.Rect
	p := Planes{
		YStride: img.YStride, CStride: img.CStride,
		Width: r.Dx(), Height: r.Dy(), CWidth: (r.Dx() + 1) / 2, CHeight: (r.Dy() + 1) / 2,
	}
	if err := codec.CheckSize(max(p.Width, 2), max(p.Height, 2)); err != nil || r.Empty() {
		return Planes{}, fmt.Errorf("planes: %v: %w", r, codec.ErrSize)
	}
	luma, chroma := img.YOffset(r.Min.X, r.Min.Y), img.COffset(r.Min.X, r.Min.Y)
	if !holds(img.Y, luma, p.YStride, p.Width, p.Height) ||
		!holds(img.Cb, chroma, p.CStride, p.CWidth, p.CHeight) || !holds(img.Cr, chroma, p.CStride, p.CWidth, p.CHeight) {
		return Planes{}, fmt.Errorf("planes: %v: less memory than the picture needs", r)
	}
	p.Y, p.Cb, p.Cr = img.Y[luma:], img.Cb[chroma:], img.Cr[chroma:]
	return p, nil
}

func holds(plane []byte, offset, stride, w, h int) bool {
	return offset >= 0 && stride >= w && offset+(h-1)*stride+w <= len(plane)
}

// Reuse returns a picture of w × h pixels: img itself, if it has that size. What it shows is undefined.
func Reuse(img *image.YCbCr, w, h int) *image.YCbCr {
	size := image.Rect(0, 0, w, h)
	if img != nil && img.Rect == size {
		return img
	}
	return image.NewYCbCr(size, image.YCbCrSubsampleRatio420)
}

// Part is what lies in r, which must be within the picture and begin at even coordinates.
func (p Planes) Part(r image.Rectangle) Planes {
	luma, chroma := r.Min.Y*p.YStride+r.Min.X, r.Min.Y/2*p.CStride+r.Min.X/2
	p.Y, p.Cb, p.Cr = p.Y[luma:], p.Cb[chroma:], p.Cr[chroma:]
	p.Width, p.Height = r.Dx(), r.Dy()
	p.CWidth, p.CHeight = (r.Dx()+1)/2, (r.Dy()+1)/2
	return p
}
