package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// A Server challenges and checks. Safe for concurrent use.
//
// A nonce is a time under a MAC, so a challenge costs no memory. Only the
// nonces of requests that proved a password are remembered, to refuse a
// replay, and no more than MaxNonces of them.
type Server struct {
	realm      string
	password   func(user string) (string, bool)
	algorithms []Algorithm
	nonces     nonces
}

// Options change the defaults of a Server.
type Options struct {
	Algorithms []Algorithm   // in order of preference; default SHA-256, MD5
	Lifetime   time.Duration // of a nonce; default 5 min
	MaxNonces  int           // remembered at most; default 4096
}

// NewServer makes a server for a realm; password looks up a user and must not block.
func NewServer(realm string, password func(user string) (string, bool), o Options) *Server {
	if len(o.Algorithms) == 0 {
		o.Algorithms = []Algorithm{SHA256, MD5}
	}
	if o.Lifetime == 0 {
		o.Lifetime = 5 * time.Minute
	}
	if o.MaxNonces == 0 {
		o.MaxNonces = 4096
	}
	s := &Server{realm: realm, password: password, algorithms: o.Algorithms}
	s.nonces = nonces{lifetime: o.Lifetime, most: o.MaxNonces, used: map[string]*use{}}
	rand.Read(s.nonces.secret[:])
	return s
}

// A Challenge is why a request was not accepted; answer it with 401 and Headers.
type Challenge struct {
	Stale   bool  // the password was right, the nonce is used up: the client need not ask its user
	Err     error // for the log: who tried what
	headers []sipmsg.Header
}

func (c *Challenge) Error() string { return "auth: " + c.Err.Error() }
func (c *Challenge) Unwrap() error { return c.Err }

// Headers are the WWW-Authenticate fields of the 401, best algorithm first (RFC 8760 §2.3).
func (c *Challenge) Headers() []sipmsg.Header { return c.headers }

// Why a request was not accepted.
var (
	ErrNoCredentials = errors.New("no credentials for the realm")
	ErrMalformed     = errors.New("malformed credentials")
	ErrWrong         = errors.New("wrong user or password")
	ErrStale         = errors.New("nonce is too old")
	ErrReplay        = errors.New("nonce count was used before")
)

// Check returns the user who sent req at the time now, or a challenge. Do not
// check ACK and CANCEL: they cannot be challenged (RFC 3261 §22.1).
func (s *Server) Check(req *sipmsg.Request, now time.Time) (user string, c *Challenge) {
	err := ErrNoCredentials
	for _, h := range req.GetHeaders("authorization") {
		p, perr := parse(h.Value())
		if perr != nil || p["realm"] != s.realm {
			continue
		}
		if user, err = s.verify(req, p, now); err == nil {
			return user, nil
		}
		break
	}
	return "", s.challenge(err, now)
}

func (s *Server) verify(req *sipmsg.Request, p map[string]string, now time.Time) (string, error) {
	algorithm, ok := known(p["algorithm"])
	if !ok || !s.offers(algorithm) || p["qop"] != "" && !strings.EqualFold(p["qop"], "auth") {
		return "", ErrMalformed
	}
	var count uint64
	if p["qop"] != "" {
		n, err := strconv.ParseUint(p["nc"], 16, 32)
		if err != nil || len(p["nc"]) != 8 || p["cnonce"] == "" {
			return "", ErrMalformed
		}
		count = n
	}
	issued, genuine := s.nonces.issued(p["nonce"])
	password, exists := s.password(p["username"])
	want := proof{
		algorithm: algorithm, username: p["username"], realm: s.realm, method: string(req.Method), uri: p["uri"],
		nonce: p["nonce"], nc: p["nc"], cnonce: p["cnonce"], qop: p["qop"],
	}.response(password) // computed for unknown users too: both take as long
	right := subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(p["response"]))) == 1
	switch {
	case !right || !exists || !sameResource(p["uri"], &req.Recipient):
		return "", ErrWrong
	case !genuine: // a nonce of before our restart
		return "", ErrStale
	}
	return p["username"], s.nonces.spend(p["nonce"], issued, count, now)
}

func (s *Server) offers(a Algorithm) bool {
	for _, o := range s.algorithms {
		if a == o {
			return true
		}
	}
	return false
}

// sameResource compares the digest URI with the Request-URI (RFC 7616 §3.4.6).
// Phones differ in parameters and ports, so user and host decide.
func sameResource(uri string, recipient *sipmsg.Uri) bool {
	var u sipmsg.Uri
	if sipmsg.ParseUri(uri, &u) != nil {
		return false
	}
	return u.User == recipient.User && strings.EqualFold(strings.Trim(u.Host, "[]"), strings.Trim(recipient.Host, "[]"))
}

func (s *Server) challenge(why error, now time.Time) *Challenge {
	c := &Challenge{Err: why, Stale: errors.Is(why, ErrStale) || errors.Is(why, ErrReplay)}
	nonce := s.nonces.make(now)
	for _, a := range s.algorithms {
		v := "Digest realm=" + quote(s.realm) + `, nonce="` + nonce + `", algorithm=` + string(a) + `, qop="auth"`
		if c.Stale {
			v += ", stale=true"
		}
		c.headers = append(c.headers, sipmsg.NewHeader("WWW-Authenticate", v))
	}
	return c
}
