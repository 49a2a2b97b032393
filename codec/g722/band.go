package g722

import "math"

// saturate keeps x in 16 bits, as every addition of G.722 does.
func saturate(x int32) int32 { return min(max(x, math.MinInt16), math.MaxInt16) }

// A band is the state of one half of the spectrum: the scale factor of its quantizer, and a predictor with two poles and
// six zeros. Encoder and decoder keep the same one. Fields are named as in G.722; index 1 of a delay line is the last
// sample, 2 the one before.
type band struct {
	s, sz int32    // prediction of the next sample, and its part from the zeros
	r     [3]int32 // reconstructed signal
	p     [3]int32 // partially reconstructed signal
	a     [3]int32 // coefficients of the poles
	b     [7]int32 // of the zeros
	d     [7]int32 // quantized differences
	nb    int32    // logarithmic scale factor
	det   int32    // scale factor
}

// scale adapts the scale factor (G.722 blocks 3L and 3H): w is the code word's multiplier, top bounds the logarithm,
// and shift sets the range.
func (b *band) scale(w, top, shift int32) {
	b.nb = min(max(b.nb*127>>7+w, 0), top)
	v, by := g.ilb[b.nb>>6&31], shift-b.nb>>11
	if by < 0 {
		b.det = v << -by << 2
	} else {
		b.det = v >> by << 2
	}
}

func (b *band) scaleLow(ril byte) { b.scale(g.wl[ril], 18432, 8) }

func (b *band) scaleHigh(ih byte) { b.scale(g.wh[ih], 22528, 10) }

// predict takes the quantized difference d and predicts the next sample (G.722 block 4).
func (b *band) predict(d int32) {
	b.d[0], b.r[0], b.p[0] = d, saturate(b.s+d), saturate(b.sz+d)
	a1, a2 := b.poles()
	b.zeros()
	copy(b.d[1:], b.d[:6])
	b.r[2], b.r[1] = b.r[1], b.r[0]
	b.p[2], b.p[1] = b.p[1], b.p[0]
	b.a[1], b.a[2] = a1, a2

	sp := saturate(a1*saturate(2*b.r[1])>>15 + a2*saturate(2*b.r[2])>>15)
	sz := int32(0)
	for i := 6; i > 0; i-- {
		sz += b.b[i] * saturate(2*b.d[i]) >> 15
	}
	b.sz = saturate(sz)
	b.s = saturate(sp + b.sz)
}

// poles adapts the coefficients by the signs of the signal (UPPOL2, UPPOL1), within the triangle of stability.
func (b *band) poles() (a1, a2 int32) {
	same := func(i int) bool { return (b.p[0] < 0) == (b.p[i] < 0) }

	wd := saturate(4 * b.a[1])
	if same(1) {
		wd = min(-wd, math.MaxInt16)
	}
	a2 = wd>>7 + b.a[2]*32512>>15
	if same(2) {
		a2 += 128
	} else {
		a2 -= 128
	}
	a2 = min(max(a2, -12288), 12288)

	a1 = b.a[1] * 32640 >> 15
	if same(1) {
		a1 += 192
	} else {
		a1 -= 192
	}
	limit := saturate(15360 - a2)
	return min(max(saturate(a1), -limit), limit), a2
}

// zeros adapts the coefficients by the signs of the differences (UPZERO).
func (b *band) zeros() {
	step := int32(128)
	if b.d[0] == 0 {
		step = 0
	}
	for i := 1; i < len(b.b); i++ {
		wd := step
		if (b.d[0] < 0) != (b.d[i] < 0) {
			wd = -step
		}
		b.b[i] = saturate(wd + b.b[i]*32640>>15)
	}
}
