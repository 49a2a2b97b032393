package dialog

import (
	"net/netip"

	sipmsg "github.com/emiago/sipgo/sip"
)

// BehindNAT says that a request was sent from another address than its sender believes to have (RFC 3261 §18.2.1: received
// differs from sent-by). A proxy that passed the request on wrote a Via of its own, which is right; a sender that gives a
// name says nothing about its address.
func BehindNAT(req *sipmsg.Request) bool {
	via := req.Via()
	if via == nil {
		return false
	}
	sentBy, err := netip.ParseAddr(via.Host)
	if err != nil {
		return false
	}
	received, err := netip.ParseAddr(via.Params.GetOr("received", ""))
	return err == nil && received.Unmap() != sentBy.Unmap()
}
