package offer

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Security says how the RTP of one m-line is protected.
type Security struct {
	Kind          Protection
	Local, Remote Key         // of SDES
	Active        bool        // of DTLS: we are the client, and start (RFC 5763 §5)
	Fingerprint   Fingerprint // of DTLS: the far end's certificate
}

// Protection is the kind of a Security.
type Protection uint8

const (
	Unprotected Protection = iota
	SDES                   // keys in the description (RFC 4568)
	DTLS                   // keys from a handshake on the media path (RFC 5763, RFC 5764)
)

func (p Protection) String() string { return [...]string{"rtp", "sdes", "dtls"}[min(p, DTLS)] }

// Suite is an SRTP crypto suite.
type Suite string

// The suites that we know, as a=crypto names them (RFC 4568 §6.2, RFC 7714 §14.2).
const (
	AEAD_AES_128_GCM        Suite = "AEAD_AES_128_GCM"
	AEAD_AES_256_GCM        Suite = "AEAD_AES_256_GCM"
	AES_CM_128_HMAC_SHA1_80 Suite = "AES_CM_128_HMAC_SHA1_80"
	AES_CM_128_HMAC_SHA1_32 Suite = "AES_CM_128_HMAC_SHA1_32"
)

// suites are in the order in which we offer them: GCM costs a third of the others.
var suites = [...]Suite{AEAD_AES_128_GCM, AEAD_AES_256_GCM, AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32}

// lengths are the sizes of master key and salt, bytes; zeros for an unknown suite.
func (s Suite) lengths() (key, salt int) {
	switch s {
	case AEAD_AES_128_GCM:
		return 16, 12
	case AEAD_AES_256_GCM:
		return 32, 12
	case AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32:
		return 16, 14
	}
	return 0, 0
}

// Key is one a=crypto: what its side encrypts with (RFC 4568 §6.1).
type Key struct {
	Tag    string
	Suite  Suite
	Master []byte // key
	Salt   []byte
}

// Equal says whether both encrypt alike, whatever their tags.
func (k *Key) Equal(o *Key) bool {
	return k.Suite == o.Suite && slices.Equal(k.Master, o.Master) && slices.Equal(k.Salt, o.Salt)
}

func (k *Key) String() string {
	inline := base64.StdEncoding.EncodeToString(slices.Concat(k.Master, k.Salt))
	return fmt.Sprintf("%s %s inline:%s", k.Tag, k.Suite, inline)
}

// parseKey reads one a=crypto value. A master key identifier, more than one key and session parameters that change the
// transform are refused: the far end then uses another of its lines. The lifetime is read over: a dialog rekeys long
// before 2^48 packets.
func parseKey(value string) (Key, error) {
	f := strings.Fields(value)
	if len(f) < 3 {
		return Key{}, fmt.Errorf("want TAG SUITE inline:KEY")
	}
	if n, err := strconv.ParseUint(f[0], 10, 32); err != nil || n > 999999999 {
		return Key{}, fmt.Errorf("tag %q is not a number", f[0])
	}
	k := Key{Tag: f[0], Suite: Suite(strings.ToUpper(f[1]))}
	key, salt := k.Suite.lengths()
	if key == 0 {
		return Key{}, fmt.Errorf("suite %q is not known", f[1])
	}
	for _, parameter := range f[3:] {
		if !strings.HasPrefix(parameter, "WSH=") { // a hint for the replay window (RFC 4568 §6.3.7)
			return Key{}, fmt.Errorf("session parameter %q is not supported", parameter)
		}
	}
	if strings.Contains(f[2], ";") {
		return Key{}, fmt.Errorf("more than one key")
	}
	inline, ok := strings.CutPrefix(f[2], "inline:")
	if !ok {
		return Key{}, fmt.Errorf("key method of %q is not inline", f[2])
	}
	parts := strings.Split(inline, "|")
	for _, part := range parts[1:] {
		if strings.Contains(part, ":") {
			return Key{}, fmt.Errorf("a master key identifier is not supported")
		}
	}
	raw, err := base64.StdEncoding.DecodeString(parts[0])
	if err != nil {
		raw, err = base64.RawStdEncoding.DecodeString(parts[0]) // padding forgotten
	}
	if err != nil || len(raw) != key+salt {
		return Key{}, fmt.Errorf("the key is not %d bytes in base64", key+salt)
	}
	k.Master, k.Salt = raw[:key:key], raw[key:]
	return k, nil
}

