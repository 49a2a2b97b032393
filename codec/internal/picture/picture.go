// Package picture makes and judges pictures for the tests of codecs.
package picture

import (
	"image"
	"math"
)

// Moving is picture number n of a scene in which stripes move over a gradient and a bright square crosses.
func Moving(w, h, n int) *image.YCbCr {
	img := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for y := range h {
		for x := range w {
			v := 60 + 80*x/w + int(30*math.Sin(float64(x+y+3*n)/9))
			if sx, sy := (n*4)%w, h/3; x >= sx && x < sx+h/6 && y >= sy && y < sy+h/6 {
				v = 220
			}
			img.Y[img.YOffset(x, y)] = byte(v)
		}
	}
	for y := range (h + 1) / 2 {
		for x := range (w + 1) / 2 {
			img.Cb[y*img.CStride+x] = byte(90 + 70*x/w)
			img.Cr[y*img.CStride+x] = byte(160 - 60*y/h)
		}
	}
	return img
}

// PSNR compares the luma of two pictures of one size, in dB.
func PSNR(a, b *image.YCbCr) float64 {
	w, h := a.Rect.Dx(), a.Rect.Dy()
	var sum float64
	for y := range h {
		for x := range w {
			d := float64(a.Y[a.YOffset(a.Rect.Min.X+x, a.Rect.Min.Y+y)]) - float64(b.Y[b.YOffset(b.Rect.Min.X+x, b.Rect.Min.Y+y)])
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255/(sum/float64(w*h)))
}
