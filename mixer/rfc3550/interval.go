package rfc3550

import (
	"math"
	"time"
)

// MinInterval is the fixed minimum between two compound packets (§6.2).
const MinInterval = 5 * time.Second

// Interval says how long to wait between two compound packets (§6.2, A.7).
type Interval struct {
	Bandwidth float64       // of the session, octets/s; RTCP takes 5 %
	Minimum   time.Duration // MinInterval, or less where RFC 4585 §3.4 or §6.2 allow it
	size      float64       // average compound packet, octets, with UDP and IP; 0 before the first
}

// Packet takes the size of a compound packet sent or received, in octets without UDP and IP (§6.3.3).
func (i *Interval) Packet(octets int) {
	const udpAndIP = 28
	n := float64(octets + udpAndIP)
	if i.size == 0 {
		i.size = n
		return
	}
	i.size += (n - i.size) / 16
}

// Next is the time to the next packet. random is uniform in [0,1). initial halves the minimum (§6.2).
func (i *Interval) Next(members, senders int, weSent, initial bool, random float64) time.Duration {
	const (
		rtcpFraction         = 0.05
		senderBwFraction     = 0.25
		compensation         = math.E - 1.5 // of timer reconsideration
		firstSize        int = 128
	)
	minimum := i.Minimum.Seconds()
	if initial {
		minimum /= 2
	}
	bandwidth := max(i.Bandwidth*rtcpFraction, 1)
	n := members
	if float64(senders) <= float64(members)*senderBwFraction {
		if weSent {
			bandwidth *= senderBwFraction
			n = senders
		} else {
			bandwidth *= 1 - senderBwFraction
			n -= senders
		}
	}
	size := i.size
	if size == 0 {
		size = float64(firstSize)
	}
	t := max(size*float64(n)/bandwidth, minimum) * (random + 0.5) / compensation
	return time.Duration(t * float64(time.Second))
}
