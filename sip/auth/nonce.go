package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"
)

// A nonce on the wire, base64url:
//
//	| unix nanoseconds (64) | random (64) | HMAC-SHA-256 of both, cut (128) |
const nonceBytes = 32

type nonces struct {
	lifetime time.Duration
	most     int
	secret   [32]byte

	mu    sync.Mutex // guards the fields below
	used  map[string]*use
	floor time.Time // nonces issued before it are stale: their use is forgotten
}

// A use is which counts of a nonce were seen: the highest, and the 64 below it.
type use struct {
	issued  time.Time
	highest uint64
	window  uint64 // bit i: highest − i was used
}

func (n *nonces) make(now time.Time) string {
	var b [nonceBytes]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixNano()))
	rand.Read(b[8:16])
	copy(b[16:], n.mac(b[:16]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (n *nonces) mac(p []byte) []byte {
	h := hmac.New(sha256.New, n.secret[:])
	h.Write(p)
	return h.Sum(nil)[:16]
}

// issued says when we made a nonce, and whether we did.
func (n *nonces) issued(s string) (time.Time, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != nonceBytes || !hmac.Equal(b[16:], n.mac(b[:16])) {
		return time.Time{}, false
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(b))), true
}

// spend uses one count of a nonce. Count 0 is a client without qop: it gets a
// nonce for one request.
func (n *nonces) spend(s string, issued time.Time, count uint64, now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(issued) > n.lifetime || issued.Before(n.floor) {
		delete(n.used, s)
		return ErrStale
	}
	u := n.used[s]
	if u == nil {
		n.makeRoomLocked(now)
		n.used[s] = &use{issued: issued, highest: count, window: 1}
		return nil
	}
	return u.spend(count)
}

func (u *use) spend(count uint64) error {
	if count > u.highest {
		u.window = u.window<<min(count-u.highest, 64) | 1
		u.highest = count
		return nil
	}
	bit := uint64(1) << (u.highest - count)
	if u.highest-count >= 64 || u.window&bit != 0 {
		return ErrReplay
	}
	u.window |= bit
	return nil
}

// makeRoomLocked forgets nonces that are too old, and the older half where none is.
func (n *nonces) makeRoomLocked(now time.Time) {
	if len(n.used) < n.most {
		return
	}
	for s, u := range n.used {
		if now.Sub(u.issued) > n.lifetime {
			delete(n.used, s)
		}
	}
	if len(n.used) < n.most {
		return
	}
	oldest, newest := now, time.Time{}
	for _, u := range n.used {
		if u.issued.Before(oldest) {
			oldest = u.issued
		}
		if u.issued.After(newest) {
			newest = u.issued
		}
	}
	n.floor = oldest.Add(newest.Sub(oldest)/2 + 1)
	for s, u := range n.used {
		if u.issued.Before(n.floor) {
			delete(n.used, s)
		}
	}
}
