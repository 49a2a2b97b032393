package webrtc

import (
	"net/netip"
	"strings"
	"testing"
)

// Addresses that come are offered to the next browser, those that go are not; the port number stays.
func TestAddressesAreFollowed(t *testing.T) {
	e := startEndpoint(t, newFakeFocus(), Limits{})
	port := e.Port()
	offered := func(a string) bool {
		t.Helper()
		p, answer, err := e.Answer(t.Context(), bundle("0")+mline("audio", "0", "sendrecv"), noPreference)
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		return strings.Contains(answer, " "+a+" ")
	}
	first, second := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	if !offered("127.0.0.1") || offered("127.0.0.2") {
		t.Error("at first only the first address is there")
	}
	if err := e.ports.update([]netip.Addr{first, second}); err != nil {
		t.Fatal(err)
	}
	if !offered("127.0.0.1") || !offered("127.0.0.2") {
		t.Error("the second address is not offered")
	}
	if err := e.ports.update([]netip.Addr{second}); err != nil {
		t.Fatal(err)
	}
	if offered("127.0.0.1") || !offered("127.0.0.2") {
		t.Error("the first address is still offered")
	}
	if e.Port() != port {
		t.Errorf("port = %d, want %d", e.Port(), port)
	}
}

func TestListenRefuses(t *testing.T) {
	if _, err := newEndpoint(Config{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}, newFakeFocus()); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("error = %v, want one that names the address", err)
	}
	e := startEndpoint(t, newFakeFocus(), Limits{})
	if _, err := newEndpoint(Config{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Port: e.Port()}, newFakeFocus()); err == nil {
		t.Error("one port opened twice")
	}
}
