package dialog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// Timer is what was agreed about the life of a session (RFC 4028). Interval 0 means that there is none.
type Timer struct {
	Interval time.Duration
	Refresh  bool // we are the refresher
	// uac says that the refresher was the client of the request that agreed it: how Session-Expires spells it.
	uac bool
}

// TimerPolicy is what we ask for and accept.
type TimerPolicy struct {
	Interval time.Duration // what we ask for
	Min      time.Duration // the shortest we accept
}

// MinInterval is the shortest that RFC 4028 §4 knows. JsSIP asks for it.
const MinInterval = 90 * time.Second

// TooBriefError is answered 422 with Min-SE.
type TooBriefError struct{ Min time.Duration }

func (e *TooBriefError) Error() string {
	return fmt.Sprintf("dialog: session interval below %v", e.Min)
}

// Duration is how long after the last refresh the refresher refreshes (RFC 4028 §10: half), or the other end gives up:
// the interval less the smaller of 32 s and a third of it.
func (t Timer) Duration() time.Duration {
	if t.Refresh {
		return t.Interval / 2
	}
	return t.Interval - min(32*time.Second, t.Interval/3)
}

// Expiry is when the session is over whoever refreshes.
func (t Timer) Expiry() time.Duration { return t.Interval - min(32*time.Second, t.Interval/3) }

// Header is the value of Session-Expires.
func (t Timer) Header() string {
	role := "uas"
	if t.uac {
		role = "uac"
	}
	return fmt.Sprintf("%d;refresher=%s", int(t.Interval/time.Second), role)
}

// Required says that the answer must carry Require: timer (RFC 4028 §9: the client refreshes).
func (t Timer) Required() bool { return t.Interval > 0 && t.uac }

// Answer is the server's side of the negotiation (RFC 4028 §9). A request without Session-Expires of a client that
// knows timers is given ours; one of a client that knows none gets none. The error is a *TooBriefError.
func (p TimerPolicy) Answer(req *sipmsg.Request) (Timer, error) {
	value, asked := header(req, "session-expires")
	supported := HasTag(req, "supported", "timer") || HasTag(req, "require", "timer")
	if !asked {
		if !supported || p.Interval == 0 {
			return Timer{}, nil
		}
		least, _ := seconds(req, "min-se")
		return Timer{Interval: max(p.Interval, least), uac: true}, nil
	}
	interval, refresher, err := parseExpires(value)
	if err != nil {
		return Timer{}, err
	}
	if interval < p.Min {
		if !supported { // §9: such a client could not understand a 422
			return Timer{}, nil
		}
		return Timer{}, &TooBriefError{p.Min}
	}
	uac := refresher == "uac" || refresher == "" && supported
	return Timer{Interval: interval, Refresh: !uac, uac: uac}, nil
}

// Accepted is the client's side: what a 2xx says (RFC 4028 §7.2).
func Accepted(res *sipmsg.Response) Timer {
	value, ok := header(res, "session-expires")
	if !ok {
		return Timer{}
	}
	interval, refresher, err := parseExpires(value)
	if err != nil || interval <= 0 {
		return Timer{}
	}
	uac := refresher != "uas"
	return Timer{Interval: interval, Refresh: uac, uac: uac}
}

// Ask is the value of Session-Expires in a request that refreshes this session: the same refresher, seen from the
// client of the new request.
func (t Timer) Ask() string {
	role := "uas"
	if t.Refresh {
		role = "uac"
	}
	return fmt.Sprintf("%d;refresher=%s", int(t.Interval/time.Second), role)
}

// MinSE is the Min-SE of a 422.
func MinSE(res *sipmsg.Response) time.Duration {
	d, _ := seconds(res, "min-se")
	return d
}

type fields interface {
	GetHeader(string) sipmsg.Header
	GetHeaders(string) []sipmsg.Header
}

func header(m fields, name string) (string, bool) {
	if h := m.GetHeader(name); h != nil {
		return h.Value(), true
	}
	return "", false
}

func seconds(m fields, name string) (time.Duration, bool) {
	v, ok := header(m, name)
	if !ok {
		return 0, false
	}
	d, _, err := parseExpires(v)
	return d, err == nil
}

// parseExpires reads delta-seconds *(";" param).
func parseExpires(v string) (time.Duration, string, error) {
	digits, params, _ := strings.Cut(v, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 31)
	if err != nil {
		return 0, "", fmt.Errorf("dialog: Session-Expires %q: want seconds", v)
	}
	for p := range strings.SplitSeq(params, ";") {
		if name, value, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(strings.TrimSpace(name), "refresher") {
			return time.Duration(n) * time.Second, strings.ToLower(strings.TrimSpace(value)), nil
		}
	}
	return time.Duration(n) * time.Second, "", nil
}

// HasTag says whether one of the header fields of that name lists an option tag or method.
func HasTag(m fields, name, tag string) bool {
	for _, h := range m.GetHeaders(name) {
		for v := range strings.SplitSeq(h.Value(), ",") {
			if strings.EqualFold(strings.TrimSpace(v), tag) {
				return true
			}
		}
	}
	return false
}
