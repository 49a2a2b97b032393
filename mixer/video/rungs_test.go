package video

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tutti/codec/h264"
	"tutti/codec/vpx"
	"tutti/mixer/plan"
)

func TestRungsOf(t *testing.T) {
	tests := map[string]struct {
		base ViewerEncoding
		want []string
	}{
		"full": {ViewerEncoding{Width: 1280, Height: 720, FrameRate: 25, Bitrate: 1_500_000},
			[]string{"1280×720/25 1500k", "1280×720/25 800k", "640×360/25 450k", "640×360/15 250k", "320×180/10 120k"}},
		"larger": {ViewerEncoding{Width: 1920, Height: 1080, FrameRate: 30, Bitrate: 3_000_000},
			[]string{"1920×1080/30 3000k", "1280×720/30 1500k", "1280×720/30 800k", "640×360/30 450k", "640×360/15 250k", "320×180/10 120k"}},
		"a cap below full": {ViewerEncoding{Width: 1280, Height: 720, FrameRate: 25, Bitrate: 512_000},
			[]string{"1280×720/25 512k", "640×360/15 250k", "320×180/10 120k"}},
		"a desk phone": {ViewerEncoding{Width: 640, Height: 360, FrameRate: 12, Bitrate: 384_000},
			[]string{"640×360/12 384k", "640×360/12 250k", "320×180/10 120k"}},
		"CIF":       {ViewerEncoding{Width: 352, Height: 288, FrameRate: 25, Bitrate: 384_000}, []string{"352×288/25 384k", "352×288/15 250k", "220×180/10 120k"}},
		"the least": {ViewerEncoding{Width: 160, Height: 90, FrameRate: 25, Bitrate: 64_000}, []string{"160×90/25 64k"}},
	}
	for name, tt := range tests {
		var got []string
		for _, r := range rungsOf(tt.base) {
			got = append(got, fmt.Sprintf("%d×%d/%d %dk", r.Width, r.Height, r.FrameRate, r.Bitrate/1000))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestShare(t *testing.T) {
	tests := map[string]struct {
		counts, want [maxRungs]int
		live         int
	}{
		"three of three":           {[maxRungs]int{5, 1, 0, 0, 1}, [maxRungs]int{0, 1, 2, 3, 4, 5}, 3},
		"the fewest go down":       {[maxRungs]int{5, 3, 1, 4, 1}, [maxRungs]int{0, 3, 3, 3, 4, 5}, 3},
		"two: all below the best":  {[maxRungs]int{1, 9, 9, 9}, [maxRungs]int{0, 3, 3, 3, 4, 5}, 2},
		"nobody on the best":       {[maxRungs]int{0, 2, 2, 1, 1}, [maxRungs]int{0, 1, 2, 4, 4, 5}, 3},
		"the best goes never down": {[maxRungs]int{1, 5, 5, 5, 5, 5}, [maxRungs]int{0, 5, 5, 5, 5, 5}, 2},
	}
	for name, tt := range tests {
		if got := share(tt.counts, tt.live); got != tt.want {
			t.Errorf("%s: share(%v) = %v, want %v", name, tt.counts, got, tt.want)
		}
	}
}

// hall is a stage with ten viewers of one camera at 1280 × 720.
type hall struct {
	*stage
	cam     *camera
	screens [10]screen
	viewers [10]*Viewer
}

func newHall(t *testing.T) *hall {
	h := &hall{stage: newStageOf(t, Config{})}
	h.cam = h.camera("a", red)
	var legs []plan.LegID
	for i := range h.viewers {
		legs = append(legs, plan.LegID(fmt.Sprint("v", i)))
		h.viewers[i] = h.engine.AddViewer(legs[i], ViewerEncoding{Video: h.vp8}, &h.screens[i])
	}
	h.engine.SetScenes(scene(plan.Grid, legs, tile("a")))
	return h
}

// hear lets time pass in which viewers say something every second, the others that all is well.
func (h *hall) hear(seconds int, say map[int]Report) {
	for range seconds {
		play(time.Second, h.cam)
		for i, v := range h.viewers {
			r, ok := say[i]
			if !ok {
				r = Report{HasLoss: true}
			}
			v.Report(r)
		}
	}
	play(time.Second, h.cam)
}

// end stops the engine. No viewer got a frame that it could not decode, or two of one time.
func (h *hall) end() {
	h.t.Helper()
	h.stage.end()
	for i := range h.screens {
		s := &h.screens[i]
		if s.broken > 0 {
			h.t.Errorf("viewer %d got %d frames that it cannot decode", i, s.broken)
		}
		for k := range max(len(s.timestamps)-1, 0) {
			if int32(s.timestamps[k+1]-s.timestamps[k]) <= 0 {
				h.t.Fatalf("viewer %d: the time of frame %d does not grow", i, k+1)
			}
		}
	}
}

// classes says how many viewers each rate has.
func (h *hall) classes() map[int]int {
	found := map[int]int{}
	for _, c := range h.engine.Stats().Classes {
		found[c.Bitrate] = c.Viewers
	}
	return found
}

// frameSize is the size of the frame that a screen shows.
func (s *screen) frameSize() (w, h int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.frame[1])<<8 | int(s.frame[2]), int(s.frame[3])<<8 | int(s.frame[4])
}

// TestOnePoorLinkMovesOneViewer: the nine others notice nothing, and the one comes back when its link is clean.
func TestOnePoorLinkMovesOneViewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t)
		h.hear(5, nil)
		if got := fmt.Sprint(h.classes()); got != "map[1500000:10]" {
			t.Fatalf("classes %v", got)
		}
		_, keys := h.screens[1].count()
		h.hear(1, map[int]Report{0: loss(0.2)})
		if got := fmt.Sprint(h.classes()); got != "map[800000:1 1500000:9]" {
			t.Errorf("classes %v after a report of loss", got)
		}
		h.hear(20, map[int]Report{0: loss(0.2)})
		if got := fmt.Sprint(h.classes()); got != "map[120000:1 1500000:9]" {
			t.Errorf("classes %v after loss that lasts", got)
		}
		if w, _ := h.screens[0].frameSize(); w != 320 {
			t.Errorf("the poor link is sent %d columns, want 320", w)
		}
		before, _ := h.screens[0].count()
		h.hear(9, map[int]Report{0: loss(0.05)})
		if after, _ := h.screens[0].count(); after-before < 90 || after-before > 110 {
			t.Errorf("%d frames in ten seconds at 10 frames/s", after-before)
		}
		if _, after := h.screens[1].count(); after != keys {
			t.Errorf("%d key frames to a viewer whose link is clean", after-keys)
		}
		h.hear(90, nil)
		if got := fmt.Sprint(h.classes()); got != "map[1500000:10]" {
			t.Errorf("classes %v when all is well again", got)
		}
		if st := h.viewers[0].Stats(); st != (ViewerStats{0, 1_500_000, 8}) {
			t.Errorf("the one moved: %+v, want eight moves, four of them down", st)
		}
		if st := h.viewers[1].Stats(); st.Moves != 0 {
			t.Errorf("another moved: %+v", st)
		}
		// Five encoders: the first, and one for each rung that was left again.
		if n := h.fake.get(&h.fake.made); n < 5 || n > 9 {
			t.Errorf("%d encoders made", n)
		}
		if n := h.fake.get(&h.fake.encoders); n != 1 {
			t.Errorf("%d encoders at work, want 1", n)
		}
		h.end()
	})
}

