// Package offer agrees on media: it reads and writes session descriptions (SDP, RFC 8866) and negotiates them (offer and
// answer, RFC 3264). It opens no socket and starts no goroutine; what it needs to know about ports it asks its caller.
//
// Parse gives a Session; Answer, or Offer and then Complete, turn one into a State: the description that we send, and for
// each m-line a Media that says all that a transport and a mixer need. A State is never changed after it was made, so a
// renegotiation that fails leaves the one before as it was.
//
// The parser is our own, not pion/sdp: errors must name the line for who configures a phone, and phones send descriptions
// with missing s= and t= lines or lines out of order, which a strict parser refuses as a whole.
//
// Offers with ICE are for browsers and go elsewhere (Session.WantsICE).
package offer
