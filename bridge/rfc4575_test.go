package bridge_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "tutti/bridge" //nolint:revive // this is a test of it
	"tutti/bridge/rfc4575"
)

// subscriber is somebody who is sent documents: the full one, then what changed.
type subscriber struct {
	viewer  Viewer
	version uint32
	known   rfc4575.Document
}

// notify tells the subscriber what changed, and compares what it then knows with what is.
func (s *subscriber) notify(t *testing.T, prev, now *State, keep func([]byte)) {
	t.Helper()
	if prev == nil {
		s.version, s.known = 0, rfc4575.Document{}
		full, err := rfc4575.Full(now, s.version, s.viewer)
		if err != nil {
			t.Fatal(err)
		}
		keep(full)
		if err := s.known.Apply(full); err != nil {
			t.Fatalf("%v\n%s", err, full)
		}
		return
	}
	partial, changed := rfc4575.Partial(prev, now, s.version+1, s.viewer)
	if changed {
		s.version++
		keep(partial)
		if err := s.known.Apply(partial); err != nil {
			t.Fatalf("%v\n%s", err, partial)
		}
	}
	full, err := rfc4575.Full(now, s.version, s.viewer)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.known.Bytes(); !bytes.Equal(got, full) {
		t.Fatalf("for %+v the document\n%s\nleads to\n%s\nwant\n%s", s.viewer, partial, got, full)
	}
	if want := fmt.Sprintf("<user-count>%d</user-count>", now.Connected()); !bytes.Contains(full, []byte(want)) {
		t.Fatalf("no %s in\n%s", want, full)
	}
}

// What a subscriber was sent, with every partial applied, is what is; and all of it fits the schema. One of them misses
// states in between, as one does whose notifications are coalesced.
func TestConferenceInfoOfRandomStates(t *testing.T) {
	subscribers := []*subscriber{{viewer: Viewer{}}, {viewer: Viewer{Operator: true}}, {viewer: Viewer{Self: "u2"}}}
	slow, last := &subscriber{viewer: Viewer{Operator: true}}, (*State)(nil)
	documents := map[string]bool{}
	keep := func(d []byte) { documents[string(d)] = true }
	for seed := range uint64(4) {
		step := 0
		RandomStates(t, seed, 3500, func(prev, now *State) {
			for _, s := range subscribers {
				s.notify(t, prev, now, keep)
			}
			if step++; prev == nil || step%7 == 0 || now.Ended != nil {
				if prev == nil {
					last = nil
				}
				slow.notify(t, last, now, keep)
				last = now
			}
		})
	}
	valid(t, documents)
}

// valid checks documents against the schema of RFC 4575.
func valid(t *testing.T, documents map[string]bool) {
	t.Helper()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no xmllint; make peers installs it")
		}
		t.Skip("no xmllint")
	}
	dir := t.TempDir()
	var files []string
	for d := range documents {
		name := filepath.Join(dir, fmt.Sprintf("%d.xml", len(files)))
		if err := os.WriteFile(name, []byte(d), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	for len(files) > 0 {
		n := min(len(files), 1000)
		out, err := exec.Command(xmllint, append([]string{"--nonet", "--noout", "--schema", "../testdata/rfc4575/conference-info.xsd"}, files[:n]...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, wrong(string(out)))
		}
		files = files[n:]
	}
	t.Logf("%d documents are valid", len(documents))
}

// wrong are the first complaints of xmllint, with the document.
func wrong(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		if strings.HasSuffix(line, " validates\n") {
			continue
		}
		lines = append(lines, line)
		if file, _, ok := strings.Cut(line, ":"); ok && len(lines) == 1 {
			if text, err := os.ReadFile(file); err == nil {
				lines = append(lines, string(text))
			}
		}
		if len(lines) == 4 {
			break
		}
	}
	return strings.Join(lines, "")
}

// hostile are people who say of themselves what breaks a careless writer.
func hostile() []JoinRequest {
	const long = 3000
	return []JoinRequest{
		{Entity: "sip:alice@host", DisplayText: `<b>&"Ada"</b>]]>`},
		{Entity: "sip:alice@host", DisplayText: "again from the same address"},
		{Entity: "sip:+4930123456@trunk.example;user=phone", DisplayText: "+4930123456", Number: "+4930123456", Endpoint: "sip:+4930123456@192.0.2.7:5062"},
		{Entity: "sip:team@other.example", Focus: "sip:team@other.example;gr=1", DisplayText: "Team"},
		{Focus: "sip:\x00 @[::1]"},
		{Entity: "tel:+4930123456", AORs: []string{"tel:+4930123456", "sip:x@host", "http://host", "sip:"}, Languages: []string{"de-DE", "not a tag", "x\x00", "12", "en"}},
		{Entity: "sip:a b\x00<>\"@[2001:db8::1]:5060;x=%zz?h=1", DisplayText: "null \x00 bell \a \uFFFE \xff", DeviceText: "\x01<phone>"},
		{Entity: "sip://a[#]#b:c", Endpoint: "sip:::::"},
		{Entity: "sip:%zz%@h", Endpoint: "%", DisplayText: "Größe 日本 🎼"},
		{Entity: "not a uri", Source: "\x01", Kind: "\x02", Call: &CallInfo{CallID: "c\x01<", FromTag: "", ToTag: "]]>"}},
		{Entity: "sip:" + strings.Repeat("a", long) + "@host", DisplayText: strings.Repeat("\x1b", long)},
		{Referred: &Info{Reason: "\x00", By: "sip:+4930999999@x;tutti-id=u1"}},
		{Referred: &Info{Reason: "asked", By: "Ada <\x00"}},
		{},
	}
}

