package rfc4575

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// info is a document with this root and content.
func info(attrs, content string) []byte {
	return []byte(header + `<conference-info xmlns="` + namespace + `" xmlns:t="` + Namespace + `" entity="sip:c@host" ` + attrs + `>` + content + "</conference-info>\n")
}

const (
	ada = `<user entity="sip:ada@host"><display-text>Ada</display-text>` +
		`<endpoint entity="sip:ada@pc"><status>connected</status><media id="1"><type>audio</type></media></endpoint></user>`
	bob = `<user entity="sip:bob@host"><display-text>Bob</display-text></user>`
)

// What a subscriber makes of a partial document, element by element (RFC 4575 §4.6).
func TestApply(t *testing.T) {
	state := `<conference-state><user-count>2</user-count><locked>false</locked></conference-state>`
	all := state + `<users>` + ada + bob + `</users>`
	tests := map[string]struct{ partial, want string }{
		"nothing": {``, all},
		"what has no state attribute is replaced whole": {
			`<conference-state><user-count>1</user-count></conference-state>`,
			`<conference-state><user-count>1</user-count></conference-state><users>` + ada + bob + `</users>`,
		},
		"a user goes": {
			`<users state="partial"><user entity="sip:ada@host" state="deleted"/></users>`,
			state + `<users>` + bob + `</users>`,
		},
		"nobody goes twice": {
			`<users state="partial"><user entity="sip:eve@host" state="deleted"/></users>`, all,
		},
		"a user comes": {
			`<users state="partial"><user entity="sip:eve@host" state="full"><display-text>Eve</display-text></user></users>`,
			state + `<users>` + ada + bob + `<user entity="sip:eve@host"><display-text>Eve</display-text></user></users>`,
		},
		"a stranger who is told in part comes too": {
			`<users state="partial"><user entity="sip:eve@host" state="partial"><display-text>Eve</display-text></user></users>`,
			state + `<users>` + ada + bob + `<user entity="sip:eve@host"><display-text>Eve</display-text></user></users>`,
		},
		"full is the default": {
			`<users state="partial"><user entity="sip:ada@host"><display-text>Ada</display-text></user></users>`,
			state + `<users><user entity="sip:ada@host"><display-text>Ada</display-text></user>` + bob + `</users>`,
		},
		"one stream of one device": {
			`<users state="partial"><user entity="sip:ada@host" state="partial"><endpoint entity="sip:ada@pc" state="partial">` +
				`<media id="1"><type>video</type></media></endpoint></user></users>`,
			state + `<users>` + strings.Replace(ada, "audio", "video", 1) + bob + `</users>`,
		},
		"what is new stands where the schema wants it": {
			`<users state="partial"><user entity="sip:ada@host" state="partial"><roles><entry>moderator</entry></roles></user></users>`,
			state + `<users>` + strings.Replace(ada, "<endpoint", "<roles><entry>moderator</entry></roles><endpoint", 1) + bob + `</users>`,
		},
		"all users at once": {
			`<users state="full">` + bob + `</users>`, state + `<users>` + bob + `</users>`,
		},
		"all users go": {
			`<users state="deleted"/>`, state,
		},
		"a list of URIs in part": {
			`<sidebars-by-ref state="partial"><entry><uri>sip:s@host</uri></entry></sidebars-by-ref>`,
			all + `<sidebars-by-ref><entry><uri>sip:s@host</uri></entry></sidebars-by-ref>`,
		},
		"a conference in the conference": {
			`<sidebars-by-val state="partial"><entry entity="sip:s@host" state="full"><users state="full">` + bob + `</users></entry></sidebars-by-val>`,
			all + `<sidebars-by-val><entry entity="sip:s@host"><users>` + bob + `</users></entry></sidebars-by-val>`,
		},
		"words of strangers": {
			`<x:a xmlns:x="urn:x" x:b="1" c="2"><x:d/><e xmlns="urn:y">f</e></x:a>`,
			all + `<a xmlns="urn:x" xmlns:a0="urn:x" a0:b="1" c="2"><d/><e xmlns="urn:y">f</e></a>`,
		},
		"white space between elements is none": {
			"\n  <users state=\"partial\">\n  <user entity=\"sip:ada@host\" state=\"deleted\"/>\n</users>\n", state + `<users>` + bob + `</users>`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Apply(info(`state="full" version="7"`, all), info(`state="partial" version="8"`, test.partial))
			if want := info(`state="full" version="8"`, test.want); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v\n%s\nwant\n%s", err, got, want)
			}
		})
	}
}

