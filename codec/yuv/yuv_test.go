package yuv

import (
	"fmt"
	"image"
	"image/color"
	"testing"

	"tutti/codec/internal/picture"
)

func blank(w, h int) *image.YCbCr {
	return image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
}

func part(img *image.YCbCr, r image.Rectangle) *image.YCbCr { return img.SubImage(r).(*image.YCbCr) }

var grey, red = color.YCbCr{Y: 100, Cb: 128, Cr: 128}, Color(color.RGBA{255, 0, 0, 255})

// expect checks every sample: red inside r, grey outside.
func expect(t *testing.T, name string, img *image.YCbCr, r image.Rectangle) {
	t.Helper()
	for y := img.Rect.Min.Y; y < img.Rect.Max.Y; y++ {
		for x := img.Rect.Min.X; x < img.Rect.Max.X; x++ {
			want := grey
			if image.Pt(x, y).In(r) {
				want = red
			}
			if got := img.YCbCrAt(x, y); got != want {
				t.Fatalf("%s: at %d,%d %v, want %v", name, x, y, got, want)
			}
		}
	}
}

func TestFillStaysInside(t *testing.T) {
	img := blank(64, 48)
	r := image.Rect(10, 6, 30, 20)
	if err := Fill(img, grey); err != nil {
		t.Fatal(err)
	}
	if err := Fill(part(img, r), red); err != nil {
		t.Fatal(err)
	}
	expect(t, "fill", img, r)
}

func TestCopyIsClipped(t *testing.T) {
	tests := map[string]struct {
		at   image.Point
		want image.Rectangle
	}{
		"inside":           {image.Pt(4, 8), image.Rect(4, 8, 24, 18)},
		"rounded to even":  {image.Pt(5, 9), image.Rect(4, 8, 24, 18)},
		"over the corner":  {image.Pt(50, 40), image.Rect(50, 40, 64, 48)},
		"over the origin":  {image.Pt(-8, -4), image.Rect(0, 0, 12, 6)},
		"outside":          {image.Pt(64, 0), image.Rectangle{}},
		"far outside":      {image.Pt(-2000, 9000), image.Rectangle{}},
		"left by one only": {image.Pt(-1, 0), image.Rect(0, 0, 18, 10)},
	}
	src := blank(20, 10)
	_ = Fill(src, red)
	opaque := image.NewAlpha(src.Rect)
	for i := range opaque.Pix {
		opaque.Pix[i] = 255
	}
	for name, tt := range tests {
		img := blank(64, 48)
		_ = Fill(img, grey)
		if err := Copy(img, src, tt.at); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		expect(t, name, img, tt.want)
		_ = Fill(img, grey)
		if err := Blend(img, src, opaque, tt.at); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		expect(t, name+", blended", img, tt.want)
	}
}

