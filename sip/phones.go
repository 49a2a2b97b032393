package sip

import (
	"errors"
	"strconv"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"tutti/sip/registrar"
	"tutti/sip/transport"
)

// phones are the configured users and where they registered from.
type phones struct {
	passwords map[string]string
	registrar *registrar.Registrar
	min       time.Duration
}

func newPhones(cfg Config) *phones {
	p := &phones{
		passwords: map[string]string{}, min: cfg.RegisterMin,
		registrar: registrar.New(registrar.Config{Min: cfg.RegisterMin, Max: cfg.RegisterMax, Contacts: cfg.Limits.Contacts}),
	}
	for _, u := range cfg.Users {
		p.passwords[u.Name] = u.Password
	}
	return p
}

// register answers REGISTER (RFC 3261 §10.3). Nothing is kept before the password was right.
func (ua *UserAgent) register(r *transport.Request) {
	if len(ua.phones.passwords) == 0 {
		ua.reply(r, 403, "No User May Register Here")
		return
	}
	user, ok := ua.authenticate(r)
	if !ok {
		return
	}
	if conferenceName(r.To().Address) != user { // step 4: a user registers only themself
		ua.reply(r, 403, "Forbidden")
		return
	}
	now := time.Now()
	before := len(ua.phones.registrar.Contacts(user, now))
	list, err := ua.phones.registrar.Register(user, r.Request, r.Flow, now)
	switch {
	case errors.Is(err, registrar.ErrBrief):
		ua.reply(r, 423, "Interval Too Brief", "Min-Expires", seconds(ua.phones.min))
	case errors.Is(err, registrar.ErrFull):
		ua.reply(r, 403, "Too Many Contacts")
	case errors.Is(err, registrar.ErrOld):
		ua.reply(r, 500, "CSeq Out Of Order")
	case err != nil:
		ua.reply(r, 400, "Bad Request")
	default:
		ua.registered(r, list, now)
		if len(list) != before {
			ua.log.Info("phone registered", "user", user, "contacts", len(list), "from", r.Source())
		}
	}
}

// registered lists the contacts in the 200 (step 8).
func (ua *UserAgent) registered(r *transport.Request, list []registrar.Binding, now time.Time) {
	res := r.Response(200, "OK")
	for _, b := range list {
		params := append(b.Params.Clone(), sipmsg.HeaderKV{K: "expires", V: seconds(b.Expires.Sub(now))})
		res.AppendHeader(&sipmsg.ContactHeader{Address: b.URI, Params: params})
	}
	for _, h := range r.GetHeaders("path") {
		res.AppendHeader(sipmsg.NewHeader("Path", h.Value()))
	}
	res.AppendHeader(sipmsg.NewHeader("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")))
	ua.answer(r, res)
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Round(time.Second) / time.Second)) }
