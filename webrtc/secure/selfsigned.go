package secure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	validity    = 397 * 24 * time.Hour // browsers refuse more from public authorities; some refuse it from anybody
	renewBefore = 30 * 24 * time.Hour
	backdate    = time.Hour // for clocks that are late
	fileName    = "https.pem"
)

// SelfSigned returns a certificate for hosts, localhost and every address of this machine. It is kept in dir, so that
// people have to accept it only once, and made anew when it is about to expire or does not name a host. An empty dir keeps nothing.
func SelfSigned(dir string, hosts []string) (tls.Certificate, error) {
	return selfSigned(dir, hosts, time.Now())
}

func selfSigned(dir string, hosts []string, now time.Time) (tls.Certificate, error) {
	names, addresses := subjects(hosts)
	path := filepath.Join(dir, fileName)
	if dir != "" {
		if pair, err := tls.LoadX509KeyPair(path, path); err == nil && fits(pair.Leaf, names, addresses, now) {
			return pair, nil
		}
	}
	text, err := makeCertificate(names, addresses, now)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("secure: make a certificate: %w", err)
	}
	if dir != "" {
		if err := store(path, text); err != nil {
			return tls.Certificate{}, fmt.Errorf("secure: keep the certificate: %w", err)
		}
	}
	return tls.X509KeyPair(text, text)
}

// subjects are what the certificate is for: hosts, and what this machine is called in any case.
func subjects(hosts []string) (names []string, addresses []netip.Addr) {
	addresses = localAddresses()
	for _, h := range append([]string{"localhost"}, hosts...) {
		if a, err := netip.ParseAddr(strings.Trim(h, "[]")); err == nil {
			addresses = append(addresses, a.Unmap())
		} else if h != "" {
			names = append(names, strings.ToLower(h))
		}
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(names), slices.Compact(addresses)
}

func localAddresses() []netip.Addr {
	all := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	prefixes, err := net.InterfaceAddrs()
	if err != nil {
		return all
	}
	for _, p := range prefixes {
		if n, ok := p.(*net.IPNet); ok {
			if a, ok := netip.AddrFromSlice(n.IP); ok {
				all = append(all, a.Unmap())
			}
		}
	}
	return all
}

// fits says whether a certificate is still good for all its subjects. One that names more is.
func fits(c *x509.Certificate, names []string, addresses []netip.Addr, now time.Time) bool {
	if c == nil || now.Before(c.NotBefore) || now.Add(renewBefore).After(c.NotAfter) {
		return false
	}
	for _, n := range names {
		if !slices.Contains(c.DNSNames, n) {
			return false
		}
	}
	for _, a := range addresses {
		if !slices.ContainsFunc(c.IPAddresses, func(ip net.IP) bool { return ip.Equal(a.AsSlice()) }) {
			return false
		}
	}
	return true
}

// makeCertificate returns certificate and key as PEM.
func makeCertificate(names []string, addresses []netip.Addr, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: names[0], Organization: []string{"tutti"}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              names,
	}
	for _, a := range addresses {
		template.IPAddresses = append(template.IPAddresses, a.AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), nil
}

// store writes the file whole or not at all, for nobody else to read.
func store(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), fileName+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// selfMade renews the certificate while the server runs. Safe for concurrent use.
type selfMade struct {
	directory string
	hosts     []string

	mu     sync.Mutex // guards the field below
	loaded *tls.Certificate
}

func (s *selfMade) load(now time.Time) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded != nil && now.Add(renewBefore).Before(s.loaded.Leaf.NotAfter) {
		return s.loaded, nil
	}
	pair, err := selfSigned(s.directory, s.hosts, now)
	if err == nil {
		s.loaded = &pair
	}
	if s.loaded == nil {
		return nil, err
	}
	return s.loaded, nil
}