func TestBlendMixes(t *testing.T) {
	img, src := blank(16, 16), blank(16, 16)
	_ = Fill(img, color.YCbCr{Y: 100, Cb: 100, Cr: 100})
	_ = Fill(src, color.YCbCr{Y: 200, Cb: 200, Cr: 200})
	mask := image.NewAlpha(src.Rect)
	for i := range mask.Pix {
		mask.Pix[i] = byte(64 * (i % 16 / 4)) // columns of 0, 25, 50 and 75 %
	}
	if err := Blend(img, src, mask, image.Point{}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{100, 125, 150, 175} {
		got := img.YCbCrAt(4*i+1, 7)
		if near(int(got.Y), want) > 2 || near(int(got.Cb), want) > 2 || near(int(got.Cr), want) > 2 {
			t.Errorf("column %d: %v, want %d", i, got, want)
		}
	}
}

func near(a, b int) int { return max(a-b, b-a) }

// A picture that shrinks and grows again is still itself, whatever part of whatever canvas it goes through.
func TestScale(t *testing.T) {
	src := picture.Moving(640, 360, 5)
	canvas := blank(1280, 720)
	for _, r := range []image.Rectangle{
		image.Rect(0, 0, 1280, 720), image.Rect(0, 0, 640, 360), image.Rect(2, 4, 482, 274), image.Rect(101, 33, 581, 303),
		image.Rect(640, 360, 1000, 563),
	} {
		_ = Fill(canvas, grey)
		if err := Scale(part(canvas, r), src); err != nil {
			t.Fatal(err)
		}
		back := blank(640, 360)
		if err := Scale(back, part(canvas, r)); err != nil {
			t.Fatal(err)
		}
		if psnr := picture.PSNR(src, back); psnr < 24 {
			t.Errorf("through %v: %.1f dB", r, psnr)
		}
		outside := canvas.YCbCrAt(r.Max.X, r.Max.Y) // the zero colour where there is no outside
		if r.Max.X < 1280 && outside.Y != grey.Y {
			t.Errorf("through %v: its neighbour is %v", r, outside)
		}
	}
}

func TestShrinkingAverages(t *testing.T) {
	src := blank(640, 480)
	for i := range src.Y { // stripes of one pixel would become black or white without a filter
		src.Y[i] = byte(200 * (i % 2))
	}
	dst := blank(80, 60)
	if err := Scale(dst, src); err != nil {
		t.Fatal(err)
	}
	for i, v := range dst.Y {
		if near(int(v), 100) > 2 {
			t.Fatalf("sample %d is %d, want 100", i, v)
		}
	}
}

func TestColours(t *testing.T) {
	rgba := image.NewRGBA(image.Rect(0, 0, 16, 16))
	for _, c := range []color.RGBA{{255, 255, 255, 255}, {0, 0, 0, 255}, {255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {12, 200, 77, 255}} {
		for i := 0; i < len(rgba.Pix); i += 4 {
			rgba.Pix[i], rgba.Pix[i+1], rgba.Pix[i+2], rgba.Pix[i+3] = c.R, c.G, c.B, c.A
		}
		img := blank(16, 16)
		if err := FromRGBA(img, rgba); err != nil {
			t.Fatal(err)
		}
		got, want := img.YCbCrAt(5, 5), Color(c)
		if near(int(got.Y), int(want.Y)) > 1 || near(int(got.Cb), int(want.Cb)) > 1 || near(int(got.Cr), int(want.Cr)) > 1 {
			t.Errorf("%v: picture %v, Color %v", c, got, want)
		}
	}
	if white := Color(color.White); white != (color.YCbCr{Y: 235, Cb: 128, Cr: 128}) {
		t.Errorf("white is %v", white)
	}
}

func TestRefuses(t *testing.T) {
	good := blank(64, 48)
	short := blank(64, 48)
	short.Y = short.Y[:64*47]
	for name, bad := range map[string]*image.YCbCr{
		"nil": nil, "empty": blank(0, 0), "4:4:4": image.NewYCbCr(image.Rect(0, 0, 64, 48), image.YCbCrSubsampleRatio444), "short": short,
		"outside of its canvas": part(good, image.Rect(100, 100, 200, 200)),
	} {
		if Scale(good, bad) == nil || Scale(bad, good) == nil || Fill(bad, grey) == nil || Copy(good, bad, image.Point{}) == nil {
			t.Errorf("a picture that is %s is accepted", name)
		}
	}
	if Blend(good, blank(20, 20), image.NewAlpha(image.Rect(0, 0, 10, 10)), image.Point{}) == nil {
		t.Error("a mask of another size is accepted")
	}
}

func BenchmarkScale(b *testing.B) {
	src := picture.Moving(1280, 720, 0)
	for _, size := range []image.Point{{640, 360}, {426, 240}, {320, 180}} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			canvas := blank(1280, 720)
			dst := part(canvas, image.Rectangle{Max: size})
			b.ReportAllocs()
			for b.Loop() {
				_ = Scale(dst, src)
			}
		})
	}
	b.Run("fill", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = Fill(src, grey)
		}
	})
}
