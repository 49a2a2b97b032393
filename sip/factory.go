package sip

import (
	"crypto/rand"
	"fmt"
	"math/big"
)

// freshDigits makes a name long enough not to be guessed and short enough to be dialled.
const freshDigits = 9

// conferenceAt is the conference that an INVITE to name is for: where name is the factory's, a new one, which the far end
// is told in Contact (RFC 4579 §5.4).
func (ua *UserAgent) conferenceAt(name string) string {
	if ua.cfg.Factory == "" || name != ua.cfg.Factory {
		return name
	}
	for {
		fresh := freshName()
		if _, err := ua.focus.Watch(fresh); err != nil { // nobody has it
			return fresh
		}
	}
}

// freshName is a random number that does not begin with 0.
func freshName() string {
	least := new(big.Int).Exp(big.NewInt(10), big.NewInt(freshDigits-1), nil)
	n, _ := rand.Int(rand.Reader, new(big.Int).Mul(least, big.NewInt(9))) // crypto/rand does not fail
	return fmt.Sprint(n.Add(n, least))
}
