package e2e

import (
	"testing"
)

// A page asks for the PIN where the conference wants one, waits in the lobby where it has one, and says so; in a sidebar, too.
func TestBrowserAtTheDoor(t *testing.T) {
	b := newBridge(t, `
conferences:
  - {name: vault, pin: "1234"}
  - {name: salon, lobby: true}
`)
	ada := newBrowser(t, browserOptions{tone: 1000})
	ada.do("goto", map[string]any{"url": b.http + "/vault?processing=off"})
	ada.do("fill", map[string]any{"selector": "#name", "text": "Ada"})
	ada.do("click", map[string]any{"selector": "#join"})
	ada.do("wait", map[string]any{"selector": "#pin"})
	ada.do("fill", map[string]any{"selector": "#pin", "text": "4321"})
	ada.do("click", map[string]any{"selector": "#join"})
	ada.do("wait", map[string]any{"selector": "[role=alert]"})
	if s := b.state("vault"); s != nil && len(s.Users) > 0 {
		t.Errorf("a wrong PIN lets in: %+v", s.Users)
	}
	ada.do("fill", map[string]any{"selector": "#pin", "text": "1234"})
	ada.do("click", map[string]any{"selector": "#join"})
	ada.connected()
	b.waitFor("vault", 1)
	ada.do("click", map[string]any{"selector": "#leave"})
	b.waitFor("vault", 0)

	phone := newPhone(t, b, phoneOptions{name: "Desk", codec: "PCMU", tone: 440})
	phone.dial(b.uri("salon"))
	b.waitFor("salon", 1)
	b.cli("participant", "admit", "salon", "Desk")
	ada.join(b.http+"/salon?processing=off", "Ada")
	ada.do("wait", map[string]any{"selector": "#waiting"})
	misses(t, "Desk", phone.heard, 1000)
	b.cli("participant", "admit", "salon", "Ada")
	ada.do("wait", map[string]any{"selector": "#waiting", "state": "hidden"})
	mixed(t, phone, ada)

	b.cli("sidebar", "create", "salon", "aside", "Ada")
	ada.do("wait", map[string]any{"selector": "#aside"})
	misses(t, "Desk", phone.heard, 1000)
	b.cli("sidebar", "end", "salon", "aside")
	ada.do("wait", map[string]any{"selector": "#aside", "state": "hidden"})
	mixed(t, phone, ada)
}
