// Package sip is the SIP edge: the user agent that phones, PBXs and trunks meet (RFC 3261), and the focus that a conference
// URI names (RFC 4353, RFC 4579).
//
// The main type is [UserAgent]. A request travels
//
//	transport.Layer → UserAgent.Request → the mailbox of its call → the call's goroutine
//
// and everything that belongs to one dialog (requests, answers, timers, wishes of the bridge) happens on that one
// goroutine, in the order of arrival. What a call shares with others is in the UserAgent, under its mutex; no write, log
// line or call of the bridge happens with it held.
//
// Subpackages: transport carries messages and transactions, auth checks and makes digests, dialog is the state of
// RFC 3261 §12, registrar keeps contacts, offer negotiates SDP, media moves RTP. A media session is reached by the
// interface [Session], so that a call that comes with ICE and DTLS can be answered by a browser's endpoint.
package sip
