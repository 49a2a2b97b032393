package mixer

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reluctant is a phone whose packets wait until they are asked for.
type reluctant struct {
	*phone
	mu    sync.Mutex // guards the fields below
	on    bool
	polls int
	from  time.Time // when it begins to send
	sent  int
}

func (r *reluctant) Poll(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.on {
		return
	}
	r.polls++
	for ; time.Duration(r.sent)*r.ptime < now.Sub(r.from); r.sent++ {
		r.send(r.packet())
	}
}

func (r *reluctant) polled() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.polls
}

func (r *reluctant) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on, r.from = true, time.Now()
}

// What a source holds is heard in the tick that asks for it: no packet waits for another.
func TestSourcesArePolledBeforeTheTickReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPhone(t, "a", 440), newPhone(t, "b", 0)
		m, end := conference(t, Config{}, a, b)
		r := &reluctant{phone: a}
		s := a.stream()
		s.Source = r
		attach(t, m, a, s)
		r.begin()
		talkAll(3*time.Second, b)
		hears(t, b, a, time.Second, 1)
		if n := r.polled(); n < 149 || n > 151 {
			t.Errorf("%d polls in 3 s, want 150", n)
		}
		if d := m.Stats().Legs[0].Streams[0]; d.Received.Buffer.Concealed > 0 {
			t.Errorf("concealed: %+v", d.Received.Buffer)
		}
		m.Detach(a.id)
		time.Sleep(30 * time.Millisecond)
		synctest.Wait()
		before := r.polled()
		time.Sleep(time.Second)
		if n := r.polled() - before; n != 0 {
			t.Errorf("%d polls after Detach", n)
		}
		end()
	})
}
