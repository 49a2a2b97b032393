package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// mixed is what a phone and a browser hear of each other.
func mixed(t *testing.T, phone *phone, ada *browser) {
	t.Helper()
	hearsTones(t, phone.name, phone.heard, map[float64]float64{1000: browserLevel}, 440)
	ada.listen()
	hearsTones(t, "Ada", ada.heard, map[float64]float64{440: -20}, 1000)
}

// only says that exactly these people are in the conference, each once.
func only(t *testing.T, b *bridge, names ...string) {
	t.Helper()
	eventually(t, 25*time.Second, "only "+join(names)+" in 8001", func() bool {
		s := b.state("8001")
		if s == nil || len(s.Users) != len(names) {
			return false
		}
		for _, name := range names {
			if s.user(name) == "" {
				return false
			}
		}
		return true
	}, func() { t.Logf("%+v", b.state("8001")) })
}

// A reload, a broken WebSocket and a network that goes away for a moment leave no ghost, and the sound comes back.
func TestBrowserComesBack(t *testing.T) {
	b := newBridge(t, "")
	phone := newPhone(t, b, phoneOptions{name: "Desk", codec: "PCMU", tone: 440})
	ada := newBrowser(t, browserOptions{tone: 1000, colour: "blue"})
	phone.dial(b.uri("8001"))
	ada.join(b.http+"/8001?processing=off", "Ada")
	mixed(t, phone, ada)

	t.Run("after a broken WebSocket", func(t *testing.T) {
		ada.eval(`tuttiTest.sockets.forEach(s => s.close())`, nil)
		eventually(t, 20*time.Second, "a new WebSocket", func() bool {
			var n int
			ada.eval(`tuttiTest.sockets.filter(s => s.readyState === 1).length`, &n)
			return n == 1
		})
		only(t, b, "Desk", "Ada")
		mixed(t, phone, ada)
	})
	t.Run("after the network was away", func(t *testing.T) {
		ada.do("offline", map[string]any{"on": true})
		ada.eval(`tuttiTest.sockets.forEach(s => s.close())`, nil)
		ada.do("wait", map[string]any{"selector": "#connection:not(:has-text('connected')), #connection:has-text('reconnect')"})
		ada.do("offline", map[string]any{"on": false})
		ada.do("wait", map[string]any{"selector": "#connection:text-is('connected')", "timeout": 25000})
		only(t, b, "Desk", "Ada")
		mixed(t, phone, ada)
	})
	t.Run("after a reload, as the same person", func(t *testing.T) {
		before := b.state("8001").user("Ada")
		ada.do("reload", nil)
		eventually(t, 20*time.Second, "Ada in the page again", func() bool {
			var joined, lobby bool
			ada.eval(`!!document.querySelector("#leave")`, &joined)
			ada.eval(`!!document.querySelector("#join:not([disabled])")`, &lobby)
			if lobby {
				ada.do("click", map[string]any{"selector": "#join"})
			}
			return joined
		})
		ada.connected()
		only(t, b, "Desk", "Ada")
		if after := b.state("8001").user("Ada"); after != before {
			t.Errorf("after the reload Ada is participant %s, was %s", after, before)
		}
		mixed(t, phone, ada)
	})
	t.Run("and goes when its tab is closed", func(t *testing.T) {
		ada.do("goto", map[string]any{"url": "about:blank"})
		only(t, b, "Desk")
	})
}

// Without a device, or with a refused permission, one hears and sees all the same.
func TestBrowserWithoutDevices(t *testing.T) {
	b := newBridge(t, "")
	phone := newPhone(t, b, phoneOptions{name: "Desk", codec: "G722", tone: 440, video: "H264", colour: "red"})
	phone.dial(b.uri("8001"))
	for name, o := range map[string]browserOptions{"no device": {}, "permission refused": {tone: 1000, colour: "blue", deny: true}} {
		t.Run(name, func(t *testing.T) {
			eve := newBrowser(t, o)
			eve.join(b.http+"/8001", "Eve")
			eve.listen()
			hearsTones(t, "Eve", eve.heard, map[float64]float64{440: -20}, 1000)
			sees(t, "Eve", 0.15, eve.picture, "red")
			misses(t, "Desk", phone.heard, 1000)
			eve.do("click", map[string]any{"selector": "#leave"})
			only(t, b, "Desk")
		})
	}
}

