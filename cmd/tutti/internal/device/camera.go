package device

import (
	"cmp"
	"fmt"
	"image"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pion/mediadevices/pkg/driver"
	"github.com/pion/mediadevices/pkg/io/video"
	"github.com/pion/mediadevices/pkg/prop"
)

// Camera is an open one. It belongs to one goroutine; only Close may be called from others, too.
type Camera struct {
	device driver.Driver
	reader video.Reader
	Width  int // pixels, even
	Height int // pixels, even

	once    sync.Once
	closed  atomic.Bool
	reading chan struct{} // one place, taken by Read, so that no driver is closed under its own reader: videotest would wait for ever
}

// OpenCamera opens a camera by name, at the size of its own that is nearest to width × height. The caller closes it.
func OpenCamera(name string, width, height int, rate float32) (*Camera, error) {
	d, err := find(driver.Camera, name)
	if err != nil {
		return nil, err
	}
	reader, size, err := startCamera(d, width, height, rate)
	if err != nil {
		return nil, fmt.Errorf("camera %q: %w", name, err)
	}
	return &Camera{device: d, reader: video.ToI420(reader), Width: size.Width &^ 1, Height: size.Height &^ 1, reading: make(chan struct{}, 1)}, nil
}

func startCamera(d driver.Driver, width, height int, rate float32) (video.Reader, prop.Video, error) {
	drivers.Lock()
	defer drivers.Unlock()
	if err := open(d); err != nil {
		return nil, prop.Video{}, err
	}
	sizes := slices.DeleteFunc(d.Properties(), func(m prop.Media) bool { return m.Width < 2 || m.Height < 2 })
	if len(sizes) == 0 {
		_ = d.Close() // there is a better error to tell
		return nil, prop.Video{}, fmt.Errorf("it has no picture")
	}
	best := slices.MinFunc(sizes, func(a, b prop.Media) int {
		return cmp.Compare(distance(a.Video, width, height), distance(b.Video, width, height))
	})
	best.FrameRate = rate
	reader, err := d.(driver.VideoRecorder).VideoRecord(best) // after an error the driver has closed itself
	return reader, best.Video, busy(err)
}

func distance(v prop.Video, width, height int) int {
	return abs(v.Width-width) + abs(v.Height-height)
}

func abs(n int) int { return max(n, -n) }

// Read waits for the next picture, which is 4:2:0 of Width × Height. It is the caller's until release.
func (c *Camera) Read() (picture *image.YCbCr, release func(), err error) {
	c.reading <- struct{}{}
	defer func() { <-c.reading }()
	if c.closed.Load() {
		return nil, nil, fmt.Errorf("camera: %w", io.EOF)
	}
	img, release, err := c.reader.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("camera: %w", err)
	}
	picture, ok := img.(*image.YCbCr)
	if !ok || picture.Rect.Dx() < c.Width || picture.Rect.Dy() < c.Height {
		release()
		return nil, nil, fmt.Errorf("camera gave a %T of %v", img, img.Bounds())
	}
	at := picture.Rect.Min
	return picture.SubImage(image.Rect(at.X, at.Y, at.X+c.Width, at.Y+c.Height)).(*image.YCbCr), release, nil
}

// Close ends the device. It waits for a Read that is under way: for one picture, or as long as the driver waits for one.
func (c *Camera) Close() {
	c.closed.Store(true)
	c.once.Do(func() {
		c.reading <- struct{}{}
		defer func() { <-c.reading }()
		shut(c.device)
	})
}