// Which documents a subscriber takes, and that the others change nothing.
func TestDocumentsInOrder(t *testing.T) {
	steps := []struct {
		name  string
		text  []byte
		want  error // nil with fails: any
		fails bool
	}{
		{"a partial one first", info(`state="partial" version="1"`, ``), ErrGap, true},
		{"no document", []byte("hello"), nil, true},
		{"cut short", info(`version="1"`, `<users>`)[:150], nil, true},
		{"another document", []byte(`<presence xmlns="urn:ietf:params:xml:ns:pidf"/>`), nil, true},
		{"with a document type", append([]byte(`<!DOCTYPE a [<!ENTITY b "c">]>`), info(`version="1"`, ``)...), nil, true},
		{"with an entity of its own", info(`version="1"`, `<users><user entity="&b;"/></users>`), nil, true},
		{"without a version", info(``, ``), nil, true},
		{"too deep", info(`version="1"`, strings.Repeat("<users>", 100)+strings.Repeat("</users>", 100)), nil, true},
		{"the full one", info(`version="5"`, `<users>`+ada+`</users>`), nil, false},
		{"once more", info(`version="5"`, ``), ErrStale, true},
		{"an older one", info(`state="partial" version="4"`, ``), ErrStale, true},
		{"one that is too new", info(`state="partial" version="7"`, ``), ErrGap, true},
		{"of what state", info(`state="new" version="6"`, ``), nil, true},
		{"the next", info(`state="partial" version="6"`, `<users state="partial">`+bob+`</users>`), nil, false},
		{"the end", info(`state="deleted" version="7"`, ``), ErrDeleted, true},
	}
	var d Document
	if d.Bytes() != nil {
		t.Error("a document of nothing")
	}
	for _, step := range steps {
		before := d.Bytes()
		err := d.Apply(step.text)
		if (err != nil) != step.fails || step.want != nil && !errors.Is(err, step.want) {
			t.Errorf("%s: %v", step.name, err)
		}
		if err != nil && !bytes.Equal(before, d.Bytes()) {
			t.Errorf("%s changed\n%s\nto\n%s", step.name, before, d.Bytes())
		}
	}
	if want := info(`state="full" version="6"`, `<users>`+ada+bob+`</users>`); !bytes.Equal(d.Bytes(), want) {
		t.Errorf("at last\n%s\nwant\n%s", d.Bytes(), want)
	}
}

// Whatever comes from the network: what is taken is a document that is taken again and says the same.
func FuzzApply(f *testing.F) {
	full := info(`version="1"`, `<users>`+ada+bob+`</users>`)
	f.Add(full, info(`state="partial" version="2"`, `<users state="partial"><user entity="sip:ada@host" state="deleted"/></users>`))
	f.Add(full, info(`state="partial" version="2"`, `<x:a xmlns:x="urn:x" x:b="1" xml:lang="de"> c<d/>e &#13;</x:a>`))
	f.Fuzz(func(t *testing.T, doc, partial []byte) {
		var d Document
		if d.Apply(doc) != nil {
			return
		}
		_ = d.Apply(partial)
		var again Document
		if err := again.Apply(d.Bytes()); err != nil {
			t.Fatalf("%v\n%s", err, d.Bytes())
		}
		if !bytes.Equal(d.Bytes(), again.Bytes()) {
			t.Fatalf("%s\nis read as\n%s", d.Bytes(), again.Bytes())
		}
	})
}
