package announce

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"tutti/codec/l16"
	"tutti/mixer"
	"tutti/mixer/plan"
)

// stage is a media plane that writes down what it is sent. Its fields are guarded by mu.
type stage struct {
	mu    sync.Mutex
	story []string // "a+" a source is attached, "a-" it is done, "a!" with an error
	sound map[plan.LegID][]int16
	began map[plan.LegID]time.Time // first packet
	last  map[plan.LegID]rtp.Header
	at    map[plan.LegID]time.Time // last packet
	bad   []string
}

func newStage() *stage {
	return &stage{
		sound: map[plan.LegID][]int16{}, began: map[plan.LegID]time.Time{}, last: map[plan.LegID]rtp.Header{}, at: map[plan.LegID]time.Time{},
	}
}

func (s *stage) add(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.story = append(s.story, what)
}

func (s *stage) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.story, " ")
}

// request is one for the words, from a source to a listener.
func (s *stage) request(source, leg plan.LegID, stop <-chan struct{}, words ...Word) Request {
	return Request{
		Conference: "8001", Source: source, Leg: leg, Words: words, Stop: stop,
		Attach: func([]mixer.Stream) ([]mixer.Inlet, error) {
			s.add(string(source) + "+")
			return []mixer.Inlet{inlet{s, source}}, nil
		},
		Done: func(err error) {
			if err != nil {
				s.add(string(source) + "!")
				return
			}
			s.add(string(source) + "-")
		},
	}
}

type inlet struct {
	s      *stage
	source plan.LegID
}

func (i inlet) ReceiveRTCP(mixer.Packet) {}

func (i inlet) ReceiveRTP(p mixer.Packet) {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	var packet rtp.Packet
	if err := packet.Unmarshal(p.Data); err != nil || len(packet.Payload) != 2*frameSize {
		i.s.bad = append(i.s.bad, fmt.Sprint(err, len(packet.Payload)))
		return
	}
	if before, ok := i.s.last[i.source]; !ok {
		i.s.began[i.source] = p.At
	} else if packet.SSRC != before.SSRC || packet.SequenceNumber != before.SequenceNumber+1 ||
		packet.Timestamp != before.Timestamp+frameSize || p.At.Sub(i.s.at[i.source]) != 20*time.Millisecond {
		i.s.bad = append(i.s.bad, fmt.Sprintf("%+v follows %+v after %v", packet.Header, before, p.At.Sub(i.s.at[i.source])))
	}
	i.s.last[i.source], i.s.at[i.source] = packet.Header, p.At
	for k := 0; k < len(packet.Payload); k += 2 {
		i.s.sound[i.source] = append(i.s.sound[i.source], int16(binary.BigEndian.Uint16(packet.Payload[k:])))
	}
}

// level is that of a whole sound, dBFS.
func level(pcm []int16) float64 {
	sum := 0.0
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return 10 * math.Log10(sum/float64(max(len(pcm), 1))/(32767*32767)+1e-12)
}

func shippedLibrary(t testing.TB) *Library {
	t.Helper()
	l, err := Open("", English)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newTestPlayer(t *testing.T, off ...Word) *Player {
	return NewPlayer(Config{Library: shippedLibrary(t), Menu: defaultMenu(t), Off: off})
}

// What one listener is to hear is said one after another, at the pace of time; another listener does not wait for it.
func TestPromptsOfOneListenerFollowOneAnother(t *testing.T) {
	p := newTestPlayer(t)
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		p.Play(s.request("a", "ada", nil, Muted))
		p.Play(s.request("b", "ada", nil, Unmuted))
		p.Play(s.request("c", "bob", nil, JoinedSound))
		synctest.Wait()
		if got := s.told(); got != "a+ c+" && got != "c+ a+" {
			t.Fatalf("at first: %s", got)
		}
		p.Wait()
		if got := s.told(); !strings.HasSuffix(got, "c- a- b+ b-") {
			t.Errorf("in the end: %s", got)
		}
		if s.began["b"].Before(s.at["a"]) {
			t.Error("the second begins before the end of the first")
		}
		if s.bad != nil {
			t.Errorf("packets: %q", s.bad)
		}
		for _, source := range []plan.LegID{"a", "b", "c"} {
			if l := level(s.sound[source]); l < -35 || l > -10 {
				t.Errorf("%s: %.1f dBFS", source, l)
			}
		}
		if len(p.queues) != 0 {
			t.Errorf("%d queues are left", len(p.queues))
		}
	})
}