// What people do on the page reaches the others: mute by key, camera off, chat, screen, a phone called in by number.
func TestPageControls(t *testing.T) {
	b := newBridge(t, registered)
	phone := newPhone(t, b, phoneOptions{name: "carol", codec: "PCMU", tone: 440, video: "H264", colour: "red", register: "sesame-open-1"})
	phone.registered()
	ada := newBrowser(t, browserOptions{tone: 1000, colour: "blue", args: []string{"--auto-select-tab-capture-source-by-title=tutti", "--use-fake-ui-for-media-stream"}})
	ada.join(b.http+"/8001?processing=off", "Ada")

	t.Run("dial", func(t *testing.T) {
		ada.do("click", map[string]any{"selector": "#invite"})
		ada.do("fill", map[string]any{"selector": "#dial-target", "text": "+4930123456"})
		ada.do("click", map[string]any{"selector": "#dial"})
		ada.do("wait", map[string]any{"selector": "#dial-problem"})
		ada.do("fill", map[string]any{"selector": "#dial-target", "text": "carol"})
		ada.do("click", map[string]any{"selector": "#dial"})
		phone.wait("CALL_INCOMING")
		phone.do("accept", "")
		phone.wait("CALL_ESTABLISHED")
		only(t, b, "Ada", "carol")
		ada.do("press", map[string]any{"key": "Escape"})
		mixed(t, phone, ada)
	})
	t.Run("mute by key", func(t *testing.T) {
		ada.do("press", map[string]any{"key": "m"})
		misses(t, "carol", phone.heard, 1000)
		if s := b.state("8001"); !s.Users[s.user("Ada")].Muted {
			t.Error("the roster does not show that Ada is muted")
		}
		ada.do("press", map[string]any{"key": "m"})
		hearsTones(t, "carol", phone.heard, map[float64]float64{1000: browserLevel}, 440)
	})
	t.Run("camera off", func(t *testing.T) {
		sees(t, "carol", 0.15, phone.picture, "red", "blue")
		ada.do("press", map[string]any{"key": "v"})
		sees(t, "carol", 0.15, phone.picture, "red")
		ada.do("press", map[string]any{"key": "v"})
		sees(t, "carol", 0.15, phone.picture, "red", "blue")
	})
	t.Run("chat", func(t *testing.T) {
		ada.do("click", map[string]any{"selector": "#chat"})
		ada.do("fill", map[string]any{"selector": "#message", "text": "good <b>morning</b>"})
		ada.do("press", map[string]any{"key": "Enter"})
		ada.do("wait", map[string]any{"selector": "#messages:has-text('good <b>morning</b>')"})
		ada.do("press", map[string]any{"key": "Escape"})
	})
	t.Run("screen", func(t *testing.T) {
		ada.do("click", map[string]any{"selector": "#share"})
		eventually(t, 20*time.Second, "slides in the roster", func() bool {
			s := b.state("8001")
			for _, e := range s.Users[s.user("Ada")].Endpoints {
				for _, m := range e.Media {
					if m.Content == "slides" && strings.HasPrefix(m.Status, "send") {
						return true
					}
				}
			}
			return false
		})
		// The screen is the large picture: the cameras shrink to a strip.
		eventually(t, 20*time.Second, "a large picture of the screen", func() bool {
			img := phone.picture()
			return img != nil && share(img, "red") < 0.12 && share(img, "red") > 0.01
		}, func() { keep(t, "carol", phone.picture()) })
		ada.do("click", map[string]any{"selector": "#share"})
		sees(t, "carol", 0.15, phone.picture, "red", "blue")
	})
	t.Run("expel from the command line", func(t *testing.T) {
		b.cli("participant", "expel", "8001", "Ada", "--reason", "a test")
		ada.do("wait", map[string]any{"selector": "#again"})
		only(t, b, "carol")
	})
	var logs []string
	ada.decode("logs", &logs)
	for _, line := range logs {
		if strings.HasPrefix(line, "error") {
			t.Errorf("console: %s", line)
		}
	}
}

// decode runs an operation and decodes its result.
func (b *browser) decode(op string, into any) {
	b.t.Helper()
	if err := unmarshal(b.do(op, nil), into); err != nil {
		b.t.Fatal(fmt.Errorf("%s: %w", op, err))
	}
}