// TestMovingViewerMissesNothing: whoever moves sees a picture of one class or the other in every frame time, even where
// the class that it joins has made a key frame just before.
func TestMovingViewerMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t)
		h.fake.slow = 15 * time.Millisecond
		h.hear(3, nil)
		for _, i := range []int{0, 1, 2} { // to one rung, one after the other
			h.viewers[i].Report(Report{Limit: 900_000})
			play(160*time.Millisecond, h.cam)
		}
		h.hear(2, nil)
		for _, i := range []int{0, 1, 2} { // they change their minds before the next key frame
			h.viewers[i].Report(Report{Limit: 600_000})
			play(40*time.Millisecond, h.cam)
			h.viewers[i].Report(Report{Limit: 300_000})
			play(40*time.Millisecond, h.cam)
		}
		h.hear(2, nil)
		if got := fmt.Sprint(h.classes()); got != "map[250000:3 1500000:7]" {
			t.Errorf("classes %v", got)
		}
		h.end()
		for i := range h.screens {
			s := &h.screens[i]
			for k := range s.timestamps[1:] {
				if d := s.timestamps[k+1] - s.timestamps[k]; d > 3*3600 {
					t.Fatalf("viewer %d: frame %d comes %d ticks after the one before", i, k+1, d)
				}
			}
		}
	})
}

// TestRungsThatLiveAreFew: however the viewers' links differ, three encoders serve them.
func TestRungsThatLiveAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t)
		h.hear(3, nil)
		say := map[int]Report{}
		for i, limit := range []float64{2e6, 9e5, 9e5, 5e5, 5e5, 5e5, 3e5, 3e5, 1e5, 1e5} {
			say[i] = Report{Limit: limit}
		}
		h.hear(2, say)
		if got := fmt.Sprint(h.classes()); got != "map[120000:4 450000:5 1500000:1]" {
			t.Errorf("classes %v", got)
		}
		if n := h.fake.get(&h.fake.encoders); n != 3 {
			t.Errorf("%d encoders for five rungs, want 3", n)
		}
		h.end()
	})
}

