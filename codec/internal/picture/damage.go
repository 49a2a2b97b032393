package picture

import "math/rand/v2"

// Damage changes some bytes of frame, or cuts it, as a bad path or a bad sender would. The same seed does the same.
func Damage(frame []byte, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	bad := append([]byte(nil), frame...)
	for range 1 + r.IntN(8) {
		bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
	}
	switch r.IntN(4) {
	case 0:
		bad = bad[:1+r.IntN(len(bad))]
	case 1:
		from := r.IntN(len(bad))
		bad = append(bad, bad[from:]...)
	}
	return bad
}
