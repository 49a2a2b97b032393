package video

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"tutti/mixer/plan"
	"tutti/mixer/video/canvas"
)

// group is the viewers of one scene in one encoding: a class to be.
type group struct {
	scene     *plan.Scene
	signature string
	key       encodingKey
	members   []*Viewer
	guests    []*Viewer // of its class
	class     *class
}

// rebuildLocked makes boards and classes follow scenes, viewers and sources. A class whose viewers move on to another
// scene together keeps its encoder.
func (e *Engine) rebuildLocked(ctx context.Context, wg *sync.WaitGroup) {
	e.dirty = false
	for _, s := range e.starts {
		wg.Go(func() { s.run(ctx) })
	}
	e.starts = nil

	sorted := e.groupLocked()
	e.inviteLocked(sorted)
	groups := sorted.groups
	e.adopt(groups)
	groups = slices.DeleteFunc(groups, (*group).parted)
	old := e.plan
	e.plan = view{}
	boards := map[boardKey]*board{}
	for _, g := range groups {
		if g.class == nil {
			g.class = e.newClass(ctx, wg, g.members[0])
		}
		e.plan.classes = append(e.plan.classes, g.class)
		g.enroll(e.boardFor(boards, g))
	}
	for _, c := range old.classes {
		if c.board == nil || !slices.Contains(e.plan.classes, c) {
			c.stop()
			e.count.retire(c)
		}
	}
	e.findSourcesLocked()
}

type boardKey struct {
	signature     string
	width, height int
}

// sorting is the groups of all viewers.
type sorting struct {
	groups []*group
	found  map[groupKey]*group
}

type groupKey struct {
	signature string
	encoding  encodingKey
}

// group finds the group of a scene in an encoding, or adds it.
func (s *sorting) group(scene *plan.Scene, signature string, encoding encodingKey) *group {
	k := groupKey{signature, encoding}
	g := s.found[k]
	if g == nil {
		g = &group{scene: scene, signature: signature, key: encoding}
		s.found[k], s.groups = g, append(s.groups, g)
	}
	return g
}

// groupLocked sorts the viewers into groups, in the order of scenes.
func (e *Engine) groupLocked() *sorting {
	byLeg := map[plan.LegID][]*Viewer{}
	for v := range e.viewers {
		byLeg[v.leg] = append(byLeg[v.leg], v)
	}
	sorted := &sorting{found: map[groupKey]*group{}}
	for i := range e.scenes {
		scene := &e.scenes[i]
		signature := sign(scene)
		var viewers []*Viewer
		for _, leg := range scene.Viewers {
			viewers = append(viewers, byLeg[leg]...)
			delete(byLeg, leg) // the first scene that names a leg is its
		}
		e.shareRungsLocked(viewers)
		for _, v := range viewers {
			g := sorted.group(scene, signature, v.key)
			g.members = append(g.members, v)
			v.guest = false
		}
	}
	for _, alone := range byLeg {
		for _, v := range alone {
			v.class = nil
			v.target.Store(0)
			v.primed.Store(0)
		}
	}
	return sorted
}

// inviteLocked finds the viewers that were moved to a rung and have no key frame of it yet. Each is a guest of the group
// in the encoding that it had, or of one that is added for it: it goes on seeing its scene.
func (e *Engine) inviteLocked(sorted *sorting) {
	for _, g := range sorted.groups { // as they are now: groups of guests only have no members to look at
		for _, v := range g.members {
			c := e.followed(v)
			if c == nil || c.key == g.key {
				continue
			}
			host := sorted.group(g.scene, g.signature, c.key)
			host.guests = append(host.guests, v)
		}
	}
}

// followed is the class whose frames v can make use of, nil when there is none.
func (e *Engine) followed(v *Viewer) *class {
	id := v.primed.Load()
	if v.class != nil && v.class.id == id {
		return v.class
	}
	for _, c := range e.plan.classes {
		if c.id == id {
			return c
		}
	}
	return nil
}

// parted lets those guests go that do not follow the class that the group was given, and says whether nobody is left.
func (g *group) parted() bool {
	g.guests = slices.DeleteFunc(g.guests, func(v *Viewer) bool {
		v.guest = g.class != nil && v.primed.Load() == g.class.id
		return !v.guest
	})
	return len(g.members)+len(g.guests) == 0
}

