package device

import (
	"errors"
	"image"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/mediadevices/pkg/driver"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// level is the loudness of sound, dBFS of a sine.
func level(samples []int16) float64 {
	var sum float64
	for _, v := range samples {
		sum += float64(v) * float64(v)
	}
	return 10 * math.Log10(2*sum/float64(len(samples))/(32767*32767)+1e-12)
}

// listen reads so many frames of 20 ms.
func listen(t *testing.T, m *Microphone, frames int) []int16 {
	t.Helper()
	all := make([]int16, 0, frames*FrameSize)
	frame := make([]int16, FrameSize)
	for range frames {
		if err := m.Read(frame); err != nil {
			t.Fatal(err)
		}
		all = append(all, frame...)
	}
	return all
}

// The phrase comes at the pace of speech, speaks and pauses, and begins again.
func TestPhrase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := OpenMicrophone(Phrase)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		length := time.Duration(len(phraseWAV)-wavHeader) / 2 * time.Second / phraseRate
		frames := int(2 * length / (20 * time.Millisecond))
		start := time.Now()
		all := listen(t, m, frames)
		if took, want := time.Since(start), time.Duration(frames)*20*time.Millisecond; took < want || took > want+40*time.Millisecond {
			t.Errorf("%v of speech took %v", want, took)
		}
		first := all[:len(all)/2]
		speech, pause := first[SampleRate/2:SampleRate*5/2], first[len(first)-SampleRate:]
		if l := level(speech); l < -35 || l > -6 {
			t.Errorf("speech at %.1f dBFS, want between -35 and -6", l)
		}
		if l := level(pause); l > -60 {
			t.Errorf("the pause after it at %.1f dBFS, want silence", l)
		}
		if d := difference(first, all[int(length.Seconds()*SampleRate):]); d > -30 {
			t.Errorf("said again it differs by %.1f dB", d)
		}
	})
}

// difference is the level of a−b against that of a, dB.
func difference(a, b []int16) float64 {
	n := min(len(a), len(b))
	d := make([]int16, n)
	for i := range d {
		d[i] = a[i] - b[i]
	}
	return level(d) - level(a[:n])
}

// Who comes late hears from then on, not all that was missed, faster than speech.
func TestPhraseAfterASleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := OpenMicrophone(Phrase)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		listen(t, m, 5)
		time.Sleep(time.Hour)
		start := time.Now()
		listen(t, m, 100)
		if took := time.Since(start); took < 1900*time.Millisecond {
			t.Errorf("2 s of speech took %v", took)
		}
	})
}

func TestCloseEndsTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := OpenMicrophone(Phrase)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 2)
		go func() {
			frame := make([]int16, FrameSize)
			for {
				if err := m.Read(frame); err != nil {
					ended <- err
					return
				}
			}
		}()
		time.Sleep(time.Second)
		m.Close()
		m.Close()
		if err := <-ended; !errors.Is(err, io.EOF) {
			t.Errorf("the microphone ended with %v, want %v", err, io.EOF)
		}
		if left := driver.GetManager().Query(func(d driver.Driver) bool { return d.Info().Name == phraseName }); len(left) != 0 {
			t.Errorf("%d phrases are left behind", len(left))
		}

		c, err := OpenCamera(VideoTest, 640, 360, 15)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				_, release, err := c.Read()
				if err != nil {
					ended <- err
					return
				}
				release()
			}
		}()
		time.Sleep(time.Second)
		c.Close()
		c.Close()
		if err := <-ended; !errors.Is(err, io.EOF) {
			t.Errorf("the camera ended with %v, want %v", err, io.EOF)
		}
	})
}

// The test picture has seven bars of colour, whatever the driver's own format is.
func TestVideoTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := OpenCamera(VideoTest, 641, 361, 10)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		start := time.Now()
		for range 10 {
			picture, release, err := c.Read()
			if err != nil {
				t.Fatal(err)
			}
			checkPicture(t, c, picture)
			release()
		}
		if took := time.Since(start); took < 900*time.Millisecond || took > 1100*time.Millisecond {
			t.Errorf("10 pictures at 10 a second took %v", took)
		}
	})
}

func checkPicture(t *testing.T, c *Camera, p *image.YCbCr) {
	t.Helper()
	if p.SubsampleRatio != image.YCbCrSubsampleRatio420 || p.Rect.Dx() != c.Width || p.Rect.Dy() != c.Height || c.Width%2 != 0 || c.Height%2 != 0 {
		t.Fatalf("picture %v %v, the camera says %d×%d; want 4:2:0 of even size", p.Rect, p.SubsampleRatio, c.Width, c.Height)
	}
	bars := [][2]uint8{{128, 128}, {16, 146}, {166, 16}, {54, 34}, {202, 222}, {90, 240}, {240, 110}}
	for i, want := range bars {
		for _, y := range []int{c.Height / 10, c.Height / 2, c.Height * 7 / 10} {
			at := p.YCbCrAt((2*i+1)*c.Width/14, y)
			if at.Cb != want[0] || at.Cr != want[1] {
				t.Fatalf("bar %d at height %d is %v, want Cb, Cr %v", i, y, at, want)
			}
		}
	}
}

// A second owner is told that there is a first one, and the first is not disturbed.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, err := OpenCamera(VideoTest, 640, 360, 15)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCamera(VideoTest, 640, 360, 15); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), `"videotest"`) {
			t.Errorf("opened again: %v, want %v", err, ErrBusy)
		}
		_, release, err := first.Read()
		if err != nil {
			t.Fatalf("the first owner: %v", err)
		}
		release()
		first.Close()
		second, err := OpenCamera(VideoTest, 640, 360, 15)
		if err != nil {
			t.Fatalf("after the first has closed: %v", err)
		}
		first.Close() // not the second's end
		if _, release, err = second.Read(); err != nil {
			t.Fatalf("the second owner: %v", err)
		}
		release()
		second.Close()

		one, err := OpenMicrophone(Phrase)
		if err != nil {
			t.Fatal(err)
		}
		other, err := OpenMicrophone(Phrase) // many may speak
		if err != nil {
			t.Fatal(err)
		}
		one.Close()
		listen(t, other, 3)
		other.Close()
	})
}

// What is not there is said with what was looked for and what there is.
func TestNoSuchDevice(t *testing.T) {
	_, err := OpenMicrophone("nosuch")
	wantText(t, err, "nosuch", "ALSA", "PulseAudio", "JACK", Phrase)
	_, err = OpenCamera("nosuch", 640, 360, 15)
	wantText(t, err, "nosuch", "V4L2", "/dev/video", VideoTest)
}

func wantText(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestList(t *testing.T) {
	all := List()
	for _, want := range []Info{{"camera", VideoTest}, {"microphone", Phrase}} {
		if n := len(slices.DeleteFunc(slices.Clone(all), func(i Info) bool { return i != want })); n != 1 {
			t.Errorf("%v is listed %d times in %v", want, n, all)
		}
	}
}

// The default is never a test source.
func TestDefault(t *testing.T) {
	if c, err := OpenCamera("default", 640, 360, 15); err == nil {
		if name(c.device) == VideoTest {
			t.Error("the default camera is the test picture")
		}
		c.Close()
	} else {
		wantText(t, err, "default", "V4L2")
	}
}
