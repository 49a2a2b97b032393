package video

import "time"

const (
	maxLayers  = 8                      // SSRCs of one source
	layerAlive = 2 * time.Second        // a layer that sent nothing for so long is not chosen
	layerStale = 10 * time.Second       // and its place may be taken
	layerGone  = 300 * time.Millisecond // silence after which an equal layer that sends is better
	switchRest = time.Second            // between two changes of layer
)

// size is that of a picture or tile, pixels.
type size struct{ w, h int }

func (s size) area() int { return s.w * s.h }

// layer is one simulcast encoding of a source: an SSRC.
type layer struct {
	ssrc uint32
	rank int // 0 is the smallest; -1 unknown
	size size
	last time.Time // of a packet
	used bool      // its packets are wanted
}

// rank orders the usual names of layers: quarter, half, full (or low, middle, high, or numbers).
func rank(rid string) int {
	switch rid {
	case "q", "l", "0", "low":
		return 0
	case "h", "m", "1", "medium":
		return 1
	case "f", "2", "high":
		return 2
	}
	return -1
}

// expected is the size of the pictures of l: its own if one was seen, or what follows from another layer's.
func expected(layers []layer, l *layer) size {
	if l.size.area() > 0 {
		return l.size
	}
	if l.rank < 0 {
		return size{}
	}
	for i := range layers {
		if o := &layers[i]; o.size.area() > 0 && o.rank >= 0 {
			return size{o.size.w << l.rank >> o.rank, o.size.h << l.rank >> o.rank}
		}
	}
	return size{1280 >> (2 - l.rank), 720 >> (2 - l.rank)}
}

// fills says whether a picture of size s looks sharp enough in a tile of size need: enlarged by no more than a third.
func (s size) fills(need size) bool { return s.area()*16 >= need.area()*9 }

// choose returns the index of the smallest layer alive that fills need, or of the largest one; -1 when none is alive.
func choose(layers []layer, need size, now time.Time) int {
	best := -1
	for i := range layers {
		l := &layers[i]
		if now.Sub(l.last) > layerAlive {
			continue
		}
		if best < 0 || better(layers, l, &layers[best], need) {
			best = i
		}
	}
	return best
}

// better says whether a suits need more than b does. A layer of which nothing is known is tried, to learn its size.
func better(layers []layer, a, b *layer, need size) bool {
	sa, sb := expected(layers, a), expected(layers, b)
	if sa.area() == 0 || sb.area() == 0 || sa == sb {
		if a.outlives(b) || b.outlives(a) {
			return a.outlives(b)
		}
		return sa.area() == 0 && sb.area() > 0
	}
	if fa, fb := sa.fills(need), sb.fills(need); fa != fb {
		return fa
	} else if fa {
		return sa.area() < sb.area()
	}
	return sa.area() > sb.area()
}

// outlives says whether l still sends, and o no more.
func (l *layer) outlives(o *layer) bool { return l.last.Sub(o.last) > layerGone }