// Who leaves is told no more, what waits for them neither, and the next request begins anew.
func TestStop(t *testing.T) {
	p := newTestPlayer(t)
	synctest.Test(t, func(t *testing.T) {
		s, stop := newStage(), make(chan struct{})
		p.Play(s.request("a", "ada", stop, Muted))
		p.Play(s.request("b", "ada", stop, Unmuted))
		time.Sleep(300 * time.Millisecond)
		close(stop)
		p.Wait()
		if got := s.told(); got != "a+ a- b-" {
			t.Errorf("%s", got)
		}
		if n := len(s.sound["a"]) / frameSize; n != 15 && n != 16 {
			t.Errorf("%d frames in 300 ms", n)
		}
		p.Play(s.request("c", "ada", nil, JoinedSound))
		p.Wait()
		if got := s.told(); got != "a+ a- b- c+ c-" {
			t.Errorf("%s", got)
		}
	})
}

// Music goes on until it is stopped, and nobody waits for its end.
func TestLoop(t *testing.T) {
	p := newTestPlayer(t)
	synctest.Test(t, func(t *testing.T) {
		s, stop := newStage(), make(chan struct{})
		r := s.request("m", "ada", stop, Waiting)
		r.Loop = true
		p.Play(r)
		p.Play(s.request("a", "ada", nil, JoinedSound))
		time.Sleep(time.Minute)
		if got := s.told(); got != "m+ a+ a-" && got != "a+ m+ a-" {
			t.Errorf("after a minute: %s", got)
		}
		second := l16.SampleRate
		for at := 0; at < 60; at += 5 { // neither the sentence nor the music has pauses of five seconds
			s.mu.Lock()
			if l := level(s.sound["m"][at*second : min((at+5)*second, len(s.sound["m"]))]); l < -45 {
				t.Errorf("from second %d on: %.1f dBFS", at, l)
			}
			s.mu.Unlock()
		}
		close(stop)
		p.Wait()
		if got := s.told(); !strings.HasSuffix(got, "m-") {
			t.Errorf("in the end: %s", got)
		}
	})
}

// Nobody can make the process grow; every request is answered once.
func TestQueueIsBounded(t *testing.T) {
	p := newTestPlayer(t)
	synctest.Test(t, func(t *testing.T) {
		s, stop := newStage(), make(chan struct{})
		for range 1000 {
			p.Play(s.request("a", "ada", stop, Muted))
		}
		synctest.Wait()
		if n := strings.Count(s.told(), "a!"); n != 1000-maxQueue {
			t.Errorf("%d were refused, want %d", n, 1000-maxQueue)
		}
		close(stop)
		p.Wait()
		if n := strings.Count(s.told(), "a!") + strings.Count(s.told(), "a-"); n != 1000 {
			t.Errorf("%d of 1000 were answered", n)
		}
	})
}

func TestWhatIsNotSaid(t *testing.T) {
	p := newTestPlayer(t, Welcome, "count")
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		p.Play(s.request("off", "ada", nil, Welcome, Count(3)))
		p.Play(s.request("unknown", "ada", nil, "no-such-sentence"))
		p.Play(s.request("half", "ada", nil, "no-such-sentence", JoinedSound))
		p.Play(s.request("file", "ada", nil, "file:nothing.wav"))
		gone := s.request("gone", "ada", nil, Muted)
		gone.Attach = func([]mixer.Stream) ([]mixer.Inlet, error) { return nil, errors.New("gone") }
		p.Play(gone)
		p.Wait()
		if got, want := s.told(), "off- unknown! half+ half- file! gone!"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
	})
}

func TestHelpIsTheMenu(t *testing.T) {
	p := newTestPlayer(t)
	if got := p.wanted([]Word{Help}); !slices.Contains(got, "help-mute:*6") || slices.Contains(got, "help-end:*9") {
		t.Errorf("help = %q", got)
	}
	if got := p.wanted([]Word{HelpModerator}); !slices.Contains(got, "help-end:*9") {
		t.Errorf("help of a moderator = %q", got)
	}
}
