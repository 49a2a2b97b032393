package video

import (
	"image"

	"tutti/codec/yuv"
)

// scale is what the hot path scales with (canvas.Scaler).
func scale(dst, src *image.YCbCr) {
	// It fails only for planes that are too short for their rectangle, which exchange and canvas do not make.
	_ = yuv.Scale(dst, src)
}
