package canvas

import (
	"fmt"
	"image/color"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
)

// The colours of the canvas.
var (
	background = color.RGBA{0x0d, 0x0f, 0x14, 0xff}
	tileColour = color.RGBA{0x20, 0x25, 0x30, 0xff}
	speaking   = color.RGBA{0x3d, 0xdc, 0x84, 0xff}
	boxColour  = color.RGBA{0x0a, 0x0b, 0x0e, 0xb8}
	mutedRed   = color.RGBA{0xe5, 0x48, 0x4d, 0xff}
	white      = color.RGBA{0xff, 0xff, 0xff, 0xff}

	backgroundYUV = toYUV(background)
	tileYUV       = toYUV(tileColour)
)

// discColours are told apart well and carry white letters; the name chooses one.
var discColours = [...]color.RGBA{
	{0x3b, 0x6f, 0xd4, 0xff}, {0x8b, 0x5c, 0xd6, 0xff}, {0xc2, 0x4b, 0x8a, 0xff}, {0xc9, 0x57, 0x3a, 0xff},
	{0xa8, 0x7a, 0x1f, 0xff}, {0x4e, 0x8b, 0x3a, 0xff}, {0x1f, 0x8a, 0x70, 0xff}, {0x25, 0x86, 0xa8, 0xff},
	{0x5a, 0x64, 0xc8, 0xff}, {0xa3, 0x49, 0xa4, 0xff}, {0xb5, 0x4a, 0x5c, 0xff}, {0x5f, 0x71, 0x83, 0xff},
}

// maxArtBytes bounds the sprites that are kept, twice: those in use and those that were.
const maxArtBytes = 6 << 20

// Art rasterises text, marks and borders, and keeps what it made.
type Art struct {
	font  *sfnt.Font
	faces map[int]font.Face // by size in pixels
	kept  map[artKey]*sprite
	size  int // bytes in kept
	older map[artKey]*sprite
	edges map[edgeKey]*edge
}

type artKey struct {
	kind  artKind
	text  string
	muted bool
	w, h  int
}

type artKind uint8

const (
	artLabel artKind = iota
	artDisc
	artMore
)

// NewArt returns an Art with the built-in font (Latin, Greek, Cyrillic).
func NewArt() (*Art, error) {
	f, err := opentype.Parse(gomedium.TTF)
	if err != nil {
		return nil, fmt.Errorf("canvas: built-in font: %w", err)
	}
	return &Art{font: f, faces: map[int]font.Face{}, kept: map[artKey]*sprite{}, edges: map[edgeKey]*edge{}}, nil
}

// face returns the font in a size of px pixels.
func (a *Art) face(px int) (font.Face, error) {
	if f, ok := a.faces[px]; ok {
		return f, nil
	}
	f, err := opentype.NewFace(a.font, &opentype.FaceOptions{Size: float64(px), DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return nil, fmt.Errorf("canvas: font of %d pixels: %w", px, err)
	}
	const maxFaces = 16
	if len(a.faces) >= maxFaces {
		clear(a.faces)
	}
	a.faces[px] = f
	return f, nil
}

// get returns the sprite of k, made by draw at first use; nil when there is nothing to show. Two generations bound
// the memory: when the younger is full, it becomes the older and the one before is forgotten.
func (a *Art) get(k artKey, draw func(a *Art, k artKey) *sprite) *sprite {
	if s, ok := a.kept[k]; ok {
		return s
	}
	s, ok := a.older[k]
	if !ok {
		s = draw(a, k)
	}
	const perEntry = 128 // bytes of the map itself
	cost := perEntry + len(k.text)
	if s != nil {
		cost += s.bytes()
	}
	if a.size += cost; a.size > maxArtBytes {
		a.older, a.kept, a.size = a.kept, map[artKey]*sprite{}, cost
	}
	a.kept[k] = s
	return s
}

// label is the name at the lower edge of a tile of w × h; nil when the tile is too small or there is nothing to say.
func (a *Art) label(name string, muted bool, w, h int) *sprite {
	if h < 48 || w < 48 || name == "" && !muted {
		return nil
	}
	return a.get(artKey{kind: artLabel, text: name, muted: muted, w: w, h: h}, drawLabel)
}

// disc is the face of who sends no picture, for a tile whose shorter edge is size.
func (a *Art) disc(name string, size int) *sprite {
	if size < 16 {
		return nil
	}
	return a.get(artKey{kind: artDisc, text: name, h: size}, drawDisc)
}

// more is "+n" for a tile of height h.
func (a *Art) more(n, h int) *sprite {
	if h < 16 {
		return nil
	}
	return a.get(artKey{kind: artMore, w: n, h: h}, drawMore)
}
