package l16

import (
	"errors"
	"slices"
	"testing"

	"tutti/codec"
)

func TestSamplesComeBackAsTheyWere(t *testing.T) {
	in := []int16{0, 1, -1, 32767, -32768, 258}
	e, err := L16().NewEncoder(codec.AudioParams{})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := e.Encode([]byte{9}, in)
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte{9, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0x80, 0, 1, 2}; !slices.Equal(payload, want) {
		t.Errorf("payload = % x, want % x: network byte order", payload, want)
	}
	d, err := L16().NewDecoder(codec.AudioParams{})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int16, 10)
	if n, err := d.Decode(out, payload[1:]); err != nil || !slices.Equal(out[:n], in) {
		t.Errorf("decoded %v, %v; want %v", out[:n], err, in)
	}
}

func TestWhatCannotBeDecoded(t *testing.T) {
	d, err := L16().NewDecoder(codec.AudioParams{})
	if err != nil {
		t.Fatal(err)
	}
	room := make([]int16, 2)
	if _, err := d.Decode(room, nil); !errors.Is(err, codec.ErrEmpty) {
		t.Errorf("empty: %v", err)
	}
	if _, err := d.Decode(room, make([]byte, 6)); !errors.Is(err, codec.ErrSpace) {
		t.Errorf("too long: %v", err)
	}
	if _, err := d.Decode(room, make([]byte, 3)); err == nil {
		t.Error("half a sample was taken")
	}
	if _, err := L16().NewDecoder(codec.AudioParams{Channels: 2}); !errors.Is(err, codec.ErrChannels) {
		t.Errorf("stereo: %v", err)
	}
}
