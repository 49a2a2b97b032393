// Package picture makes and judges pictures for the tests of codecs.
package picture

import (
	"image"
	"math"
)

// Moving is picture number n of a scene in which stripes move over a gradient and a bright square crosses.
func Moving(w, h, n int) *image.YCbCr {
	img := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	stripes := make([]int, w+h) // by x+y
	for i := range stripes {
		stripes[i] = int(30 * math.Sin(float64(i+3*n)/9))
	}
	for y := range h {
		row := img.Y[y*img.YStride : y*img.YStride+w]
		for x := range row {
			row[x] = byte(60 + 80*x/w + stripes[x+y])
		}
	}
	side, left, top := h/6, (n*4)%w, h/3
	for y := top; y < top+side; y++ {
		for x := left; x < min(left+side, w); x++ {
			img.Y[y*img.YStride+x] = 220
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
	sum := 0
	for y := range h {
		rowA := a.Y[a.YOffset(a.Rect.Min.X, a.Rect.Min.Y+y):][:w]
		rowB := b.Y[b.YOffset(b.Rect.Min.X, b.Rect.Min.Y+y):][:w]
		for x, v := range rowA {
			d := int(v) - int(rowB[x])
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255/(float64(sum)/float64(w*h)))
}
