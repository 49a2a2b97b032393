package store

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"tutti/bridge"
)

// Schedule says when a conference is meant to meet. It opens and closes nothing: it is for the invitation.
type Schedule struct {
	Start      time.Time `json:"start" doc:"of the first meeting" example:"2027-01-11T09:00:00+01:00"`
	Minutes    int       `json:"minutes" minimum:"1" maximum:"10080" doc:"how long a meeting lasts" example:"45"`
	TimeZone   string    `json:"timeZone,omitempty" maxLength:"64" doc:"whose summer time meetings follow, of the IANA data base; absent is UTC" example:"Europe/Berlin"`
	Recurrence string    `json:"recurrence,omitempty" maxLength:"256" doc:"recurrence rule (RFC 5545 §3.3.10)" example:"FREQ=WEEKLY;BYDAY=MO"`
}

// zone is where the clock of the schedule hangs.
func (s *Schedule) zone() (*time.Location, error) {
	if s.TimeZone == "" {
		return time.UTC, nil
	}
	if s.TimeZone == "Local" { // of this machine; it means nothing elsewhere
		return nil, fmt.Errorf("unknown time zone Local")
	}
	return time.LoadLocation(s.TimeZone)
}

func (s *Schedule) check() error {
	if y := s.Start.Year(); y < 1970 || y > 9000 {
		return bridge.RefuseInvalid("schedule.start: %d is no year to meet in", y)
	}
	if s.Minutes < 1 || s.Minutes > 7*24*60 {
		return bridge.RefuseInvalid("schedule.minutes: 1 to %d", 7*24*60)
	}
	if _, err := s.zone(); err != nil {
		return bridge.RefuseInvalid("schedule.timeZone: there is no time zone %q, such as Europe/Berlin", s.TimeZone)
	}
	if s.Recurrence == "" {
		return nil
	}
	if err := checkRule(s.Recurrence); err != nil {
		return bridge.RefuseInvalid("schedule.recurrence: %v", err)
	}
	return nil
}

// ruleParts are the parts of a recurrence rule and what they look like (RFC 5545 §3.3.10).
var ruleParts = map[string]*regexp.Regexp{
	"FREQ":       regexp.MustCompile(`^(DAILY|WEEKLY|MONTHLY|YEARLY)$`), // a conference does not meet each second
	"UNTIL":      regexp.MustCompile(`^\d{8}(T\d{6}Z?)?$`),
	"COUNT":      regexp.MustCompile(`^[1-9]\d{0,4}$`),
	"INTERVAL":   regexp.MustCompile(`^[1-9]\d{0,3}$`),
	"BYDAY":      list(`([+-]?([1-9]|[1-4]\d|5[0-3]))?(MO|TU|WE|TH|FR|SA|SU)`),
	"BYMONTHDAY": list(`[+-]?([1-9]|[12]\d|3[01])`),
	"BYYEARDAY":  list(`[+-]?([1-9]\d{0,2})`),
	"BYWEEKNO":   list(`[+-]?([1-9]|[1-4]\d|5[0-3])`),
	"BYMONTH":    list(`([1-9]|1[0-2])`),
	"BYHOUR":     list(`(\d|1\d|2[0-3])`),
	"BYMINUTE":   list(`[1-5]?\d`),
	"BYSETPOS":   list(`[+-]?([1-9]\d{0,2})`),
	"WKST":       regexp.MustCompile(`^(MO|TU|WE|TH|FR|SA|SU)$`),
}

func list(one string) *regexp.Regexp { return regexp.MustCompile(`^` + one + `(,` + one + `)*$`) }

// checkRule says what is wrong with a recurrence rule.
func checkRule(rule string) error {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(rule, ";") {
		name, value, _ := strings.Cut(part, "=")
		form := ruleParts[name]
		switch {
		case form == nil:
			return fmt.Errorf("there is no part %q in a recurrence rule", name)
		case seen[name]:
			return fmt.Errorf("%s stands there twice", name)
		case !form.MatchString(value):
			return fmt.Errorf("%q is not a value of %s", value, name)
		}
		seen[name] = true
	}
	switch {
	case !seen["FREQ"]:
		return fmt.Errorf("FREQ is missing, such as FREQ=WEEKLY")
	case seen["COUNT"] && seen["UNTIL"]:
		return fmt.Errorf("COUNT and UNTIL exclude each other")
	}
	return nil
}
