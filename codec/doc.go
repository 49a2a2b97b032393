// Package codec holds the words and contracts of payload formats: what an RTP payload is called in SDP, how sound and
// pictures become payloads and back. It knows no sockets, no clocks and no people.
//
// Audio and Video are plain values. The formats live in folders below, each with a constructor (g711.PCMU, vpx.VP8,
// …); there is no registry, so the list of what a bridge speaks is a value that its main function writes down.
//
// No encoder, decoder, packetizer or assembler is safe for concurrent use: each belongs to one goroutine at a time.
// What is decoded comes from the network, so no decoder panics, and none grows without a bound, whatever it is fed.
package codec
