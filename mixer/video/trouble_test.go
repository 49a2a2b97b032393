package video

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"tutti/codec"
	"tutti/mixer/plan"
)

// watch puts one viewer before the tiles.
func (s *stage) watch(tiles ...plan.Tile) *screen {
	see := &screen{}
	s.engine.AddViewer("v", ViewerEncoding{Video: s.vp8}, see)
	s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v"}, tiles...))
	time.Sleep(50 * time.Millisecond) // the next frame
	synctest.Wait()
	return see
}

// The left and the right of two tiles.
func (s *screen) left() colour  { return s.at(0.25, 0.5) }
func (s *screen) right() colour { return s.at(0.75, 0.5) }

func TestOneBrokenSourceHarmsNobody(t *testing.T) {
	garbage := func(n int) func(*camera) {
		random := rand.New(rand.NewPCG(1, 2))
		return func(c *camera) {
			for range n {
				p := &rtp.Packet{Header: rtp.Header{
					SSRC: random.Uint32N(20), PayloadType: uint8(96 + random.Uint32N(3)), SequenceNumber: uint16(random.Uint32()),
					Timestamp: random.Uint32(), Marker: random.Uint32N(2) == 0,
				}, Payload: make([]byte, random.Uint32N(1400))}
				for i := range p.Payload {
					p.Payload[i] = byte(random.Uint32())
				}
				c.source.Receive(p, "", time.Now())
			}
		}
	}
	tests := map[string]func(*camera){
		"garbage":             garbage(20),
		"a flood of garbage":  garbage(700),
		"silence":             func(*camera) {},
		"pictures too large":  func(c *camera) { c.size, c.wish = size{2000, 200}, true; c.send() },
		"pictures of nothing": func(c *camera) { c.size, c.wish = size{0, 0}, true; c.send() },
		"oversized packets": func(c *camera) {
			c.source.Receive(&rtp.Packet{Header: rtp.Header{PayloadType: 96}, Payload: make([]byte, 60000)}, "", time.Now())
		},
	}
	for name, trouble := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				good, bad := s.camera("a", red), s.camera("b", green)
				see := s.watch(tile("a"), tile("b"))
				play(time.Second, good, bad)
				before, _ := see.count()
				good.colour = blue
				for range 50 {
					trouble(bad)
					play(40*time.Millisecond, good)
				}
				if after, _ := see.count(); after-before < 49 {
					t.Errorf("%d frames in 2 s, want 50", after-before)
				}
				if got := see.left(); got != blue {
					t.Errorf("the good source shows %v, want %v", got, blue)
				}
				// And it comes back by itself.
				bad.size, bad.colour, bad.wish = size{160, 90}, grey, false
				bad.ssrc = 4711
				bad.asked = 0
				play(14*time.Second, good, bad)
				if got := see.right(); got != grey {
					t.Errorf("the source that recovered shows %v, want %v; asked %d times", got, grey, bad.asked)
				}
				s.end()
			})
		})
	}
}

func TestFrozenSourceShowsItsPlaceholder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		a, b := s.camera("a", red), s.camera("b", green)
		see := s.watch(tile("a"), tile("b"))
		play(time.Second, a, b)
		play(3*time.Second, a)
		if got := see.right(); got.y >= green.y || got == green {
			t.Errorf("after 3 s the frozen picture is %v, want it dimmed", got)
		}
		play(3*time.Second, a)
		if got := see.at(0.55, 0.3); got.cb < 120 || got.cb > 140 {
			t.Errorf("after 6 s the tile is %v, want the placeholder", got)
		}
		play(200*time.Millisecond, a, b)
		if got := see.right(); got != green {
			t.Errorf("moving again it is %v, want %v", got, green)
		}
		s.end()
	})
}

func TestLossAsksForAKeyFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cam := s.camera("a", red)
		see := s.watch(tile("a"))
		play(time.Second, cam)
		if cam.asked != 0 {
			t.Errorf("asked for %d key frames without a loss", cam.asked)
		}
		for range 50 { // every second frame loses a packet: 12 losses a second for 2 s
			lossy := cam.packets()
			for i, p := range lossy {
				if i != 1 {
					cam.source.Receive(p, "", time.Now())
				}
			}
			play(40*time.Millisecond, cam)
		}
		if cam.asked < 2 || cam.asked > 10 {
			t.Errorf("asked %d times in 4 s, want at most 2 a second", cam.asked)
		}
		cam.colour = blue
		play(time.Second, cam)
		if got := see.at(0.5, 0.5); got != blue {
			t.Errorf("after the losses it shows %v, want %v", got, blue)
		}
		s.end()
	})
}

func TestReorderedAndRepeatedPacketsAreNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cam := s.camera("a", red)
		see := s.watch(tile("a"))
		play(time.Second, cam)
		cam.colour = blue
		for range 25 {
			ps := cam.packets()
			for i := range ps {
				p := ps[len(ps)-1-i]
				cam.source.Receive(p, "", time.Now())
				cam.source.Receive(p, "", time.Now())
				time.Sleep(10 * time.Millisecond)
			}
		}
		synctest.Wait()
		time.Sleep(50 * time.Millisecond)
		if st := s.engine.Stats(); st.Lost != 0 || cam.asked != 0 {
			t.Errorf("%d lost, asked %d times; want 0, 0", st.Lost, cam.asked)
		}
		if got := see.at(0.5, 0.5); got != blue {
			t.Errorf("shows %v, want %v", got, blue)
		}
		s.end()
	})
}

func TestPayloadTypeAndSizeMayChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cam := s.camera("a", red)
		see := s.watch(tile("a"))
		play(time.Second, cam)
		cam.kind, cam.colour, cam.wish = 97, blue, false // no key frame until asked
		play(time.Second, cam)
		if got := see.at(0.5, 0.5); got != blue || cam.asked == 0 {
			t.Errorf("after VP8 became H.264 it shows %v, want %v; asked %d times", got, blue, cam.asked)
		}
		if n := s.fake.get(&s.fake.decoders); n != 1 {
			t.Errorf("%d decoders open, want 1", n)
		}
		cam.size, cam.colour, cam.wish = size{90, 160}, green, true // turned upright
		play(time.Second, cam)
		if got := see.at(0.5, 0.5); got != green {
			t.Errorf("upright it shows %v, want %v", got, green)
		}
		if got := see.at(0.1, 0.5); got == green {
			t.Error("upright it has no bars")
		}
		s.end()
	})
}

// simulcast is three cameras that feed one source.
func (s *stage) simulcast(leg plan.LegID) (source *Source, q, h, f *camera) {
	q, h, f = &camera{}, &camera{}, &camera{}
	source = s.engine.AddSource(leg, plan.MainContent, SourceOptions{
		Payloads: map[uint8]*codec.Video{96: s.vp8},
		RequestKeyFrame: func(ssrc uint32) {
			for _, c := range []*camera{q, h, f} {
				if c.ssrc == ssrc {
					c.ask(ssrc)
				}
			}
		},
	})
	for i, c := range []*camera{q, h, f} {
		c.source, c.ssrc, c.rid, c.kind, c.wish = source, uint32(i+1), "qhf"[i:i+1], 96, true
		c.size, c.colour = size{80 << i, 45 << i}, [...]colour{red, green, blue}[i]
	}
	return source, q, h, f
}

