package h264

import "bytes"

// Types of NAL units: H.264 table 7-1 below 24, RFC 6184 §5.2 from there.
const (
	nalSlice     = 1
	nalLastSlice = 5 // 2–4 are data partitions
	nalIDR       = 5
	nalSEI       = 6
	nalSPS       = 7
	nalPPS       = 8
	nalDelimiter = 9
	nalFiller    = 12
	nalLast      = 23
	nalSTAPA     = 24
	nalFUA       = 28
)

// The header of a NAL unit:
//
//	 0 1 2 3 4 5 6 7
//	+-+-+-+-+-+-+-+-+
//	|F|NRI|  type   |
//	+-+-+-+-+-+-+-+-+
const (
	forbiddenBit   = 0x80
	importanceBits = 0x60
	typeBits       = 0x1F
)

func typeOf(nal []byte) byte { return nal[0] & typeBits }

func isSlice(nalType byte) bool { return nalType >= nalSlice && nalType <= nalLastSlice }

// nextNAL is the first NAL unit of an Annex B byte stream, without its start code, and what follows; nil at the end.
// Zeros around it belong to the stream, since a NAL unit never ends with one.
func nextNAL(stream []byte) (nal, rest []byte) {
	startCode := [...]byte{0, 0, 1}
	for {
		i := bytes.Index(stream, startCode[:])
		if i < 0 {
			return nil, nil
		}
		nal = stream[i+len(startCode):]
		rest = nil
		if end := bytes.Index(nal, startCode[:]); end >= 0 {
			nal, rest = nal[:end], nal[end:]
		}
		end := len(nal)
		for end > 0 && nal[end-1] == 0 {
			end--
		}
		if end > 0 {
			return nal[:end:end], rest
		}
		stream = rest
	}
}
