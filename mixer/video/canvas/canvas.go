package canvas

import (
	"image"
	"slices"
	"time"

	"tutti/mixer/plan"
)

// How long a picture may stand still before it is shown dimmed, and before the placeholder takes its place. Slides
// stand still by nature.
const (
	DimAfter  = 2 * time.Second
	HideAfter = 5 * time.Second

	slidesPatience = 6 // times as long
)

// Pictures knows the newest picture of a source; nil when there is no such source. It is asked once a tile and step.
type Pictures interface {
	Picture(leg plan.LegID, content plan.Content) *Picture
}

// Canvas composes pictures of one size for one scene after another.
type Canvas struct {
	width, height int
	art           *Art
	scale         Scaler

	layout plan.Layout // what places was made for
	tiles  int
	slides bool
	places []Place
	want   []tile // what the picture is to be, one for each place
}

// tile is all that decides how one place looks. Two equal tiles look the same.
type tile struct {
	rect        image.Rectangle
	bare        bool
	picture     *Picture // nil: the placeholder
	serial      uint64
	crop, inner image.Rectangle
	dim         bool
	label       string
	muted       bool
	speaking    bool
	more        int
}

// New returns a canvas of width × height pixels; an odd one is cut by a pixel.
func New(width, height int, art *Art, scale Scaler) *Canvas {
	return &Canvas{width: even(width), height: even(height), art: art, scale: scale}
}

// Sheet is a picture that a canvas draws on.
type Sheet struct {
	Image *image.YCbCr
	drawn []tile
	clean bool
}

// NewSheet returns a sheet of the size of c.
func (c *Canvas) NewSheet() *Sheet {
	return &Sheet{Image: image.NewYCbCr(image.Rect(0, 0, c.width, c.height), image.YCbCrSubsampleRatio420)}
}

// Places says where the tiles of the last step lie. Lent until the next one.
func (c *Canvas) Places() []Place { return c.places }

// Step decides what scene looks like at now, and says whether that differs from the step before.
func (c *Canvas) Step(scene *plan.Scene, pictures Pictures, now time.Time) (changed bool) {
	changed = c.arrange(scene)
	for i := range c.places {
		next := c.look(&c.places[i], scene, pictures, now)
		if next != c.want[i] {
			c.want[i] = next
			changed = true
		}
	}
	return changed
}

// arrange makes places and want for the scene, and says whether the places changed.
func (c *Canvas) arrange(scene *plan.Scene) bool {
	slides := len(scene.Tiles) > 0 && scene.Tiles[0].Content == plan.Slides
	if c.places != nil && c.layout == scene.Layout && c.tiles == len(scene.Tiles) && c.slides == slides {
		return false
	}
	c.layout, c.tiles, c.slides = scene.Layout, len(scene.Tiles), slides
	c.places = Arrange(c.places[:0], scene.Layout, scene.Tiles, c.width, c.height)
	if c.places == nil {
		c.places = []Place{}
	}
	c.want = slices.Grow(c.want[:0], len(c.places))[:len(c.places)]
	clear(c.want)
	return true
}

// look decides what stands at one place.
func (c *Canvas) look(p *Place, scene *plan.Scene, pictures Pictures, now time.Time) tile {
	t := tile{rect: p.Rect, bare: p.Bare, more: p.More}
	if p.More > 0 {
		return t
	}
	from := &scene.Tiles[p.Tile]
	t.label, t.muted, t.speaking = from.Label, from.Muted, from.Speaking
	if !from.Video {
		return t
	}
	pic := pictures.Picture(from.Leg, from.Content)
	if pic == nil || pic.Image == nil {
		return t
	}
	age := now.Sub(pic.At)
	if from.Content == plan.Slides {
		age /= slidesPatience
	}
	if age >= HideAfter {
		return t
	}
	t.picture, t.serial, t.dim = pic, pic.Serial, age >= DimAfter
	size := pic.Image.Rect
	t.crop, t.inner = frame(size.Dx(), size.Dy(), p.Rect, p.Fit)
	return t
}

// Draw makes s show what the last Step decided.
func (c *Canvas) Draw(s *Sheet) {
	if !s.clean || !samePlaces(s.drawn, c.want) {
		fill(s.Image, s.Image.Rect, toYUV(rgba(background)))
		s.drawn = append(s.drawn[:0], c.want...)
		for i := range s.drawn {
			s.drawn[i].rect = image.Rectangle{} // nothing is drawn there yet
		}
		s.clean = true
	}
	for i := range c.want {
		if s.drawn[i] != c.want[i] {
			c.drawTile(s.Image, &c.want[i])
			s.drawn[i] = c.want[i]
		}
	}
}

func samePlaces(a, b []tile) bool {
	return slices.EqualFunc(a, b, func(x, y tile) bool { return x.rect == y.rect && x.bare == y.bare })
}

// drawTile draws the picture or the placeholder, and what lies over it.
func (c *Canvas) drawTile(dst *image.YCbCr, t *tile) {
	switch {
	case t.more > 0:
		fill(dst, t.rect, toYUV(rgba(tileGround)))
		layCentred(dst, t.rect, c.art.more(t.more, t.rect.Dy()))
	case t.picture == nil:
		fill(dst, t.rect, toYUV(rgba(tileGround)))
		layCentred(dst, t.rect, c.art.disc(t.label, min(t.rect.Dx(), t.rect.Dy())))
	default:
		if t.inner != t.rect {
			fillAround(dst, t.rect, t.inner)
		}
		blit(dst, t.picture.scaled(c.scale, t.crop, t.inner.Dx(), t.inner.Dy()), t.inner)
		if t.dim {
			dim(dst, t.inner)
		}
	}
	c.drawMarks(dst, t)
}

// drawMarks lays name, mark and border over a tile.
func (c *Canvas) drawMarks(dst *image.YCbCr, t *tile) {
	r := t.rect
	if name := c.art.label(t.label, t.muted, r.Dx(), r.Dy()); name != nil {
		margin := labelMargin(r.Dy())
		if !t.bare {
			margin += even(border(r.Dy()))
		}
		if x, y := r.Min.X+margin, r.Max.Y-margin-name.h; x+name.w <= r.Max.X && y >= r.Min.Y {
			name.lay(dst, x, y)
		}
	}
	if e := c.art.edge(r.Dx(), r.Dy(), t.speaking, !t.bare); e != nil {
		e.lay(dst, r)
	}
}

// fillAround paints the bars between tile and inner, which lies inside it.
func fillAround(dst *image.YCbCr, tile, inner image.Rectangle) {
	fill(dst, image.Rect(tile.Min.X, tile.Min.Y, tile.Max.X, inner.Min.Y), toYUV(rgba(tileGround)))
	fill(dst, image.Rect(tile.Min.X, inner.Max.Y, tile.Max.X, tile.Max.Y), toYUV(rgba(tileGround)))
	fill(dst, image.Rect(tile.Min.X, inner.Min.Y, inner.Min.X, inner.Max.Y), toYUV(rgba(tileGround)))
	fill(dst, image.Rect(inner.Max.X, inner.Min.Y, tile.Max.X, inner.Max.Y), toYUV(rgba(tileGround)))
}

func layCentred(dst *image.YCbCr, r image.Rectangle, s *sprite) {
	if s == nil || s.w > r.Dx() || s.h > r.Dy() {
		return
	}
	s.lay(dst, r.Min.X+even((r.Dx()-s.w)/2), r.Min.Y+even((r.Dy()-s.h)/2))
}
