// Package bench holds the measurements of the running bridge: the delay that it adds, what a phone costs in memory and
// in CPU time, each beside a floor that is measured in the same run, because only ratios say something on a busy machine.
//
// They run where TUTTI_BENCH names the binary ("make bench"), on loopback only. The phones are plain SIP text and raw
// sockets, so that nothing of the bridge measures itself.
package bench
