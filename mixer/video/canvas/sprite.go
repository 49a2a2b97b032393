package canvas

import (
	"image"
	"image/color"
)

// yuv is a colour in studio range, BT.601.
type yuv struct{ y, cb, cr uint8 }

func toYUV(c color.RGBA) yuv {
	r, g, b := int(c.R), int(c.G), int(c.B)
	return yuv{
		uint8(16 + (66*r+129*g+25*b+128)>>8),
		uint8(128 + (-38*r-74*g+112*b+128)>>8),
		uint8(128 + (112*r-94*g-18*b+128)>>8),
	}
}

// sprite is a picture with transparency, made to be laid over a sheet. Width and height are even. The colours are
// multiplied by their opacity already, so that laying over is one multiplication a sample.
type sprite struct {
	w, h      int
	y, ya     []uint8 // w × h: luma, opacity
	cb, cr, c []uint8 // w/2 × h/2: chroma, opacity
}

func (s *sprite) bytes() int { return len(s.y)*2 + len(s.cb)*3 }

// newSprite converts m, whose colours are multiplied by their opacity as image.RGBA has them. An odd row or column at
// the end is left out.
func newSprite(m *image.RGBA) *sprite {
	w, h := even(m.Rect.Dx()), even(m.Rect.Dy())
	s := &sprite{w: w, h: h, y: make([]uint8, w*h), ya: make([]uint8, w*h)}
	s.cb, s.cr, s.c = make([]uint8, w*h/4), make([]uint8, w*h/4), make([]uint8, w*h/4)
	for y := range h {
		for x := range w {
			p := m.Pix[y*m.Stride+x*4:]
			r, g, b, a := int(p[0]), int(p[1]), int(p[2]), int(p[3])
			s.y[y*w+x] = uint8((16*a/255 + (66*r+129*g+25*b+128)>>8))
			s.ya[y*w+x] = p[3]
		}
	}
	for y := range h / 2 {
		for x := range w / 2 {
			var r, g, b, a int
			for _, o := range [4]int{0, 4, m.Stride, m.Stride + 4} {
				p := m.Pix[2*y*m.Stride+8*x+o:]
				r, g, b, a = r+int(p[0]), g+int(p[1]), b+int(p[2]), a+int(p[3])
			}
			r, g, b, a = (r+2)/4, (g+2)/4, (b+2)/4, (a+2)/4
			i := y*w/2 + x
			s.cb[i] = clamp((128*a*256/255 - 38*r - 74*g + 112*b + 128) >> 8)
			s.cr[i] = clamp((128*a*256/255 + 112*r - 94*g - 18*b + 128) >> 8)
			s.c[i] = uint8(a)
		}
	}
	return s
}

func clamp(v int) uint8 { return uint8(min(max(v, 0), 255)) }

// lay puts s over dst with its top left corner at x, y, both even. It must lie inside dst.
func (s *sprite) lay(dst *image.YCbCr, x, y int) {
	for row := range s.h {
		d := dst.Y[(y+row)*dst.YStride+x:]
		over(d[:s.w], s.y[row*s.w:][:s.w], s.ya[row*s.w:][:s.w])
	}
	w := s.w / 2
	for row := range s.h / 2 {
		o, i := (y/2+row)*dst.CStride+x/2, row*w
		over(dst.Cb[o:][:w], s.cb[i:][:w], s.c[i:][:w])
		over(dst.Cr[o:][:w], s.cr[i:][:w], s.c[i:][:w])
	}
}

// over lays src, already multiplied by its opacity a, over dst. All three are equally long.
func over(dst, src, a []uint8) {
	src, a = src[:len(dst)], a[:len(dst)]
	for i, o := range a {
		if o == 0 {
			continue
		}
		v := uint32(dst[i])*uint32(255-o) + 128
		dst[i] = uint8(min(uint32(src[i])+(v+v>>8)>>8, 255))
	}
}

// fill paints r of dst, even edges, in one colour.
func fill(dst *image.YCbCr, r image.Rectangle, c yuv) {
	if r.Empty() {
		return
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		set(dst.Y[y*dst.YStride+r.Min.X:y*dst.YStride+r.Max.X], c.y)
	}
	for y := r.Min.Y / 2; y < r.Max.Y/2; y++ {
		o := y * dst.CStride
		set(dst.Cb[o+r.Min.X/2:o+r.Max.X/2], c.cb)
		set(dst.Cr[o+r.Min.X/2:o+r.Max.X/2], c.cr)
	}
}

func set(p []uint8, v uint8) {
	for i := range p {
		p[i] = v
	}
}

// blit copies src to r of dst; they are equally large and the edges even.
func blit(dst, src *image.YCbCr, r image.Rectangle) {
	w, h := r.Dx(), r.Dy()
	for y := range h {
		copy(dst.Y[(r.Min.Y+y)*dst.YStride+r.Min.X:][:w], src.Y[y*src.YStride:])
	}
	for y := range h / 2 {
		o := (r.Min.Y/2+y)*dst.CStride + r.Min.X/2
		copy(dst.Cb[o:][:w/2], src.Cb[y*src.CStride:])
		copy(dst.Cr[o:][:w/2], src.Cr[y*src.CStride:])
	}
}

// dim darkens r of dst and takes half of its colour, for a picture that stands still.
func dim(dst *image.YCbCr, r image.Rectangle) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := dst.Y[y*dst.YStride+r.Min.X : y*dst.YStride+r.Max.X]
		for i, v := range row {
			row[i] = uint8(16 + (int(v)-16)*2/5)
		}
	}
	for y := r.Min.Y / 2; y < r.Max.Y/2; y++ {
		o := y * dst.CStride
		for _, plane := range [2][]uint8{dst.Cb, dst.Cr} {
			row := plane[o+r.Min.X/2 : o+r.Max.X/2]
			for i, v := range row {
				row[i] = uint8(128 + (int(v)-128)/2)
			}
		}
	}
}
