// Package audio mixes sound: a gain matrix, one limiter and one encoder for each class of equal outputs.
//
// It is a step without a clock: whoever steps it decides the time. A Mixer belongs to one goroutine.
//
// Two outputs with the same row of gains over the inputs that sound now and the same encoding are one class: mixed once,
// encoded once, and sent as the same payload bytes. What sets a talker apart from the listeners is only its exception
// (it does not hear itself), and an exception counts while the input that it names sounds, and two seconds longer: so a
// listener is no class of its own, and nobody goes to and fro between words.
//
// A row is summed from the few inputs that sound; nothing is subtracted, so mix-minus is exact by itself.
package audio
