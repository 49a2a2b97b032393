package store

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tutti/bridge"
)

// Draft is a definition as somebody wants it.
type Draft struct {
	bridge.Definition           // its PINs are not looked at
	PIN               *string   // digits; nil keeps the one there is, "" is none
	ModeratorPIN      *string   // the same
	Schedule          *Schedule // nil is none
}

// Record is a definition as it is.
type Record struct {
	bridge.Definition           // its PINs are hashes
	Schedule          *Schedule // nil is none
	Revision          uint64    // changes with every change; 0 is read-only
	Changed           time.Time // zero for what is read-only
	File              string    // where it is written, if it is read-only
}

// ReadOnly says whether the record stands in the configuration.
func (r Record) ReadOnly() bool { return r.Revision == 0 }

// formatVersion is that of kept. Fields that are added do not change it; a reader that would misunderstand does.
const formatVersion = 1

// kept is a record as it is written.
type kept struct {
	Version      int               `json:"v"`
	Definition   bridge.Definition `json:"definition"`
	PIN          string            `json:"pin,omitempty"` // bridge.HashPIN
	ModeratorPIN string            `json:"moderatorPIN,omitempty"`
	Schedule     *Schedule         `json:"schedule,omitempty"`
	Changed      time.Time         `json:"changed"`
}

func (r Record) marshal() ([]byte, error) {
	b, err := json.Marshal(kept{formatVersion, r.Definition, r.PIN, r.ModeratorPIN, r.Schedule, r.Changed})
	if err != nil {
		return nil, fmt.Errorf("store: definition %q: %w", r.Name, err)
	}
	return b, nil
}

func unmarshal(e Entry) (Record, error) {
	var k kept
	if err := json.Unmarshal(e.Value, &k); err != nil {
		return Record{}, fmt.Errorf("store: the definition under %q: %w", e.Key, err)
	}
	if k.Version != formatVersion {
		return Record{}, fmt.Errorf("store: the definition under %q has version %d, and this program knows %d", e.Key, k.Version, formatVersion)
	}
	if keyOf(k.Definition.Name) != e.Key {
		return Record{}, fmt.Errorf("store: the definition under %q is called %q", e.Key, k.Definition.Name)
	}
	k.Definition.PIN, k.Definition.ModeratorPIN = k.PIN, k.ModeratorPIN
	return Record{Definition: k.Definition, Schedule: k.Schedule, Revision: e.Revision, Changed: k.Changed}, nil
}

// keyOf is a name as a key of NATS: letters and digits of any name.
func keyOf(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

const minPIN = 3 // digits

// apply is the record that d makes of before, which is zero for a new one. The error is a *bridge.Refusal.
func (d Draft) apply(before Record, now time.Time) (Record, error) {
	if err := d.check(); err != nil {
		return Record{}, err
	}
	r := Record{Definition: d.Definition, Schedule: d.Schedule, Revision: before.Revision, Changed: now.UTC().Truncate(time.Second)}
	r.Keywords, r.ConfURIs, r.Services = slices.Clone(d.Keywords), slices.Clone(d.ConfURIs), slices.Clone(d.Services)
	var err error
	if r.Definition.PIN, err = keepPIN("pin", d.PIN, before.Definition.PIN); err != nil {
		return Record{}, err
	}
	if r.Definition.ModeratorPIN, err = keepPIN("moderatorPIN", d.ModeratorPIN, before.Definition.ModeratorPIN); err != nil {
		return Record{}, err
	}
	return r, nil
}

func keepPIN(field string, pin *string, before string) (string, error) {
	switch {
	case pin == nil:
		return before, nil
	case *pin == "":
		return "", nil
	case len(*pin) < minPIN || len(*pin) > bridge.MaxPIN || strings.Trim(*pin, "0123456789") != "":
		return "", bridge.RefuseInvalid("%s: a PIN has %d to %d digits, so that it can be dialled", field, minPIN, bridge.MaxPIN)
	}
	hash, err := bridge.HashPIN(*pin)
	if err != nil {
		return "", bridge.RefuseStore(err)
	}
	return hash, nil
}

// check holds a draft against what the API's schema cannot say, or what came another way.
func (d Draft) check() error {
	if !bridge.ValidName(d.Name) {
		return bridge.RefuseInvalid("name: %q cannot be a conference name", d.Name)
	}
	if d.Layout != "" && !d.Layout.Valid() {
		return bridge.RefuseInvalid("layout: there is no layout %q", d.Layout)
	}
	for field, text := range map[string]string{"title": d.Title, "subject": d.Subject, "freeText": d.FreeText} {
		if !utf8.ValidString(text) || len(text) > 4096 {
			return bridge.RefuseInvalid("%s: too long, or no text", field)
		}
	}
	if d.PIN != nil && d.ModeratorPIN != nil && *d.PIN != "" && *d.PIN == *d.ModeratorPIN {
		return bridge.RefuseInvalid("moderatorPIN: is the PIN of everybody")
	}
	if d.MaxUsers < 0 {
		return bridge.RefuseInvalid("maxUsers: %d is less than nobody", d.MaxUsers)
	}
	if d.Schedule != nil {
		return d.Schedule.check()
	}
	return nil
}
