package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written "90s", "1m30s".
type Duration time.Duration

// UnmarshalText reads a duration with its unit.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration: write a number with a unit, such as 90s or 2m", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText is what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// PortRange is an inclusive range of ports.
type PortRange struct{ First, Last uint16 }

// UnmarshalText reads FIRST-LAST.
func (r *PortRange) UnmarshalText(text []byte) error {
	first, last, ok := strings.Cut(string(text), "-")
	a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	switch {
	case !ok, errA != nil, errB != nil:
		return fmt.Errorf("%q is not a range of ports: write FIRST-LAST, such as 20000-29999", text)
	case a < 1024:
		return fmt.Errorf("%q starts below 1024, where ports belong to the system", text)
	case b < a+3:
		return fmt.Errorf("%q holds fewer than four ports, and a phone with a picture needs four", text)
	}
	*r = PortRange{uint16(a), uint16(b)}
	return nil
}

// MarshalText is what UnmarshalText reads.
func (r PortRange) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d-%d", r.First, r.Last), nil
}
