package telephone

import "testing"

func TestParseEvent(t *testing.T) {
	tests := map[string]struct {
		payload []byte
		want    Event
		ok      bool
	}{
		"key 1 goes down":         {[]byte{1, 10, 0, 160}, Event{Code: 1, Volume: 10, Duration: 160}, true},
		"key # is up":             {[]byte{11, 0x8A, 0x06, 0x40}, Event{11, true, 10, 1600}, true},
		"the reserved bit is not": {[]byte{5, 0x7F, 0, 1}, Event{Code: 5, Volume: 63, Duration: 1}, true},
		"a tail is ignored":       {[]byte{5, 0, 0, 1, 9, 9}, Event{Code: 5, Duration: 1}, true},
		"too short":               {[]byte{5, 0, 0}, Event{}, false},
		"empty":                   {nil, Event{}, false},
	}
	for name, tt := range tests {
		if got, err := ParseEvent(tt.payload); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s: ParseEvent() = %+v, %v", name, got, err)
		}
	}
}

func TestKeys(t *testing.T) {
	for i, key := range "0123456789*#ABCD" {
		if code, ok := Code(key); !ok || int(code) != i {
			t.Errorf("Code(%c) = %d, %t", key, code, ok)
		}
		if got, ok := (Event{Code: byte(i)}).Digit(); !ok || got != key {
			t.Errorf("Digit of %d = %c, %t", i, got, ok)
		}
	}
	if code, ok := Code('c'); !ok || code != 14 {
		t.Errorf("Code(c) = %d, %t", code, ok)
	}
	for _, key := range "Ee -\x00é" {
		if code, ok := Code(key); ok {
			t.Errorf("Code(%q) = %d", key, code)
		}
	}
	if key, ok := (Event{Code: 16}).Digit(); ok { // flash hook is no key
		t.Errorf("Digit of 16 = %c", key)
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte{11, 0x8A, 0x06, 0x40})
	f.Fuzz(func(t *testing.T, p []byte) {
		e, err := ParseEvent(p)
		if err != nil {
			return
		}
		if back, err := ParseEvent(e.Append(nil)); err != nil || back != e {
			t.Fatalf("ParseEvent(Append(%+v)) = %+v, %v", e, back, err)
		}
	})
}