// TestNonsenseHarmsNobody: a thousand reports a second of anything move only who sends them, and rarely.
func TestNonsenseHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t)
		h.hear(2, nil)
		_, keys := h.screens[1].count()
		for range 250 {
			play(40*time.Millisecond, h.cam)
			for i := range 40 {
				h.viewers[0].Report(Report{
					HasLoss: true, Lost: uint8(i * 50), Estimate: math.Pow(10, float64(i-5)), RTT: time.Duration(i) * time.Hour,
				})
			}
		}
		h.hear(2, nil)
		if st := h.viewers[0].Stats(); st.Moves > 10 {
			t.Errorf("%d moves in ten seconds", st.Moves)
		}
		if _, after := h.screens[1].count(); after != keys {
			t.Errorf("%d key frames to another", after-keys)
		}
		if n := h.fake.get(&h.fake.encoders); n > 2 {
			t.Errorf("%d encoders", n)
		}
		h.end()
	})
}

// TestMoveKeepsToTheScene: a guest of a class is shown nothing but its own scene.
func TestMoveKeepsToTheScene(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStageOf(t, Config{})
		secret, open := s.camera("s", red), s.camera("o", green)
		var insider, mover screen
		s.engine.AddViewer("i", ViewerEncoding{Video: s.vp8}, &insider)
		v := s.engine.AddViewer("m", ViewerEncoding{Video: s.vp8}, &mover)
		s.engine.SetScenes(scene(plan.Single, []plan.LegID{"i", "m"}, tile("s")))
		play(2*time.Second, secret, open)
		if mover.at(0.5, 0.5) != red {
			t.Fatal("the mover does not see the first scene")
		}
		s.fake.slow = 200 * time.Millisecond
		v.Report(Report{Limit: 500_000})
		s.engine.SetScenes(append(scene(plan.Single, []plan.LegID{"i"}, tile("s")), scene(plan.Single, []plan.LegID{"m"}, tile("o"))...))
		play(120*time.Millisecond, secret, open)
		frames, _ := mover.count()
		for range 50 {
			play(40*time.Millisecond, secret, open)
			if n, _ := mover.count(); n > frames && mover.at(0.5, 0.5) == red {
				t.Fatal("it is shown a scene that it left")
			}
		}
		if got := mover.at(0.5, 0.5); got != green {
			t.Errorf("it sees %v, want %v", got, green)
		}
		s.end()
	})
}

// TestRealCodecsMove: a decoder goes down and up again with its viewer, and takes every frame.
func TestRealCodecsMove(t *testing.T) {
	for _, v := range []struct {
		name  string
		codec func() ViewerEncoding
	}{
		{"VP8", func() ViewerEncoding { v := vpx.VP8(); return ViewerEncoding{Video: &v} }},
		{"H264", func() ViewerEncoding { v := h264.H264(); return ViewerEncoding{Video: &v, Fmtp: v.Fmtp} }},
	} {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStageOf(t, Config{Width: 640, Height: 360})
				enc := v.codec()
				cam := newSender(t, s.engine, "a", vpx.VP8(), 320, 180, blue)
				poor, good := newReceiverOf(t, *enc.Video), newReceiverOf(t, *enc.Video)
				viewer := s.engine.AddViewer("p", enc, poor)
				s.engine.AddViewer("g", enc, good)
				s.engine.SetScenes(scene(plan.Single, []plan.LegID{"p", "g"}, tile("a")))
				pass := func(frames int) {
					for range frames {
						cam.send()
						time.Sleep(40 * time.Millisecond)
						synctest.Wait()
					}
				}
				pass(25)
				for _, limit := range []float64{500_000, 300_000, 1} {
					before := poor.pictures
					viewer.Report(Report{Limit: limit})
					pass(15)
					if poor.pictures-before < 5 {
						t.Errorf("%d pictures in 15 frames around a move", poor.pictures-before)
					}
				}
				if w := poor.picture.Rect.Dx(); w != 320 || !alike(poor.at(0.5, 0.5), blue, 12) {
					t.Errorf("the last rung shows %v, %d columns", poor.at(0.5, 0.5), w)
				}
				viewer.Report(Report{Limit: 1e9})
				for range 14 { // the first climb
					pass(10)
					time.Sleep(600 * time.Millisecond)
					viewer.Report(Report{HasLoss: true})
				}
				pass(10)
				if w := poor.picture.Rect.Dx(); w != 640 || !alike(poor.at(0.5, 0.5), blue, 12) {
					t.Errorf("after the climb it sees %v, %d columns", poor.at(0.5, 0.5), w)
				}
				if good.pictures < 200 {
					t.Errorf("the other got %d pictures, want more than 200", good.pictures)
				}
				s.end()
				cam.close()
				for _, r := range []*receiverOf{poor, good} {
					if err := r.decoder.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}
