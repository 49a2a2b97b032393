// Package video makes the pictures that viewers of a conference see: it takes the RTP of every source, decodes it,
// composes scenes and encodes each of them once for all viewers that want it in the same encoding.
//
//	Receive ─ queue ─ reorder ─ assemble ─ decode     one goroutine a source
//	                                        │ newest picture
//	                            step: compose a board   one goroutine, on the frame clock
//	                                        │ sheet
//	                     encode ─ packetize ─ Sinks     one goroutine a class
//
// The main type is Engine; its methods may be called from any goroutine. A source that is slow, broken or silent costs
// only its own picture, and a class whose encoder is slow only its own frames: nobody waits for anybody. Between the
// goroutines lie a bounded queue of packets, three pictures a source (one written, one ready, one shown), and as many
// sheets a board as classes may hold at a time, and one.
//
// Viewers with one scene and one encoding share a class. A viewer whose link is poor moves to a lower rung of its encoding
// (ladder, rungs.go), alone or to others who are there already, and follows its old class until the new one has made a key
// frame.
//
// Engine.mu is never held while Source.mu is taken, nor the other way round, and neither during a callback. Viewer.writing
// is held during the callback of a viewer, and Engine.mu may be taken under it, not the other way round.
package video
