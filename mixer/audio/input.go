package audio

import (
	"math"

	"tutti/codec/resample"
	"tutti/mixer/plan"
)

// rates are those at which mixes are made, Hz.
var rates = [...]int{8000, 16000, 48000} //nolint:gochecknoglobals // a constant array

func rateIndex(rate int) int {
	for i, r := range rates {
		if r == rate {
			return i
		}
	}
	return -1
}

// member is what the plan says about the sound of one leg. Its inputs and outputs may come and go.
type member struct {
	id      uint64 // of the mixer's own, for hashes
	leg     plan.LegID
	named   bool      // by the plan in force
	sounded uint64    // the last tick in which an input of it sounded, 0 for never
	buses   []busGain // where its sound goes
	except  []exception
	hears   *hearing // nil: silence
	whisper bool     // a row makes an exception for it with a gain: it may be heard without a bus
	inputs  int
	outputs int
}

type busGain struct {
	bus  plan.BusID
	gain float32
}

type exception struct {
	who  *member
	gain float32
}

// Input is the sound of one stream.
type Input struct {
	*member
	SSRC uint32 // for the CSRC list

	pcm   []int16
	rate  int
	level uint8   // −dBov
	power float32 // of full scale
	voice Voice

	Speaking bool

	sounding  bool
	below     int // ticks since it fell below soundLevel
	resampled [len(rates)]resampled
}

// resampled is an input at one more rate, made when a class needs it.
type resampled struct {
	from int
	res  *resample.Resampler
	pcm  []int16
	tick uint64 // of pcm
}

// Heard says whether the plan lets anybody hear the input: if not, it need not be decoded.
func (in *Input) Heard() bool { return len(in.buses) > 0 || in.whisper }

// Level is that of the last tick, −dBov.
func (in *Input) Level() uint8 { return in.level }

// Set gives the sound of the tick to come: pcm is borrowed until the next Set, nil is silence. level is what the
// packets say (RFC 6464), 255 where they say nothing; of sound that is there, it is measured.
func (in *Input) Set(pcm []int16, rate int, level uint8) {
	if pcm != nil {
		level = Level(pcm)
	}
	in.pcm, in.rate, in.level = pcm, rate, min(level, Silence)
	in.Speaking = in.voice.Hear(in.level)
}

// listen decides whether the input sounds in this tick.
func (in *Input) listen() {
	if in.pcm != nil && in.level <= soundLevel {
		in.below = 0
		in.sounding = true
	} else if in.below++; in.below > soundOff {
		in.sounding = false
	}
	if in.pcm == nil || rateIndex(in.rate) < 0 {
		in.sounding = false
	}
	if in.sounding {
		in.power = float32(math.Pow(10, -float64(in.level)/10))
	}
}

// recent says whether exceptions for the leg still set outputs apart.
func (who *member) recent(tick uint64) bool {
	return who.sounded > 0 && tick-who.sounded < recentTicks
}

// sound is the tick at one of rates.
func (in *Input) sound(rate int, tick uint64) []int16 {
	if in.rate == rate {
		return in.pcm
	}
	r := &in.resampled[rateIndex(rate)]
	if r.tick == tick {
		return r.pcm
	}
	if r.res == nil || r.from != in.rate {
		res, err := resample.New(in.rate, rate)
		if err != nil { // both are among rates
			return nil
		}
		r.res, r.from = res, in.rate
	}
	r.pcm, r.tick = r.res.Process(r.pcm[:0], in.pcm), tick
	return r.pcm
}
