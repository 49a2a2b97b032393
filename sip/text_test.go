package sip

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

func TestMatches(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"+49*", "+4930", true},
		{"+49*", "+33", false},
		{"sip:*@pbx.example", "sip:bob@PBX.example", true},
		{"sip:*@pbx.example", "sip:bob@pbx.example.evil", false},
		{"sip:*@pbx.example", "sip:@pbx.exampl", false},
		{"*", "anything", true},
		{"1*2*3", "1a2b3", true},
		{"1*2*3", "1a3b2", false},
		{"12*21", "121", false}, // the ends may not overlap
		{"0800", "0800", true},
		{"0800", "08001", false},
	}
	for _, tc := range tests {
		if got := matches(tc.pattern, tc.text); got != tc.want {
			t.Errorf("matches(%q, %q) = %v", tc.pattern, tc.text, got)
		}
	}
}

func TestConferenceName(t *testing.T) {
	for text, want := range map[string]string{
		"sip:8001@focus":               "8001",
		"sip:team%20room@focus":        "team room",
		"sip:+4930;phone-context=x@f":  "+4930",
		"tel:+4930;phone-context=x":    "+4930",
		"sip:focus":                    "",
		"sip:evil%0d%0aVia:%20x@focus": "",
	} {
		var u sipmsg.Uri
		if err := sipmsg.ParseUri(text, &u); err != nil {
			t.Fatal(err)
		}
		if got := conferenceName(u); got != want {
			t.Errorf("%s names %q, want %q", text, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	if got := quote("a \"b\" \\ c\r\nd"); got != `"a \"b\" \\ c  d"` {
		t.Errorf("quote = %s", got)
	}
}

// A second of senders is all that a guard remembers.
func TestGuardForgets(t *testing.T) {
	g := newGuard(Limits{Rate: 1 << 30, RatePerSource: 2})
	now := time.Unix(1e9, 0)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i, want := range []bool{true, true, false} {
		if got := g.admit(a, now); got != want {
			t.Errorf("call %d of one source: %v", i+1, got)
		}
	}
	if !g.admit(b, now) {
		t.Error("another source suffers")
	}
	if !g.admit(a, now.Add(time.Second)) {
		t.Error("a second later it is still refused")
	}
	ip := netip.MustParseAddr("10.0.0.0")
	for range 2 * guardSources {
		ip = ip.Next()
		g.admit(ip, now.Add(time.Second))
	}
	if len(g.from) > guardSources {
		t.Errorf("%d sources are remembered", len(g.from))
	}
}

func TestMailboxIsBounded(t *testing.T) {
	m := newMailbox()
	n := 0
	for m.offer(func() {}) {
		n++
	}
	if n != mailboxSize {
		t.Errorf("%d fit, want %d", n, mailboxSize)
	}
	m.post(func() { n = -1 }) // our own always fits
	for _, f := range m.take() {
		f()
	}
	if n != -1 {
		t.Error("our own work was lost")
	}
	m.close()
	if m.offer(func() {}) {
		t.Error("a closed box took something")
	}
}

func FuzzKey(f *testing.F) {
	f.Add("Signal=5\r\nDuration=160\r\n")
	f.Add("Signal= 11")
	f.Fuzz(func(t *testing.T, body string) {
		for _, key := range []rune{relayKey(body), plainKey(body)} {
			if key != 0 && !strings.ContainsRune("0123456789*#ABCD", key) {
				t.Errorf("%q is key %q", body, key)
			}
		}
	})
}

// Whatever is dialled, what rules are compared with names no other host than what would be called.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"+49 30", "sip:a@b", "sip:a@b;x=@c", "sip:a%40c@b", "SIP:a@[2001:db8::1]:5061;transport=tcp", "tel:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		text, uri, ok := canonical(target)
		if !ok {
			return
		}
		if strings.ContainsAny(text+uri.String(), "\r\n \"<>") {
			t.Errorf("%q became %q, %q", target, text, uri.String())
		}
		if uri.Host != "" && !strings.HasSuffix(text, "@"+uri.Host) {
			t.Errorf("%q: rules see %q, called is %q", target, text, uri.Host)
		}
	})
}

func FuzzSDPPart(f *testing.F) {
	f.Add("multipart/mixed;boundary=x", "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--\r\n")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		if p := sdpPart(contentType, []byte(body)); len(p) > len(body) {
			t.Errorf("a part of %d bytes in a body of %d", len(p), len(body))
		}
	})
}
