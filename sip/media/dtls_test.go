package media

import (
	"context"
	"strings"
	"testing"
	"time"

	"tutti/sip/offer"
)

func secureConfig(t testing.TB, first, last uint16) Config {
	t.Helper()
	cfg := testConfig(t, first, last)
	var err error
	if cfg.Certificate, err = NewCertificate(time.Now()); err != nil {
		t.Fatal(err)
	}
	cfg.Encryption = offer.RequiredDTLS
	return cfg
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestDTLSLegsTalk(t *testing.T) {
	caller, callee := secureConfig(t, 43000, 43049), secureConfig(t, 43050, 43099)
	edits := map[string]func(offer string) string{
		"one port":        func(o string) string { return o },
		"port pairs":      func(o string) string { return strings.ReplaceAll(o, "a=rtcp-mux\r\n", "") },
		"we are passive":  func(o string) string { return strings.ReplaceAll(o, "actpass", "active") },
		"name as address": func(o string) string { return strings.Replace(o, "c=IN IP4 127.0.0.1", "c=IN IP4 phone.invalid", 1) },
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			l, m := NewLeg(caller, loopback), NewLeg(callee, loopback)
			t.Cleanup(l.Close)
			t.Cleanup(m.Close)
			sdp, err := l.Offer(Preferences{})
			if err != nil {
				t.Fatal(err)
			}
			answer, err := m.Answer([]byte(edit(string(sdp))), Preferences{})
			if err != nil {
				t.Fatal(err)
			}
			b := attach(t, m)
			if err := b.stream.Wire.WriteRTCP(report); err == nil {
				t.Error("RTCP left before the handshake")
			}
			if err := l.Complete(answer); err != nil {
				t.Fatalf("%v\n%s", err, answer)
			}
			a := attach(t, l)
			for _, e := range []*end{a, b} {
				if err := e.Ready(soon(t)); err != nil {
					t.Fatal(err)
				}
			}
			converse(t, a, b)
			again, err := m.Answer([]byte(strings.Replace(edit(string(sdp)), "a=sendrecv", "a=sendonly", 1)), Preferences{})
			if err != nil || !strings.Contains(string(again), "a=recvonly") {
				t.Fatalf("hold: %v\n%s", err, again)
			}
			a.say(t, "still keyed")
			if got := payload(t, expect(t, b.inlet.rtp)); got != "still keyed" {
				t.Errorf("received %q after a renegotiation", got)
			}
		})
	}
}

func TestDTLSFingerprintMustMatch(t *testing.T) {
	caller, callee := secureConfig(t, 43100, 43149), secureConfig(t, 43150, 43199)
	l, m := NewLeg(caller, loopback), NewLeg(callee, loopback)
	t.Cleanup(l.Close)
	t.Cleanup(m.Close)
	sdp, err := l.Offer(Preferences{})
	if err != nil {
		t.Fatal(err)
	}
	stranger := callee.Certificate.Fingerprint()[0].String()
	forged := strings.ReplaceAll(string(sdp), caller.Certificate.Fingerprint()[0].String(), stranger)
	answer, err := m.Answer([]byte(forged), Preferences{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Complete(answer); err != nil {
		t.Fatal(err)
	}
	b := attach(t, m)
	if err := m.Ready(soon(t)); err == nil {
		t.Fatal("a handshake with another certificate than described was taken")
	}
	if err := b.stream.Wire.WriteRTCP(report); err == nil {
		t.Error("RTCP left without keys")
	}
	if err := m.Run(soon(t)); err == nil || !strings.Contains(err.Error(), "DTLS") {
		t.Errorf("Run() = %v, want the DTLS failure", err)
	}
}

func TestDTLSWithoutPeerEndsWithClose(t *testing.T) {
	cfg := secureConfig(t, 43200, 43299)
	l := NewLeg(cfg, loopback)
	sdp := strings.Replace(phone, "RTP/AVP", "UDP/TLS/RTP/SAVPF", 1) + "a=setup:actpass\r\na=rtcp-mux\r\na=fingerprint:" + cfg.Certificate.Fingerprint()[0].String() + "\r\n"
	if _, err := l.Answer([]byte(sdp), Preferences{}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if free := cfg.Ports.Free(); free != 50 {
		t.Errorf("free pairs = %d, want 50", free)
	}
}
