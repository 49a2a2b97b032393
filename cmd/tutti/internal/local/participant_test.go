package local

import (
	"context"
	"errors"
	"image"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"go.uber.org/goleak"

	"tutti/bridge"
	"tutti/cmd/tutti/internal/device"
	"tutti/codec"
	"tutti/codec/g711"
	"tutti/codec/vpx"
	"tutti/mixer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a bridge until the test ends.
func start(t *testing.T) *bridge.Bridge {
	t.Helper()
	b := bridge.New(bridge.Config{Policy: bridge.Policy{AdHoc: true}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.Run(ctx, 5*time.Second) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

// listener is a phone that hears and sees. Its fields are guarded by mu.
type listener struct {
	leg *bridge.Leg

	mu        sync.Mutex
	sound     []int16 // 8 kHz
	pictures  int
	colourful bool // a picture with the bars of the test picture came
	decoder   codec.VideoDecoder
	assembler codec.Assembler
}

func (l *listener) Hangup(r bridge.Reason) { l.leg.Leave(r) }

func listen(t *testing.T, b *bridge.Bridge) *listener {
	t.Helper()
	video, audio := vpx.VP8(), g711.PCMU()
	decoder, err := video.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{decoder: decoder, assembler: video.NewAssembler()}
	if l.leg, err = b.Join(t.Context(), bridge.JoinRequest{Conference: "8001", Kind: bridge.SIP, DisplayText: "Lis", Actor: l}); err != nil {
		t.Fatal(err)
	}
	_, err = l.leg.Attach([]mixer.Stream{
		{ID: "0", Kind: mixer.Audio, Wire: ear{l}, Send: &mixer.Encoding{SSRC: 1, Audio: &audio}},
		{ID: "1", Kind: mixer.Video, Wire: eye{l}, Send: &mixer.Encoding{SSRC: 2, PayloadType: 96, Video: &video, Width: 640, Height: 360}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.leg.Leave(bridge.Reason{Method: bridge.Departed})
		l.mu.Lock()
		defer l.mu.Unlock()
		decoder.Close()
		l.decoder = nil
	})
	return l
}

// ear decodes what comes as PCMU.
type ear struct{ *listener }

func (e ear) WriteRTP(_ *rtp.Header, payload []byte) error {
	decoder, err := g711.PCMU().NewDecoder(codec.AudioParams{})
	if err != nil {
		return err
	}
	pcm := make([]int16, len(payload))
	if _, err := decoder.Decode(pcm, payload); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sound = append(e.sound, pcm...)
	return nil
}

func (ear) WriteRTCP([]byte) error { return nil }

// eye decodes what comes as VP8.
type eye struct{ *listener }

func (e eye) WriteRTP(h *rtp.Header, payload []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	frame, _, ok := e.assembler.Push(payload, h.Timestamp, h.Marker, false)
	if !ok || e.decoder == nil {
		return nil
	}
	picture, err := e.decoder.Decode(frame)
	if err != nil || picture == nil {
		return err
	}
	e.pictures++
	e.colourful = e.colourful || hasBars(picture)
	return nil
}

func (eye) WriteRTCP([]byte) error { return nil }

// hasBars says whether the strongest blue and the strongest red of the test picture are in it.
func hasBars(p *image.YCbCr) bool {
	var blue, red bool
	for i := range p.Cb {
		blue = blue || p.Cb[i] > 220 && p.Cr[i] < 130
		red = red || p.Cr[i] > 220 && p.Cb[i] < 110
	}
	return blue && red
}

// loudest is the level of the loudest 200 ms, dBFS of a sine.
func (l *listener) loudest() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	const n = 1600
	best := math.Inf(-1)
	for at := 0; at+n <= len(l.sound); at += n {
		var sum float64
		for _, v := range l.sound[at : at+n] {
			sum += float64(v) * float64(v)
		}
		best = max(best, 10*math.Log10(2*sum/n/(32767*32767)+1e-12))
	}
	return best
}

// eventually asks until the answer is yes: media flow at their own pace.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(15*time.Second), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !yes() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: not within 15 s", what)
		case <-tick.C:
		}
	}
}

// run starts a participant and returns how it ends.
func run(ctx context.Context, p Participant, b *bridge.Bridge) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, b) }()
	return ended
}

