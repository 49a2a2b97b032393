package bridge

import (
	"reflect"
	"strconv"
	"time"

	"tutti/bridge/internal/persist"
)

// Viewer is for whom a view is made.
type Viewer struct {
	Self     UserID // a participant, "" for none
	Operator bool   // sees telephone numbers
}

// Viewer is the leg's user as the reader of views.
func (l *Leg) Viewer() Viewer { return Viewer{Self: l.User()} }

// Object is a JSON object. It holds no null, so that a merge patch can say everything.
type Object = map[string]any

// View is the state as pages, the API and the command line see it (docs/protocol.md).
func View(s *State, v Viewer) Object {
	users := Object{}
	for id, u := range s.users.All() {
		users[id] = viewUser(u, v)
	}
	chat := Object{}
	for _, m := range s.Chat {
		if m.seenBy(v) {
			chat[strconv.Itoa(m.ID)] = viewMessage(m)
		}
	}
	return Object{"conference": viewConference(s), "self": string(v.Self), "users": users, "chat": chat}
}

// Patch is the JSON merge patch (RFC 7396) that makes View(old, v) into View(now, v); empty if they are the same. Its cost
// is that of what changed.
func Patch(old, now *State, v Viewer) Object {
	patch := Object{}
	put(patch, "conference", difference(viewConference(old), viewConference(now)))
	put(patch, "users", patchUsers(old, now, v))
	put(patch, "chat", patchChat(old.Chat, now.Chat, v))
	return patch
}

func put(to Object, key string, patch Object) {
	if len(patch) > 0 {
		to[key] = patch
	}
}

func patchUsers(old, now *State, v Viewer) Object {
	patch := Object{}
	for c := range persist.Diff(old.users, now.users) {
		switch {
		case !c.InNew:
			patch[c.Key] = nil
		case !c.InOld:
			patch[c.Key] = viewUser(c.New, v)
		default:
			put(patch, c.Key, difference(viewUser(c.Old, v), viewUser(c.New, v)))
		}
	}
	return patch
}

// patchChat knows that messages never change, that their ids grow and that the oldest go first.
func patchChat(old, now []Message, v Viewer) Object {
	patch := Object{}
	last, first := 0, 0
	if len(old) > 0 {
		last = old[len(old)-1].ID
	}
	if len(now) > 0 {
		first = now[0].ID
	}
	for _, m := range old {
		if m.ID < first && m.seenBy(v) {
			patch[strconv.Itoa(m.ID)] = nil
		}
	}
	for _, m := range now {
		if m.ID > last && m.seenBy(v) {
			patch[strconv.Itoa(m.ID)] = viewMessage(m)
		}
	}
	return patch
}

// difference is the merge patch from a to b.
func difference(a, b Object) Object {
	patch := Object{}
	for key := range a {
		if _, ok := b[key]; !ok {
			patch[key] = nil
		}
	}
	for key, now := range b {
		old, ok := a[key]
		oldObject, is := old.(Object)
		nowObject, both := now.(Object)
		switch {
		case ok && is && both:
			put(patch, key, difference(oldObject, nowObject))
		case !ok || !reflect.DeepEqual(old, now):
			patch[key] = now
		}
	}
	return patch
}

func viewConference(s *State) Object {
	d := s.Conference
	return Object{
		"name": d.Name, "uri": d.URI, "title": d.Title, "locked": d.Locked, "layout": string(d.Layout),
		"spotlight": string(d.Spotlight), "speaker": string(s.Floor.Active), "started": stamp(d.Started),
	}
}

func viewUser(u *User, v Viewer) Object {
	name, number := u.Name, u.Number
	if !v.Operator {
		name, number = u.Label(), maskNumber(number)
	}
	endpoints := Object{}
	for _, e := range u.Endpoints {
		endpoints[string(e.Leg)] = viewEndpoint(e)
	}
	return Object{
		"name": name, "order": u.Order, "roles": []string{string(u.Role)}, "number": number, "muted": u.Muted,
		"speaking": u.Speaks(), "hand": stamp(u.Hand), "camera": !u.VideoOff, "endpoints": endpoints,
	}
}

func viewEndpoint(e *Endpoint) Object {
	media := Object{}
	for _, m := range e.Media {
		media[m.ID] = Object{"type": m.Type, "status": string(m.Status), "codec": m.Codec, "content": string(m.Content)}
	}
	reason := ""
	if e.Disconnection != nil {
		reason = e.Disconnection.Text
	}
	return Object{
		"kind": string(e.Kind), "status": string(e.Status), "joined": stamp(e.Joined), "method": string(e.Method),
		"reason": reason, "media": media,
	}
}

func viewMessage(m Message) Object {
	return Object{"from": string(m.From), "to": string(m.To), "name": m.Name, "text": m.Text, "at": stamp(m.At)}
}

// seenBy says whether v may read the message.
func (m Message) seenBy(v Viewer) bool {
	return m.To == "" || v.Self != "" && (m.To == v.Self || m.From == v.Self) || v.Operator && m.From == ""
}

// stamp is a time for machines, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
