package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A phone that calls over TLS and encrypts its sound by SDES meets a plain one.
func TestPhoneOverTLS(t *testing.T) {
	certificate, key := selfSigned(t)
	port := freePort(t)
	secure := fmt.Sprintf("127.0.0.1:%d", port)
	b := newBridge(t, fmt.Sprintf(`sip: {listen: ["udp://SIPADDRESS", "tls://%s"], tls: {certificate: %q, key: %q}}`, secure, certificate, key))
	bob := newPhone(t, b, phoneOptions{name: "bob", codec: "PCMU", tone: 1000})
	bob.dial(b.uri("8001"))
	alice := newPhone(t, b, phoneOptions{name: "alice", codec: "PCMA", tone: 440, transport: "tls", encrypt: "srtp-mand", config: "sip_cafile " + certificate + "\n"})
	alice.dial("sip:8001@" + secure) // baresip adds the transport of its account
	hears(t, "alice", alice.heard, map[float64]float64{1000: -20}, 440)
	hears(t, "bob", bob.heard, map[float64]float64{440: -20}, 1000)
	b.cli("participant", "expel", "8001", "alice") // our BYE takes the phone's connection
	alice.wait("CALL_CLOSED")
	b.waitFor("8001", 1)
}

// selfSigned makes a certificate for loopback, as PEM files.
func selfSigned(t testing.TB) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", der), writePEM(t, "PRIVATE KEY", bytes)
}

func writePEM(t testing.TB, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
