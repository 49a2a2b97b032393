package canvas

import (
	"fmt"
	"hash/fnv"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
)

// The colours of the canvas, as 0xRRGGBBAA; not multiplied by their opacity.
const (
	background = 0x0d0f14ff
	tileGround = 0x202530ff
	speaking   = 0x3ddc84ff
	boxGround  = 0x0a0b0eb8
	mutedRed   = 0xe5484dff
	white      = 0xffffffff
	moreGrey   = 0xc8cedaff
)

// discColour chooses one of the colours that are told apart well and carry white letters.
func discColour(name string) uint32 {
	colours := [...]uint32{
		0x3b6fd4ff, 0x8b5cd6ff, 0xc24b8aff, 0xc9573aff, 0xa87a1fff, 0x4e8b3aff,
		0x1f8a70ff, 0x2586a8ff, 0x5a64c8ff, 0xa349a4ff, 0xb54a5cff, 0x5f7183ff,
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return colours[h.Sum32()%uint32(len(colours))]
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
