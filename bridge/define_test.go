package bridge

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is defined while the bridge runs is known from then on, and forgotten when it is undefined.
func TestConferencesAreDefinedAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Config{Conferences: []Definition{{Name: "8001", Title: "Monday"}}})
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		go b.Run(ctx, time.Second)
		known := func(name string) bool { _, err := b.Admit(JoinRequest{Conference: name}); return err == nil }
		if !known("8001") || known("8002") {
			t.Fatal("what stands in the configuration is not what is known")
		}
		if err := b.Define(Definition{Name: "8002", Title: "Tuesday", PIN: "1234"}); err != nil {
			t.Fatal(err)
		}
		if known("8002") {
			t.Error("8002 needs no PIN")
		}
		if _, err := b.Admit(JoinRequest{Conference: "8002", PIN: "1234"}); err != nil {
			t.Errorf("8002 does not take its PIN: %v", err)
		}
		if err := b.Define(Definition{Name: "8002", Title: "Wednesday"}); err != nil || !known("8002") {
			t.Errorf("8002 still wants a PIN, or: %v", err)
		}
		b.Undefine("8002")
		if known("8002") {
			t.Error("8002 is still known")
		}
		if err := refused(b.Define(Definition{Name: "a b"})); err == nil || err.Rule != RuleName {
			t.Errorf("a name that cannot be: %v", err)
		}
		if b.URI("a:b") != "sip:a%3Ab@" {
			t.Errorf("URI %q", b.URI("a:b"))
		}
	})
}

// A PIN is recognised from its hash and not seen in it.
func TestHashedPINs(t *testing.T) {
	one, err := HashPIN("471100")
	if err != nil {
		t.Fatal(err)
	}
	two, _ := HashPIN("471100")
	if one == two || strings.Contains(one, "471100") {
		t.Errorf("%s and %s tell too much", one, two)
	}
	for kept, pins := range map[string]map[string]bool{
		one:                               {"471100": true, "471101": false, "": false, one: false},
		"1234":                            {"1234": true, "": false, "12345": false},
		"pbkdf2-sha256$0$AAAA$AAAA":       {"1234": false},
		"pbkdf2-sha256$9999999999$A$A":    {"1234": false},
		"pbkdf2-sha256$1$AAAA$not base64": {"1234": false},
	} {
		for pin, want := range pins {
			if got := pinIs(pin, kept); got != want {
				t.Errorf("pinIs(%q, %q) = %v", pin, kept, got)
			}
		}
	}
	if none, err := HashPIN(""); none != "" || err != nil {
		t.Errorf("no PIN became %q, %v", none, err)
	}
}
