// Package vpx speaks VP8 (RFC 6386) with libvpx, and its RTP payload format (RFC 7741).
//
// The encoder serves a mixer: constant bitrate, no look-ahead, key frames only when asked for (and one in two minutes).
// What libvpx lends is copied out, so nothing we lend can dangle.
package vpx

// #cgo pkg-config: vpx
// #include "shim.h"
import "C"

import (
	"fmt"
	"runtime"

	"tutti/codec"
)

// Tuning sets what only this encoder has. The zero value is the default.
type Tuning struct {
	CPUUsed int // libvpx's cpu-used, −16 to −1: the lower, the faster and the worse; 0 is −8
	Threads int // of one encoder; 0 chooses by size and cores
}

const defaultCPUUsed = -8

// VP8 encodes as a mixer wants it.
func VP8() codec.Video { return Tuning{}.VP8() }

// VP8 encodes with this tuning.
func (t Tuning) VP8() codec.Video {
	return codec.Video{
		Format:        codec.Format{Name: "VP8", ClockRate: clockRate},
		PayloadType:   96,
		NewEncoder:    func(p codec.VideoParams) (codec.VideoEncoder, error) { return newEncoder(p, t) },
		NewDecoder:    func() (codec.VideoDecoder, error) { return newDecoder() },
		NewPacketizer: func(_ string, mtu int) codec.Packetizer { return newPacketizer(mtu) },
		NewAssembler:  func() codec.Assembler { return new(assembler) },
	}
}

const clockRate = 90000 // Hz, of RTP and of libvpx's time

func (t Tuning) cpuUsed() C.int {
	if t.CPUUsed == 0 {
		return defaultCPUUsed
	}
	return C.int(min(max(t.CPUUsed, -16), -1))
}

// threads: VP8 works in rows of macroblocks, so a small picture gains nothing from a second thread.
func (t Tuning) threads(width, height int) C.int {
	switch {
	case t.Threads > 0:
		return C.int(min(t.Threads, 8))
	case width*height > 640*480 && runtime.NumCPU() >= 4:
		return 2
	default:
		return 1
	}
}

func failure(doing string, err C.int) error {
	return fmt.Errorf("vpx: %s: error %d: %s", doing, int(err), C.GoString(C.tutti_vpx_reason(err)))
}
