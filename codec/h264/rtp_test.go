package h264

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/pion/rtp/codecs"

	"tutti/codec"
)

// stream is an Annex B byte stream of NAL units with these headers and sizes; start codes have three or four bytes.
func stream(units ...[2]int) []byte {
	var b []byte
	for i, u := range units {
		b = append(b, []byte{0, 0, 0, 1}[i%2:]...)
		b = append(b, byte(u[0]))
		for n := 1; n < u[1]; n++ {
			b = append(b, byte(n%250)|1)
		}
	}
	return b
}

func TestPacketizeIsRead(t *testing.T) {
	frame := stream([2]int{0x09, 2}, [2]int{0x67, 20}, [2]int{0x68, 5}, [2]int{0x65, 3000}, [2]int{0x65, 100}, [2]int{0x0C, 30})
	want := map[int][]byte{ // the types of packets
		1: {nalSTAPA, nalFUA, nalFUA, nalFUA, nalIDR},
		0: {nalSPS, nalPPS, nalIDR, nalIDR},
	}
	var units []byte
	for nal, rest := nextNAL(frame); nal != nil; nal, rest = nextNAL(rest) {
		if typ := typeOf(nal); typ != nalDelimiter && typ != nalFiller {
			units = append(append(units, 0, 0, 0, 1), nal...)
		}
	}
	for mode, types := range want {
		p := newPacketizer(fmt.Sprintf("packetization-mode=%d", mode), 1200)
		for range 2 { // its memory is used again
			var got, gotTypes []byte
			var other codecs.H264Packet // another reading of RFC 6184
			for _, payload := range p.Packetize(frame) {
				gotTypes = append(gotTypes, typeOf(payload))
				if mode == 1 && len(payload) > 1200 {
					t.Errorf("a payload of %d bytes", len(payload))
				}
				part, err := other.Unmarshal(payload)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, part...)
			}
			if !bytes.Equal(gotTypes, types) {
				t.Errorf("mode %d: packets of %v, want %v", mode, gotTypes, types)
			}
			if !bytes.Equal(got, units) {
				t.Errorf("mode %d: the parts are not the frame", mode)
			}
		}
	}
	if got := newPacketizer(mode1, 1200).Packetize(nil); len(got) != 0 {
		t.Errorf("a skipped picture makes %d payloads", len(got))
	}
}

type packet struct {
	payload      string
	timestamp    uint32
	marker, lost bool
	want         string // the NAL units with | before each, "" for no frame
}

func TestAssembler(t *testing.T) {
	const ( // NAL units; a first slice begins with a bit of 1
		sps, pps, idr, slice = "\x67s", "\x68p", "\x65\x80i", "\x41\x80x"
		idrTail, sliceTail   = "\x65\x40j", "\x41\x40y"
		stap                 = "\x78\x00\x02" + sps + "\x00\x02" + pps
		fuStart, fuMid       = "\x7C\x85\x80i", "\x7C\x05jk"
		fuLast               = "\x7C\x45l"
	)
	key := packet{idr, 0, true, false, "|" + idr}
	tests := map[string][]packet{
		"sets, IDR, others": {
			{sps, 0, false, false, ""}, {pps, 0, false, false, ""}, {idr, 0, true, false, "|" + sps + "|" + pps + "|" + idr},
			{slice, 9, true, false, "|" + slice},
		},
		"aggregate and fragments": {
			{stap, 0, false, false, ""}, {fuStart, 0, false, false, ""}, {fuMid, 0, false, false, ""},
			{fuLast, 0, true, false, "|" + sps + "|" + pps + "|\x65\x80ijkl"},
		},
		"sets that come alone lead the next picture": {
			{stap, 0, true, false, ""}, {slice, 9, true, false, ""}, {idr, 18, true, false, "|" + sps + "|" + pps + "|" + idr},
			{pps, 27, true, false, ""}, {slice, 36, true, false, "|" + pps + "|" + slice}, {slice, 45, true, false, "|" + slice},
		},
		"sets that came alone outlast a loss": {
			{sps, 0, true, false, ""}, {pps, 3, true, false, ""}, {idr, 9, false, false, ""}, {idrTail, 9, true, true, ""},
			{idr, 18, true, false, "|" + sps + "|" + pps + "|" + idr},
		},
		"nothing before the first key": {{slice, 0, true, false, ""}, {idr, 9, true, false, "|" + idr}},
		"several slices":               {{idr, 0, false, false, ""}, {idrTail, 0, true, false, "|" + idr + "|" + idrTail}},
		"a whole frame is lost": {
			key, {slice, 18, true, true, ""}, {slice, 27, true, false, ""}, {idr, 36, true, false, "|" + idr}, {slice, 45, true, false, "|" + slice},
		},
		"a frame's begin is lost":          {key, {sliceTail, 9, true, true, ""}, {slice, 18, true, false, ""}},
		"a frame's middle is lost":         {key, {slice, 9, false, false, ""}, {sliceTail, 9, true, true, ""}, {slice, 18, true, false, ""}},
		"a key frame's begin is lost":      {{idrTail, 0, true, true, ""}, {slice, 9, true, false, ""}},
		"a fragment is lost":               {{fuStart, 0, false, false, ""}, {fuLast, 0, true, true, ""}, key},
		"the first fragment is lost":       {{fuMid, 0, false, true, ""}, {fuLast, 0, true, false, ""}},
		"the last fragment is lost":        {{fuStart, 0, false, false, ""}, {idr, 9, true, true, "|" + idr}},
		"a fragment does not end":          {{fuStart, 0, false, false, ""}, {idrTail, 0, true, false, ""}},
		"a fragment ends with its frame":   {{fuStart, 0, true, false, ""}},
		"a loss before a key harms nobody": {key, {idr, 9, true, true, "|" + idr}, {slice, 18, true, false, "|" + slice}},
		"no markers": {
			{idr, 0, false, false, ""}, {slice, 9, false, false, "|" + idr}, {slice, 18, false, false, "|" + slice},
		},
		"a marker after none": {
			{idr, 0, false, false, ""}, {slice, 9, true, false, "|" + idr}, {slice, 18, true, false, "|" + slice},
			{slice, 27, false, false, "|" + slice},
		},
		"a frame that waited survives a loss after it": {
			{idr, 0, false, false, ""}, {slice, 9, true, false, "|" + idr}, {slice, 27, true, true, "|" + slice},
		},
		"interleaved packets, an error bit, an empty unit": {
			{"\x79\x00\x00\x00\x02\x65\x80", 0, true, false, ""}, {"\xE5\x80", 9, true, false, ""}, {"\x78\x00\x00", 18, true, false, ""},
			{"\x78\x00\x09\x65\x80", 27, true, false, ""}, {"\x78\x00", 36, true, false, ""}, {"\x7C\x85", 45, true, false, ""},
			{"\x7C\xC5\x80", 54, true, false, ""}, {"\x40", 63, true, false, ""}, {"", 72, true, false, ""},
		},
	}
	for name, packets := range tests {
		a := H264().NewAssembler()
		for i, p := range packets {
			frame, isKey, ok := a.Push([]byte(p.payload), p.timestamp, p.marker, p.lost)
			got := string(bytes.ReplaceAll(frame, []byte{0, 0, 0, 1}, []byte("|")))
			if got != p.want || ok != (p.want != "") {
				t.Errorf("%s: packet %d gives %q, %t; want %q", name, i, got, ok, p.want)
			}
			if want := bytes.Contains(frame, []byte("\x01\x65")); isKey != want {
				t.Errorf("%s: packet %d: key = %t", name, i, isKey)
			}
		}
	}
}

