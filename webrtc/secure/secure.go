// Package secure provides the certificate of the HTTPS server: one that it makes itself, one from files, or one by ACME.
// Browsers give cameras and microphones to secure pages only, so a bridge needs one from its first minute.
package secure

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// Config says where the certificate comes from. With neither files nor ACME names it is self-made.
type Config struct {
	Directory   string   // where the self-made certificate and those of ACME are kept
	Hosts       []string // names and addresses of this machine, for the self-made certificate
	Certificate string   // PEM file of the certificate and its chain
	Key         string   // PEM file of its key
	ACME        []string // host names to get certificates for; the HTTPS port must be 443 as seen from outside (RFC 8737)
	Email       string   // told to the ACME authority; may be empty
	Authority   string   // ACME directory URL; "" is Let's Encrypt
}

// TLS is the configuration of an HTTPS server.
func (c Config) TLS() (*tls.Config, error) {
	base := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	switch {
	case c.Certificate != "" && len(c.ACME) > 0:
		return nil, errors.New("secure: a certificate file and ACME exclude each other")
	case (c.Certificate == "") != (c.Key == ""):
		return nil, errors.New("secure: a certificate file needs its key file, and a key its certificate")
	case c.Certificate != "":
		f := &files{certificate: c.Certificate, key: c.Key}
		if _, err := f.load(time.Now()); err != nil {
			return nil, err
		}
		base.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.load(time.Now()) }
	case len(c.ACME) > 0:
		m := c.manager()
		base.GetCertificate = m.GetCertificate
		base.NextProtos = append(base.NextProtos, acme.ALPNProto)
	default:
		s := &selfMade{directory: c.Directory, hosts: c.Hosts}
		if _, err := s.load(time.Now()); err != nil {
			return nil, err
		}
		base.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.load(time.Now()) }
	}
	return base, nil
}

func (c Config) manager() *autocert.Manager {
	m := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(filepath.Join(c.Directory, "acme")),
		HostPolicy: autocert.HostWhitelist(c.ACME...),
		Email:      c.Email,
	}
	if c.Authority != "" {
		m.Client = &acme.Client{DirectoryURL: c.Authority}
	}
	return m
}

// lookAgain is how often files are looked at for a newer certificate.
const lookAgain = 10 * time.Second

// files is a certificate that somebody else renews. Safe for concurrent use.
type files struct {
	certificate, key string

	mu     sync.Mutex // guards the fields below
	loaded *tls.Certificate
	stamp  time.Time // of the certificate file
	looked time.Time
}

// load returns the certificate, read again when its file has changed. A new one that cannot be read leaves the old one in use.
func (f *files) load(now time.Time) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loaded != nil && now.Sub(f.looked) < lookAgain {
		return f.loaded, nil
	}
	f.looked = now
	info, err := os.Stat(f.certificate)
	if err == nil && f.loaded != nil && info.ModTime().Equal(f.stamp) {
		return f.loaded, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(f.certificate, f.key)
	}
	switch {
	case err == nil:
		f.loaded, f.stamp = &pair, info.ModTime()
	case f.loaded == nil:
		return nil, fmt.Errorf("secure: certificate: %w", err)
	}
	return f.loaded, nil
}
