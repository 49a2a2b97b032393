package dialog

import (
	"errors"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

func request(t *testing.T, text string) *sipmsg.Request {
	t.Helper()
	return parse(t, text).(*sipmsg.Request)
}

func parse(t *testing.T, text string) sipmsg.Message {
	t.Helper()
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "\r\n") + "\r\n\r\n"
	m, err := sipmsg.ParseMessage([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const invite = `
INVITE sip:8001@focus.example SIP/2.0
Via: SIP/2.0/UDP phone.example;branch=z9hG4bK1
From: "Ann" <sip:ann@example>;tag=remote
To: <sip:8001@focus.example>
Call-ID: call
CSeq: 7 INVITE
Contact: <sip:ann@192.0.2.1:5070>
Content-Length: 0
`

func withHeader(text, line string) string {
	return strings.Replace(text, "Content-Length", line+"\nContent-Length", 1)
}

func TestRoutesOfTheServer(t *testing.T) {
	tests := map[string]struct {
		routes string
		uri    string
		want   []string
	}{
		"none":          {"", "sip:ann@192.0.2.1:5070", nil},
		"loose routers": {"<sip:p1;lr>, <sip:p2;lr>", "sip:ann@192.0.2.1:5070", []string{"<sip:p1;lr>", "<sip:p2;lr>"}},
		// §12.2.1.1: the strict router becomes the Request-URI, the target the last route.
		"strict router": {"<sip:p1>, <sip:p2;lr>", "sip:p1", []string{"<sip:p2;lr>", "<sip:ann@192.0.2.1:5070>"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			text := invite
			if tc.routes != "" {
				for _, r := range strings.Split(tc.routes, ", ") {
					text = withHeader(text, "Record-Route: "+r)
				}
			}
			d, err := FromInvite(request(t, text), "local")
			if err != nil {
				t.Fatal(err)
			}
			bye := d.Request(sipmsg.BYE)
			if got := bye.Recipient.String(); got != tc.uri {
				t.Errorf("Request-URI = %s, want %s", got, tc.uri)
			}
			var got []string
			for _, h := range bye.GetHeaders("route") {
				got = append(got, h.Value())
			}
			if strings.Join(got, " ") != strings.Join(tc.want, " ") {
				t.Errorf("Route = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestRequestOfTheServerSwapsFromAndTo(t *testing.T) {
	d, err := FromInvite(request(t, invite), "local")
	if err != nil {
		t.Fatal(err)
	}
	bye := d.Request(sipmsg.BYE)
	for name, want := range map[string]string{
		"from": "<sip:8001@focus.example>;tag=local", "to": `"Ann" <sip:ann@example>;tag=remote`, "call-id": "call", "cseq": "1 BYE",
	} {
		if got := bye.GetHeader(name).Value(); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
}

func TestRoutesOfTheClientAreReversed(t *testing.T) {
	res := parse(t, `
SIP/2.0 200 OK
Via: SIP/2.0/UDP focus.example;branch=z9hG4bK1
Record-Route: <sip:last;lr>
Record-Route: <sip:first;lr>
From: "Ann" <sip:ann@example>;tag=remote
To: <sip:8001@focus.example>;tag=theirs
Call-ID: call
CSeq: 7 INVITE
Contact: <sip:bob@192.0.2.9>
Content-Length: 0
`).(*sipmsg.Response)
	d, err := FromResponse(request(t, invite), res)
	if err != nil {
		t.Fatal(err)
	}
	if hop := d.NextHop(); hop.Host != "first" {
		t.Errorf("NextHop = %s, want sip:first", hop.String())
	}
	if ack := d.Ack(7); ack.CSeq().Value() != "7 ACK" || ack.To().Params.GetOr("tag", "") != "theirs" {
		t.Errorf("ACK = %s", ack)
	}
	if bye := d.Request(sipmsg.BYE); bye.CSeq().SeqNo != 8 {
		t.Errorf("CSeq of the BYE = %d, want 8: one above the INVITE's", bye.CSeq().SeqNo)
	}
}

func TestOldRequestsAreOutOfOrder(t *testing.T) {
	d, err := FromInvite(request(t, invite), "local")
	if err != nil {
		t.Fatal(err)
	}
	at := func(n string) *sipmsg.Request {
		return request(t, strings.ReplaceAll(strings.ReplaceAll(invite, "CSeq: 7 INVITE", "CSeq: "+n+" INFO"), "INVITE sip:", "INFO sip:"))
	}
	if err := d.Receive(at("9")); err != nil {
		t.Errorf("CSeq 9 after 7: %v", err)
	}
	if err := d.Receive(at("8")); !errors.Is(err, ErrOutOfOrder) {
		t.Errorf("CSeq 8 after 9: %v, want ErrOutOfOrder", err)
	}
}

func TestNoDialogWithoutContact(t *testing.T) {
	if _, err := FromInvite(request(t, strings.Replace(invite, "Contact:", "X-Contact:", 1)), "local"); err == nil {
		t.Error("a dialog was made of an INVITE without Contact")
	}
}

func TestTimerAnswer(t *testing.T) {
	policy := TimerPolicy{Interval: 30 * time.Minute, Min: MinInterval}
	tests := map[string]struct {
		lines   []string
		want    string // Session-Expires of the answer, "" for none
		refresh bool
		brief   bool
	}{
		"client knows none":               {nil, "", false, false},
		"client knows it, asks for none":  {[]string{"Supported: timer"}, "1800;refresher=uac", false, false},
		"… and has a minimum":             {[]string{"Supported: timer", "Min-SE: 3600"}, "3600;refresher=uac", false, false},
		"JsSIP":                           {[]string{"Supported: gruu,outbound, timer", "Session-Expires: 90"}, "90;refresher=uac", false, false},
		"a proxy asked for the client":    {[]string{"Session-Expires: 600"}, "600;refresher=uas", true, false},
		"the client wants us to refresh":  {[]string{"Supported: timer", "Session-Expires: 600;refresher=uas"}, "600;refresher=uas", true, false},
		"too brief":                       {[]string{"Supported: timer", "Session-Expires: 60"}, "", false, true},
		"too brief, cannot understand it": {[]string{"Session-Expires: 60"}, "", false, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			text := invite
			for _, l := range tc.lines {
				text = withHeader(text, l)
			}
			got, err := policy.Answer(request(t, text))
			var brief *TooBriefError
			if errors.As(err, &brief) != tc.brief {
				t.Fatalf("error = %v, want too brief: %v", err, tc.brief)
			}
			if tc.want == "" {
				if got.Interval != 0 {
					t.Errorf("timer = %v, want none", got)
				}
				return
			}
			if got.Header() != tc.want || got.Refresh != tc.refresh {
				t.Errorf("timer = %s, we refresh %v; want %s, %v", got.Header(), got.Refresh, tc.want, tc.refresh)
			}
		})
	}
}

func TestTimerDurations(t *testing.T) {
	tests := map[string]struct {
		t    Timer
		want time.Duration
	}{
		"we refresh at half":                    {Timer{Interval: 90 * time.Second, Refresh: true}, 45 * time.Second},
		"they did not: a third before, if less": {Timer{Interval: 90 * time.Second}, 60 * time.Second},
		"they did not: 32 s before":             {Timer{Interval: 1800 * time.Second}, 1768 * time.Second},
	}
	for name, tc := range tests {
		if got := tc.t.Duration(); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestBehindNAT(t *testing.T) {
	for via, want := range map[string]bool{
		"192.168.1.2:5060;branch=z9hG4bK1;received=203.0.113.5": true,
		"203.0.113.5:5060;branch=z9hG4bK1;received=203.0.113.5": false,
		"203.0.113.5:5060;branch=z9hG4bK1":                      false,
		"pbx.example;branch=z9hG4bK1;received=203.0.113.5":      false, // a name may have that address
	} {
		if got := BehindNAT(request(t, strings.Replace(invite, "phone.example;branch=z9hG4bK1", via, 1))); got != want {
			t.Errorf("Via %s: %v, want %v", via, got, want)
		}
	}
}