func TestAssemblerIsBounded(t *testing.T) {
	a := new(assembler)
	big := append([]byte{0x65, 0x80}, make([]byte, 60000)...)
	for range 40 {
		if _, _, ok := a.Push(big, 0, false, false); ok {
			t.Fatal("a frame without an end")
		}
	}
	if cap(a.gathered) > 2*codec.MaxFrame {
		t.Errorf("%d bytes held", cap(a.gathered))
	}
	if _, _, ok := a.Push(big, 0, true, false); ok {
		t.Error("a frame above the bound")
	}
	sets := append([]byte{0x67}, make([]byte, 1000)...)
	for n := range uint32(100) {
		a.Push(sets, 1+n, true, false)
	}
	frame, _, ok := a.Push([]byte{0x65, 0x80}, 1000, true, false)
	if !ok || len(frame) < 1000 || len(frame) > maxSets+10 {
		t.Errorf("after many sets a frame of %d bytes, %t", len(frame), ok)
	}
}

// Whatever arrives: a frame holds NAL units, and slices only after an IDR.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte("\x02\x65\x80\x03\x41\x80x"), uint8(0xFF))
	f.Add([]byte("\x0A\x78\x00\x02\x67s\x00\x03\x65\x80i"), uint8(1))
	f.Add([]byte("\x04\x7C\x85\x80i\x03\x7C\x45l"), uint8(2))
	f.Fuzz(func(t *testing.T, packets []byte, markers uint8) {
		a := new(assembler)
		seen := false
		for i := 0; len(packets) > 0; i++ { // each packet is a length and its bytes
			n := min(int(packets[0]), len(packets)-1)
			payload := packets[1 : 1+n]
			packets = packets[1+n:]
			bit := markers>>(i%8)&1 == 1
			frame, key, ok := a.Push(payload, uint32(i/3), bit, i%5 == 4)
			if !ok {
				continue
			}
			seen = seen || key
			units := 0
			for nal, rest := nextNAL(frame); nal != nil; nal, rest = nextNAL(rest) {
				units++
			}
			if len(frame) < 5 || !bytes.HasPrefix(frame, []byte{0, 0, 0, 1}) {
				t.Fatalf("frame %x", frame)
			}
			if !seen {
				t.Fatalf("a frame before a key: %x", frame)
			}
		}
	})
}

func FuzzPacketize(f *testing.F) {
	f.Add(stream([2]int{0x67, 20}, [2]int{0x68, 5}, [2]int{0x65, 300}), uint8(100), true)
	f.Fuzz(func(t *testing.T, frame []byte, mtu uint8, single bool) {
		fmtp := mode1
		if single {
			fmtp = ""
		}
		for _, payload := range newPacketizer(fmtp, int(mtu)).Packetize(frame) {
			if len(payload) == 0 || !single && len(payload) > max(int(mtu), minRoom) {
				t.Fatalf("a payload of %d bytes for %d", len(payload), mtu)
			}
		}
	})
}

func BenchmarkPacketize(b *testing.B) {
	p, a := newPacketizer(mode1, 1200), new(assembler)
	frame := stream([2]int{0x67, 20}, [2]int{0x68, 5}, [2]int{0x65, 12000})
	b.ReportAllocs()
	for b.Loop() {
		payloads := p.Packetize(frame)
		for i, payload := range payloads {
			a.Push(payload, 1, i == len(payloads)-1, false)
		}
	}
}
