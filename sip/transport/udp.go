package transport

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"time"
)

// A packetSocket is one UDP socket. It keeps nothing about who sends to it.
type packetSocket struct {
	layer *Layer
	pc    net.PacketConn
	local netip.AddrPort
}

func (s *packetSocket) run() {
	buf := make([]byte, 1<<16)
	for {
		n, addr, err := s.pc.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || s.layer.ctx.Err() != nil {
				return
			}
			// An ICMP error about an earlier datagram, for example. Waiting keeps
			// a socket that is broken for good from taking a processor.
			select {
			case <-time.After(time.Millisecond):
				continue
			case <-s.layer.ctx.Done():
				return
			}
		}
		if from := addrPort(addr); from.IsValid() {
			s.packet(from, buf[:n])
		}
	}
}

// packet borrows p.
func (s *packetSocket) packet(from netip.AddrPort, p []byte) {
	c := &s.layer.counters
	switch {
	case len(bytes.Trim(p, "\r\n\x00")) == 0: // keep-alive of a NAT (RFC 5626 §3.5.1 allows it only on streams)
		c.keepAlives.Add(1)
	case isSTUN(p):
		if answer := answerSTUN(p, from); answer != nil {
			c.keepAlives.Add(1)
			_ = s.send(from, answer)
		} else {
			c.malformed.Add(1)
		}
	default:
		s.layer.receive(&Flow{Network: UDP, Local: s.local, Remote: from, wire: s}, p, nil)
	}
}

func (s *packetSocket) send(to netip.AddrPort, p []byte) error {
	if len(p) > 65507 { // 65535 − IP and UDP headers
		return errTooLarge
	}
	_, err := s.pc.WriteTo(p, net.UDPAddrFromAddrPort(to))
	return err
}

func (s *packetSocket) alive() bool { return s.layer.ctx.Err() == nil }

func (s *packetSocket) over() <-chan struct{} { return nil }

// serves says whether the socket can reach addresses of to's family.
func (s *packetSocket) serves(to netip.Addr) bool {
	local := s.local.Addr()
	switch {
	case local.Is6() && local.IsUnspecified(): // dual stack
		return true
	case local.IsLoopback() && !to.IsLoopback():
		return false
	}
	return local.Is4() == to.Is4()
}
