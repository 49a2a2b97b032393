package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// RFC 7616 §3.9.1.
func TestProofOfTheRFC(t *testing.T) {
	p := proof{
		username: "Mufasa", realm: "http-auth@example.org", method: "GET", uri: "/dir/index.html",
		nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc: "00000001",
		cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop: "auth",
	}
	for a, want := range map[Algorithm]string{
		MD5:    "8ca523f5e9506fed4657c9700eebdbec",
		SHA256: "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		p.algorithm = a
		if got := p.response("Circle of Life"); got != want {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
}

func passwords(user string) (string, bool) {
	p, ok := map[string]string{"alice": "secret", `quo"te`: "x"}[user]
	return p, ok
}

func register() *sipmsg.Request {
	r := sipmsg.NewRequest(sipmsg.REGISTER, sipmsg.Uri{Scheme: "sip", Host: "example.com"})
	r.AppendHeader(&sipmsg.CSeqHeader{SeqNo: 1, MethodName: sipmsg.REGISTER})
	return r
}

// refuse is the 401 that a server makes of a challenge.
func refuse(c *Challenge) *sipmsg.Response {
	res := sipmsg.NewResponse(401, "Unauthorized")
	for _, h := range c.Headers() {
		res.AppendHeader(h)
	}
	return res
}

func TestClientAndServer(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, user := range []string{"alice", `quo"te`} {
		s := NewServer(`our "realm"`, passwords, Options{})
		password, _ := passwords(user)
		c := NewClient(user, password)
		_, challenge := s.Check(register(), now)
		if !errors.Is(challenge, ErrNoCredentials) || len(challenge.Headers()) != 2 {
			t.Fatalf("first: %v", challenge)
		}
		req, err := c.Answer(register(), refuse(challenge))
		if err != nil {
			t.Fatal(err)
		}
		if v := req.GetHeader("Authorization").Value(); !strings.Contains(v, "algorithm=SHA-256") || req.CSeq().SeqNo != 2 {
			t.Errorf("not the best algorithm or the next CSeq: %s", req)
		}
		if got, challenge := s.Check(req, now); got != user || challenge != nil {
			t.Fatalf("Check() = %q, %v", got, challenge)
		}
		if _, challenge := s.Check(req, now); !errors.Is(challenge, ErrReplay) {
			t.Errorf("the same again = %v, want %v", challenge, ErrReplay)
		}
		next := register() // the nonce serves on, with the next count
		c.Authorize(next)
		if got, challenge := s.Check(next, now.Add(time.Minute)); got != user {
			t.Errorf("second request: %v", challenge)
		}
		late := register()
		c.Authorize(late)
		_, challenge = s.Check(late, now.Add(time.Hour))
		if challenge == nil || !challenge.Stale || !strings.Contains(challenge.Headers()[0].Value(), "stale=true") {
			t.Errorf("after an hour: %v, want stale", challenge)
		}
		if again, err := c.Answer(late, refuse(challenge)); err != nil {
			t.Errorf("a stale nonce needs no new password: %v", err)
		} else if got, _ := s.Check(again, now.Add(time.Hour)); got != user {
			t.Error("the answer to stale was refused")
		}
	}
}

func TestWrongCredentials(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := NewServer("r", passwords, Options{})
	_, challenge := s.Check(register(), now)
	good := func() *sipmsg.Request {
		req, err := NewClient("alice", "secret").Answer(register(), refuse(challenge))
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	edit := func(old, new string) *sipmsg.Request {
		req := good()
		v := req.GetHeader("Authorization").Value()
		if !strings.Contains(v, old) {
			t.Fatalf("no %q in %s", old, v)
		}
		req.ReplaceHeader(sipmsg.NewHeader("Authorization", strings.Replace(v, old, new, 1)))
		return req
	}
	other := func(user, password string) *sipmsg.Request {
		req, _ := NewClient(user, password).Answer(register(), refuse(challenge))
		return req
	}
	elsewhere := good()
	elsewhere.Recipient.Host = "example.org"
	tests := map[string]struct {
		req  *sipmsg.Request
		want error
	}{
		"wrong password":     {other("alice", "Secret"), ErrWrong},
		"unknown user":       {other("mallory", ""), ErrWrong},
		"another resource":   {elsewhere, ErrWrong},
		"count changed":      {edit("nc=00000001", "nc=00000002"), ErrWrong},
		"count malformed":    {edit("nc=00000001", "nc=1"), ErrMalformed},
		"auth-int":           {edit("qop=auth", "qop=auth-int"), ErrMalformed},
		"algorithm unknown":  {edit("SHA-256", "SHA-1"), ErrMalformed},
		"another realm":      {edit(`realm="r"`, `realm="s"`), ErrNoCredentials},
		"unbalanced":         {edit(`realm="r"`, `realm="r`), ErrNoCredentials},
		"nothing but scheme": {edit("Digest ", "Basic "), ErrNoCredentials},
	}
	for name, tt := range tests {
		if user, challenge := s.Check(tt.req, now); challenge == nil || !errors.Is(challenge, tt.want) {
			t.Errorf("%s: Check() = %q, %v, want %v", name, user, challenge, tt.want)
		}
	}
	if len(s.nonces.used) != 0 {
		t.Errorf("%d nonces are remembered of clients that proved nothing", len(s.nonces.used))
	}
	if _, err := NewClient("alice", "x").Answer(good(), refuse(challenge)); !errors.Is(err, ErrRefused) {
		t.Errorf("second attempt = %v, want %v", err, ErrRefused)
	}
	if user, _ := s.Check(good(), now); user != "alice" {
		t.Error("the right one is refused")
	}
}

// icholy/digest is somebody else's reading of the same RFCs.
func TestAgainstAnotherImplementation(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, a := range []Algorithm{SHA256, MD5} {
		s := NewServer("r", passwords, Options{Algorithms: []Algorithm{a}})
		_, challenge := s.Check(register(), now)
		theirs, err := digest.ParseChallenge(challenge.Headers()[0].Value())
		if err != nil {
			t.Fatal(err)
		}
		cred, err := digest.Digest(theirs, digest.Options{Method: "REGISTER", URI: "sip:example.com", Username: "alice", Password: "secret", Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		req := register()
		req.AppendHeader(sipmsg.NewHeader("Authorization", cred.String()))
		if user, challenge := s.Check(req, now); user != "alice" {
			t.Errorf("%s: %v", a, challenge)
		}
	}
}

// A client of RFC 2069 has no count, so its nonce serves once; it is told that
// it may go on with a new one.
func TestWithoutQop(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := NewServer("r", passwords, Options{})
	_, challenge := s.Check(register(), now)
	p, _ := parse(challenge.Headers()[1].Value())
	req := register()
	answer := proof{algorithm: MD5, username: "alice", realm: "r", method: "REGISTER", uri: "sip:example.com", nonce: p["nonce"]}.response("secret")
	req.AppendHeader(sipmsg.NewHeader("Authorization", fmt.Sprintf(
		`Digest username="alice", realm="r", nonce="%s", uri="sip:example.com", response="%s"`, p["nonce"], answer)))
	if user, c := s.Check(req, now); user != "alice" {
		t.Fatal(c)
	}
	if _, c := s.Check(req, now); !errors.Is(c, ErrReplay) || !c.Stale {
		t.Errorf("the same again = %v, want a replay that is stale", c)
	}
}

// However many users prove themselves, memory stays; a forgotten nonce is stale, not replayable.
func TestNoncesAreBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := NewServer("r", passwords, Options{MaxNonces: 10})
	var first *sipmsg.Request
	for i := range 100 {
		now = now.Add(time.Second)
		_, challenge := s.Check(register(), now)
		req, _ := NewClient("alice", "secret").Answer(register(), refuse(challenge))
		if user, c := s.Check(req, now); user != "alice" {
			t.Fatalf("user %d: %v", i, c)
		}
		if first == nil {
			first = req
		}
	}
	if n := len(s.nonces.used); n > 10 {
		t.Errorf("%d nonces are remembered", n)
	}
	if _, c := s.Check(first, now); c == nil {
		t.Error("a replay was accepted")
	}
}

// Counts may arrive out of order, but each only once.
func TestCounts(t *testing.T) {
	u := &use{highest: 1, window: 1}
	for i, step := range []struct {
		count uint64
		ok    bool
	}{{1, false}, {3, true}, {2, true}, {2, false}, {3, false}, {100, true}, {99, true}, {36, false}, {37, true}, {200, true}, {100, false}} {
		if err := u.spend(step.count); (err == nil) != step.ok {
			t.Errorf("step %d: spend(%d) = %v", i, step.count, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`Digest realm="a\"b", nonce=x, uri="sip:x"`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parse(s)
		if err != nil {
			return
		}
		text := "Digest "
		for k, v := range p {
			text += fmt.Sprintf("%s=%s, ", k, quote(v))
		}
		if back, err := parse(text); err != nil || fmt.Sprint(back) != fmt.Sprint(p) {
			t.Fatalf("parse(%q) = %v, %v, want %v", text, back, err, p)
		}
	})
}

// The digest URI is read by the message model; whatever it says must not break us.
func FuzzResource(f *testing.F) {
	f.Add("sip:alice@example.com;transport=tcp?a=b")
	f.Add("sip:[::1]:5060")
	f.Fuzz(func(t *testing.T, s string) {
		u := sipmsg.Uri{Scheme: "sip", Host: "example.com"}
		if sameResource(s, &u) && !strings.Contains(strings.ToLower(s), "example.com") {
			t.Errorf("%q passes for example.com", s)
		}
	})
}
