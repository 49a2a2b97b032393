package audio

import "math"

// Silence is the level of digital silence, −dBov (RFC 6464).
const Silence = 127

// Level is the power of pcm in −dBov: 0 is a square wave at full scale, 127 is silence (RFC 6464 §3).
func Level(pcm []int16) uint8 {
	if len(pcm) == 0 {
		return Silence
	}
	var energy int64
	for _, s := range pcm {
		energy += int64(s) * int64(s)
	}
	if energy == 0 {
		return Silence
	}
	db := -10 * math.Log10(float64(energy)/float64(len(pcm))/(32768*32768))
	return uint8(min(max(math.Round(db), 0), Silence))
}

// Levels and times of the voice detector, in dB and in ticks of 20 ms.
const (
	loudFloor   = 45 // −dBov: no background is believed to be louder
	voiceLevel  = 50 // −dBov: nothing below it is a voice
	aboveFloor  = 9  // dB over the background
	voiceOn     = 3  // ticks of voice, of the last five, before it counts: 60 ms
	voiceOff    = 40 // ticks without voice before it ends: 800 ms
	floorRise   = 25 // ticks in which the background may rise by 1 dB
	soundLevel  = 62 // −dBov: what is lower does not sound
	soundOff    = 15 // ticks that a sound lasts after it fell below: 300 ms
	recentTicks = 100
)

// Voice is a voice activity detector with hangover, on levels alone. The zero value is ready to use.
type Voice struct {
	primed bool
	floor  int   // background, −dBov
	rising int   // ticks that the level was above the floor
	recent uint8 // voice in the last ticks, a bit each
	off    int   // ticks without voice
	on     bool
}

// Hear takes the level of the next tick in −dBov, and says whether somebody speaks.
func (v *Voice) Hear(level uint8) bool {
	l := int(level)
	if !v.primed {
		v.primed, v.floor = true, 70
	}
	switch {
	case l > v.floor: // quieter than the background: that is the background
		v.floor = min(l, 90)
		v.rising = 0
	case l < v.floor:
		if v.rising++; v.rising >= floorRise {
			v.rising = 0
			v.floor = max(v.floor-1, loudFloor)
		}
	}
	voice := l <= voiceLevel && l <= v.floor-aboveFloor
	v.recent = v.recent << 1 & 0x1f
	if voice {
		v.recent |= 1
		v.off = 0
	} else {
		v.off++
	}
	if !v.on && ones(v.recent) >= voiceOn {
		v.on = true
	}
	if v.on && v.off >= voiceOff {
		v.on = false
	}
	return v.on
}

func ones(b uint8) int {
	n := 0
	for ; b != 0; b &= b - 1 {
		n++
	}
	return n
}
