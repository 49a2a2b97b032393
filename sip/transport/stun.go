package transport

import (
	"encoding/binary"
	"net/netip"
)

// STUN on the SIP port is a keep-alive (RFC 5626 §3.5.2, RFC 8489):
//
//	0                   1                   2                   3
//	0 0|  message type (14)        |  message length (16)           |
//	|                    magic cookie 0x2112A442                    |
//	|                   transaction ID (96 bits)                    |
const (
	stunHeader         = 20
	stunCookie         = 0x2112A442
	stunBindingRequest = 0x0001
	stunBindingSuccess = 0x0101
	stunXORMapped      = 0x0020
)

func isSTUN(p []byte) bool {
	return len(p) >= stunHeader && p[0]&0xC0 == 0 && binary.BigEndian.Uint32(p[4:]) == stunCookie
}

// answerSTUN makes the answer to a binding request, or nil.
func answerSTUN(p []byte, from netip.AddrPort) []byte {
	if binary.BigEndian.Uint16(p) != stunBindingRequest || int(binary.BigEndian.Uint16(p[2:])) != len(p)-stunHeader {
		return nil
	}
	ip, family := from.Addr().AsSlice(), byte(1)
	if len(ip) == 16 {
		family = 2
	}
	for i := range ip { // XOR with cookie and transaction ID (RFC 8489 §14.2)
		ip[i] ^= p[4+i]
	}
	a := make([]byte, 0, 44)
	a = binary.BigEndian.AppendUint16(a, stunBindingSuccess)
	a = binary.BigEndian.AppendUint16(a, uint16(8+len(ip)))
	a = append(a, p[4:stunHeader]...)
	a = binary.BigEndian.AppendUint16(a, stunXORMapped)
	a = binary.BigEndian.AppendUint16(a, uint16(4+len(ip)))
	a = append(a, 0, family)
	a = binary.BigEndian.AppendUint16(a, from.Port()^uint16(stunCookie>>16))
	return append(a, ip...)
}
