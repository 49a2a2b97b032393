package media

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
)

// ErrNoPorts says that every port of the configured range is in use.
var ErrNoPorts = errors.New("no free RTP port")

// Ports lends pairs of UDP ports, an even one for RTP and the odd one after it for RTCP (RFC 3550 §11), from a range.
// Its methods may be called from any goroutine.
type Ports struct {
	first   uint16 // even
	pairs   int
	batches sync.Pool // of *batch: what the sockets share

	mu   sync.Mutex // guards the fields below
	used []bool     // by pair
	next int        // where the search starts: a port rests as long as can be after its release
	free int
}

// NewPorts returns the pairs that lie wholly in first–last.
func NewPorts(first, last uint16) (*Ports, error) {
	low := int(first) + int(first&1)
	pairs := (int(last) - low + 1) / 2
	if first == 0 || pairs < 1 {
		return nil, fmt.Errorf("media: ports %d–%d: want at least one even port and the odd one after it", first, last)
	}
	return &Ports{
		first: uint16(low), pairs: pairs, batches: sync.Pool{New: newBatch},
		used: make([]bool, pairs), next: rand.IntN(pairs), free: pairs,
	}, nil
}

// Free is the number of pairs that can be lent.
func (p *Ports) Free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.free
}

// take lends a pair, but none of the tried ones.
func (p *Ports) take(tried map[int]bool) (pair int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range p.pairs {
		i := p.next
		p.next = (p.next + 1) % p.pairs
		if !p.used[i] && !tried[i] {
			p.used[i] = true
			p.free--
			return i, true
		}
	}
	return 0, false
}

func (p *Ports) release(pair int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used[pair] = false
	p.free++
}

// attempts bounds how many pairs are tried that other programs may hold.
const attempts = 64

// open opens the sockets of a free pair at address. The release is to be called exactly once, after both were closed.
func (p *Ports) open(address netip.Addr) (rtp, rtcp *udpSocket, release func(), err error) {
	tried := map[int]bool{}
	for range attempts {
		i, ok := p.take(tried)
		if !ok {
			break
		}
		tried[i] = true
		port := p.first + uint16(2*i)
		rtp, rtcp, err = p.listenPair(address, port)
		if err == nil {
			return rtp, rtcp, func() { p.release(i) }, nil
		}
		p.release(i)
	}
	last := int(p.first) + 2*p.pairs - 1
	if err != nil {
		return nil, nil, nil, fmt.Errorf("media: ports %d–%d: %w: %w", p.first, last, ErrNoPorts, err)
	}
	return nil, nil, nil, fmt.Errorf("media: ports %d–%d: %w", p.first, last, ErrNoPorts)
}

func (p *Ports) listenPair(address netip.Addr, port uint16) (rtp, rtcp *udpSocket, err error) {
	rtp, err = listen(netip.AddrPortFrom(address, port), &p.batches)
	if err != nil {
		return nil, nil, err
	}
	rtcp, err = listen(netip.AddrPortFrom(address, port+1), &p.batches)
	if err != nil {
		return nil, nil, errors.Join(err, rtp.Close())
	}
	return rtp, rtcp, nil
}
