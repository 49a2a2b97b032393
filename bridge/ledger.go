package bridge

import "net/netip"

// ledger counts legs. Bridge.mu guards it.
type ledger struct {
	all    int
	kinds  map[LegKind]int
	source map[string]int
}

func newLedger() ledger { return ledger{kinds: map[LegKind]int{}, source: map[string]int{}} }

// room refuses a leg that is one too many.
func (l *ledger) room(source string, p Policy) error {
	if p.MaxLegs > 0 && l.all >= p.MaxLegs {
		return refuseLimit("legs", p.MaxLegs)
	}
	if s := sourceOf(source); s != "" && p.MaxLegsPerSource > 0 && l.source[s] >= p.MaxLegsPerSource {
		return refuseLimit("legs from this address", p.MaxLegsPerSource)
	}
	return nil
}

func (l *ledger) add(kind LegKind, source string, n int) {
	l.all += n
	if l.kinds[kind] += n; l.kinds[kind] == 0 {
		delete(l.kinds, kind)
	}
	if s := sourceOf(source); s != "" {
		if l.source[s] += n; l.source[s] == 0 {
			delete(l.source, s)
		}
	}
}

// sourceOf is what counts as one source: an address without its port, of IPv6 the /64 that one line has.
func sourceOf(source string) string {
	addr, err := netip.ParseAddr(source)
	if err != nil {
		port, err := netip.ParseAddrPort(source)
		if err != nil {
			return source
		}
		addr = port.Addr()
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	prefix, _ := addr.Prefix(64)
	return prefix.String()
}
