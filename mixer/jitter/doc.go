// Package jitter turns the packets of one source, as the network brings them, into sound at a steady pace.
//
// A Buffer holds packets; any goroutine pushes. A Reader takes from it, decodes, conceals what is lost, and gives one
// frame each tick; it belongs to the goroutine of the tick.
//
// The delay is what the network asks for and no more. Nothing is held back on purpose: the first packet plays at the
// next tick. When a packet is not there in time, the gap is concealed and the packet is played when it comes, so the
// delay has grown at once by just what was missing. Each packet tells by its lead (how long before its turn it came) what the
// delay is good for; when almost all leads of the last seconds exceed a tick, one tick of delay is taken back, in a pause
// if there is one. So a clean network holds nothing beyond the tick (a lossy one holds one, where packets carry a copy of the one before), and a clock that drifts against ours is followed too.
//
// The design with a fixed target computed from a histogram of arrival times lost: it needs the arrival clock and the
// tick to agree, and is slower to grow.
package jitter