// Whatever people call themselves, the document is valid, is read back as it was written, and tells strangers no number.
func TestConferenceInfoOfHostileNames(t *testing.T) {
	s := Crowd(t, hostile()...)
	s.Conference.Title, s.Conference.Subject, s.Conference.FreeText = "\x00<", "a\r\nb\tc", " \x0b "
	s.Conference.Keywords = []string{"", "two words", "\x00"}
	s.Conference.ConfURIs = []URI{{URI: "tel:+49 30", Purpose: "\x01"}, {URI: ""}}
	s.Conference.Services = []URI{{URI: "https://bridge.example/8001", Purpose: "web-page"}}
	documents := map[string]bool{}
	for _, v := range []Viewer{{}, {Operator: true}, {Self: "u3"}} {
		full, err := rfc4575.Full(s, 4294967295, v)
		if err != nil {
			t.Fatal(err)
		}
		documents[string(full)] = true
		var d rfc4575.Document
		if err := d.Apply(full); err != nil {
			t.Fatal(err)
		}
		if got := d.Bytes(); !bytes.Equal(got, full) {
			t.Errorf("read back\n%s\nwritten\n%s", got, full)
		}
		for _, number := range []string{"30123456", "30999999"} {
			mine := v.Self == "u3" && number == "30123456"
			if seen := strings.Contains(string(full), number); seen != (v.Operator || mine) {
				t.Errorf("%+v sees %s: %v\n%s", v, number, seen, full)
			}
		}
		if !strings.Contains(string(full), "<cascaded-focus>sip:team@other.example</cascaded-focus>") {
			t.Errorf("%+v does not see that Team is a conference", v)
		}
		if seen := strings.Contains(string(full), "call-info"); seen != v.Operator {
			t.Errorf("%+v sees dialogs: %v", v, seen)
		}
	}
	valid(t, documents)
}

// crowd is a conference of n.
func crowd(t testing.TB, n int) *State {
	guests := make([]JoinRequest, n)
	for i := range guests {
		guests[i] = JoinRequest{Kind: SIP, Entity: fmt.Sprintf("sip:user%d@host.example", i), DisplayText: fmt.Sprintf("User %d", i)}
	}
	return Crowd(t, guests...)
}

// partial is what changed, without the root.
func partial(t *testing.T, prev, now *State) string {
	t.Helper()
	text, changed := rfc4575.Partial(prev, now, 2, Viewer{Operator: true})
	if !changed {
		return ""
	}
	_, inside, _ := strings.Cut(string(text), `version="2">`)
	return strings.TrimSuffix(inside, "</conference-info>\n")
}

// A partial document tells what changed, and no more.
func TestConferenceInfoTellsWhatChanged(t *testing.T) {
	s := crowd(t, 3)
	const user2 = `<users state="partial"><user entity="sip:user1@host.example;tutti-id=u2" state="partial">`
	muted := Step(t, s, Mute{User: "u2", On: true})
	const allowed = `<join-handling xmlns="urn:ietf:params:xml:ns:xcon-conference-info">allow</join-handling>`
	const blocked = `<users state="partial"><join-handling xmlns="urn:ietf:params:xml:ns:xcon-conference-info">block</join-handling></users>`
	tests := map[string]struct {
		prev, now *State
		want      string
	}{
		"nothing": {s, s, ""},
		"chat":    {s, Step(t, s, Chat{Text: "hello"}), ""},
		"a mute": {s, muted, user2 + `<endpoint entity="sip:user1@host.example;tutti-leg=leg2" state="partial"><status>muted-via-focus</status></endpoint>` +
			`<t:user id="u2" order="2" muted="true" muted-by="moderator"/></user></users>`},
		"muted and back, told together": {s, Step(t, muted, Mute{User: "u2"}), ""},
		"a name":                        {s, Step(t, s, Rename{User: "u2", Name: "Ada"}), user2 + `<display-text>Ada</display-text></user></users>`},
		"a role":                        {s, Step(t, s, Grant{User: "u2", Role: Moderator}), user2 + `<roles><entry>moderator</entry></roles></user></users>`},
		"a lock": {s, Step(t, s, Lock{On: true}), `<conference-state><user-count>3</user-count><active>true</active><locked>true</locked>` +
			`<t:state/></conference-state>` + blocked},
		"somebody goes": {s, Step(t, s, Expel{User: "u1"}), `<conference-state><user-count>2</user-count><active>true</active><locked>false</locked>` +
			`<t:state/></conference-state><users state="partial"><user entity="sip:user0@host.example;tutti-id=u1" state="deleted"/></users>`},
		"all go": {s, Step(t, s, End{}), `<conference-state><user-count>0</user-count><active>false</active><locked>false</locked>` +
			`<t:state/></conference-state><users state="full">` + allowed + `</users>`},
	}
	for name, test := range tests {
		if got := partial(t, test.prev, test.now); got != test.want {
			t.Errorf("%s is told as\n%s\nwant\n%s", name, got, test.want)
		}
	}
}

