package canvas

import (
	"errors"
	"fmt"
	"image"
	"strings"
	"testing"
	"time"

	"tutti/mixer/plan"
)

// TestPlacesLieApart checks what every layout owes every canvas: even edges, inside, apart, in order, nobody forgotten.
func TestPlacesLieApart(t *testing.T) {
	sizes := []image.Point{{1280, 720}, {1920, 1080}, {640, 360}, {352, 288}, {176, 144}, {720, 1280}, {16, 16}}
	for _, size := range sizes {
		for _, layout := range append(plan.Layouts(), "unheard of") {
			for n := range 70 {
				for _, content := range []plan.Content{plan.MainContent, plan.Slides} {
					scene := &plan.Scene{Layout: layout, Tiles: make([]plan.Tile, n)}
					if n > 0 {
						scene.Tiles[0].Content = content
					}
					if err := checkPlaces(scene, Arrange(nil, layout, scene.Tiles, size.X, size.Y), size); err != nil {
						t.Fatalf("%s of %d, first %s, in %v: %v", layout, n, content, size, err)
					}
				}
			}
		}
	}
}

func checkPlaces(scene *plan.Scene, places []Place, size image.Point) error {
	if len(places) == 0 && len(scene.Tiles) > 0 {
		return errors.New("no places")
	}
	seen := 0
	for i, p := range places {
		r := p.Rect
		if r.Dx() < minTile || r.Dy() < minTile || !r.In(image.Rect(0, 0, size.X, size.Y)) {
			return fmt.Errorf("place %d is %v", i, r)
		}
		if (r.Min.X|r.Min.Y|r.Max.X|r.Max.Y)&1 != 0 {
			return fmt.Errorf("place %d is %v: odd edge", i, r)
		}
		for j, q := range places[:i] {
			if r.Overlaps(q.Rect) {
				return fmt.Errorf("places %d %v and %d %v overlap", j, q.Rect, i, r)
			}
		}
		if p.Tile != i {
			return fmt.Errorf("place %d shows tile %d", i, p.Tile)
		}
		seen += max(1, p.More)
	}
	large := size.X >= 100 && size.Y >= 100
	if want := len(scene.Tiles); seen != want && large && (scene.Layout != plan.Single || seen != 1) {
		return fmt.Errorf("%d of %d tiles are shown or counted", seen, want)
	}
	return nil
}

func TestLayouts(t *testing.T) {
	tests := map[string]struct {
		layout plan.Layout
		n      int
		slides bool
		check  func(p []Place) bool
	}{
		"four in a grid are equal quarters": {plan.Grid, 4, false, func(p []Place) bool {
			return p[0].Rect.Size() == p[3].Rect.Size() && p[0].Rect.Dx() > 600 && p[3].Rect.Min.X == p[1].Rect.Min.X
		}},
		"the last row is centred": {plan.Grid, 3, false, func(p []Place) bool {
			c := p[2].Rect.Min.X + p[2].Rect.Dx()/2
			return c >= 638 && c <= 642 && p[2].Rect.Min.Y > p[0].Rect.Max.Y
		}},
		"the speaker is large": {plan.Speaker, 5, false, func(p []Place) bool {
			return p[0].Rect.Dx() > 4*p[1].Rect.Dx() && p[1].Rect.Min.X > p[0].Rect.Max.X
		}},
		"slides are large in a grid": {plan.Grid, 5, true, func(p []Place) bool {
			return p[0].Fit && p[0].Rect.Dx() > 4*p[1].Rect.Dx() && len(p) == 5
		}},
		"single is all of the canvas": {plan.Single, 5, false, func(p []Place) bool {
			return len(p) == 1 && p[0].Rect == image.Rect(0, 0, 1280, 720)
		}},
		"49 fit":              {plan.Grid, 49, false, func(p []Place) bool { return len(p) == 49 && p[48].More == 0 }},
		"the 50th is counted": {plan.Grid, 50, false, func(p []Place) bool { return len(p) == 49 && p[48].More == 2 }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			scene, _ := meeting(test.layout, test.n)
			if test.slides {
				scene.Tiles[0].Content = plan.Slides
			}
			if p := Arrange(nil, test.layout, scene.Tiles, 1280, 720); !test.check(p) {
				t.Errorf("places %+v", p)
			}
		})
	}
}

func TestFrame(t *testing.T) {
	wide := image.Rect(0, 0, 320, 180)
	tests := map[string]struct {
		sw, sh      int
		fit         bool
		crop, inner image.Rectangle
	}{
		"same aspect fills":          {1280, 720, false, image.Rect(0, 0, 1280, 720), wide},
		"4:3 is cropped":             {640, 480, false, image.Rect(0, 60, 640, 420), wide},
		"4:3 slides are not":         {640, 480, true, image.Rect(0, 0, 640, 480), image.Rect(40, 0, 280, 180)},
		"a phone upright has bars":   {360, 640, false, image.Rect(0, 0, 360, 640), image.Rect(110, 0, 210, 180)},
		"a very wide one has them":   {1920, 480, false, image.Rect(0, 0, 1920, 480), image.Rect(0, 50, 320, 130)},
		"odd sizes stay inside":      {161, 91, false, image.Rect(0, 0, 161, 90), wide},
		"a line is no division by 0": {1920, 2, false, image.Rect(0, 0, 1920, 2), image.Rect(0, 88, 320, 90)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			crop, inner := frame(test.sw, test.sh, wide, test.fit)
			if crop != test.crop || inner != test.inner {
				t.Errorf("frame(%d, %d) = %v, %v; want %v, %v", test.sw, test.sh, crop, inner, test.crop, test.inner)
			}
		})
	}
}

