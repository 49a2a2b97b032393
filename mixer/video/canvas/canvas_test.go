package canvas

import (
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tutti/mixer/plan"
)

var update = flag.Bool("update", false, "rewrite the golden pictures")

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// sources are the pictures of a test, by leg.
type sources map[plan.LegID]*Picture

func (s sources) Picture(leg plan.LegID, _ plan.Content) *Picture { return s[leg] }

var testColours = [...]color.RGBA{
	{200, 40, 40, 255}, {40, 160, 60, 255}, {50, 80, 210, 255}, {210, 180, 40, 255}, {170, 60, 190, 255},
	{40, 180, 190, 255}, {220, 120, 40, 255}, {120, 120, 120, 255}, {90, 50, 30, 255},
}

// flat is a picture in one colour.
func flat(w, h int, c color.RGBA) *Picture {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	v := toYUV(c)
	set(m.Y, v.y)
	set(m.Cb, v.cb)
	set(m.Cr, v.cr)
	return &Picture{Image: m, Serial: 1, At: start}
}

// meeting has n tiles with a coloured picture each.
func meeting(layout plan.Layout, n int) (*plan.Scene, sources) {
	scene, pics := &plan.Scene{Layout: layout}, sources{}
	names := []string{"Ada Lovelace", "Grace Hopper", "Claude Shannon", "Hedy Lamarr", "Konrad Zuse"}
	for i := range n {
		leg := plan.LegID(fmt.Sprint(i))
		scene.Tiles = append(scene.Tiles, plan.Tile{Leg: leg, Content: plan.MainContent, Label: names[i%len(names)], Video: true})
		pics[leg] = flat(640, 360, testColours[i%len(testColours)])
	}
	return scene, pics
}

func newCanvas(t testing.TB, w, h int) *Canvas {
	t.Helper()
	art, err := NewArt()
	if err != nil {
		t.Fatal(err)
	}
	return New(w, h, art, ScalePlain)
}

// onScreen is the sheet as a screen shows it.
func onScreen(m *image.YCbCr) *image.RGBA {
	out := image.NewRGBA(m.Rect)
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			c := toRGB(m, x, y)
			copy(out.Pix[out.PixOffset(x, y):], []uint8{c.R, c.G, c.B, c.A})
		}
	}
	return out
}

func toRGB(m *image.YCbCr, x, y int) color.RGBA {
	l := 298 * (int(m.Y[m.YOffset(x, y)]) - 16)
	cb, cr := int(m.Cb[m.COffset(x, y)])-128, int(m.Cr[m.COffset(x, y)])-128
	return color.RGBA{clamp((l + 409*cr + 128) >> 8), clamp((l - 100*cb - 208*cr + 128) >> 8), clamp((l + 516*cb + 128) >> 8), 255}
}

func goldens() map[string]func() (*plan.Scene, sources) {
	return map[string]func() (*plan.Scene, sources){
		"grid1": func() (*plan.Scene, sources) { return meeting(plan.Grid, 1) },
		"grid2": func() (*plan.Scene, sources) { return meeting(plan.Grid, 2) },
		"grid5": func() (*plan.Scene, sources) {
			s, p := meeting(plan.Grid, 5)
			s.Tiles[1].Speaking, s.Tiles[2].Muted = true, true
			s.Tiles[3].Video = false
			s.Tiles[4].Label = "Wolfgang Amadeus Theophilus Johannes Chrysostomus Mozart of Salzburg and Vienna"
			p["0"] = flat(360, 640, testColours[0]) // a phone held upright
			return s, p
		},
		"speaker8": func() (*plan.Scene, sources) {
			s, p := meeting(plan.Speaker, 8)
			s.Tiles[0].Speaking, s.Tiles[1].Muted, s.Tiles[2].Video = true, true, false
			return s, p
		},
		"slides": func() (*plan.Scene, sources) {
			s, p := meeting(plan.Grid, 4)
			s.Tiles[0].Content = plan.Slides
			p["0"] = flat(1024, 768, color.RGBA{235, 235, 235, 255})
			s.Tiles[2].Video, s.Tiles[2].Label, s.Tiles[2].Muted = false, "陳大文", true
			return s, p
		},
		"single": func() (*plan.Scene, sources) {
			s, p := meeting(plan.Single, 3)
			s.Tiles[0].Speaking = true
			return s, p
		},
		"placeholders": func() (*plan.Scene, sources) {
			s, p := meeting(plan.Grid, 9)
			for i := range s.Tiles {
				s.Tiles[i].Video, s.Tiles[i].Muted = false, i%2 == 0
			}
			s.Tiles[8].Label = "+49 30 901820"
			s.Tiles[7].Label = "Ελένη Παπαδοπούλου"
			s.Tiles[6].Label = "Дмитрий Менделеев"
			s.Tiles[5].Label = ""
			s.Tiles[4].Speaking = true
			return s, p
		},
		"frozen": func() (*plan.Scene, sources) {
			s, p := meeting(plan.Grid, 3)
			p["1"].At = start.Add(-3 * time.Second)
			p["2"].At = start.Add(-6 * time.Second)
			return s, p
		},
	}
}

// TestGoldens compares with pictures that a person has looked at. Tolerance: 6 of 255 in each part of each pixel,
// so that another scaler or another rounding passes and a moved edge does not.
func TestGoldens(t *testing.T) {
	for name, make := range goldens() {
		t.Run(name, func(t *testing.T) {
			c := newCanvas(t, 1280, 720)
			scene, pics := make()
			c.Step(scene, pics, start)
			sheet := c.NewSheet()
			c.Draw(sheet)
			got := onScreen(sheet.Image)
			file := filepath.Join("..", "..", "..", "testdata", "video", name+".png")
			if *update {
				writePNG(t, file, got)
			}
			want := readPNG(t, file)
			if want.Rect != got.Rect {
				t.Fatalf("size %v, want %v", got.Rect, want.Rect)
			}
			const tolerance = 6
			for i, g := range got.Pix {
				if d := int(g) - int(want.Pix[i]); d > tolerance || d < -tolerance {
					x, y := i%got.Stride/4, i/got.Stride
					t.Fatalf("pixel %d,%d is %v, want %v", x, y, got.RGBAAt(x, y), want.RGBAAt(x, y))
				}
			}
		})
	}
}

func writePNG(t *testing.T, file string, m image.Image) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if err := enc.Encode(f, m); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func readPNG(t *testing.T, file string) *image.RGBA {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatalf("%v (run with -update)", err)
	}
	defer f.Close() //nolint:errcheck // read only
	m, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewRGBA(m.Bounds())
	draw.Draw(out, out.Rect, m, m.Bounds().Min, draw.Src)
	return out
}
