package canvas

import (
	"image"
	"slices"
	"time"
)

// Scaler fills dst with src, scaled. Both are 4:2:0 and borrowed.
type Scaler func(dst, src *image.YCbCr)

const (
	maxCopies = 12 // sizes that one picture is kept in
	copyLife  = 50 // pictures that a copy may miss
)

// Picture is the newest picture of one source, and its copies in the sizes that tiles want.
type Picture struct {
	Image  *image.YCbCr // nil: none yet. Its Rect starts at 0,0. Not written to while a canvas uses it.
	Serial uint64       // grows with every new Image
	At     time.Time    // when Image came

	copies []*scaledCopy
	view   image.YCbCr // the cropped part, kept here so that it is no garbage
}

// scaledCopy is one part of a picture in one size.
type scaledCopy struct {
	crop   image.Rectangle
	img    *image.YCbCr
	serial uint64 // of the picture it was made from
}

// scaled returns the part crop of the picture in w × h pixels. It lends it until the picture changes.
func (p *Picture) scaled(scale Scaler, crop image.Rectangle, w, h int) *image.YCbCr {
	if crop == p.Image.Rect && crop.Dx() == w && crop.Dy() == h {
		return p.Image
	}
	c := p.copyFor(crop, w, h)
	if c.serial != p.Serial {
		part(&p.view, p.Image, crop)
		scale(c.img, &p.view)
		c.serial = p.Serial
	}
	return c.img
}

// Forget gives up the picture and its copies.
func (p *Picture) Forget() { p.Image, p.copies, p.view = nil, nil, image.YCbCr{} }

// copyFor finds the copy of that size, or makes one; those that nobody wanted for a while make room.
func (p *Picture) copyFor(crop image.Rectangle, w, h int) *scaledCopy {
	size := image.Rect(0, 0, w, h)
	for _, c := range p.copies {
		if c.crop == crop && c.img.Rect == size {
			return c
		}
	}
	unused := func(c *scaledCopy) bool { return c.serial+copyLife < p.Serial }
	p.copies = slices.DeleteFunc(p.copies, unused)
	if len(p.copies) == maxCopies {
		p.copies = slices.Delete(p.copies, 0, 1)
	}
	c := &scaledCopy{crop: crop, img: image.NewYCbCr(size, image.YCbCrSubsampleRatio420), serial: p.Serial - 1}
	p.copies = append(p.copies, c)
	return c
}

// part makes dst a view of the pixels of src inside r, which starts at an even pixel.
func part(dst, src *image.YCbCr, r image.Rectangle) {
	*dst = *src
	dst.Y = src.Y[src.YOffset(r.Min.X, r.Min.Y):]
	dst.Cb = src.Cb[src.COffset(r.Min.X, r.Min.Y):]
	dst.Cr = src.Cr[src.COffset(r.Min.X, r.Min.Y):]
	dst.Rect = image.Rect(0, 0, r.Dx(), r.Dy())
}

// ScalePlain is a Scaler in plain Go: the mean of the pixels that fall together, or the nearest one when it enlarges.
func ScalePlain(dst, src *image.YCbCr) {
	dw, dh, sw, sh := dst.Rect.Dx(), dst.Rect.Dy(), src.Rect.Dx(), src.Rect.Dy()
	scalePlane(dst.Y, dst.YStride, dw, dh, src.Y, src.YStride, sw, sh)
	half := func(n int) int { return (n + 1) / 2 }
	scalePlane(dst.Cb, dst.CStride, half(dw), half(dh), src.Cb, src.CStride, half(sw), half(sh))
	scalePlane(dst.Cr, dst.CStride, half(dw), half(dh), src.Cr, src.CStride, half(sw), half(sh))
}

func scalePlane(dst []byte, dstStride, dw, dh int, src []byte, srcStride, sw, sh int) {
	for y := range dh {
		y0, y1 := span(y, dh, sh)
		for x := range dw {
			x0, x1 := span(x, dw, sw)
			sum := 0
			for sy := y0; sy < y1; sy++ {
				for _, v := range src[sy*srcStride+x0 : sy*srcStride+x1] {
					sum += int(v)
				}
			}
			n := (x1 - x0) * (y1 - y0)
			dst[y*dstStride+x] = byte((sum + n/2) / n)
		}
	}
}

// span is the range of source pixels that pixel i of n becomes of, at least one.
func span(i, n, source int) (from, to int) {
	from = i * source / n
	return from, max(from+1, (i+1)*source/n)
}
