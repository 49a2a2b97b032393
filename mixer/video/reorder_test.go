package video

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var clock = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// arrival is one packet, so many milliseconds after the beginning.
type arrival struct {
	seq uint16
	ms  int
}

// through sends packets through a reorder and returns what came out: "7" in order, "!9" after a loss.
func through(in []arrival, last int) string {
	var r reorder
	out := ""
	drain := func(now time.Time) {
		for {
			p, lost, ok := r.pop(now)
			if !ok {
				return
			}
			if lost {
				out += "!"
			}
			out += fmt.Sprint(p.sequence, " ")
		}
	}
	for _, a := range in {
		now := clock.Add(time.Duration(a.ms) * time.Millisecond)
		drain(now)
		r.push(&packet{sequence: a.seq, at: now})
		drain(now)
	}
	drain(clock.Add(time.Duration(last) * time.Millisecond))
	return out
}

func TestReorder(t *testing.T) {
	tests := map[string]struct {
		in   []arrival
		last int // ms
		want string
	}{
		"in order":                       {[]arrival{{1, 0}, {2, 1}, {3, 2}}, 2, "1 2 3 "},
		"sequence wraps":                 {[]arrival{{65534, 0}, {65535, 0}, {0, 0}, {1, 0}}, 0, "65534 65535 0 1 "},
		"swapped":                        {[]arrival{{1, 0}, {3, 1}, {2, 2}, {4, 3}}, 3, "1 2 3 4 "},
		"twice":                          {[]arrival{{1, 0}, {1, 0}, {2, 0}, {1, 0}, {2, 0}}, 0, "1 2 "},
		"a hole is waited for":           {[]arrival{{1, 0}, {3, 10}}, 109, "1 "},
		"but not for ever":               {[]arrival{{1, 0}, {3, 10}}, 110, "1 !3 "},
		"sent again in time":             {[]arrival{{1, 0}, {3, 10}, {2, 105}}, 105, "1 2 3 "},
		"sent again too late":            {[]arrival{{1, 0}, {3, 10}, {4, 115}, {2, 120}}, 120, "1 !3 4 "},
		"two holes are two losses":       {[]arrival{{1, 0}, {3, 0}, {5, 0}}, 100, "1 !3 !5 "},
		"one stray packet is ignored":    {[]arrival{{1, 0}, {30000, 0}, {2, 0}, {3, 0}}, 0, "1 2 3 "},
		"two in a row are a new start":   {[]arrival{{1, 0}, {30000, 0}, {30001, 0}, {30002, 0}}, 0, "1 !30001 30002 "},
		"more missing than can be held":  {[]arrival{{1, 0}, {400, 0}, {401, 0}}, 0, "1 !400 401 "},
		"late packets are not delivered": {[]arrival{{10, 0}, {9, 0}, {11, 0}}, 0, "10 11 "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := through(test.in, test.last); got != test.want {
				t.Errorf("out %q, want %q", got, test.want)
			}
		})
	}
}

// TestShuffledPacketsComeInOrder: whatever is swapped within the time that is waited for comes out whole and in order.
func TestShuffledPacketsComeInOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 50 {
		var in []arrival
		first := uint16(random.Uint32())
		for i := range 200 {
			in = append(in, arrival{first + uint16(i), i / 8})
		}
		for i := 1; i+4 < len(in); i++ { // the first stays: nothing is waited for before it
			j := i + int(random.Uint32N(4))
			in[i].seq, in[j].seq = in[j].seq, in[i].seq
		}
		want := ""
		for i := range 200 {
			want += fmt.Sprint(first+uint16(i), " ")
		}
		if got := through(in, 1000); got != want {
			t.Fatalf("from %d: out %q", first, got)
		}
	}
}

// FuzzReorder: whatever comes in, what comes out was put in, in growing order but for a new start, and it ends.
func FuzzReorder(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 0, 3})
	f.Add([]byte{255, 255, 0, 0, 128, 0, 128, 1, 0, 5})
	f.Fuzz(func(t *testing.T, in []byte) {
		var r reorder
		now := clock
		held, last, begun := 0, uint16(0), false
		for ; len(in) >= 2; in = in[2:] {
			now = now.Add(time.Duration(in[1]%16) * 5 * time.Millisecond)
			before := r.held
			if r.push(&packet{sequence: uint16(in[0])<<8 | uint16(in[1]), at: now}) && r.held != before+1 && r.held != 1 {
				t.Fatalf("a packet was taken, and %d are held after %d", r.held, before)
			}
			for {
				p, lost, ok := r.pop(now)
				if !ok {
					break
				}
				if begun && !lost && p.sequence != last+1 {
					t.Fatalf("%d after %d, and no loss is told", p.sequence, last)
				}
				last, begun = p.sequence, true
			}
			if held = r.held; held > window {
				t.Fatalf("%d packets held", held)
			}
		}
		for range held {
			if _, _, ok := r.pop(now.Add(time.Second)); !ok {
				t.Fatal("a packet stays for ever")
			}
		}
	})
}