// counting counts how often it scales.
type counting struct{ n int }

func (c *counting) scale(dst, src *image.YCbCr) { c.n++; ScalePlain(dst, src) }

func TestOnlyWhatChangedIsDrawn(t *testing.T) {
	c := newCanvas(t, 640, 360)
	var count counting
	c.scale = count.scale
	scene, pics := meeting(plan.Grid, 4)
	sheet := c.NewSheet()
	if !c.Step(scene, pics, start) {
		t.Error("the first step changed nothing")
	}
	c.Draw(sheet)
	if count.n != 4 {
		t.Errorf("scaled %d times for 4 tiles", count.n)
	}
	if c.Step(scene, pics, start) {
		t.Error("a step without a change changed something")
	}
	marker := sheet.Image.YOffset(100, 100) // in tile 0: stays if it is not drawn again
	sheet.Image.Y[marker] = 1
	pics["3"].Serial++
	if !c.Step(scene, pics, start) {
		t.Error("a new picture changed nothing")
	}
	c.Draw(sheet)
	if count.n != 5 || sheet.Image.Y[marker] != 1 {
		t.Errorf("one new picture: scaled %d times, others drawn again: %v", count.n-4, sheet.Image.Y[marker] != 1)
	}
	// Another sheet of the same canvas is drawn in full, from the copies that exist.
	other := c.NewSheet()
	c.Draw(other)
	if count.n != 5 {
		t.Errorf("a second sheet scaled %d times", count.n-5)
	}
	scene.Tiles[0].Speaking = true
	if !c.Step(scene, pics, start) {
		t.Error("a border changed nothing")
	}
	c.Draw(sheet)
	if count.n != 5 || sheet.Image.Y[marker] == 1 {
		t.Error("the tile was not drawn again with its border, from the copy")
	}
}

func TestFrozenPictureIsDimmedThenHidden(t *testing.T) {
	c := newCanvas(t, 640, 360)
	scene, pics := meeting(plan.Grid, 1)
	luma := func(after time.Duration) uint8 {
		sheet := c.NewSheet()
		c.Step(scene, pics, start.Add(after))
		c.Draw(sheet)
		return sheet.Image.Y[sheet.Image.YOffset(320, 60)]
	}
	fresh, dimmed, hidden := luma(0), luma(DimAfter), luma(HideAfter)
	if dimmed >= fresh || hidden != toYUV(rgba(tileGround)).y {
		t.Errorf("luma %d, then %d, then %d; want less, then that of an empty tile %d", fresh, dimmed, hidden, toYUV(rgba(tileGround)).y)
	}
	pics["0"].At, pics["0"].Serial = start.Add(time.Minute), 2
	if again := luma(time.Minute); again != fresh {
		t.Errorf("luma %d after it moves again, want %d", again, fresh)
	}
	scene.Tiles[0].Content = plan.Slides
	pics["0"].At = start
	if slides := luma(HideAfter); slides != fresh {
		t.Errorf("slides that stand still have luma %d, want %d", slides, fresh)
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "Ada", "陳大文", "\xff\xfe", "a\u0301\u0302", "👩‍👩‍👧", "\x00\x07\x1b[31m", "مرحبا", " ", strings.Repeat("W", 400)} {
		f.Add(s, 180, 100)
	}
	art, err := NewArt()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string, w, h int) {
		w, h = 16+int(uint(w)%1280), 16+int(uint(h)%720)
		if s := art.label(name, true, w, h); s != nil && s.w > w {
			t.Errorf("label of %q is %d wide in a tile of %d", name, s.w, w)
		}
		if s := art.disc(name, min(w, h)); s != nil && (s.w > w || s.h > h) {
			t.Errorf("disc of %q is %d×%d in a tile of %d×%d", name, s.w, s.h, w, h)
		}
		if art.size > maxArtBytes {
			t.Errorf("art keeps %d bytes", art.size)
		}
	})
}

// TestEveryTileIsDrawnInside draws every layout on odd and tiny canvases: whatever the size, nothing panics.
func TestEveryTileIsDrawnInside(t *testing.T) {
	for _, size := range []image.Point{{16, 16}, {18, 200}, {176, 144}, {321, 181}} {
		for _, layout := range plan.Layouts() {
			for _, n := range []int{0, 1, 2, 7, 50} {
				c := newCanvas(t, size.X, size.Y)
				scene, pics := meeting(layout, n)
				for i := range scene.Tiles {
					scene.Tiles[i].Speaking, scene.Tiles[i].Muted, scene.Tiles[i].Video = i%2 == 0, i%3 == 0, i%4 != 3
					pics[scene.Tiles[i].Leg] = flat(33+i*7, 41+i, testColours[0])
				}
				c.Step(scene, pics, start)
				c.Draw(c.NewSheet())
			}
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	c := newCanvas(t, 1280, 720)
	scene, pics := meeting(plan.Grid, 9)
	scene.Tiles[0].Speaking, scene.Tiles[1].Muted, scene.Tiles[2].Video = true, true, false
	sheet := c.NewSheet()
	frame := func() {
		for _, p := range pics {
			p.Serial++
		}
		c.Step(scene, pics, start)
		c.Draw(sheet)
	}
	frame()
	if n := testing.AllocsPerRun(5, frame); n != 0 {
		t.Errorf("%v allocations a frame, want 0", n)
	}
}
