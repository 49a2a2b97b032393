// Package rfc3550 is the arithmetic of an RTP session: sequence validation (A.1), loss (A.3), jitter (A.8), reports
// (§6.4), and the interval between them (§6.2, §6.3, A.7). It has no clock, no socket and no goroutine: every function that
// needs the time takes it.
//
// The identifiers are those of the RFC, so that both can be laid side by side.
package rfc3550
