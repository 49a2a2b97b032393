package canvas

import (
	"image"

	"tutti/mixer/plan"
)

// MaxTiles is how many tiles a grid shows; the last place then says how many more there are.
const MaxTiles = 49

// minTile is the height, in pixels, below which a tile is not worth a place.
const minTile = 8

// maxStrip is how many places the strip beside the large picture has.
const maxStrip = 5

// Place is where one tile of a scene goes.
type Place struct {
	Rect image.Rectangle // pixels, even edges
	Tile int             // index into the tiles of the scene
	More int             // when not 0: no tile, but "+More" for those that found no place
	Bare bool            // fills the canvas: square corners
	Fit  bool            // never crop: slides
}

// Arrange appends the places of the tiles on a canvas of w × h pixels to dst. Slides as the first tile are large
// whatever the layout.
func Arrange(dst []Place, layout plan.Layout, tiles []plan.Tile, w, h int) []Place {
	n := len(tiles)
	if n == 0 || w < 16 || h < 16 {
		return dst
	}
	slides := tiles[0].Content == plan.Slides
	from := len(dst)
	switch {
	case layout == plan.Single && !slides || n == 1 && slides:
		dst = append(dst, Place{Rect: image.Rect(0, 0, even(w), even(h)), Bare: true})
	case layout == plan.Speaker || slides:
		dst = appendSpeaker(dst, n, w, h)
	default:
		dst = appendGrid(dst, n, w, h)
	}
	for i := range dst[from:] {
		p := &dst[from+i]
		p.Fit = tiles[p.Tile].Content == plan.Slides
	}
	return dst
}

// gapFor is the distance between tiles and to the edge.
func gapFor(w, h int) int { return max(2, even(min(w, h)/90)) }

// appendGrid places n equal tiles of 16:9 as large as they fit, the last row centred.
func appendGrid(dst []Place, n, w, h int) []Place {
	gap := gapFor(w, h)
	if n == 1 {
		return append(dst, Place{Rect: image.Rect(gap, gap, even(w-gap), even(h-gap))})
	}
	shown := min(n, MaxTiles)
	cols, tw, th := gridSize(shown, w, h, gap)
	for ; th < minTile && shown > 1; cols, tw, th = gridSize(shown, w, h, gap) {
		shown-- // a canvas too small for so many
	}
	if th < minTile {
		return closeWithMore(append(dst, Place{Rect: image.Rect(0, 0, even(w), even(h)), Bare: true}), n, 1)
	}
	rows := (shown + cols - 1) / cols
	top := even((h - rows*th - (rows-1)*gap) / 2)
	for i := range shown {
		row, col := i/cols, i%cols
		inRow := min(cols, shown-row*cols)
		left := even((w - inRow*tw - (inRow-1)*gap) / 2)
		x, y := left+col*(tw+gap), top+row*(th+gap)
		dst = append(dst, Place{Rect: image.Rect(x, y, x+tw, y+th), Tile: i})
	}
	return closeWithMore(dst, n, shown)
}

// gridSize finds the number of columns that gives n tiles of 16:9 the largest size.
func gridSize(n, w, h, gap int) (cols, tw, th int) {
	for c := 1; c <= n; c++ {
		rows := (n + c - 1) / c
		cw, ch := (w-gap*(c+1))/c, (h-gap*(rows+1))/rows
		fw, fh := even(min(cw, ch*16/9)), even(min(ch, cw*9/16))
		if fw*fh > tw*th {
			cols, tw, th = c, fw, fh
		}
	}
	return cols, tw, th
}

// appendSpeaker places the first tile large and the others in a strip: on the right of a wide canvas, below on a
// tall one.
func appendSpeaker(dst []Place, n, w, h int) []Place {
	gap := gapFor(w, h)
	if n == 1 {
		return appendGrid(dst, n, w, h)
	}
	others := n - 1
	shown := min(others, maxStrip)
	th := even((h - gap*(maxStrip+1)) / maxStrip)
	tw := even(th * 16 / 9)
	if w < h {
		tw = even((w - gap*(maxStrip+1)) / maxStrip)
		th = tw
	}
	if th < minTile {
		return append(dst, Place{Rect: image.Rect(0, 0, even(w), even(h)), Bare: true})
	}
	if w >= h {
		dst = append(dst, Place{Rect: image.Rect(gap, gap, even(w-tw-2*gap), even(h-gap))})
		x, y := even(w-tw-gap), even((h-shown*th-(shown-1)*gap)/2)
		for i := range shown {
			dst = append(dst, Place{Rect: image.Rect(x, y+i*(th+gap), x+tw, y+i*(th+gap)+th), Tile: i + 1})
		}
		return closeWithMore(dst, others, shown)
	}
	dst = append(dst, Place{Rect: image.Rect(gap, gap, even(w-gap), even(h-th-2*gap))})
	x, y := even((w-shown*tw-(shown-1)*gap)/2), even(h-th-gap)
	for i := range shown {
		dst = append(dst, Place{Rect: image.Rect(x+i*(tw+gap), y, x+i*(tw+gap)+tw, y+th), Tile: i + 1})
	}
	return closeWithMore(dst, others, shown)
}

// closeWithMore turns the last place into "+more" when n tiles found only shown places.
func closeWithMore(dst []Place, n, shown int) []Place {
	if n > shown {
		last := &dst[len(dst)-1]
		last.More = n - shown + 1
	}
	return dst
}

func even(n int) int { return n &^ 1 }

// maxCrop is the part of a picture, in percent, that may be cut off so that it fills its tile.
const maxCrop = 26

// frame says which part of a picture of sw × sh is shown and where in its tile it lies: it fills the tile when little
// has to be cut off for that, and otherwise all of it is shown with bars beside it.
func frame(sw, sh int, tile image.Rectangle, fit bool) (crop, inner image.Rectangle) {
	tw, th := tile.Dx(), tile.Dy()
	crop, inner = image.Rect(0, 0, sw, sh), tile
	// The aspects compared crosswise: sw/sh against tw/th.
	a, b := sw*th, tw*sh
	if !fit && (max(a, b)-min(a, b))*100 <= max(a, b)*maxCrop {
		switch {
		case a > b: // wider than the tile
			cw := max(2, even(sh*tw/th))
			x := even((sw - cw) / 2)
			crop = image.Rect(x, 0, x+min(cw, sw), sh)
		case a < b:
			ch := max(2, even(sw*th/tw))
			y := even((sh - ch) / 2)
			crop = image.Rect(0, y, sw, y+min(ch, sh))
		}
		return crop, inner
	}
	w, h := tw, th
	if a > b {
		h = min(th, max(2, even(tw*sh/sw)))
	} else {
		w = min(tw, max(2, even(th*sw/sh)))
	}
	x, y := tile.Min.X+even((tw-w)/2), tile.Min.Y+even((th-h)/2)
	return crop, image.Rect(x, y, x+w, y+h)
}
