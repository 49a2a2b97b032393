package vpx

import (
	"bytes"
	"testing"

	"github.com/pion/rtp/codecs"

	"tutti/codec"
)

func TestPacketizeIsRead(t *testing.T) {
	frame := make([]byte, 3000)
	for i := range frame {
		frame[i] = byte(i)
	}
	p := newPacketizer(1200)
	p.id = idMask
	for _, wantID := range []uint16{idMask, 0} { // it wraps at 15 bits
		var got []byte
		for i, payload := range p.Packetize(frame) {
			var other codecs.VP8Packet // another reading of RFC 7741
			part, err := other.Unmarshal(payload)
			if err != nil {
				t.Fatal(err)
			}
			if (other.S == 1) != (i == 0) || other.PID != 0 || other.PictureID != wantID {
				t.Errorf("payload %d: S %d, PID %d, PictureID %d, want id %d", i, other.S, other.PID, other.PictureID, wantID)
			}
			if len(payload) > 1200 {
				t.Errorf("payload %d has %d bytes", i, len(payload))
			}
			got = append(got, part...)
		}
		if !bytes.Equal(got, frame) {
			t.Error("the parts are not the frame")
		}
	}
	if got := p.Packetize(nil); len(got) != 0 {
		t.Errorf("a skipped picture makes %d payloads", len(got))
	}
}

// A packet of the stories below; its descriptor is written out.
type packet struct {
	payload      []byte
	timestamp    uint32
	marker, lost bool
	want         string // the frame, "" for none
}

const keyByte, interByte = 0x10, 0x11 // the first bit says which

func TestAssembler(t *testing.T) {
	first := func(id byte, kind byte, rest string) []byte {
		return append([]byte{0x90, 0x80, id, kind}, rest...)
	}
	next := func(id byte, rest string) []byte { return append([]byte{0x80, 0x80, id}, rest...) }
	key := []packet{{first(1, keyByte, "a"), 0, false, false, ""}, {next(1, "b"), 0, true, false, "\x10ab"}}
	tests := map[string][]packet{
		"key, then others": append(key[:2:2],
			packet{first(2, interByte, "c"), 9, true, false, "\x11c"},
		),
		"nothing before the first key": append([]packet{
			{first(7, interByte, "x"), 5, true, false, ""},
			{next(7, "y"), 5, true, false, ""},
		}, key...),
		"a hole in the frame, then waiting for a key": append(key[:2:2],
			packet{first(2, interByte, "c"), 9, false, false, ""},
			packet{next(2, "d"), 9, true, true, ""},
			packet{first(3, interByte, "e"), 18, true, false, ""},
			packet{first(4, keyByte, "f"), 27, true, false, "\x10f"},
		),
		"a frame's begin is lost": append(key[:2:2],
			packet{next(2, "d"), 9, true, true, ""},
			packet{first(3, interByte, "e"), 18, true, false, ""},
		),
		"a whole frame is lost": append(key[:2:2],
			packet{first(3, interByte, "e"), 18, true, true, ""},
		),
		"padding is lost": append(key[:2:2],
			packet{first(2, interByte, "e"), 18, true, true, "\x11e"},
		),
		"a frame's end is lost, with its marker": append(key[:2:2],
			packet{first(2, interByte, "c"), 9, false, false, ""},
			packet{first(3, interByte, "e"), 18, true, true, ""},
		),
		"the marker is missing": append(key[:2:2],
			packet{first(2, interByte, "c"), 9, false, false, ""},
			packet{first(3, interByte, "e"), 18, true, false, ""},
		),
		"a loss heals with a key": append(key[:2:2],
			packet{first(5, keyByte, "e"), 18, true, true, "\x10e"},
		),
		"every field of the descriptor": {
			{[]byte{0xB0, 0xF0, 0x81, 0x02, 9, 0xE1, keyByte, 'k'}, 0, true, false, "\x10k"}, // 15-bit id, TL0PICIDX, TID and KEYIDX
			{[]byte{0x10, interByte, 'm'}, 9, true, false, "\x11m"},                          // none of them
		},
		"a further partition is no begin": {
			{[]byte{0x11, keyByte, 'k'}, 0, true, false, ""},
		},
		"padding and stumps give nothing, and break nothing": append(key[:2:2],
			packet{nil, 9, false, false, ""},
			packet{[]byte{0x90}, 9, false, false, ""},
			packet{[]byte{0x90, 0x80, 0x81}, 9, false, false, ""},
			packet{[]byte{0x90, 0xF0, 0x81, 2, 1, 1}, 9, true, false, ""},
			packet{first(2, interByte, "c"), 9, true, false, "\x11c"},
		),
	}
	for name, packets := range tests {
		a := VP8().NewAssembler()
		for i, p := range packets {
			frame, isKey, ok := a.Push(p.payload, p.timestamp, p.marker, p.lost)
			if string(frame) != p.want || ok != (p.want != "") {
				t.Errorf("%s: packet %d gives %q, %t; want %q", name, i, frame, ok, p.want)
			}
			if ok && isKey != (frame[0]&1 == 0) {
				t.Errorf("%s: packet %d: key = %t", name, i, isKey)
			}
		}
	}
}

func TestAssemblerIsBounded(t *testing.T) {
	a := new(assembler)
	big := append([]byte{0x10, keyByte}, make([]byte, 60000)...)
	for range 40 {
		if _, _, ok := a.Push(big, 0, false, false); ok {
			t.Fatal("a frame without an end")
		}
	}
	if cap(a.frame) > 2*codec.MaxFrame {
		t.Errorf("%d bytes held", cap(a.frame))
	}
}

// Whatever arrives: a frame is never empty, and the first one is a key frame.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte{0x90, 0x80, 1, keyByte}, uint32(0), true, false)
	f.Add([]byte{0xB0, 0xF0, 0x81, 0x02, 9, 0xE1, interByte, 'k'}, uint32(9), false, true)
	f.Fuzz(func(t *testing.T, payload []byte, timestamp uint32, marker, lost bool) {
		a := new(assembler)
		for cut := range len(payload) + 1 {
			frame, key, ok := a.Push(payload[cut:], timestamp, marker, lost && cut > 0)
			if ok && (len(frame) == 0 || key != (frame[0]&1 == 0)) {
				t.Fatalf("frame %x, key %t", frame, key)
			}
			if ok && !a.flowing {
				t.Fatal("a frame without a key before it")
			}
		}
	})
}

func BenchmarkPacketize(b *testing.B) {
	p, a := newPacketizer(1200), new(assembler)
	frame := make([]byte, 12000)
	b.ReportAllocs()
	for b.Loop() {
		payloads := p.Packetize(frame)
		for i, payload := range payloads {
			a.Push(payload, 1, i == len(payloads)-1, false)
		}
	}
}
