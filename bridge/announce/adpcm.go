package announce

import (
	"encoding/binary"
	"math"
)

// adpcm decodes IMA ADPCM, four bits a sample: a quarter of the size of linear samples, which the shipped prompts need to be small.
type adpcm struct {
	predicted int // the sample before
	index     int // of the step
}

const lastStep = 88

// stepTable is the width of quantization at each index, about a tenth more from one to the next (IMA Digital Audio Focus and
// Technical Working Groups, 1992).
func stepTable() (steps [lastStep + 1]int) {
	copy(steps[:], []int{
		7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107, 118, 130, 143,
		157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963, 1060, 1166, 1282, 1411,
		1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630, 9493, 10442,
		11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767,
	})
	return steps
}

// decodeADPCM reads the blocks of a mono file:
//
//	sample 2 | index 1 | reserved 1 | two samples a byte, the low half first …
func decodeADPCM(data []byte, block int) []int16 {
	steps := stepTable()
	pcm := make([]int16, 0, 2*len(data))
	for ; len(data) >= 4; data = data[min(block, len(data)):] {
		body := data[:min(block, len(data))]
		d := adpcm{int(int16(binary.LittleEndian.Uint16(body))), min(int(body[2]), lastStep)}
		pcm = append(pcm, int16(d.predicted))
		for _, b := range body[4:] {
			pcm = append(pcm, d.next(&steps, b&15), d.next(&steps, b>>4))
		}
	}
	return pcm
}

// next decodes one code: three bits of magnitude and a sign.
func (d *adpcm) next(steps *[lastStep + 1]int, code byte) int16 {
	step := steps[d.index]
	difference := step >> 3
	for bit := range 3 {
		if code&(4>>bit) != 0 {
			difference += step >> bit
		}
	}
	if code&8 != 0 {
		difference = -difference
	}
	d.predicted = min(max(d.predicted+difference, math.MinInt16), math.MaxInt16)
	if magnitude := int(code & 7); magnitude < 4 {
		d.index = max(d.index-1, 0)
	} else {
		d.index = min(d.index+2*(magnitude-3), lastStep)
	}
	return int16(d.predicted)
}
