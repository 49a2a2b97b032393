package bridge

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// Define makes a conference known, or changes what is known of it. One that goes on keeps what it began with; its PINs
// are the new ones at once. The error is a *Refusal.
func (b *Bridge) Define(d Definition) error {
	if !ValidName(d.Name) {
		return refuseName(d.Name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.defined[d.Name] = d
	return nil
}

// Undefine forgets what is known of a conference. One that goes on goes on.
func (b *Bridge) Undefine(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.defined, name)
}

// URI is the SIP address of a conference, whether there is one of this name or not.
func (b *Bridge) URI(name string) string { return conferenceURI(name, b.cfg.Domain) }

// A PIN that outlives the process is kept as a salted hash: "pbkdf2-sha256$ROUNDS$SALT$HASH". It is short, and who has the
// file and patience finds it by trying all; but nobody reads it in passing, and two conferences with one PIN do not look
// alike. The rounds are few because the bridge looks at a PIN while callers wait.
const (
	pinScheme = "pbkdf2-sha256"
	pinRounds = 4096 // about a millisecond
	pinSalt   = 16   // bytes
)

// MaxPIN is how many digits a PIN may have.
const MaxPIN = 32

// HashPIN is pin as it may be written to disk, and as Definition takes it; "" stays "".
func HashPIN(pin string) (string, error) {
	if pin == "" {
		return "", nil
	}
	salt := make([]byte, pinSalt)
	rand.Read(salt)
	sum, err := pbkdf2.Key(sha256.New, pin, salt, pinRounds, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("bridge: the hash of a PIN: %w", err)
	}
	encode := base64.RawStdEncoding.EncodeToString
	return strings.Join([]string{pinScheme, strconv.Itoa(pinRounds), encode(salt), encode(sum)}, "$"), nil
}

// pinIs says whether pin is the one that is kept, as itself or as HashPIN made it. The time it takes tells nothing of it.
func pinIs(pin, kept string) bool {
	fields := strings.Split(kept, "$")
	if pin == "" {
		return false
	}
	if len(fields) != 4 || fields[0] != pinScheme {
		return same(pin, kept)
	}
	rounds, err := strconv.Atoi(fields[1])
	salt, bad := base64.RawStdEncoding.DecodeString(fields[2])
	want, wrong := base64.RawStdEncoding.DecodeString(fields[3])
	if err != nil || bad != nil || wrong != nil || rounds < 1 || rounds > 1<<20 || len(pin) > MaxPIN {
		return false
	}
	sum, err := pbkdf2.Key(sha256.New, pin, salt, rounds, sha256.Size)
	return err == nil && subtle.ConstantTimeCompare(sum, want) == 1
}
