package g711

import "math/bits"

// A law is one companding curve as two tables. The curves are those of ITU-T G.711; the values of the 16-bit PCM are
// scaled as in ITU-T G.191, so that the code word of the smallest step is next to zero.
type law struct {
	linear [256]int16    // code word → sample
	code   [1 << 14]byte // sample, upper 14 bits → code word
}

// Read-only after they are made.
var (
	mu = newLaw(muLinear, muCode) //nolint:gochecknoglobals // a constant table
	a  = newLaw(aLinear, aCode)   //nolint:gochecknoglobals // a constant table
)

func newLaw(linear func(byte) int16, code func(int16) byte) *law {
	l := new(law)
	for c := range l.linear {
		l.linear[c] = linear(byte(c))
	}
	for i := range l.code {
		l.code[i] = code(int16(uint16(i) << 2))
	}
	return l
}

func (l *law) encode(sample int16) byte { return l.code[uint16(sample)>>2] }

// One code word, both laws:
//
//	 7 6 5 4 3 2 1 0
//	+-+-----+-------+
//	|S| exp | mant  |  µ: all bits inverted; A: every other bit inverted (0x55), S is 1 for positive
//	+-+-----+-------+
const (
	signBit = 0x80
	aMask   = 0x55
	muBias  = 33 // in 14-bit units: makes every segment of the µ law a power of two
)

func muLinear(c byte) int16 {
	c = ^c
	magnitude := (int16(c&0x0F)<<1+muBias)<<(c>>4&7) - muBias
	if c&signBit != 0 {
		return -magnitude << 2
	}
	return magnitude << 2
}

func muCode(sample int16) byte {
	sign := byte(0)
	if sample < 0 {
		sample, sign = ^sample, signBit
	}
	m := min(uint16(sample)>>2+muBias, 0x1FFF)
	exp := bits.Len16(m) - 6 // m has its first bit at 5…12
	return ^(sign | byte(exp)<<4 | byte(m>>(exp+1))&0x0F)
}

func aLinear(c byte) int16 {
	c ^= aMask
	exp, m := c>>4&7, int16(c&0x0F)<<4+8
	if exp > 0 {
		m = (m + 0x100) << (exp - 1)
	}
	if c&signBit == 0 {
		return -m
	}
	return m
}

func aCode(sample int16) byte {
	sign := byte(signBit)
	if sample < 0 {
		sample, sign = ^sample, 0
	}
	m := uint16(sample) >> 4       // 11 bits
	exp := max(bits.Len16(m)-4, 0) // 0 and 1 share a step
	m >>= max(exp-1, 0)            // leaves five bits, or four in segment 0
	return (sign | byte(exp)<<4 | byte(m)&0x0F) ^ aMask
}
