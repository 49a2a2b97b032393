package secure

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The certificate is good for what the machine is called, kept for the next start, and readable by its owner only.
func TestSelfSigned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	pair, err := SelfSigned(dir, []string{"Bridge.example", "192.0.2.7", "[2001:db8::1]"})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	for _, name := range []string{"bridge.example", "localhost", "192.0.2.7", "127.0.0.1", "::1", "2001:db8::1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: "other.example", Roots: roots}); err == nil {
		t.Error("the certificate is good for a stranger")
	}
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v; want mode 0600", info.Mode(), err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("%d files are left, want 1", len(entries))
	}
}

func TestSelfSignedIsKept(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	get := func(now time.Time, hosts ...string) string {
		t.Helper()
		pair, err := selfSigned(dir, hosts, now)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.SerialNumber.String()
	}
	first := get(now, "a.example")
	if get(now.Add(300*24*time.Hour), "a.example") != first {
		t.Error("made anew without need")
	}
	if get(now) != first {
		t.Error("made anew for fewer names")
	}
	if get(now.Add(validity-renewBefore+time.Hour), "a.example") == first {
		t.Error("not made anew before it expires")
	}
	second := get(now.Add(validity-renewBefore+time.Hour), "a.example")
	if get(now.Add(validity-renewBefore+time.Hour), "b.example") == second {
		t.Error("not made anew for a new name")
	}
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	get(now, "a.example")
}

// A server that runs for a year renews in time.
func TestRenewsWhileRunning(t *testing.T) {
	s := &selfMade{directory: t.TempDir()}
	now := time.Now()
	first, err := s.load(now)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := s.load(now.Add(time.Hour)); again != first {
		t.Error("made anew without need")
	}
	if later, err := s.load(now.Add(validity)); err != nil || later == first {
		t.Errorf("not renewed: %v", err)
	}
}

// Certificate files are read again when they change; a broken new one leaves the old one in use.
func TestFiles(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	path := filepath.Join(dir, "cert.pem")
	write := func(text []byte, stamp time.Time) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	names, addresses := subjects(nil)
	first, err := makeCertificate(names, addresses, now)
	if err != nil {
		t.Fatal(err)
	}
	second, _ := makeCertificate(names, addresses, now)
	write(first, now)
	f := &files{certificate: path, key: path}
	load := func(now time.Time) *tls.Certificate {
		t.Helper()
		c, err := f.load(now)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a := load(now)
	write([]byte("garbage"), now.Add(time.Minute))
	if load(now.Add(time.Minute)) != a {
		t.Error("a broken file replaced the certificate")
	}
	write(second, now.Add(2*time.Minute))
	if load(now.Add(2*time.Minute)) == a {
		t.Error("a new file was not read")
	}
}

func TestConfig(t *testing.T) {
	tests := map[string]struct {
		config Config
		ok     bool
	}{
		"self-made":     {Config{Directory: t.TempDir()}, true},
		"keeps nothing": {Config{}, true},
		"ACME":          {Config{Directory: t.TempDir(), ACME: []string{"bridge.example"}}, true},
		"no key":        {Config{Certificate: "x"}, false},
		"no file":       {Config{Certificate: "x", Key: "y"}, false},
		"both":          {Config{Certificate: "x", Key: "y", ACME: []string{"z"}}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := test.config.TLS()
			if (err == nil) != test.ok {
				t.Fatalf("TLS() = %v, want ok %t", err, test.ok)
			}
			if err == nil && c.GetCertificate == nil {
				t.Error("no certificate")
			}
		})
	}
}
