package webrtc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/ice/v4"
)

const (
	socketBuffer = 4 << 20 // bytes, of a UDP socket that all browsers share
	tcpBuffer    = 1 << 20 // bytes that may wait for one slow ICE-TCP peer; more is dropped
	tcpFirst     = 8 * time.Second
	lookAround   = 10 * time.Second // between two looks at the addresses of this machine
)

// ports are the sockets that all PeerConnections share: one UDP socket and one TCP listener for each address, all on one port.
// pion refuses the unspecified address for UDP, because an answer has to leave from the address that was asked; so addresses
// that come and go (a network that is plugged in, a lease that is renewed) are followed. Safe for concurrent use.
type ports struct {
	number   int
	explicit bool // the addresses are configured
	log      *slog.Logger
	tcp      ice.TCPMux
	listener *gathered

	mu    sync.RWMutex // guards the fields below
	bound map[netip.Addr]*pair
}

// pair is what is open on one address.
type pair struct {
	udp ice.UDPMux
	tcp net.Listener
}

// listen opens the port on each address.
func listen(cfg Config) (*ports, error) {
	p := &ports{
		number: cfg.Port, explicit: len(cfg.Addresses) > 0, log: cfg.Logger,
		listener: gather(cfg.Limits.Sockets), bound: make(map[netip.Addr]*pair),
	}
	addresses := cfg.Addresses
	if !p.explicit {
		var err error
		if addresses, err = localAddresses(); err != nil {
			p.Close()
			return nil, fmt.Errorf("webrtc: addresses of this machine: %w", err)
		}
	}
	err := p.update(addresses)
	switch {
	case err != nil && (p.explicit || len(p.bound) == 0):
		p.Close()
		return nil, err
	case len(p.bound) == 0:
		p.Close()
		return nil, errors.New("webrtc: no address to listen on")
	case err != nil:
		p.log.Warn("webrtc: addresses left out", "error", err)
	}
	p.listener.port = p.number
	p.tcp = ice.NewTCPMuxDefault(ice.TCPMuxParams{
		Listener:             p.listener,
		Logger:               pionLogger{cfg.Logger, "tcp"},
		ReadBufferSize:       64, // packets
		WriteBufferSize:      tcpBuffer,
		FirstStunBindTimeout: tcpFirst,
	})
	return p, nil
}

// follow keeps the sockets in step with the addresses of this machine until ctx ends.
func (p *ports) follow(ctx context.Context) {
	if p.explicit {
		<-ctx.Done()
		return
	}
	t := time.NewTicker(lookAround)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if addresses, err := localAddresses(); err == nil && len(addresses) > 0 {
			if err := p.update(addresses); err != nil { // one that is tentative yet, or taken
				p.log.Debug("webrtc: address left out", "error", err)
			}
		}
	}
}

// update opens the port on addresses that are new and closes it on those that are gone.
func (p *ports) update(addresses []netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a, old := range p.bound {
		if !slices.Contains(addresses, a) {
			delete(p.bound, a)
			_ = old.udp.Close()
			_ = old.tcp.Close()
		}
	}
	var failed error
	for _, a := range addresses {
		if p.bound[a] != nil {
			continue
		}
		conn, listener, err := p.bindLocked(a)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("webrtc: listen on %s: %w", netip.AddrPortFrom(a, uint16(p.number)), err))
			continue
		}
		mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn, Logger: pionLogger{p.log, "udp"}})
		p.bound[a] = &pair{mux, listener}
		p.listener.add(listener)
	}
	return failed
}

// bindLocked opens UDP and TCP on one address. The first address decides the number where any will do.
func (p *ports) bindLocked(a netip.Addr) (*net.UDPConn, net.Listener, error) {
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
		if p.number == 0 {
			p.number = number
		}
		_ = conn.SetReadBuffer(socketBuffer) // the kernel may allow less
		_ = conn.SetWriteBuffer(socketBuffer)
		return conn, l, nil
	}
	return nil, nil, err
}

// has says whether the port is open on an address.
func (p *ports) has(a netip.Addr) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.bound[a] != nil
}

// Close closes every socket.
func (p *ports) Close() {
	_ = p.update(nil)
	_ = p.listener.Close()
	if p.tcp != nil {
		_ = p.tcp.Close()
	}
}

// udpMux shows the UDP sockets to pion (ice.UDPMux): those that far ends of one reach may use. Where there is only
// loopback, everybody may.
type udpMux struct {
	*ports
	reach reach
}

func (m udpMux) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("webrtc: no UDP socket on %v", addr)
	}
	m.mu.RLock()
	bound := m.bound[udp.AddrPort().Addr().Unmap()]
	m.mu.RUnlock()
	if bound == nil {
		return nil, fmt.Errorf("webrtc: no UDP socket on %v", addr)
	}
	return bound.udp.GetConn(ufrag, addr)
}

func (m udpMux) RemoveConnByUfrag(ufrag string) {
	for _, mux := range m.all(nearby) {
		mux.RemoveConnByUfrag(ufrag)
	}
}

func (m udpMux) GetListenAddresses() []net.Addr {
	muxes := m.all(m.reach)
	if len(muxes) == 0 {
		muxes = m.all(nearby)
	}
	var addresses []net.Addr
	for _, mux := range muxes {
		addresses = append(addresses, mux.GetListenAddresses()...)
	}
	return addresses
}

func (m udpMux) all(r reach) []ice.UDPMux {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var muxes []ice.UDPMux
	for a, bound := range m.bound {
		if r == nearby || !a.IsLoopback() {
			muxes = append(muxes, bound.udp)
		}
	}
	return muxes
}

// Close leaves the sockets to ports.
func (udpMux) Close() error { return nil }

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
