package picture

import (
	"math/rand/v2"
	"testing"
	"time"

	"tutti/codec"
)

// ThroughLoss sends a moving scene over a path that loses one packet in forty, and asks for a key frame whenever a loss
// costs a frame. No picture that comes out may be broken, and most have to come.
func ThroughLoss(t *testing.T, v codec.Video, p codec.VideoParams) {
	t.Helper()
	e, err := v.NewEncoder(p)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	d, err := v.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	pack, join := v.NewPacketizer(p.Fmtp, 1200), v.NewAssembler()
	random := rand.New(rand.NewPCG(1, 2))
	const frames = 200
	shown, losses, wantKey, lost := 0, 0, false, false
	for n := range frames {
		img := Moving(p.Width, p.Height, n)
		frame, isKey, err := e.Encode(img, time.Duration(n)*time.Second/time.Duration(p.FrameRate), wantKey)
		if err != nil {
			t.Fatal(err)
		}
		wantKey = wantKey && !isKey
		payloads := pack.Packetize(frame)
		for i, payload := range payloads {
			if random.IntN(40) == 0 {
				lost = true
				losses++
				continue
			}
			whole, _, ok := join.Push(payload, uint32(n*90000/p.FrameRate), i == len(payloads)-1, lost)
			wantKey = wantKey || lost && !ok
			lost = false
			if !ok {
				continue
			}
			out, err := d.Decode(whole)
			if err != nil {
				t.Fatalf("frame %d: the assembler gave what cannot be decoded: %v", n, err)
			}
			shown++
			if psnr := PSNR(img, out); psnr < 25 {
				t.Errorf("frame %d: a picture of %.1f dB", n, psnr)
			}
		}
	}
	if losses < 5 || shown < frames/2 || shown == frames {
		t.Errorf("%d losses, %d of %d pictures", losses, shown, frames)
	}
}