// parseKeys returns the a=crypto lines of m that we can use, and why the others cannot be used.
func parseKeys(m *Section) (ks []Key, why error) {
	for _, v := range m.Attributes.All("crypto") {
		k, err := parseKey(v)
		if err != nil {
			if why == nil {
				why = err
			}
			continue
		}
		ks = append(ks, k)
	}
	if why == nil {
		why = fmt.Errorf("no a=crypto")
	}
	return ks, why
}

// newKey makes a key with random from r.
func newKey(r io.Reader, tag string, s Suite) (Key, error) {
	if r == nil {
		r = rand.Reader
	}
	key, salt := s.lengths()
	raw := make([]byte, key+salt)
	if _, err := io.ReadFull(r, raw); err != nil {
		return Key{}, fmt.Errorf("offer: a key: %w", err)
	}
	return Key{Tag: tag, Suite: s, Master: raw[:key:key], Salt: raw[key:]}, nil
}

// Fingerprint is the hash of a certificate (RFC 8122 §5): one or more pairs of function and digest.
type Fingerprint []Digest

// Digest is one a=fingerprint.
type Digest struct {
	Hash string // "sha-256", lower case
	Sum  []byte
}

func (d Digest) String() string {
	var b strings.Builder
	b.WriteString(d.Hash)
	for i, v := range d.Sum {
		b.WriteByte(" :"[min(i, 1)])
		fmt.Fprintf(&b, "%02X", v)
	}
	return b.String()
}

// Equal says whether both are the same digests in the same order.
func (f Fingerprint) Equal(o Fingerprint) bool {
	return slices.EqualFunc(f, o, func(a, b Digest) bool { return a.Hash == b.Hash && slices.Equal(a.Sum, b.Sum) })
}

// fingerprint reads a=fingerprint of the m-line, or of the session.
func fingerprint(s *Session, m *Section) Fingerprint {
	values := m.Attributes.All("fingerprint")
	if len(values) == 0 {
		values = s.Attributes.All("fingerprint")
	}
	var f Fingerprint
	for _, v := range values {
		hash, digits, _ := strings.Cut(v, " ")
		sum, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(digits), ":", ""))
		if err == nil && len(sum) >= 20 {
			f = append(f, Digest{strings.ToLower(hash), sum})
		}
	}
	return f
}

// setup reads a=setup of the m-line, or of the session (RFC 4145 §4).
func setup(s *Session, m *Section) string {
	if v, ok := m.Attributes.Get("setup"); ok {
		return v
	}
	v, _ := s.Attributes.Get("setup")
	return v
}

// profileOf splits the transport of an m-line.
func profileOf(proto string) (dtls, secure, feedback, ok bool) {
	switch strings.ToUpper(proto) {
	case "RTP/AVP":
		return false, false, false, true
	case "RTP/AVPF":
		return false, false, true, true
	case "RTP/SAVP":
		return false, true, false, true
	case "RTP/SAVPF":
		return false, true, true, true
	case "UDP/TLS/RTP/SAVP":
		return true, true, false, true
	case "UDP/TLS/RTP/SAVPF":
		return true, true, true, true
	}
	return false, false, false, false
}

// WantsICE says whether the description asks for ICE together with DTLS, as browsers do: such an offer is for a
// PeerConnection. ICE candidates alone (many phones offer them to whom they may concern) do not.
func (s *Session) WantsICE() bool {
	for i := range s.Sections {
		m := &s.Sections[i]
		ice := m.Attributes.Has("ice-ufrag") || s.Attributes.Has("ice-ufrag")
		if ice && len(fingerprint(s, m)) > 0 {
			return true
		}
	}
	return false
}
