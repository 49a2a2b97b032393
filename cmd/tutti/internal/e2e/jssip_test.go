package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// softphonePage is a phone in a page that is not ours: JsSIP, SIP over WebSocket (RFC 7118).
const softphonePage = `<!doctype html><meta charset="utf-8"><title>phone</title><audio autoplay></audio><script src="/jssip.js"></script><script>
const events = [];
const phone = {
  events,
  start(options) {
    this.ua = new JsSIP.UA({ ...options, sockets: [new JsSIP.WebSocketInterface(options.socket)], session_timers: true });
    for (const name of ["connected", "disconnected", "registered", "registrationFailed"])
      this.ua.on(name, (e) => events.push(name + (e?.cause ? " " + e.cause : "")));
    this.ua.on("newRTCSession", ({ session, originator }) => {
      this.session = session;
      if (originator === "remote") events.push("incoming");
      for (const name of ["progress", "confirmed", "failed", "ended", "hold", "unhold"])
        session.on(name, (e) => events.push(name + (e?.cause ? " " + e.cause : "")));
      const connect = (pc) => pc.addEventListener("track", (e) => (document.querySelector("audio").srcObject = e.streams[0] ?? new MediaStream([e.track])));
      if (session.connection) connect(session.connection);
      session.on("peerconnection", (e) => connect(e.peerconnection));
      session.on("newDTMF", ({ dtmf }) => {
        for (const name of ["succeeded", "failed"]) dtmf.on(name, ({ response }) => events.push("key " + name + " " + response.status_code));
      });
    });
    this.ua.start();
  },
  media: { audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false }, video: false },
  call(uri) { this.ua.call(uri, { mediaConstraints: this.media }); },
  answer() { this.session.answer({ mediaConstraints: this.media }); },
  press(key) { this.session.sendDTMF(key, { transportType: "INFO" }); },
  renegotiate(what) { if (!this.session[what]({}, () => events.push(what + " agreed"))) events.push(what + " impossible"); },
};
</script>`

// webPhone is JsSIP in a Chromium.
type webPhone struct{ *browser }

// newWebPhone opens a page with JsSIP that speaks to the bridge as user; a password makes it register.
func newWebPhone(t testing.TB, b *bridge, user, password string, hz float64) webPhone {
	t.Helper()
	script, err := exec.Command("node", "browser/bundle.mjs", "jssip", "JsSIP").Output()
	if err != nil {
		t.Fatalf("JsSIP as one script: %v", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, softphonePage) })
	mux.HandleFunc("GET /jssip.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		w.Write(script)
	})
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	w := webPhone{newBrowser(t, browserOptions{tone: hz})}
	w.do("goto", map[string]any{"url": site.URL})
	options, err := json.Marshal(map[string]any{
		"socket": strings.Replace(b.http, "http:", "ws:", 1) + "/sip", "uri": "sip:" + user + "@" + b.sip, "password": password, "register": password != "",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.eval("phone.start("+string(options)+")", nil)
	w.wait("connected")
	return w
}

// wait waits for an event that begins with want.
func (w webPhone) wait(want string) {
	w.t.Helper()
	var events []string
	eventually(w.t, 15*time.Second, "JsSIP's "+want, func() bool {
		w.eval("events", &events)
		for _, e := range events {
			if strings.HasPrefix(e, want) {
				return true
			}
		}
		return false
	}, func() { w.t.Log(events) })
}

// listens keeps what the page hears from now on, once its media flow.
func (w webPhone) listens() {
	w.t.Helper()
	eventually(w.t, 15*time.Second, "JsSIP's media", func() bool {
		var ok bool
		w.eval(`!!tuttiTest.track("audio")`, &ok)
		return ok
	})
	w.listen()
}

// pulses waits until somebody hears the pulsed tone of a browser, and not their own.
func pulses(t *testing.T, who string, heard func() sound, hz, not float64) {
	t.Helper()
	var loud, own float64
	eventually(t, 20*time.Second, fmt.Sprintf("%s hears %.0f Hz", who, hz), func() bool {
		s := heard()
		loud, own = s.last(2).level(hz), s.last(2).level(not)
		return s.seconds() >= 2 && loud > -24 && loud < -10 && own < -50
	}, func() { t.Logf("%.0f Hz at %.1f dBFS, own %.0f Hz at %.1f dBFS", hz, loud, not, own) })
}

// allowPages lets pages of the test open SIP over WebSocket at the bridges that it starts: they come from another host.
func allowPages(t *testing.T) {
	t.Helper()
	t.Setenv("TUTTI_HTTP_ORIGINS", "127.0.0.1:*")
}

func TestJsSIPMeetsAPhone(t *testing.T) {
	allowPages(t)
	b := newBridge(t, "")
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMU", tone: 1000})
	bob.dial(b.uri("8001"))
	w := newWebPhone(t, b, "wendy", "", 600)
	w.eval(`phone.call("`+b.uri("8001")+`")`, nil)
	w.wait("confirmed")
	w.listens()
	b.waitFor("8001", 2)
	hears(t, "JsSIP", w.heard, map[float64]float64{1000: -20}, 600)
	pulses(t, "bob", bob.heard, 600, 1000)

	w.eval("phone.renegotiate('hold')", nil)
	w.wait("hold agreed")
	misses(t, "bob", bob.heard, 600)
	w.eval("phone.renegotiate('unhold')", nil)
	w.wait("unhold agreed")
	pulses(t, "bob", bob.heard, 600, 1000)
	hears(t, "JsSIP", w.heard, map[float64]float64{1000: -20}, 600)

	w.eval("phone.press('5')", nil)
	w.wait("key succeeded 200")
	w.eval("phone.session.terminate()", nil)
	w.wait("ended")
	if s := b.waitFor("8001", 1); s.user("bob") == "" {
		t.Errorf("who is left is not bob: %+v", s.Users)
	}
}

// The bridge offers as a browser does, so JsSIP answers without being told how.
func TestJsSIPIsCalled(t *testing.T) {
	allowPages(t)
	b := newBridge(t, `sip: {listen: ["udp://SIPADDRESS", "tcp://SIPADDRESS"], users: [{name: wendy, password: sesame-open-1}]}`)
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMU", tone: 1000})
	bob.dial(b.uri("8001"))
	w := newWebPhone(t, b, "wendy", "sesame-open-1", 600)
	w.wait("registered")
	b.cli("dial", "8001", "wendy")
	w.wait("incoming")
	w.eval("phone.answer()", nil)
	w.wait("confirmed")
	w.listens()
	hears(t, "JsSIP", w.heard, map[float64]float64{1000: -20}, 600)
	pulses(t, "bob", bob.heard, 600, 1000)

	w.eval("phone.renegotiate('hold')", nil)
	w.wait("hold agreed")
	misses(t, "bob", bob.heard, 600)
	w.eval("phone.renegotiate('unhold')", nil)
	w.wait("unhold agreed")
	pulses(t, "bob", bob.heard, 600, 1000)
	hears(t, "JsSIP", w.heard, map[float64]float64{1000: -20}, 600)
	b.cli("participant", "expel", "8001", "wendy")
	w.wait("ended")
	b.waitFor("8001", 1)
}
