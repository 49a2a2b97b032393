package codec

import "testing"

func TestParseFormat(t *testing.T) {
	tests := map[string]struct {
		want Format
		ok   bool
	}{
		"opus/48000/2":              {Format{"opus", 48000, 2}, true},
		"PCMU/8000":                 {Format{"PCMU", 8000, 0}, true},
		"L16/44100/1":               {Format{"L16", 44100, 1}, true},
		" telephone-event/8000\r\n": {Format{"telephone-event", 8000, 0}, true},
		"":                          {},
		"PCMU":                      {},
		"/8000":                     {},
		"PCMU/":                     {},
		"PCMU/0":                    {},
		"PCMU/-8000":                {},
		"PCMU/+8000":                {},
		"PCMU/8000/":                {},
		"PCMU/8000/0":               {},
		"PCMU/8000/2/2":             {},
		"0 PCMU/8000":               {}, // the number is not part of the format
		"PCMU/99999999999999999999": {},
	}
	for in, tt := range tests {
		got, err := ParseFormat(in)
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("ParseFormat(%q) = %+v, %v; want %+v, ok %t", in, got, err, tt.want, tt.ok)
		}
	}
}

func TestFormatEqual(t *testing.T) {
	tests := map[string]struct {
		a, b Format
		want bool
	}{
		"case":                {Format{"OPUS", 48000, 2}, Format{"opus", 48000, 2}, true},
		"no channels is one":  {Format{"PCMA", 8000, 0}, Format{"PCMA", 8000, 1}, true},
		"channels differ":     {Format{"opus", 48000, 1}, Format{"opus", 48000, 2}, false},
		"clock rates differ":  {Format{"telephone-event", 8000, 0}, Format{"telephone-event", 48000, 0}, false},
		"another name, alike": {Format{"PCMA", 8000, 0}, Format{"PCMU", 8000, 0}, false},
	}
	for name, tt := range tests {
		if got := tt.a.Equal(tt.b); got != tt.want {
			t.Errorf("%s: %v.Equal(%v) = %t", name, tt.a, tt.b, got)
		}
	}
}

func FuzzParseFormat(f *testing.F) {
	f.Add("opus/48000/2")
	f.Add("PCMU/8000/01")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseFormat(s)
		if err != nil {
			return
		}
		if b, err := ParseFormat(a.String()); err != nil || !b.Equal(a) {
			t.Fatalf("ParseFormat(%q) = %+v, whose String reads back as %+v, %v", s, a, b, err)
		}
	})
}
