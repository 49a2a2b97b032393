package bridge

import (
	"reflect"
	"strconv"
	"strings"

	"tutti/bridge/internal/persist"
)

// Object is a JSON merge patch (RFC 7396), or a part of one.
type Object = map[string]any

// Patch is the JSON merge patch (RFC 7396) that makes View(old, v) into View(now, v); empty if they are the same. Its cost
// is that of what changed, within one conference.
func Patch(old, now *State, v Viewer) Object {
	if waits(old, v) || waits(now, v) || old.Conference.Name != now.Conference.Name {
		return difference(*View(old, v), *View(now, v))
	}
	patch := Object{}
	put(patch, "conference", difference(viewConference(old), viewConference(now)))
	put(patch, "users", patchUsers(old, now, v))
	put(patch, "sidebars", patchSidebars(old, now))
	put(patch, "chat", patchChat(old.Chat, now.Chat, v))
	return patch
}

// waits says whether v is in the lobby.
func waits(s *State, v Viewer) bool {
	u := s.User(v.Self)
	return u != nil && u.Waiting
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

func patchSidebars(old, now *State) Object {
	if len(old.Sidebars)+len(now.Sidebars) == 0 {
		return nil
	}
	return differMap(reflect.ValueOf(viewSidebars(old)), reflect.ValueOf(viewSidebars(now)))
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

// difference is the merge patch from a to b, which are structs of one type.
func difference[T any](a, b T) Object {
	return differStruct(reflect.ValueOf(a), reflect.ValueOf(b))
}

func differStruct(a, b reflect.Value) Object {
	patch := Object{}
	for i := range a.NumField() {
		name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
		differ(patch, name, a.Field(i), b.Field(i))
	}
	return patch
}

func differMap(a, b reflect.Value) Object {
	patch := Object{}
	for _, key := range a.MapKeys() {
		if !b.MapIndex(key).IsValid() {
			patch[key.String()] = nil
		}
	}
	for _, key := range b.MapKeys() {
		if old := a.MapIndex(key); old.IsValid() {
			differ(patch, key.String(), old, b.MapIndex(key))
		} else {
			patch[key.String()] = b.MapIndex(key).Interface()
		}
	}
	return patch
}

// differ puts what makes a into b at key, if anything.
func differ(patch Object, key string, a, b reflect.Value) {
	switch a.Kind() {
	case reflect.Struct:
		put(patch, key, differStruct(a, b))
	case reflect.Map:
		put(patch, key, differMap(a, b))
	default:
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			patch[key] = b.Interface()
		}
	}
}
