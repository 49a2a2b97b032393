package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tutti/bridge"
)

func catalogue(t *testing.T, s Store, fixed ...bridge.Definition) *Catalogue {
	t.Helper()
	b := bridge.New(bridge.Config{Domain: "example.org", Conferences: fixed})
	k := NewCatalogue(Config{
		Bridge: b, Fixed: fixed, File: "/etc/tutti/tutti.yaml", Store: s,
		Page: func(name string) string { return "https://example.org/" + name },
	})
	k.Open(t.Context())
	return k
}

func draft(name, title string) Draft {
	return Draft{Definition: bridge.Definition{Name: name, Title: title}}
}

func rule(err error) string {
	if r, ok := errors.AsType[*bridge.Refusal](err); ok {
		return r.Rule
	}
	return ""
}

// What one process defined, the next one knows, PINs and all that package bridge puts into a definition.
func TestDefinitionsAreReadBack(t *testing.T) {
	s := &Memory{}
	pin := "4711"
	d := draft("Büro", "Weekly")
	d.PIN, d.Lobby, d.MaxUsers, d.Keywords = &pin, true, 7, []string{"a"}
	d.EndsAt = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	d.Schedule = &Schedule{Start: time.Date(2027, 1, 11, 9, 0, 0, 0, time.UTC), Minutes: 45}
	made, err := catalogue(t, s).Create(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.entries {
		if strings.Contains(string(e.Value), "4711\"") || e.Key == "Büro" {
			t.Errorf("kept as %s under %s", e.Value, e.Key)
		}
	}
	k := catalogue(t, s)
	got, err := k.Get("Büro")
	if err != nil || got.Title != "Weekly" || !got.Lobby || got.MaxUsers != 7 || !got.EndsAt.Equal(d.EndsAt) || got.Schedule.Minutes != 45 ||
		got.Revision != made.Revision || got.Definition.PIN != made.Definition.PIN {
		t.Fatalf("%+v %v", got, err)
	}
	if _, err := k.Bridge.Admit(bridge.JoinRequest{Conference: "Büro", PIN: pin}); err != nil {
		t.Errorf("the bridge was not told: %v", err)
	}
	if err := k.Delete(t.Context(), "Büro", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Bridge.Admit(bridge.JoinRequest{Conference: "Büro"}); rule(err) != bridge.RuleUnknown {
		t.Errorf("the bridge still knows it: %v", err)
	}
}

// What stands in the file is shown with the rest, and changed only there.
func TestFileIsReadOnly(t *testing.T) {
	s := &Memory{}
	if _, err := catalogue(t, s).Create(t.Context(), draft("8001", "kept before")); err != nil {
		t.Fatal(err)
	}
	k := catalogue(t, s, bridge.Definition{Name: "8001", Title: "from the file"})
	_, created := k.Create(t.Context(), draft("8001", ""))
	_, replaced := k.Replace(t.Context(), draft("8001", ""), 0)
	for what, err := range map[string]error{"create": created, "replace": replaced, "delete": k.Delete(t.Context(), "8001", 0)} {
		if rule(err) != bridge.RuleReadOnly || !strings.Contains(err.Error(), "/etc/tutti/tutti.yaml") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if all := k.All(); len(all) != 1 || all[0].Title != "from the file" || !all[0].ReadOnly() {
		t.Errorf("%+v", all)
	}
}

// faulty fails as a disk does: what it was given may have been written or not.
type faulty struct {
	Memory
	fails, wrote bool
}

var errDisk = errors.New("the disk is full")

func (f *faulty) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if f.fails && f.wrote {
		f.Memory.Put(ctx, key, value, revision)
	}
	if f.fails {
		return 0, errDisk
	}
	return f.Memory.Put(ctx, key, value, revision)
}

// A store that fails is told, the bridge goes on with what it knows, and when the store works again, so do changes.
func TestStoreThatFails(t *testing.T) {
	for name, wrote := range map[string]bool{"nothing was written": false, "it was written nevertheless": true} {
		t.Run(name, func(t *testing.T) {
			f := &faulty{wrote: wrote}
			k := catalogue(t, f)
			if _, err := k.Create(t.Context(), draft("8001", "one")); err != nil || k.Trouble() != nil {
				t.Fatal(err, k.Trouble())
			}
			f.fails = true
			if _, err := k.Replace(t.Context(), draft("8001", "two"), 0); rule(err) != bridge.RuleStore || !strings.Contains(err.Error(), "disk is full") {
				t.Fatalf("%v", err)
			}
			if r, err := k.Get("8001"); err != nil || r.Title != "one" || k.Trouble() == nil {
				t.Errorf("%+v %v, trouble %v", r, err, k.Trouble())
			}
			f.fails = false
			if _, err := k.Replace(t.Context(), draft("8001", "three"), 0); err != nil || k.Trouble() != nil {
				t.Errorf("%v, trouble %v", err, k.Trouble())
			}
			if r, _ := catalogue(t, f).Get("8001"); r.Title != "three" {
				t.Errorf("it holds %q", r.Title)
			}
		})
	}
}

// A value that this program does not understand is left alone.
func TestStrangeValuesAreLeftOut(t *testing.T) {
	s := &Memory{}
	for key, value := range map[string]string{
		keyOf("a"): `{"v": 2, "definition": {"name": "a"}}`, keyOf("b"): `{`, keyOf("c"): `{"v": 1, "definition": {"name": "x"}}`,
		keyOf("d"): `{"v": 1, "definition": {"name": "d", "fieldOfLater": 1}}`,
	} {
		s.Put(t.Context(), key, []byte(value), 0)
	}
	if all := catalogue(t, s).All(); len(all) != 1 || all[0].Name != "d" {
		t.Errorf("%+v", all)
	}
	if len(s.entries) != 4 {
		t.Error("something was removed")
	}
}

func TestRecurrenceRules(t *testing.T) {
	for text, good := range map[string]bool{
		"FREQ=WEEKLY;BYDAY=MO,WE": true, "FREQ=MONTHLY;BYDAY=-1FR;COUNT=12": true, "FREQ=YEARLY;UNTIL=20300101T000000Z": true,
		"FREQ=DAILY;INTERVAL=2": true, "FREQ=MONTHLY;BYMONTHDAY=-1;BYSETPOS=1;WKST=SU": true,
		"": false, "weekly": false, "FREQ=SECONDLY": false, "BYDAY=MO": false, "FREQ=DAILY;FREQ=DAILY": false, "FREQ=DAILY;": false,
		"FREQ=DAILY;COUNT=1;UNTIL=20300101": false, "FREQ=DAILY;COUNT=0": false, "FREQ=DAILY\r\nX:Y": false, "FREQ=DAILY;BYDAY=XX": false,
	} {
		if err := checkRule(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The invitation of a weekly meeting in Berlin, as a calendar reads it.
func TestInvitation(t *testing.T) {
	k := catalogue(t, &Memory{})
	k.now = func() time.Time { return time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC) }
	pin := "471147"
	d := draft("8001", "Weekly; all, of us\nEND:VEVENT")
	d.PIN, d.FreeText = &pin, strings.Repeat("ä long text ", 20)
	d.Schedule = &Schedule{Start: time.Date(2027, 1, 11, 8, 0, 0, 0, time.UTC), Minutes: 45, TimeZone: "Europe/Berlin", Recurrence: "FREQ=WEEKLY"}
	if _, err := k.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	b, err := k.Invitation("8001")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(b), "\r\n") {
		if len(line) > 75 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("line of %d bytes: %q", len(line), line)
		}
	}
	unfolded := strings.ReplaceAll(string(b), "\r\n ", "")
	for _, want := range []string{
		"DTSTART;TZID=Europe/Berlin:20270111T090000\r\nDURATION:PT45M\r\nRRULE:FREQ=WEEKLY\r\n",
		`SUMMARY:Weekly\; all\, of us\nEND:VEVENT` + "\r\n",
		"UID:8001@example.org\r\nDTSTAMP:20261201T080000Z\r\nSEQUENCE:1\r\n",
		"URL:https://example.org/8001\r\n", "CONFERENCE;VALUE=URI;FEATURE=PHONE;LABEL=Phone:sip:8001@example.org\r\n",
		"BEGIN:STANDARD\r\nDTSTART:20261025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\nRDATE:20271031T030000,",
		"BEGIN:DAYLIGHT\r\nDTSTART:20270328T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\nRDATE:20280326T020000,",
	} {
		if !strings.Contains(unfolded, want) {
			t.Errorf("%q is missing in\n%s", want, unfolded)
		}
	}
	if strings.Contains(unfolded, pin) || strings.Count(unfolded, "\r\nEND:VEVENT\r\n") != 1 {
		t.Error("it tells the PIN, or the title broke out of its line")
	}
	for _, zone := range []string{"", "Asia/Kathmandu", "America/New_York", "UTC"} {
		d := draft("x"+strings.ReplaceAll(zone, "/", "-"), "t")
		d.Schedule = &Schedule{Start: time.Date(2027, 1, 11, 8, 0, 0, 0, time.UTC), Minutes: 45, TimeZone: zone}
		if _, err := k.Create(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Invitation(d.Name); err != nil {
			t.Errorf("%s: %v", zone, err)
		}
	}
}
