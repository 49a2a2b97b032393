package media

import (
	"net/netip"
	"testing"
	"time"
)

func address(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestLatch(t *testing.T) {
	const described, nat, thief = "192.0.2.1:4000", "198.51.100.9:62000", "203.0.113.66:666"
	type packet struct {
		after     time.Duration
		from      string
		sequence  uint16
		authentic bool
		admitted  bool
	}
	tests := map[string]struct {
		packets []packet
		target  string
	}{
		"nothing came":       {nil, described},
		"from where it said": {[]packet{{0, described, 7, false, true}}, described},
		"behind a NAT, the second packet in sequence counts": {[]packet{
			{0, nat, 7, false, false}, {20 * time.Millisecond, nat, 8, false, true}, {20 * time.Millisecond, nat, 9, false, true}}, nat},
		"one stray packet moves nothing": {[]packet{{0, thief, 7, false, false}}, described},
		"guesses out of sequence move nothing": {[]packet{
			{0, thief, 7, false, false}, {0, thief, 7, false, false}, {0, thief, 100, false, false}}, described},
		"a thief gets nothing while the phone sends": {[]packet{
			{0, described, 7, false, true}, {20 * time.Millisecond, thief, 8, false, false}, {20 * time.Millisecond, thief, 9, false, false},
			{20 * time.Millisecond, described, 8, false, true}, {time.Second, thief, 10, false, false}, {0, thief, 11, false, false}}, described},
		"a NAT that changed its mind, after a silence": {[]packet{
			{0, nat, 7, false, false}, {0, nat, 8, false, true},
			{3 * time.Second, "198.51.100.9:62999", 9, false, false}, {0, "198.51.100.9:62999", 10, false, true}}, "198.51.100.9:62999"},
		"the described address wins back": {[]packet{
			{0, thief, 7, false, false}, {0, thief, 8, false, true}, {0, described, 1, false, true}}, described},
		"authentic packets are followed at once": {[]packet{
			{0, described, 7, true, true}, {0, nat, 8, true, true}}, nat},
		"sequence numbers wrap": {[]packet{{0, nat, 65535, false, false}, {0, nat, 0, false, true}}, nat},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var l latch
			l.describe(address(described))
			now := time.Unix(0, 0)
			for i, p := range tt.packets {
				now = now.Add(p.after)
				if got := l.admit(address(p.from), 1, p.sequence, p.authentic, now); got != p.admitted {
					t.Errorf("packet %d admitted %v, want %v", i, got, p.admitted)
				}
			}
			if got := l.target(); got != address(tt.target) {
				t.Errorf("target = %v, want %v", got, tt.target)
			}
		})
	}
}

func TestLatchForgetsWithNewDescription(t *testing.T) {
	var l latch
	l.describe(address("192.0.2.1:4000"))
	l.admit(address("192.0.2.9:4000"), 1, 1, true, time.Unix(0, 0))
	l.describe(address("192.0.2.1:4000"))
	if l.target() != address("192.0.2.9:4000") {
		t.Error("the same description again forgot what was learnt")
	}
	l.describe(address("192.0.2.1:4002"))
	if l.target() != address("192.0.2.1:4002") {
		t.Error("a new description did not count")
	}
}

func TestLatchControl(t *testing.T) {
	var rtp, rtcp latch
	now := time.Unix(0, 0)
	rtp.describe(address("192.0.2.1:4000"))
	rtcp.describe(address("192.0.2.1:4001"))
	if rtcp.admitControl(address("203.0.113.66:666"), false, &rtp, now) {
		t.Error("a stranger's RTCP was taken")
	}
	if !rtcp.admitControl(address("192.0.2.1:5001"), false, &rtp, now) || rtcp.target() != address("192.0.2.1:5001") {
		t.Error("RTCP from another port of the same host was not followed")
	}
	rtp.admit(address("198.51.100.9:62000"), 1, 1, true, now)
	if !rtcp.admitControl(address("198.51.100.9:62001"), false, &rtp, now) {
		t.Error("RTCP from the host that RTP comes from was refused")
	}
}