// adopt gives each group the class that it had: the one with its scene and encoding, or else the one with its
// encoding that most of its members come from.
func (e *Engine) adopt(groups []*group) {
	taken := map[*class]bool{}
	for _, g := range groups {
		for _, c := range e.plan.classes {
			if !taken[c] && c.key == g.key && c.board.signature == g.signature {
				g.class, taken[c] = c, true
				break
			}
		}
	}
	for _, g := range groups {
		if g.class != nil {
			continue
		}
		votes := map[*class]int{}
		vote := func(c *class) {
			if c != nil && !taken[c] && c.key == g.key {
				if votes[c]++; g.class == nil || votes[c] > votes[g.class] {
					g.class = c
				}
			}
		}
		for _, v := range g.members {
			vote(v.class)
		}
		for _, v := range g.guests {
			vote(e.followed(v))
		}
		if g.class != nil {
			taken[g.class] = true
		}
	}
}

// boardFor finds the board of the scene in the size of the group, the one that its class had, or a new one.
func (e *Engine) boardFor(boards map[boardKey]*board, g *group) *board {
	enc := g.class.enc
	k := boardKey{g.signature, enc.Width, enc.Height}
	if b := boards[k]; b != nil {
		return b
	}
	b := g.class.board
	if b == nil || slices.Contains(e.plan.boards, b) {
		b = &board{canvas: canvas.New(enc.Width, enc.Height, e.art, scale)}
	}
	b.signature, b.arrangement, b.scene, b.classes = g.signature, arrange(g.scene), g.scene, nil
	b.legs = contributors(g.scene, enc.Width, enc.Height)
	boards[k] = b
	e.plan.boards = append(e.plan.boards, b)
	return b
}

// enroll makes the class of the group encode b for its members.
func (g *group) enroll(b *board) {
	c := g.class
	if c.arranged != b.arrangement {
		c.wantKey = true
	}
	c.board, c.arranged, c.members, c.guests = b, b.arrangement, slices.Concat(g.members, g.guests), len(g.guests)
	b.classes = append(b.classes, c)
	for _, v := range g.members {
		if v.class != c {
			v.class = c
			v.target.Store(c.id)
			c.wantKey = true
		}
		if id := v.primed.Load(); id != c.id && !v.guest {
			v.primed.CompareAndSwap(id, 0) // of what that class has made meanwhile it will miss some
		}
	}
}

// maxContributors is how many CSRCs a packet carries (RFC 3550 §5.1).
const maxContributors = 15

// contributors are the legs whose picture stands on the canvas.
func contributors(scene *plan.Scene, w, h int) []plan.LegID {
	var legs []plan.LegID
	for _, p := range canvas.Arrange(nil, scene.Layout, scene.Tiles, w, h) {
		if t := scene.Tiles[p.Tile]; t.Video && p.More == 0 && !slices.Contains(legs, t.Leg) && len(legs) < maxContributors {
			legs = append(legs, t.Leg)
		}
	}
	return legs
}

// findSourcesLocked says which sources are shown, and how large.
func (e *Engine) findSourcesLocked() {
	shown, needs := map[sourceKey]*Source{}, map[*Source]size{}
	for _, b := range e.plan.boards {
		enc := b.classes[0].enc
		for _, p := range canvas.Arrange(nil, b.scene.Layout, b.scene.Tiles, enc.Width, enc.Height) {
			t := b.scene.Tiles[p.Tile]
			k := keyOf(t.Leg, t.Content)
			s := e.sources[k]
			if s == nil || p.More > 0 || !t.Video {
				continue
			}
			shown[k] = s
			if n := (size{p.Rect.Dx(), p.Rect.Dy()}); n.area() > needs[s].area() {
				needs[s] = n
			}
		}
	}
	for k, s := range e.shown {
		if next := shown[k]; next != s {
			s.show(size{})
			next.inherit(s)
			s.forgetPicture()
		}
	}
	e.shown, e.order = shown, e.order[:0]
	for _, s := range shown {
		s.show(needs[s])
		e.order = append(e.order, s)
	}
}

// sign writes all of a scene but its viewers; equal scenes have equal signatures.
func sign(scene *plan.Scene) string {
	var b strings.Builder
	b.WriteString(arrange(scene))
	for _, t := range scene.Tiles {
		b.WriteString(strconv.Quote(t.Label))
		b.WriteString(strconv.FormatBool(t.Muted))
		b.WriteString(strconv.FormatBool(t.Speaking))
		b.WriteString(strconv.FormatBool(t.Video))
	}
	return b.String()
}

// arrange writes who is where in a scene.
func arrange(scene *plan.Scene) string {
	var b strings.Builder
	b.WriteString(strconv.Quote(string(scene.Layout)))
	for _, t := range scene.Tiles {
		b.WriteString(strconv.Quote(string(t.Leg)))
		b.WriteString(strconv.Quote(string(keyOf(t.Leg, t.Content).content)))
	}
	return b.String()
}
