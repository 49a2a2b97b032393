// Package transport carries SIP messages: it listens on UDP, TCP, TLS and
// WebSocket (RFC 3261 §18, RFC 7118), reads and judges what arrives, runs the
// transactions of RFC 3261 §17 with the corrections of RFC 6026, and hands
// what is left to one [Handler].
//
// The main type is [Layer]. A message travels
//
//	socket → framer → read (grammar) → judge (what it deserves) → transaction → Handler
//
// The message model (headers, requests, responses) is sipgo's; reading,
// transport and transactions are ours, because sipgo handles the requests of
// one connection out of order, refuses datagrams above 1300 bytes, keeps state
// for every source address, and has its timers in package variables.
//
// Order: requests of one connection, and of one UDP socket, reach the handler
// in the order of their arrival, on the goroutine that read them. The handler
// must therefore not block: it hands over to the actor of the dialog.
//
// What this layer does not do, because it needs the dialog: repeat the 2xx to
// an INVITE until its ACK arrives (call [ServerTx.Respond] again), match the
// ACK to a 2xx (it is a Request without a Tx), send the ACK to a 2xx
// ([Layer.Write]), answer 487 after a CANCEL (watch [ServerTx.Cancelled]).
//
// Locks: Layer.mu may be held while no other lock is; a transaction's mu never
// nests with it. No write, log or call of the handler happens with a lock held.
package transport
