// Package e2e holds the tests of the built binary with peers that are not ours: baresip, SIPp, Chromium.
//
// They run where TUTTI_E2E names the binary ("make e2e"), on loopback only, and judge by content: each source sends
// a tone and a colour of its own, and what the others receive is measured.
package e2e
