package e2e

import (
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// colours are what ffmpeg's colour names look like after a codec.
var colours = map[string]color.RGBA{
	"red": {235, 15, 15, 255}, "blue": {15, 15, 235, 255}, "green": {10, 128, 10, 255}, "yellow": {235, 235, 15, 255},
}

// share is the part of a picture that is near a colour, 0 to 1.
func share(img image.Image, name string) float64 {
	near, all, want := 0, 0, colours[name]
	r := img.Bounds()
	for y := r.Min.Y; y < r.Max.Y; y += 4 {
		for x := r.Min.X; x < r.Max.X; x += 4 {
			cr, cg, cb, _ := img.At(x, y).RGBA()
			d := math.Abs(float64(cr>>8)-float64(want.R)) + math.Abs(float64(cg>>8)-float64(want.G)) + math.Abs(float64(cb>>8)-float64(want.B))
			if d < 90 {
				near++
			}
			all++
		}
	}
	return float64(near) / float64(max(all, 1))
}

// bar is where the white bar of a camera of this colour stands, as a point of the picture: the middle of the white pixels in
// the tile of that colour. It moves as long as the picture lives.
func bar(img image.Image, name string) (image.Point, bool) {
	tile := image.Rectangle{}
	want := colours[name]
	r := img.Bounds()
	for y := r.Min.Y; y < r.Max.Y; y += 2 {
		for x := r.Min.X; x < r.Max.X; x += 2 {
			cr, cg, cb, _ := img.At(x, y).RGBA()
			d := math.Abs(float64(cr>>8)-float64(want.R)) + math.Abs(float64(cg>>8)-float64(want.G)) + math.Abs(float64(cb>>8)-float64(want.B))
			if d < 90 {
				tile = tile.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	var sum image.Point
	n := 0
	for y := tile.Min.Y; y < tile.Min.Y+tile.Dy()/3; y++ {
		for x := tile.Min.X; x < tile.Max.X; x++ {
			cr, cg, cb, _ := img.At(x, y).RGBA()
			if min(cr, cg, cb)>>8 > 190 {
				sum, n = sum.Add(image.Pt(x, y)), n+1
			}
		}
	}
	if n == 0 {
		return image.Point{}, false
	}
	return sum.Div(n), true
}

// sees waits until who is shown each colour on at least least of the picture, and not the others.
func sees(t *testing.T, who string, least float64, show func() image.Image, want ...string) {
	t.Helper()
	var last image.Image
	eventually(t, 20*time.Second, who+"'s picture of "+join(want), func() bool {
		if img := show(); img != nil {
			last = img
		}
		for name := range colours {
			if last == nil || (share(last, name) >= least) != contains(want, name) {
				return false
			}
		}
		return true
	}, func() { keep(t, who, last) })
}

// lives waits until the bar in the tile of a colour has moved.
func lives(t *testing.T, who string, show func() image.Image, colour string) {
	t.Helper()
	var first image.Point
	seen := false
	eventually(t, 20*time.Second, "movement in "+who+"'s tile of "+colour, func() bool {
		img := show()
		if img == nil {
			return false
		}
		at, ok := bar(img, colour)
		if !ok {
			return false
		}
		if !seen {
			first, seen = at, true
		}
		return math.Abs(float64(at.X-first.X)) > 8
	})
}

// keep leaves the picture of a failed test where TUTTI_E2E_OUT says.
func keep(t *testing.T, who string, img image.Image) {
	t.Helper()
	dir := os.Getenv("TUTTI_E2E_OUT")
	if dir == "" || img == nil {
		return
	}
	f, err := os.Create(filepath.Join(dir, filepath.Base(t.Name())+"-"+who+".png"))
	if err != nil {
		return
	}
	defer f.Close()
	png.Encode(f, img)
}
