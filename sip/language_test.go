package sip

import (
	"slices"
	"strings"
	"testing"

	"tutti/sip/transport"
)

func TestPreferredLanguages(t *testing.T) {
	for header, want := range map[string][]string{
		"":                              nil,
		"de":                            {"de"},
		"da, en-gb;q=0.8, en;q=0.7":     {"da", "en-gb", "en"}, // RFC 3261 §20.3
		"en;q=0.5, de ; q=0.9 ,fr;q=0":  {"de", "en"},
		"*, ,;q=1, x;q=NaN, y;q=-1":     nil,
		strings.Repeat("a", 36) + ",en": {"en"},
		strings.Repeat("en,", 1000):     slices.Repeat([]string{"en"}, 8),
		"en;q=much, de":                 {"de"},
	} {
		if got := preferred(header); !slices.Equal(got, want) {
			t.Errorf("preferred(%.40q) = %q, want %q", header, got, want)
		}
	}
}

// Another conference that calls in says so by isfocus, and is shown as one (RFC 4575 cascaded-focus), unless it hides.
func TestCallerIsAConference(t *testing.T) {
	for headers, want := range map[string]string{
		"Contact: <sip:team@192.0.2.7>;isfocus":                "sip:team@192.0.2.7",
		"Contact: <sip:team@192.0.2.7>":                        "",
		"Contact: <sip:team@192.0.2.7>;isfocus\r\nPrivacy: id": "",
	} {
		r := mustRead(t, "INVITE sip:8001@host SIP/2.0\r\nFrom: <sip:team@other.example>;tag=1\r\nCSeq: 1 INVITE\r\nAccept-Language: en;q=0.5, de\r\n"+headers+"\r\n\r\n")
		j := new(UserAgent).joinRequest(&transport.Request{Request: r, Flow: &transport.Flow{}}, "8001", "", false)
		if j.Focus != want || !slices.Equal(j.Languages, []string{"de", "en"}) {
			t.Errorf("%q: focus %q, languages %q", headers, j.Focus, j.Languages)
		}
	}
}
