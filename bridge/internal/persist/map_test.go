package persist

import (
	"maps"
	"math/rand/v2"
	"strconv"
	"testing"
)

// A map of Go's own is the slow twin: after any sequence of changes both hold the same, and the difference between
// any two versions turns the one into the other.
func TestMapAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var m Map[int]
	twin := map[string]int{}
	versions, twins := []Map[int]{m}, []map[string]int{maps.Clone(twin)}
	for range 2000 {
		key := strconv.Itoa(r.IntN(120))
		if r.IntN(3) == 0 {
			m = m.Without(key)
			delete(twin, key)
		} else {
			v := r.IntN(3)
			m = m.With(key, v)
			twin[key] = v
		}
		versions, twins = append(versions, m), append(twins, maps.Clone(twin))
	}
	for range 500 {
		i, j := r.IntN(len(versions)), r.IntN(len(versions))
		if got := maps.Collect(versions[i].All()); !maps.Equal(got, twins[i]) || versions[i].Len() != len(twins[i]) {
			t.Fatalf("version %d = %v, want %v", i, got, twins[i])
		}
		got := maps.Clone(twins[i])
		for c := range Diff(versions[i], versions[j]) {
			if v, ok := got[c.Key]; ok != c.InOld || v != c.Old {
				t.Fatalf("diff %d→%d says %+v, old has %v %v", i, j, c, v, ok)
			}
			delete(got, c.Key)
			if c.InNew {
				got[c.Key] = c.New
			}
		}
		if !maps.Equal(got, twins[j]) {
			t.Fatalf("diff %d→%d leads to %v, want %v", i, j, got, twins[j])
		}
	}
}

// One change among a thousand entries makes few nodes, and its difference looks at few.
func TestChangeIsCheap(t *testing.T) {
	var m Map[int]
	for i := range 1000 {
		m = m.With(strconv.Itoa(i), i)
	}
	if n := testing.AllocsPerRun(20, func() { m.With("500", -1) }); n > 60 {
		t.Errorf("a change of one in 1000 makes %v nodes", n)
	}
	other := m.With("500", -1)
	if n := testing.AllocsPerRun(20, func() {
		for range Diff(m, other) {
		}
	}); n > 60 {
		t.Errorf("the difference of one in 1000 allocates %v times", n)
	}
}
