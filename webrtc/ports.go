package webrtc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/ice/v4"
)

const (
	socketBuffer = 4 << 20 // bytes, of a UDP socket that all browsers share
	tcpBuffer    = 1 << 20 // bytes that may wait for one slow ICE-TCP peer; more is dropped
	tcpFirst     = 8 * time.Second
)

// ports are the sockets that all PeerConnections share: one UDP socket and one TCP listener for each address, all on one port.
// pion refuses the unspecified address for UDP, because an answer has to leave from the address that was asked.
type ports struct {
	number int
	near   ice.UDPMux // on every address
	far    ice.UDPMux // on the addresses that other machines can reach
	tcp    ice.TCPMux
	open   []interface{ Close() error }
	listen map[netip.Addr]bool
}

// listen opens the port on each address.
func listen(cfg Config) (*ports, error) {
	addresses, explicit := cfg.Addresses, len(cfg.Addresses) > 0
	if !explicit {
		var err error
		if addresses, err = localAddresses(); err != nil {
			return nil, fmt.Errorf("webrtc: addresses of this machine: %w", err)
		}
	}
	p := &ports{number: cfg.Port, listen: make(map[netip.Addr]bool)}
	var near, far []ice.UDPMux
	var listeners []net.Listener
	for _, a := range addresses {
		conn, listener, err := p.bind(a)
		if err != nil && explicit {
			p.Close()
			return nil, fmt.Errorf("webrtc: listen on %s: %w", netip.AddrPortFrom(a, uint16(p.number)), err)
		}
		if err != nil { // an interface that has just gone, an IPv6 address that is still tentative
			cfg.Logger.Warn("webrtc: address left out", "address", a, "error", err)
			continue
		}
		mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn, Logger: pionLogger{cfg.Logger, "udp"}})
		p.open = append(p.open, mux)
		p.listen[a] = true
		listeners = append(listeners, listener)
		near = append(near, mux)
		if !a.IsLoopback() {
			far = append(far, mux)
		}
	}
	if len(near) == 0 {
		return nil, errors.New("webrtc: no address to listen on")
	}
	if len(far) == 0 {
		far = near
	}
	p.near, p.far = ice.NewMultiUDPMuxDefault(near...), ice.NewMultiUDPMuxDefault(far...)
	p.acceptTCP(listeners, cfg)
	return p, nil
}

// bind opens UDP and TCP on one address. The first address decides the number where any will do.
func (p *ports) bind(a netip.Addr) (*net.UDPConn, net.Listener, error) {
	attempts := 1
	if p.number == 0 {
		attempts = 10 // the number that UDP is given may be taken in TCP
	}
	var err error
	for range attempts {
		var conn *net.UDPConn
		if conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(p.number)))); err != nil {
			continue
		}
		number := conn.LocalAddr().(*net.UDPAddr).Port
		var l net.Listener
		if l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(number)))); err != nil {
			conn.Close()
			continue
		}
		p.number = number
		_ = conn.SetReadBuffer(socketBuffer) // the kernel may allow less
		_ = conn.SetWriteBuffer(socketBuffer)
		return conn, l, nil
	}
	return nil, nil, err
}

// acceptTCP serves ICE-TCP (RFC 6544, passive candidates) on the listeners.
func (p *ports) acceptTCP(listeners []net.Listener, cfg Config) {
	mux := ice.NewTCPMuxDefault(ice.TCPMuxParams{
		Listener:             gather(listeners, p.number, cfg.Limits.Sockets),
		Logger:               pionLogger{cfg.Logger, "tcp"},
		ReadBufferSize:       64, // packets
		WriteBufferSize:      tcpBuffer,
		FirstStunBindTimeout: tcpFirst,
	})
	p.tcp = mux
	p.open = append(p.open, mux)
}

// Close closes every socket.
func (p *ports) Close() {
	for _, c := range p.open {
		_ = c.Close()
	}
}

// localAddresses are the addresses of the interfaces that are up. Link-local IPv6 is left out: a browser cannot name our zone.
func localAddresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		prefixes, err := i.Addrs()
		if err != nil {
			continue // gone since
		}
		for _, prefix := range prefixes {
			n, ok := prefix.(*net.IPNet)
			if !ok {
				continue
			}
			if a, ok := netip.AddrFromSlice(n.IP); ok && !a.IsLinkLocalUnicast() {
				all = append(all, a.Unmap())
			}
		}
	}
	return all, nil
}
