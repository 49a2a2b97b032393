package e2e

import (
	"image"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pulses is what a pulsed tone of 0.6 s in every second loses against a steady one, dB, and the level of a browser's microphone.
const browserLevel = -14 - 2.2

// hearsTones waits until somebody heard each tone within a few dB, over a window that holds whole pulses, and not their own.
func hearsTones(t *testing.T, who string, heard func() sound, want map[float64]float64, not float64) {
	t.Helper()
	const pulses = 3 // seconds
	eventually(t, 25*time.Second, who+"'s sound", func() bool {
		s := heard()
		return s.seconds() >= pulses && unlike(s.last(pulses), want, not) == ""
	}, func() { t.Errorf("%s %s", who, unlike(heard().last(pulses), want, not)) })
}

// The main test: a G.711 phone, an H.264 video phone and two browsers in one conference. Everybody hears all the others and not
// themselves, sees who sends a picture, and goes on when somebody leaves, reloads, loses the WebSocket, shares a screen.
func TestPhonesAndBrowsersMeet(t *testing.T) {
	b := newBridge(t, "")
	phone := newPhone(t, b, phoneOptions{name: "Desk", codec: "PCMU", tone: 440})
	video := newPhone(t, b, phoneOptions{name: "Room", codec: "PCMA", tone: 700, video: "H264", colour: "red"})
	ada := newBrowser(t, browserOptions{tone: 1000, colour: "blue"})
	ben := newBrowser(t, browserOptions{tone: 1500, colour: "green"})

	phone.dial(b.uri("8001"))
	video.dial(b.uri("8001"))
	ada.join(b.http+"/8001?processing=off", "Ada")
	ben.join(b.http+"/8001?processing=off", "Ben")
	b.waitFor("8001", 4)
	ada.listen()
	ben.listen()

	tones := map[float64]float64{440: -20, 700: -20, 1000: browserLevel, 1500: browserLevel}
	others := func(own ...float64) map[float64]float64 {
		out := map[float64]float64{}
		for hz, level := range tones {
			out[hz] = level
		}
		for _, hz := range own {
			delete(out, hz)
		}
		return out
	}
	hearsTones(t, "Desk", phone.heard, others(440), 440)
	hearsTones(t, "Room", video.heard, others(700), 700)
	hearsTones(t, "Ada", ada.heard, others(1000), 1000)
	hearsTones(t, "Ben", ben.heard, others(1500), 1500)

	screens := map[string]func() image.Image{"Room": video.picture, "Ada": ada.picture, "Ben": ben.picture}
	for who, picture := range screens {
		sees(t, who, 0.08, picture, "red", "blue", "green")
	}
	for _, colour := range []string{"red", "blue", "green"} {
		lives(t, "Ada", ada.picture, colour)
	}
	lives(t, "Room", video.picture, "green")
	if dir := os.Getenv("TUTTI_E2E_OUT"); dir != "" {
		ada.screenshot(filepath.Join(dir, "meeting.png"))
	}

	ben.do("click", map[string]any{"selector": "#leave"})
	b.waitFor("8001", 3)
	sees(t, "Ada", 0.08, ada.picture, "red", "blue")
	hearsTones(t, "Desk", phone.heard, others(440, 1500), 1500)
}
