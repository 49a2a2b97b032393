package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tutti/bridge"
)

// Invitation is the schedule of a conference as iCalendar (RFC 5545), with where to go. No PIN is in it: calendars are
// passed on.
func (k *Catalogue) Invitation(name string) ([]byte, error) {
	r, err := k.Get(name)
	if err != nil {
		return nil, err
	}
	if r.Schedule == nil {
		return nil, bridge.RefuseUnscheduled(name)
	}
	return r.calendar(k.Bridge.URI(name), k.Page(name), k.now())
}

const (
	floating = "20060102T150405"
	utc      = floating + "Z"
)

func (r Record) calendar(uri, page string, now time.Time) ([]byte, error) {
	zone, err := r.Schedule.zone()
	if err != nil {
		return nil, bridge.RefuseInvalid("schedule.timeZone: %v", err)
	}
	var c calendar
	c.line("BEGIN", "VCALENDAR")
	c.line("VERSION", "2.0")
	c.line("PRODID", "-//tutti//tutti//EN")
	start, at := r.Schedule.Start.In(zone), ""
	if zone == time.UTC {
		at = start.Format(utc)
	} else {
		c.zone(zone, start, r.Schedule.Recurrence != "")
		at = start.Format(floating)
	}
	c.line("BEGIN", "VEVENT")
	c.line("UID", strings.TrimPrefix(uri, "sip:"))
	c.line("DTSTAMP", cmp.Or(r.Changed, now).UTC().Format(utc))
	c.line("SEQUENCE", fmt.Sprint(r.Revision%(1<<31)))
	if zone == time.UTC {
		c.line("DTSTART", at)
	} else {
		c.line("DTSTART;TZID="+zone.String(), at)
	}
	c.line("DURATION", fmt.Sprintf("PT%dM", r.Schedule.Minutes))
	if r.Schedule.Recurrence != "" {
		c.line("RRULE", r.Schedule.Recurrence)
	}
	c.line("SUMMARY", text(cmp.Or(r.Title, r.Subject, r.Name)))
	where := []string{"Phone: " + uri}
	if page != "" {
		where = []string{"Browser: " + page, where[0]}
		c.line("LOCATION", text(page))
		c.line("URL", page)
		c.line("CONFERENCE;VALUE=URI;FEATURE=AUDIO,VIDEO;LABEL=Browser", page) // RFC 7986 §5.11
	} else {
		c.line("LOCATION", text(uri))
	}
	c.line("CONFERENCE;VALUE=URI;FEATURE=PHONE;LABEL=Phone", uri)
	about := slices.DeleteFunc([]string{r.Subject, r.FreeText}, func(s string) bool { return s == "" })
	c.line("DESCRIPTION", text(strings.Join(append(about, where...), "\n")))
	c.line("END", "VEVENT")
	c.line("END", "VCALENDAR")
	return []byte(c.String()), nil
}

// calendar writes content lines.
type calendar struct{ strings.Builder }

// line writes one property. Lines have at most 75 octets; what is longer goes on behind a line break and a space (RFC 5545 §3.1).
func (c *calendar) line(name, value string) {
	rest, room := name+":"+value, 75
	for len(rest) > room {
		cut := room
		for !utf8.RuneStart(rest[cut]) {
			cut--
		}
		c.WriteString(rest[:cut] + "\r\n ")
		rest, room = rest[cut:], 74
	}
	c.WriteString(rest + "\r\n")
}

// text is a value of the type TEXT (RFC 5545 §3.3.11).
func text(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7F {
			return -1
		}
		return r
	}, s)
	return strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\n", `\n`).Replace(s)
}

const zoneYears = 10 // of a recurring meeting, for which the changes to and from summer time are told

// zone writes the clock of a zone from start on (RFC 5545 §3.6.5): each kind of time once, with the moments when it begins.
func (c *calendar) zone(zone *time.Location, start time.Time, recurs bool) {
	end := start.AddDate(0, 0, 8)
	if recurs {
		end = start.AddDate(zoneYears, 0, 0)
	}
	c.line("BEGIN", "VTIMEZONE")
	c.line("TZID", zone.String())
	type kind struct {
		name   string
		from   int
		offset int
		summer bool
	}
	var kinds []kind
	begins := map[kind][]string{}
	for at := start; ; {
		since, until := at.ZoneBounds()
		if since.IsZero() { // the zone never changed
			since = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).In(zone)
		}
		name, offset := since.Zone()
		_, from := since.Add(-time.Second).Zone()
		k := kind{name, from, offset, since.IsDST()}
		if begins[k] == nil {
			kinds = append(kinds, k)
		}
		begins[k] = append(begins[k], since.UTC().Add(time.Duration(from)*time.Second).Format(floating))
		if until.IsZero() || until.After(end) {
			break
		}
		at = until
	}
	for _, k := range kinds {
		part := map[bool]string{true: "DAYLIGHT", false: "STANDARD"}[k.summer]
		c.line("BEGIN", part)
		c.line("DTSTART", begins[k][0])
		c.line("TZOFFSETFROM", offset(k.from))
		c.line("TZOFFSETTO", offset(k.offset))
		c.line("TZNAME", text(k.name))
		if len(begins[k]) > 1 {
			c.line("RDATE", strings.Join(begins[k][1:], ","))
		}
		c.line("END", part)
	}
	c.line("END", "VTIMEZONE")
}

// offset is seconds east of Greenwich as +HHMM.
func offset(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	return fmt.Sprintf("%c%02d%02d", sign, seconds/3600, seconds/60%60)
}
