package canvas

import (
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/vector"
)

// shape collects outlines and paints them, antialiased, on an image.RGBA. Coordinates are pixels.
type shape struct{ r *vector.Rasterizer }

func newShape(w, h int) shape { return shape{vector.NewRasterizer(w, h)} }

func (s shape) paint(dst *image.RGBA, c uint32) {
	s.r.Draw(dst, dst.Bounds(), image.NewUniform(rgba(c)), image.Point{})
	s.r.Reset(dst.Bounds().Dx(), dst.Bounds().Dy())
	s.r.DrawOp = draw.Over
}

// rgba is a colour as package image has it, multiplied by its opacity.
func rgba(c uint32) color.RGBA {
	a := c & 0xff
	part := func(shift int) uint8 { return uint8((c >> shift & 0xff) * a / 0xff) }
	return color.RGBA{part(24), part(16), part(8), uint8(a)}
}

// kappa is the distance of the control points of a cubic curve that is nearly a quarter of a circle of radius 1.
const kappa = 0.5522848

// rounded adds a rectangle with corners of radius r; backwards cuts it out of what surrounds it.
func (s shape) rounded(x0, y0, x1, y1, r float32, backwards bool) {
	k := r * (1 - kappa)
	type corner struct{ ax, ay, bx, by, cx, cy, dx, dy float32 }
	corners := [4]corner{ // from, two control points, to; clockwise from the upper right
		{x1 - r, y0, x1 - k, y0, x1, y0 + k, x1, y0 + r},
		{x1, y1 - r, x1, y1 - k, x1 - k, y1, x1 - r, y1},
		{x0 + r, y1, x0 + k, y1, x0, y1 - k, x0, y1 - r},
		{x0, y0 + r, x0, y0 + k, x0 + k, y0, x0 + r, y0},
	}
	if !backwards {
		s.r.MoveTo(x0+r, y0)
		for _, c := range corners {
			s.r.LineTo(c.ax, c.ay)
			s.r.CubeTo(c.bx, c.by, c.cx, c.cy, c.dx, c.dy)
		}
		s.r.ClosePath()
		return
	}
	s.r.MoveTo(x0+r, y0)
	for i := 3; i >= 0; i-- {
		c := corners[i]
		s.r.LineTo(c.dx, c.dy)
		s.r.CubeTo(c.cx, c.cy, c.bx, c.by, c.ax, c.ay)
	}
	s.r.ClosePath()
}

func (s shape) circle(x, y, r float32) { s.rounded(x-r, y-r, x+r, y+r, r, false) }

// line adds a straight stroke of the given width from x0,y0 to x1,y1, with square ends.
func (s shape) line(x0, y0, x1, y1, width float32) {
	dx, dy := x1-x0, y1-y0
	l := sqrt(dx*dx + dy*dy)
	if l == 0 {
		return
	}
	nx, ny := -dy/l*width/2, dx/l*width/2
	s.r.MoveTo(x0+nx, y0+ny)
	s.r.LineTo(x0-nx, y0-ny)
	s.r.LineTo(x1-nx, y1-ny)
	s.r.LineTo(x1+nx, y1+ny)
	s.r.ClosePath()
}

// crossedMicrophone paints a microphone with a stroke through it, in a square of the given size at x, y.
func crossedMicrophone(dst *image.RGBA, x, y, size float32, c, ground uint32) {
	s := newShape(dst.Rect.Dx(), dst.Rect.Dy())
	u := size / 24 // drawn on a grid of 24 × 24
	at := func(v float32) float32 { return v * u }
	s.rounded(x+at(9), y+at(3), x+at(15), y+at(14), at(3), false)
	s.paint(dst, c)
	// The yoke: the lower half of a ring, the upper one cut away.
	s.yoke(x+at(12), y+at(11), at(7), at(5))
	s.line(x+at(12), y+at(17.5), x+at(12), y+at(21), at(2))
	s.line(x+at(8), y+at(21), x+at(16), y+at(21), at(2))
	s.paint(dst, c)
	s.line(x+at(5.5), y+at(2), x+at(21.5), y+at(20), at(2.2))
	s.paint(dst, ground)
	s.line(x+at(4), y+at(3.2), x+at(20), y+at(21.2), at(2.2))
	s.paint(dst, c)
}

// yoke adds the lower half of a ring around x, y.
func (s shape) yoke(x, y, outer, inner float32) {
	ko, ki := outer*kappa, inner*kappa
	s.r.MoveTo(x-outer, y)
	s.r.CubeTo(x-outer, y+ko, x-ko, y+outer, x, y+outer)
	s.r.CubeTo(x+ko, y+outer, x+outer, y+ko, x+outer, y)
	s.r.LineTo(x+inner, y)
	s.r.CubeTo(x+inner, y+ki, x+ki, y+inner, x, y+inner)
	s.r.CubeTo(x-ki, y+inner, x-inner, y+ki, x-inner, y)
	s.r.ClosePath()
}

// person paints head and shoulders in a circle of radius r around x, y.
func person(dst *image.RGBA, x, y, r float32, c uint32) {
	s := newShape(dst.Rect.Dx(), dst.Rect.Dy())
	s.circle(x, y-r*0.22, r*0.32)
	s.paint(dst, c)
	top, side := y+r*0.2, r*0.55
	s.r.MoveTo(x-side, y+r*0.68)
	s.r.CubeTo(x-side, top+r*0.1, x-side*0.6, top, x, top)
	s.r.CubeTo(x+side*0.6, top, x+side, top+r*0.1, x+side, y+r*0.68)
	s.r.ClosePath()
	s.paint(dst, c)
}