func TestSmallestLayerThatFillsTheTile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		_, q, h, f := s.simulcast("a")
		see := s.watch(tile("a"))
		play(3*time.Second, q, h, f)
		if got := see.at(0.5, 0.5); got != blue {
			t.Errorf("large it shows %v, want the full layer %v", got, blue)
		}
		decoded := s.fake.get(&s.fake.decoded)
		play(time.Second, q, h, f)
		if n := s.fake.get(&s.fake.decoded) - decoded; n < 24 || n > 26 {
			t.Errorf("%d pictures decoded in a second, want 25: one layer", n)
		}
		// In a grid of four the half layer fills its tile.
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v"}, tile("a"), tile("x"), tile("y"), tile("z")))
		for range 75 {
			play(40*time.Millisecond, q, h, f)
			if got := see.at(0.25, 0.25); got != blue && got != green {
				t.Fatalf("while it changes it shows %v", got)
			}
		}
		if got := see.at(0.25, 0.25); got != green {
			t.Errorf("in a grid it shows %v, want the half layer %v", got, green)
		}
		// The sender gives up its half layer: the next best serves.
		play(4*time.Second, q, f)
		if got := see.at(0.25, 0.25); got != blue {
			t.Errorf("without the half layer it shows %v, want %v", got, blue)
		}
		play(4*time.Second, q)
		if got := see.at(0.25, 0.25); got != red {
			t.Errorf("with the quarter layer only it shows %v, want %v", got, red)
		}
		s.end()
	})
}

// TestLayersWithoutNames: SSRCs without a rid are told apart by the size of their pictures.
func TestLayersWithoutNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		_, q, h, f := s.simulcast("a")
		q.rid, h.rid, f.rid = "", "", ""
		see := s.watch(tile("a"), tile("x"), tile("y"), tile("z"))
		play(8*time.Second, q, h, f)
		if got := see.at(0.25, 0.25); got != green {
			t.Errorf("in a grid it shows %v, want the half layer %v", got, green)
		}
		asked := q.asked + h.asked + f.asked
		play(8*time.Second, q, h, f)
		if n := q.asked + h.asked + f.asked - asked; n != 0 {
			t.Errorf("asked for %d more key frames, want rest", n)
		}
		s.engine.SetScenes(scene(plan.Single, []plan.LegID{"v"}, tile("a")))
		play(3*time.Second, q, h, f)
		if got := see.at(0.5, 0.5); got != blue {
			t.Errorf("large it shows %v, want the full layer %v", got, blue)
		}
		s.end()
	})
}

// TestLayerThatNeverComes: while a better layer is waited for that never has a key frame, the present one is repaired.
func TestLayerThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		_, q, _, f := s.simulcast("a")
		f.size, f.wish, f.deaf = size{320, 180}, false, true
		see := s.watch(tile("a"))
		play(3*time.Second, q, f)
		if f.asked == 0 {
			t.Error("the better layer was not asked for")
		}
		q.seq += 5 // a loss
		q.colour = grey
		play(3*time.Second, q, f)
		if got := see.at(0.5, 0.5); got != grey {
			t.Errorf("shows %v, want the layer that works %v", got, grey)
		}
		s.end()
	})
}

func TestASenderThatStartsAnewIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cam := s.camera("a", red)
		see := s.watch(tile("a"))
		play(2*time.Second, cam)
		cam.ssrc, cam.seq, cam.colour = 77, 5, blue
		play(2*time.Second, cam)
		if got := see.at(0.5, 0.5); got != blue {
			t.Errorf("new SSRC: shows %v, want %v", got, blue)
		}
		cam.seq, cam.colour = 30000, green
		play(2*time.Second, cam)
		if got := see.at(0.5, 0.5); got != green {
			t.Errorf("new sequence: shows %v, want %v", got, green)
		}
		s.end()
	})
}

func TestSlowEncoderDropsItsOwnFramesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		slow := &fake{slow: 300 * time.Millisecond}
		cam := s.camera("a", red)
		var fast, late screen
		s.engine.AddViewer("v", ViewerEncoding{Video: s.vp8}, &fast)
		s.engine.AddViewer("w", ViewerEncoding{Video: slow.video("H264")}, &late)
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v", "w"}, tile("a")))
		for i := range 75 {
			cam.colour = colour{uint8(20 + i), 128, 128} // moves
			play(40*time.Millisecond, cam)
		}
		if n, _ := fast.count(); n < 74 {
			t.Errorf("the fast class got %d frames in 3 s, want 75", n)
		}
		if n, _ := late.count(); n < 8 || n > 10 {
			t.Errorf("the slow class got %d frames in 3 s, want one each 320 ms", n)
		}
		if st := s.engine.Stats(); st.Dropped == 0 || st.Late != 0 {
			t.Errorf("dropped %d, late %d; want some, 0", st.Dropped, st.Late)
		}
		if n := len(s.engine.plan.boards[0].sheets); n > 3 {
			t.Errorf("%d sheets for 2 classes, want at most 3", n)
		}
		s.end()
	})
}

func TestStillCanvasIsSentSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		see := s.watch(plan.Tile{Leg: "a", Label: "Ada"}) // no video: a placeholder
		play(3 * time.Second)
		before, _ := see.count()
		play(4 * time.Second)
		after, _ := see.count()
		if n := after - before; n < 19 || n > 21 {
			t.Errorf("%d frames in 4 s, want 5 a second", n)
		}
		s.end()
	})
}

func TestClassKeepsItsEncoderWhenTheSceneChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cam := s.camera("a", red)
		see := s.watch(tile("a"), tile("b"))
		play(time.Second, cam)
		_, keys := see.count()
		speaks := tile("a")
		speaks.Speaking = true
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v"}, speaks, tile("b")))
		play(time.Second, cam)
		if _, n := see.count(); n != keys {
			t.Errorf("%d key frames for a border, want 0", n-keys)
		}
		s.engine.SetScenes(scene(plan.Speaker, []plan.LegID{"v"}, tile("b"), tile("a")))
		play(time.Second, cam)
		if _, n := see.count(); n != keys+1 {
			t.Errorf("%d key frames for another arrangement, want 1", n-keys)
		}
		if n := s.fake.get(&s.fake.made); n != 1 {
			t.Errorf("%d encoders made, want 1", n)
		}
		for i := range see.timestamps[1:] {
			if int32(see.timestamps[i+1]-see.timestamps[i]) <= 0 {
				t.Fatalf("timestamps %d, %d do not grow", see.timestamps[i], see.timestamps[i+1])
			}
		}
		s.end()
	})
}

func TestJoinerBeginsWithAKeyFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		cam := s.camera("a", red)
		see := s.watch(tile("a"))
		play(2*time.Second, cam)
		var late screen
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v", "w"}, tile("a")))
		v := s.engine.AddViewer("w", ViewerEncoding{Video: s.vp8}, &late)
		play(time.Second, cam)
		if n, _ := late.count(); n < 23 || !late.firstKey {
			t.Errorf("the joiner got %d frames, key first: %v", n, late.firstKey)
		}
		if n := s.fake.get(&s.fake.made); n != 1 {
			t.Errorf("%d encoders made, want 1", n)
		}
		v.Close()
		play(100*time.Millisecond, cam)
		before, _ := late.count()
		play(time.Second, cam)
		if after, _ := late.count(); after != before {
			t.Errorf("%d frames after Close", after-before)
		}
		if n, _ := see.count(); n < 100 {
			t.Errorf("the other viewer got %d frames in 4 s", n)
		}
		s.end()
	})
}

// TestFirstKeyFrameIsKept: a phone that sends before it is in a scene, and hears no request, is seen from the start.
func TestFirstKeyFrameIsKept(t *testing.T) {
	for name, test := range map[string]struct {
		before time.Duration
		asked  int
	}{"a little too early": {time.Second, 0}, "long before": {10 * time.Second, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				cam := s.camera("a", red)
				play(test.before, cam)
				if n := s.fake.get(&s.fake.decoded); n != 0 {
					t.Errorf("%d pictures decoded that nobody sees", n)
				}
				see := s.watch(tile("a"))
				play(300*time.Millisecond, cam)
				if got := see.at(0.5, 0.5); got != red || cam.asked != test.asked {
					t.Errorf("shows %v, want %v; asked %d times, want %d", got, red, cam.asked, test.asked)
				}
				s.end()
			})
		})
	}
}

