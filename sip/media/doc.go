// Package media moves the RTP and RTCP of SIP legs: ports, sockets, symmetric RTP, SRTP with keys from SDES or DTLS.
//
// A Leg is the media side of one dialog. It answers offers and makes them (package offer), opens a Transport for each
// m-line, and hands out the streams for the mixer. Each Transport has one goroutine for each of its two sockets, which
// ends with Close. Legs with ICE are PeerConnections and live in package webrtc.
//
// Locks: Leg.mu is taken before those of its Transports; of a Transport the receiver's mutex before the sender's. No inlet
// is called with a lock held.
package media