// What a mute costs does not depend on how many are there. The persistent map is a tree: its way to one user is longer in a
// larger conference, by a step each time that doubles.
func TestConferenceInfoOfAMuteCostsTheSame(t *testing.T) {
	cost := func(n int) float64 {
		s := crowd(t, n)
		muted := Step(t, s, Mute{User: "u7", On: true})
		return testing.AllocsPerRun(20, func() { rfc4575.Partial(s, muted, 2, Viewer{}) })
	}
	if small, large := cost(10), cost(1000); large > 1.5*small {
		t.Errorf("a mute among 10 allocates %v times, among 1000 %v times", small, large)
	}
}

// A partial document next to a full one: bytes and time.
func BenchmarkConferenceInfo(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		s := crowd(b, n)
		muted := Step(b, s, Mute{User: "u7", On: true})
		b.Run(fmt.Sprintf("full/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			var text []byte
			for b.Loop() {
				text, _ = rfc4575.Full(muted, 2, Viewer{})
			}
			b.ReportMetric(float64(len(text)), "bytes")
		})
		b.Run(fmt.Sprintf("mute/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			var text []byte
			for b.Loop() {
				text, _ = rfc4575.Partial(s, muted, 2, Viewer{})
			}
			b.ReportMetric(float64(len(text)), "bytes")
		})
	}
}

// Conferences in the conference, by value and by reference, come, change and go.
func TestConferenceInfoOfSidebars(t *testing.T) {
	main := crowd(t, 4)
	with := func(all ...Sidebar) *State {
		s := *main
		s.Sidebars = all
		return &s
	}
	one := Sidebar{ID: "s1", Name: "Side <1>", Kind: SideRoom, Owner: "u1", Members: []UserID{"u1", "u2"}, Invited: []UserID{"u4"}, MainGain: 0.125}
	more := one
	more.Members = []UserID{"u1", "u2", "u3"}
	less := one
	less.Members = []UserID{"u2", "gone"}
	whisper := Sidebar{ID: "s2", Kind: Whisper, Members: []UserID{"u3", "u4"}, MainGain: 1}
	ref := Sidebar{ID: "s3", Name: "Elsewhere", URI: "sip:8002@bridge.example"}
	empty := Sidebar{ID: "s4"}
	states := []*State{
		main, with(one), with(one, whisper), with(more, whisper), with(less, whisper, ref), with(whisper, ref), with(whisper), with(), with(ref), main,
		with(empty, whisper), with(whisper, one), with(one, whisper), Step(t, with(one, ref), End{}),
	}
	documents := map[string]bool{}
	reader := &subscriber{viewer: Viewer{Self: "u1"}}
	var prev *State
	for _, now := range states {
		reader.notify(t, prev, now, func(d []byte) { documents[string(d)] = true })
		prev = now
	}
	if got := partial(t, with(one), with(more)); !strings.Contains(got, `<users state="partial"><user entity="sip:user2@host.example;tutti-id=u3" state="full"/></users>`) || strings.Contains(got, "u2") {
		t.Errorf("one more in a sidebar is told as\n%s", got)
	}
	if got := partial(t, with(one, ref), with(more, ref)); strings.Contains(got, "8002") {
		t.Errorf("a sidebar that did not change is told in\n%s", got)
	}
	valid(t, documents)
}

// Every sequence of orders leads to documents that lead to each other.
func FuzzConferenceInfo(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		subscribers := []*subscriber{{viewer: Viewer{}}, {viewer: Viewer{Operator: true}}}
		WalkStates(data, func(prev, now *State) {
			for _, s := range subscribers {
				s.notify(t, prev, now, func([]byte) {})
			}
		})
	})
}
