// Package media moves the RTP and RTCP of SIP legs: ports, sockets, symmetric RTP, SRTP with keys from SDES or DTLS.
//
// A Leg is the media side of one dialog. It answers offers and makes them (package offer), opens a Transport for each
// m-line, and hands out the streams for the mixer. Legs with ICE are PeerConnections and live in package webrtc.
//
// The sockets of sound have no goroutine and are unknown to Go's poller, whose wakes for each packet were the largest cost
// of a phone: the mixer's clock drains them (Transport.Poll). Until the leg is attached nobody reads them; what came so long
// is dropped then. Pictures, and all with DTLS, have one goroutine for each of the two sockets, which ends with Close.
//
// Locks: Leg.mu is taken before those of its Transports; of a Transport that of drained first, then the receiver's, then the
// sender's. Inlets are called with none of them held but that of drained, so they must not close the leg.
package media