func ending(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("the participant does not end")
		return nil
	}
}

// user is the participant of a name, "" where there is none.
func user(b *bridge.Bridge, name string) bridge.UserID {
	c, err := b.Conference("8001")
	if err != nil {
		return ""
	}
	for id, u := range bridge.View(c.State(), bridge.Viewer{}).Users {
		if u.Name == name {
			return bridge.UserID(id)
		}
	}
	return ""
}

// A participant is heard and seen by the others, and is gone when it was told to go.
func TestParticipant(t *testing.T) {
	b := start(t)
	l := listen(t, b)
	ended := run(t.Context(), Participant{Conference: "8001", Name: "Vera", Camera: device.VideoTest, Microphone: device.Phrase}, b)
	eventually(t, "speech", func() bool { return l.loudest() > -25 })
	eventually(t, "the test picture", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.colourful })
	vera := user(b, "Vera")
	if vera == "" {
		t.Fatal("Vera is not in the roster")
	}
	if err := b.Do(t.Context(), "8001", bridge.Operator("test"), bridge.Expel{User: vera}); err != nil {
		t.Fatal(err)
	}
	if err := ending(t, ended); err != nil {
		t.Errorf("expelled: %v, want no error", err)
	}
	eventually(t, "no ghost", func() bool { return user(b, "Vera") == "" })
}

// The end of the context is no error, whatever its cause; the devices are free again at once.
func TestParticipantEndsWithItsContext(t *testing.T) {
	b := start(t)
	p := Participant{Conference: "8001", Name: "Vera", Camera: device.VideoTest, Microphone: device.Phrase}
	for range 2 {
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := run(ctx, p, b)
		eventually(t, "Vera", func() bool { return user(b, "Vera") != "" })
		cancel(errors.New("a reason of somebody else"))
		if err := ending(t, ended); err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	}
}

// Who cannot have the devices does not come in, and keeps none of them.
func TestParticipantWithoutDevices(t *testing.T) {
	b := start(t)
	tests := map[string]struct {
		p    Participant
		want []string
	}{
		"no such camera": {Participant{Name: "Vera", Camera: "nosuch", Microphone: device.Phrase}, []string{"Vera", "nosuch", "V4L2"}},
		"neither":        {Participant{Name: "Vera", Camera: "nosuch", Microphone: "nosuch"}, []string{"V4L2", "ALSA", "PulseAudio", "JACK"}},
		"nothing wanted": {Participant{Name: "Vera"}, []string{"neither"}},
		"bad name":       {Participant{Name: "Vera", Conference: "no such/name", Camera: device.VideoTest}, []string{"Vera"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.p.Conference == "" {
				test.p.Conference = "8001"
			}
			err := ending(t, run(t.Context(), test.p, b))
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range test.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if user(b, "Vera") != "" {
				t.Error("a ghost is in the roster")
			}
		})
	}
	c, err := device.OpenCamera(device.VideoTest, 640, 360, 15)
	if err != nil {
		t.Fatalf("a refused participant keeps its camera: %v", err)
	}
	c.Close()
}

// A wish for a key frame is carried out with the next picture.
func TestKeyFrameOnDemand(t *testing.T) {
	d, err := Open(device.VideoTest, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	keys, assembler := NewKeys(), vpx.VP8().NewAssembler()
	var got []bool // whether each frame is a key frame
	err = d.Run(ctx, keys, nil, func(h *rtp.Header, payload []byte) {
		_, key, ok := assembler.Push(payload, h.Timestamp, h.Marker, false)
		if !ok {
			return
		}
		got = append(got, key)
		switch len(got) {
		case 3:
			keys.Ask()
			keys.Ask() // is one wish
		case 6:
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []bool{true, false, false, true, false, false}
	for i, w := range want {
		if len(got) < len(want) || got[i] != w {
			t.Fatalf("key frames = %v, want %v", got, want)
		}
	}
}
