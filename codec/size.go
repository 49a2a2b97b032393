package codec

import (
	"errors"
	"fmt"
)

// The largest picture that a decoder accepts and an encoder makes: 1920×1088, or as many pixels upright. What claims
// more is refused before memory is spent on it.
const (
	MaxSide   = 1920        // pixels
	MaxPixels = 1920 * 1088 // 1080 lines are coded as 1088
)

// MaxFrame bounds an encoded frame, and so what an Assembler gathers, in bytes.
const MaxFrame = 1 << 20

var (
	// ErrNoKey refuses a frame that refers to one the decoder does not have. Ask the sender for a key frame.
	ErrNoKey = errors.New("no key frame to start from")
	// ErrSize refuses a picture that is empty or above the limits.
	ErrSize = errors.New("picture size out of bounds")
	// ErrClosed is for the use of an encoder or decoder after Close.
	ErrClosed = errors.New("already closed")
)

// CheckSize says whether we encode and decode pictures of w × h pixels.
func CheckSize(w, h int) error {
	if w < 2 || h < 2 || w > MaxSide || h > MaxSide || w*h > MaxPixels {
		return fmt.Errorf("%d×%d: %w", w, h, ErrSize)
	}
	return nil
}
