package device

import (
	"cmp"
	"fmt"
	"image"
	"slices"

	"github.com/pion/mediadevices/pkg/driver"
	"github.com/pion/mediadevices/pkg/io/video"
	"github.com/pion/mediadevices/pkg/prop"
)

// Camera is an open one. It belongs to one goroutine.
type Camera struct {
	device driver.Driver
	reader video.Reader
	Width  int // pixels
	Height int
}

// OpenCamera opens a camera by name, at the size of its own that is nearest to width × height.
func OpenCamera(name string, width, height int, rate float32) (*Camera, error) {
	d, err := find(driver.Camera, name)
	if err != nil {
		return nil, err
	}
	if err := d.Open(); err != nil {
		return nil, fmt.Errorf("device: camera %q: %w", name, err)
	}
	sizes := d.Properties()
	if len(sizes) == 0 {
		return nil, fmt.Errorf("device: camera %q has no picture", name)
	}
	best := slices.MinFunc(sizes, func(a, b prop.Media) int {
		return cmp.Compare(distance(a.Video, width, height), distance(b.Video, width, height))
	})
	best.FrameRate = rate
	reader, err := d.(driver.VideoRecorder).VideoRecord(best)
	if err != nil {
		return nil, fmt.Errorf("device: camera %q: %w", name, err) // the driver has closed itself
	}
	return &Camera{d, video.ToI420(reader), best.Width &^ 1, best.Height &^ 1}, nil
}

func distance(v prop.Video, width, height int) int {
	return abs(v.Width-width) + abs(v.Height-height)
}

func abs(n int) int { return max(n, -n) }

// Read waits for the next picture. It is the caller's until release.
func (c *Camera) Read() (picture *image.YCbCr, release func(), err error) {
	img, release, err := c.reader.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("device: camera: %w", err)
	}
	picture, ok := img.(*image.YCbCr)
	if !ok || picture.Rect.Dx() < c.Width || picture.Rect.Dy() < c.Height {
		release()
		return nil, nil, fmt.Errorf("device: camera gave a %T of %v", img, img.Bounds())
	}
	return picture.SubImage(image.Rect(0, 0, c.Width, c.Height)).(*image.YCbCr), release, nil
}

// Close ends the device; a Read under way ends with an error.
func (c *Camera) Close() error { return c.device.Close() }