func TestRenegotiatedSourceDoesNotFlash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		old := s.camera("a", red)
		see := s.watch(tile("a"))
		play(time.Second, old)
		cam := s.camera("a", blue)
		old.source.Close()
		cam.wish = false
		for range 25 {
			play(40*time.Millisecond, cam)
			if got := see.at(0.5, 0.5); got != red && got != blue {
				t.Fatalf("while it is replaced it shows %v", got)
			}
		}
		if got := see.at(0.5, 0.5); got != blue {
			t.Errorf("shows %v, want the new source %v", got, blue)
		}
		s.end()
	})
}

// TestDecoderThatIsBehindDropsWhatWaits: a decoder slower than the camera shows what is new, not what is old.
func TestDecoderThatIsBehindDropsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.fake.decode = 100 * time.Millisecond
		cam := s.camera("a", red)
		s.watch(tile("a"))
		var oldest time.Duration
		for range 250 {
			play(40*time.Millisecond, cam)
			cam.source.mu.Lock()
			if q := &cam.source.queue; q.size > 0 {
				oldest = max(oldest, time.Since(q.ring[q.first].at))
			}
			cam.source.mu.Unlock()
		}
		if oldest > maxWait+100*time.Millisecond {
			t.Errorf("a packet waited %v, want at most %v", oldest, maxWait)
		}
		if n := s.fake.get(&s.fake.decoded); n < 30 || cam.asked == 0 {
			t.Errorf("%d pictures in 10 s, asked %d times", n, cam.asked)
		}
		s.end()
	})
}

// TestHiddenSourceIsNotDecoded: a source that comes back into a scene asks for a key frame at once.
func TestHiddenSourceIsNotDecoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		a, b := s.camera("a", red), s.camera("b", green)
		see := s.watch(tile("a"), tile("b"))
		play(time.Second, a, b)
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v"}, tile("a")))
		play(10*time.Second, a, b)
		if n := s.fake.get(&s.fake.decoders); n != 1 {
			t.Errorf("%d decoders open, want 1", n)
		}
		if x := &b.source.pictures; x.writing != nil || x.ready != nil || x.reading != nil || b.source.picture.Image != nil {
			t.Error("a hidden source keeps its pictures")
		}
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v"}, tile("a"), tile("b")))
		play(400*time.Millisecond, a, b)
		if got := see.right(); got != green || b.asked != 1 {
			t.Errorf("back in the scene it shows %v, want %v; asked %d times", got, green, b.asked)
		}
		muted := tile("b")
		muted.Video = false
		s.engine.SetScenes(scene(plan.Grid, []plan.LegID{"v"}, tile("a"), muted))
		play(time.Second, a, b)
		if n := s.fake.get(&s.fake.decoders); n != 1 {
			t.Errorf("%d decoders open after the camera went off, want 1", n)
		}
		s.end()
	})
}

// TestEverythingAtOnce is for the race detector: all methods from all sides, and nothing is left at the end.
func TestEverythingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		var wg sync.WaitGroup
		for i := range 8 {
			leg := plan.LegID(rune('a' + i))
			wg.Go(func() {
				for range 10 {
					cam := s.camera(leg, red)
					v := s.engine.AddViewer(leg, ViewerEncoding{Video: s.vp8, Width: 64 + 32*(i%3), Height: 64}, &screen{})
					for range 20 {
						cam.send()
						v.RequestKeyFrame()
						s.engine.Stats()
						time.Sleep(7 * time.Millisecond)
					}
					v.Close()
					cam.source.Close()
					cam.send()
				}
			})
		}
		wg.Go(func() {
			for i := range 100 {
				legs := []plan.LegID{"a", "b", "c", "d", "e", "f", "g", "h"}
				tiles := []plan.Tile{tile("a"), tile("b"), tile("c"), tile("h")}
				s.engine.SetScenes(append(scene(plan.Grid, legs[:i%9], tiles[i%4:]...), scene(plan.Speaker, legs[i%9:], tiles...)...))
				time.Sleep(13 * time.Millisecond)
			}
		})
		wg.Wait()
		if st := s.engine.Stats(); st.Sources != 0 || st.Viewers != 0 {
			t.Errorf("%d sources, %d viewers left", st.Sources, st.Viewers)
		}
		s.end()
	})
}
