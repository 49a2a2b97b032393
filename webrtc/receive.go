package webrtc

import (
	"encoding/binary"
	"errors"
	"time"

	pion "github.com/pion/webrtc/v4"

	"tutti/mixer"
)

// packetSize is the longest packet that is read; more than a path can carry.
const packetSize = 1500

// RTCP packet types (RFC 3550 §12.1).
const (
	typeSR   = 200
	typeSDES = 202
	typeBYE  = 203
)

// read runs f in a goroutine that Close waits for, unless the Peer is closing.
func (p *Peer) read(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closing {
		p.readers.Go(f)
	}
}

// receive is told of each track, simulcast layer by simulcast layer, by its first packet.
func (p *Peer) receive(t *pion.TrackRemote, r *pion.RTPReceiver) {
	transceiver := r.RTPTransceiver()
	if transceiver == nil {
		return // stopped since
	}
	p.mu.Lock()
	l := p.lineLocked(transceiver.Mid())
	p.mu.Unlock()
	p.read(func() { l.receiveRTP(t) })
	p.read(func() { l.receiveRTCP(t, r) })
}

// receiveRTP reads packets until the track ends. Retransmissions come in their original form (RFC 4588 is undone by pion).
func (l *line) receiveRTP(t *pion.TrackRemote) {
	buffer := make([]byte, packetSize)
	seen := new(history)
	for {
		n, attributes, err := t.Read(buffer)
		switch {
		case errors.Is(err, pion.ErrCodecNotFound):
			continue // a payload type that was not agreed
		case err != nil:
			return
		}
		repeated := attributes.Get(pion.AttributeRtxSsrc) != nil
		if n < 4 || !seen.add(binary.BigEndian.Uint16(buffer[2:])) && repeated {
			continue
		}
		if in := l.inlet.Load(); in != nil {
			(*in).ReceiveRTP(mixer.Packet{Data: buffer[:n], At: time.Now(), RID: t.RID()})
		}
	}
}

// history remembers the sequence numbers of late. Browsers probe for bandwidth by sending again, by RTX, what has arrived
// already: that is not to reach the mixer, which would take it for duplicates on the path.
type history [1024]uint32 // sequence number + 1 at its remainder; 0 is none

// add says whether the number is new.
func (h *history) add(seq uint16) bool {
	slot := &h[int(seq)%len(h)]
	fresh := *slot != uint32(seq)+1
	*slot = uint32(seq) + 1
	return fresh
}

// receiveRTCP reads what the far end says about its own stream: SR, SDES, BYE. pion splits compounds, so packets come one by one.
func (l *line) receiveRTCP(t *pion.TrackRemote, r *pion.RTPReceiver) {
	ssrc := uint32(t.SSRC())
	l.remotes.Store(ssrc, true)
	defer l.remotes.Delete(ssrc)
	buffer := make([]byte, packetSize)
	for {
		n, err := readReceiver(buffer, t.RID(), r)
		if err != nil {
			return
		}
		l.deliver(buffer[:n])
	}
}

func readReceiver(buffer []byte, rid string, r *pion.RTPReceiver) (n int, err error) {
	if rid == "" {
		n, _, err = r.Read(buffer)
	} else {
		n, _, err = r.ReadSimulcast(buffer, rid)
	}
	return n, err
}

// receiveReports reads what the far end says about our stream: RR, NACK, PLI, FIR, and the report blocks of its SR.
func (p *Peer) receiveReports(t *track, sender *pion.RTPSender) {
	buffer := make([]byte, packetSize)
	for {
		n, _, err := sender.Read(buffer)
		if err != nil {
			return
		}
		if l := p.lineOf(sender); l != nil && !l.heard(buffer[:n]) {
			l.deliver(buffer[:n])
		}
	}
}

// lineOf is the m-line that a sender is on.
func (p *Peer) lineOf(sender *pion.RTPSender) *line {
	for _, t := range p.pc.GetTransceivers() {
		if t.Sender() == sender {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.lineLocked(t.Mid())
		}
	}
	return nil
}

// heard says whether a packet comes by receiveRTCP too: pion hands an SR to its sender's stream and to each stream that it reports on.
func (l *line) heard(packet []byte) bool {
	if len(packet) < 8 || packet[1] != typeSR && packet[1] != typeSDES && packet[1] != typeBYE {
		return false
	}
	_, ok := l.remotes.Load(binary.BigEndian.Uint32(packet[4:]))
	return ok
}

func (l *line) deliver(packet []byte) {
	if in := l.inlet.Load(); in != nil {
		(*in).ReceiveRTCP(mixer.Packet{Data: packet, At: time.Now()})
	}
}
