package canvas

import "image"

// edge is the rim of a tile: rounded corners in the colour of the canvas, and the border of who speaks. It is four
// strips, so that the middle of the tile costs nothing.
type edge struct {
	w, h                     int
	top, bottom, left, right *sprite // left and right only with a border
}

type edgeKey struct {
	w, h              int
	speaking, rounded bool
}

// border is how thick the border of who speaks is in a tile of height h.
func border(h int) int {
	const small = 100
	if h < small {
		return 2
	}
	return min(max(even(h/70), 4), 6)
}

// radius is that of the corners of a tile of w × h.
func radius(w, h int) int { return min(max(even(min(w, h)/18), 4), 18) }

// maxEdges bounds the rims that are kept; a canvas has three sizes of tiles at most.
const maxEdges = 64

// edge returns the rim of a tile of w × h; nil when it has none.
func (a *Art) edge(w, h int, speaking, rounded bool) *edge {
	if !speaking && !rounded || w < 24 || h < 24 {
		return nil
	}
	k := edgeKey{w, h, speaking, rounded}
	if e, ok := a.edges[k]; ok {
		return e
	}
	if len(a.edges) >= maxEdges {
		clear(a.edges)
	}
	e := drawEdge(k)
	a.edges[k] = e
	return e
}

func drawEdge(k edgeKey) *edge {
	e := &edge{w: k.w, h: k.h}
	strip := even(max(radius(k.w, k.h), border(k.h)) + 1)
	e.top = drawRim(k, image.Rect(0, 0, k.w, strip))
	e.bottom = drawRim(k, image.Rect(0, k.h-strip, k.w, k.h))
	if k.speaking {
		b := border(k.h)
		e.left = drawRim(k, image.Rect(0, strip, b, k.h-strip))
		e.right = drawRim(k, image.Rect(k.w-b, strip, k.w, k.h-strip))
	}
	return e
}

// drawRim draws the part r of the rim.
func drawRim(k edgeKey, r image.Rectangle) *sprite {
	m := image.NewRGBA(image.Rect(0, 0, r.Dx(), r.Dy()))
	s := newShape(r.Dx(), r.Dy())
	x, y := float32(-r.Min.X), float32(-r.Min.Y)
	w, h := float32(k.w), float32(k.h)
	var rad float32
	if k.rounded {
		rad = float32(radius(k.w, k.h))
	}
	if k.speaking {
		b := float32(border(k.h))
		s.rounded(x, y, x+w, y+h, rad, false)
		s.rounded(x+b, y+b, x+w-b, y+h-b, max(rad-b, 0), true)
		s.paint(m, speaking)
	}
	if k.rounded {
		s.rounded(x-1, y-1, x+w+1, y+h+1, 0, false)
		s.rounded(x, y, x+w, y+h, rad, true)
		s.paint(m, background)
	}
	return newSprite(m)
}

// lay puts the rim over the tile r of dst.
func (e *edge) lay(dst *image.YCbCr, r image.Rectangle) {
	e.top.lay(dst, r.Min.X, r.Min.Y)
	e.bottom.lay(dst, r.Min.X, r.Max.Y-e.bottom.h)
	if e.left != nil {
		e.left.lay(dst, r.Min.X, r.Min.Y+e.top.h)
		e.right.lay(dst, r.Max.X-e.right.w, r.Min.Y+e.top.h)
	}
}
