package media

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	_ "crypto/sha1"   // a hash that a far end may use for its fingerprint
	_ "crypto/sha256" // and another
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"tutti/sip/offer"
)

// Certificate is what we show in DTLS handshakes. It is self-made and worth nothing but its fingerprint in our
// descriptions (RFC 5763 §5); one serves the process.
type Certificate struct {
	tls tls.Certificate
}

// NewCertificate makes a certificate that is valid for a year from now, ECDSA P-256.
func NewCertificate(now time.Time) (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("media: certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("media: certificate: %w", err)
	}
	template := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "tutti"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("media: certificate: %w", err)
	}
	return &Certificate{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}, nil
}

// Fingerprint is the SHA-256 of the certificate, for a=fingerprint; nothing for a nil certificate.
func (c *Certificate) Fingerprint() offer.Fingerprint {
	if c == nil {
		return nil
	}
	h := crypto.SHA256.New()
	h.Write(c.tls.Certificate[0])
	return offer.Fingerprint{{Hash: "sha-256", Sum: h.Sum(nil)}}
}

var errFingerprint = errors.New("media: the certificate does not have the fingerprint of the description")

// verify says whether the certificate is the one of the description: of the hash functions that we know, any one must
// match (RFC 8122 §5.1).
func verify(der []byte, f offer.Fingerprint) error {
	for _, d := range f {
		hash, ok := hashOf(d.Hash)
		if !ok {
			continue
		}
		h := hash.New()
		h.Write(der)
		if slices.Equal(h.Sum(nil), d.Sum) {
			return nil
		}
	}
	return errFingerprint
}

// hashOf names the functions of RFC 8122 §5 that are not broken for this use, as MD2 and MD5 are.
func hashOf(name string) (crypto.Hash, bool) {
	switch name {
	case "sha-1":
		return crypto.SHA1, true
	case "sha-224":
		return crypto.SHA224, true
	case "sha-256":
		return crypto.SHA256, true
	case "sha-384":
		return crypto.SHA384, true
	case "sha-512":
		return crypto.SHA512, true
	}
	return 0, false
}
