package video

import "slices"

// A rung is one of the encodings that a viewer may be sent: its own, negotiated one is the best, and the others cost
// less of its link. Viewers with the same encoding find the same rungs, so those on one rung are a class.

// step is what a rung may have at most.
type step struct {
	width, height int // pixels
	frameRate     int // frames/s; 0 is that of the canvas
	bitrate       int // bit/s
}

// steps are the rungs below the negotiated encoding, best first.
func steps() [maxRungs - 1]step {
	return [...]step{
		{1280, 720, 0, 1_500_000},
		{1280, 720, 0, 800_000},
		{640, 360, 0, 450_000},
		{640, 360, 15, 250_000},
		{320, 180, 10, 120_000},
	}
}

// worthwhile is the share of the rung above that one may need at most, in percent: less of a step helps nobody.
const worthwhile = 80

// rungsOf are the encodings that a viewer of v may be sent, best first: v itself and what is less in bit rate and no
// more in anything else, so whatever limits v (its level, its fmtp) allows them all.
func rungsOf(v ViewerEncoding) []ViewerEncoding {
	rungs := []ViewerEncoding{v}
	for _, s := range steps() {
		last := rungs[len(rungs)-1]
		if 100*s.bitrate > worthwhile*last.Bitrate {
			continue
		}
		r := v
		r.Bitrate = s.bitrate
		r.Width, r.Height = within(v.Width, v.Height, s.width, s.height)
		if s.frameRate > 0 {
			r.FrameRate = min(r.FrameRate, s.frameRate)
		}
		if !composable(r.Width, r.Height) {
			continue
		}
		rungs = append(rungs, r)
	}
	return rungs
}

// within is the largest size in the proportions of w × h that fits in mw × mh, both sides even.
func within(w, h, mw, mh int) (int, int) {
	if w <= mw && h <= mh {
		return w, h
	}
	if w*mh > h*mw {
		return mw &^ 1, h * mw / w &^ 1
	}
	return w * mh / h &^ 1, mh &^ 1
}

// share says which rung those get who want rung i, when counts[i] do and at most live rungs may be encoded: of those
// between the best and the worst, the one that fewest want joins the next below. live is 2 or more.
func share(counts [maxRungs]int, live int) (to [maxRungs]int) {
	var wanted []int
	for i, n := range counts {
		if to[i] = i; n > 0 {
			wanted = append(wanted, i)
		}
	}
	for len(wanted) > live {
		least := 1
		for k := 1; k < len(wanted)-1; k++ {
			if counts[wanted[k]] <= counts[wanted[least]] {
				least = k
			}
		}
		from, below := wanted[least], wanted[least+1]
		counts[below] += counts[from]
		for i := range to {
			if to[i] == from {
				to[i] = below
			}
		}
		wanted = slices.Delete(wanted, least, least+1)
	}
	return to
}

// shareRungsLocked gives each of the viewers of one scene the rung that it is sent.
func (e *Engine) shareRungsLocked(viewers []*Viewer) {
	families := map[encodingKey]*[maxRungs]int{}
	for _, v := range viewers {
		f := families[v.keys[0]]
		if f == nil {
			f = new([maxRungs]int)
			families[v.keys[0]] = f
		}
		f[v.wanted]++
	}
	for _, f := range families {
		*f = share(*f, e.cfg.Rungs)
	}
	for _, v := range viewers {
		if rung := families[v.keys[0]][v.wanted]; rung != v.rung {
			v.setRung(rung)
			e.count.moves.Add(1)
			v.moves.Add(1)
		}
	}
}
