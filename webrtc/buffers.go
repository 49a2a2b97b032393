package webrtc

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/pion/transport/v4/packetio"
)

const (
	maxStreams = 128       // RTP and RTCP streams of one far end that are open at a time; a camera, slides and a microphone are 20
	rtpBuffer  = 256 << 10 // bytes that wait for a reader
	rtcpBuffer = 16 << 10
)

// buffers makes what pion keeps packets in, one for each SSRC that a far end sends or reports on, and counts them: pion opens
// one for every SSRC that turns up, so a far end that makes them up could fill the memory. Safe for concurrent use.
type buffers struct {
	full  func() // called when there are too many; it must not block
	count atomic.Int32
}

func (b *buffers) open(kind packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
	buffer := packetio.NewBuffer()
	buffer.SetLimitSize(rtcpBuffer)
	if kind == packetio.RTPBufferPacket {
		buffer.SetLimitSize(rtpBuffer)
	}
	if b.count.Add(1) > maxStreams {
		b.full()
	}
	return &countedBuffer{Buffer: buffer, buffers: b}
}

// countedBuffer is counted out when it is closed.
type countedBuffer struct {
	*packetio.Buffer
	buffers *buffers
	once    sync.Once
}

func (c *countedBuffer) Close() error {
	c.once.Do(func() { c.buffers.count.Add(-1) })
	return c.Buffer.Close()
}
