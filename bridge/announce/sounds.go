package announce

import (
	"math"

	"tutti/codec/l16"
)

// note is a soft tone: a sine and a little of its octave.
type note struct {
	pitch float64 // Hz
	at    float64 // seconds from the beginning
	long  float64 // seconds until it has faded
	loud  float64 // of its beginning, 1 is full scale
	soft  float64 // seconds in which it begins
}

// joined are two notes that rise, left the same that fall.
func joined() []int16 {
	return render(0.45, []note{{523.25, 0, 0.25, 0.1, 0.01}, {783.99, 0.12, 0.3, 0.1, 0.01}})
}

func left() []int16 {
	return render(0.45, []note{{783.99, 0, 0.25, 0.1, 0.01}, {523.25, 0.12, 0.3, 0.1, 0.01}})
}

// music is four chords of four seconds each, with a voice that walks through them. It ends as it begins, so that it can go on.
func music() []int16 {
	chords := [][]float64{ // Hz
		{130.81, 261.63, 329.63, 392.00, 493.88}, // C major seventh
		{110.00, 261.63, 329.63, 392.00, 440.00}, // A minor seventh
		{87.31, 261.63, 349.23, 440.00, 523.25},  // F
		{98.00, 246.94, 293.66, 392.00, 440.00},  // G with a second
	}
	walk := []int{1, 3, 2, 4, 3, 2, 4, 3}
	var notes []note
	for i, chord := range chords {
		at := 4 * float64(i)
		for k, pitch := range chord {
			loud := 0.022
			if k == 0 {
				loud = 0.05
			}
			notes = append(notes, note{pitch, at, 4, loud, 0.5})
		}
		for k, which := range walk {
			notes = append(notes, note{2 * chord[which], at + 0.5*float64(k), 0.9, 0.018, 0.03})
		}
	}
	return render(16, notes)
}

// render makes the sound of notes; one that is longer than the whole goes on at its beginning.
func render(seconds float64, notes []note) []int16 {
	sum := make([]float64, int(seconds*l16.SampleRate))
	for _, n := range notes {
		first := int(n.at * l16.SampleRate)
		for i := range int(n.long * l16.SampleRate) {
			t := float64(i) / l16.SampleRate
			rise := min(1, t/n.soft)
			fall := (1 - t/n.long) * (1 - t/n.long)
			phase := 2 * math.Pi * n.pitch * t
			sum[(first+i)%len(sum)] += n.loud * rise * fall * (math.Sin(phase) + 0.25*math.Sin(2*phase))
		}
	}
	pcm := make([]int16, len(sum))
	for i, v := range sum {
		pcm[i] = int16(math.MaxInt16 * min(max(v, -1), 1))
	}
	return pcm
}
