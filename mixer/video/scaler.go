package video

import "tutti/mixer/video/canvas"

// scaler is what the hot path scales with.
func scaler() canvas.Scaler { return canvas.ScalePlain }
