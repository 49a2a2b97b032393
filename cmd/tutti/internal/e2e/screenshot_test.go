package e2e

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The picture of the README: a video phone, a desk phone and two browsers in one conference. It is made where TUTTI_E2E_OUT
// says ("make screenshot").
func TestScreenshot(t *testing.T) {
	dir := os.Getenv("TUTTI_E2E_OUT")
	if dir == "" {
		t.Skip("TUTTI_E2E_OUT does not say where pictures go; make screenshot does")
	}
	b := newBridge(t, "conferences: [{name: weekly, title: Weekly}]\n")
	teal, sand, moss := portrait{color.RGBA{0x2f, 0x5d, 0x73, 255}, color.RGBA{0xa9, 0xd0, 0xd8, 255}},
		portrait{color.RGBA{0x8a, 0x55, 0x3b, 255}, color.RGBA{0xf0, 0xd3, 0xa8, 255}}, portrait{color.RGBA{0x3d, 0x66, 0x4c, 255}, color.RGBA{0xc4, 0xdf, 0xae, 255}}
	grace := newPhone(t, b, phoneOptions{name: "Grace", codec: "G722", tone: 440, video: "H264", colour: teal.write(t)})
	desk := newPhone(t, b, phoneOptions{name: "Reception", codec: "PCMU", tone: 700})
	ada := newBrowser(t, browserOptions{tone: 1000, colour: sand.write(t)})
	ben := newBrowser(t, browserOptions{tone: 1500, colour: moss.write(t)})
	grace.dial(b.uri("weekly"))
	desk.dial(b.uri("weekly"))
	ada.join(b.http+"/weekly?processing=off", "Ada")
	ben.join(b.http+"/weekly?processing=off", "Ben")
	b.waitFor("weekly", 4)
	b.cli("participant", "mute", "weekly", "Reception")
	ben.do("press", map[string]any{"key": "h"})
	ada.do("press", map[string]any{"key": "p"})
	eventually(t, 20*time.Second, "all pictures", func() bool {
		img := ada.picture()
		return img != nil && bright(img) > 0.4
	})
	ada.do("wait", map[string]any{"selector": "#roster:has-text('Ben')"})
	ada.do("wait", map[string]any{"selector": ".toast", "state": "hidden"})
	ada.screenshot(filepath.Join(dir, "meeting.png"))
}

// bright is the part of a picture that is no dark ground.
func bright(img image.Image) float64 {
	n, all := 0, 0
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 8 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 8 {
			r, g, b, _ := img.At(x, y).RGBA()
			if (r+g+b)>>8 > 240 {
				n++
			}
			all++
		}
	}
	return float64(n) / float64(all)
}

// portrait is a person before a wall, in two colours.
type portrait struct{ person, wall color.RGBA }

// write makes a picture and returns its file, which takes the place of a colour.
func (p portrait) write(t *testing.T) string {
	t.Helper()
	const w, h = 640, 360
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, p.at(float64(x)-w/2, float64(y), h))
		}
	}
	file := filepath.Join(t.TempDir(), "portrait.png")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
	return file
}

// at is the colour of a point; x counts from the middle.
func (p portrait) at(x, y, h float64) color.RGBA {
	head := x*x/(58*58) + (y-130)*(y-130)/(72*72)
	shoulders := x*x/(150*150) + (y-h-20)*(y-h-20)/(150*150)
	light := 1.08 - 0.28*y/h
	if head < 1 || shoulders < 1 {
		return shade(p.person, light)
	}
	return shade(p.wall, light)
}

func shade(c color.RGBA, light float64) color.RGBA {
	part := func(v uint8) uint8 { return uint8(min(255, float64(v)*light)) }
	return color.RGBA{part(c.R), part(c.G), part(c.B), 255}
}

// pictureSource is what ffmpeg reads for a colour or the file of a picture.
func pictureSource(colour string, width, height, seconds int) []string {
	if strings.HasSuffix(colour, ".png") {
		return []string{"-loop", "1", "-r", "15", "-t", fmt.Sprint(seconds), "-i", colour}
	}
	return []string{"-f", "lavfi", "-i", fmt.Sprintf("color=c=%s:s=%dx%d:r=15:d=%d", colour, width, height, seconds)}
}
