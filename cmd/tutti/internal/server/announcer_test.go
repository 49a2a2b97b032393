package server

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"tutti/bridge"
	"tutti/cmd/tutti/internal/config"
	"tutti/codec"
	"tutti/codec/g711"
	"tutti/mixer"
)

// ear is a phone that only hears. Its fields are guarded by mu.
type ear struct {
	leg     *bridge.Leg
	mu      sync.Mutex
	decoder codec.AudioDecoder
	sound   []int16 // 8 kHz
}

func (e *ear) Hangup(r bridge.Reason) { e.leg.Leave(r) }

func (e *ear) WriteRTCP([]byte) error { return nil }

func (e *ear) WriteRTP(_ *rtp.Header, payload []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	pcm := make([]int16, len(payload))
	n, err := e.decoder.Decode(pcm, payload)
	e.sound = append(e.sound, pcm[:n]...)
	return err
}

// tone is how much of what was heard is the tone, dBFS of a sine, in the loudest 200 ms.
func (e *ear) tone(pitch float64) float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	const n = 1600
	best := math.Inf(-1)
	for at := 0; at+n <= len(e.sound); at += n / 4 {
		var re, im float64
		for i, v := range e.sound[at : at+n] {
			phase := 2 * math.Pi * pitch * float64(i) / 8000
			re += float64(v) * math.Cos(phase)
			im += float64(v) * math.Sin(phase)
		}
		best = max(best, 20*math.Log10(2*math.Hypot(re, im)/n/32767+1e-6))
	}
	return best
}

func enter(t *testing.T, b *bridge.Bridge, name string) *ear {
	t.Helper()
	format := g711.PCMU()
	decoder, err := format.NewDecoder(codec.AudioParams{})
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{decoder: decoder}
	if e.leg, err = b.Join(t.Context(), bridge.JoinRequest{Conference: "8001", Kind: bridge.SIP, DisplayText: name, Actor: e}); err != nil {
		t.Fatal(err)
	}
	if _, err = e.leg.Attach([]mixer.Stream{{ID: "0", Kind: mixer.Audio, Wire: e, Send: &mixer.Encoding{SSRC: 1, Audio: &format}}}); err != nil {
		t.Fatal(err)
	}
	return e
}

// writeTone writes a second of a tone at −12 dBFS as a WAV file.
func writeTone(t *testing.T, file string, pitch float64) {
	t.Helper()
	const rate = 16000
	le := binary.LittleEndian
	data := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"), le.AppendUint32(le.AppendUint32(nil, rate), 2*rate)...)
	data = append(data, "\x02\x00\x10\x00data"...)
	data = le.AppendUint32(data, 2*rate)
	for i := range rate {
		data = le.AppendUint16(data, uint16(int16(8192*math.Sin(2*math.Pi*pitch*float64(i)/rate))))
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file is heard by whom it is played to and by nobody else, through the mixer as it is; then nothing of it is left.
func TestWhoHearsAFile(t *testing.T) {
	dir := t.TempDir()
	writeTone(t, filepath.Join(dir, "files", "gong.wav"), 1000)
	c := config.Default()
	c.Prompts.Directory, c.Prompts.Off = dir, []string{"welcome", "alone", "joined", "left"}
	s := &server{Options: Options{Config: c, Logger: slog.New(slog.DiscardHandler)}}
	voice := s.announcer()
	synctest.Test(t, func(t *testing.T) {
		b := bridge.New(bridge.Config{Policy: bridge.Policy{AdHoc: true}})
		b.SetAnnouncer(voice)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = b.Run(ctx, 5*time.Second) })
		ada, bob := enter(t, b, "Ada"), enter(t, b, "Bob")
		if err := b.Do(t.Context(), "8001", bridge.Operator("test"), bridge.PlayFile{File: "gong.wav", User: ada.leg.User()}); err != nil {
			t.Fatal(err)
		}
		playing := func() int { return len(ada.leg.Conference().State().Playing) }
		if playing() != 1 {
			t.Errorf("%d are played", playing())
		}
		time.Sleep(2 * time.Second)
		if playing() != 0 {
			t.Errorf("%d are played after two seconds", playing())
		}
		voice.player.Wait()
		if l := ada.tone(1000); math.Abs(l+12) > 1.5 {
			t.Errorf("Ada hears it at %.1f dBFS, want −12", l)
		}
		if l := bob.tone(1000); l > -60 {
			t.Errorf("Bob hears it at %.1f dBFS", l)
		}
		cancel()
		running.Wait()
	})
}

// What is wrong with a file is told, by its name.
func TestWrongPromptIsNamed(t *testing.T) {
	dir := t.TempDir()
	writeTone(t, filepath.Join(dir, "en", "muted.wav"), 500)
	if err := os.WriteFile(filepath.Join(dir, "en", "unmuted.wav"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Prompts.Directory = dir
	var log strings.Builder
	s := &server{Options: Options{Config: c, Logger: slog.New(slog.NewTextHandler(&log, nil))}}
	s.announcer()
	for _, said := range []string{log.String(), c.CheckPrompts().Error()} {
		if !strings.Contains(said, "en: unmuted.wav") || strings.Contains(said, "/muted.wav") || strings.Contains(said, " muted.wav") {
			t.Errorf("said: %s", said)
		}
	}
}
