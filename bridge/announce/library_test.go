package announce

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tutti/codec/l16"
)

func english(t testing.TB) *grammar { return shippedLibrary(t).languages[English].grammar }

func TestSentences(t *testing.T) {
	g := english(t)
	tests := map[Word]string{
		"muted":           "muted",
		Count(1):          "alone",
		Count(3):          "there-are 3 participants",
		Count(20):         "there-are 20 participants",
		Count(21):         "there-are 20 1 participants",
		Count(90):         "there-are 90 participants",
		Count(100):        "there-are 1 hundred participants",
		Count(342):        "there-are 3 hundred and 40 2 participants",
		Count(1000):       "there-are 1 thousand participants",
		Count(2517):       "there-are 2 thousand 5 hundred and 17 participants",
		"help-mute:*6":    "press star 6 to-mute",
		"help-end:##":     "press hash hash to-end",
		"help-lock:*1A":   "press star 1 A to-lock",
		"count:999999999": "there-are 9 hundred and 90 9 thousand 9 hundred and 90 9 participants",
	}
	for w, want := range tests {
		parts, err := g.parts(w)
		if got := strings.Join(parts, " "); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", w, got, err, want)
		}
	}
	for _, w := range []Word{"nonsense", "count", "count:x", "count:-3", "", Word("help-mute:" + strings.Repeat("*", 1000))} {
		if parts, err := g.parts(w); err == nil {
			t.Errorf("%q = %q, want an error", w, parts)
		}
	}
}

// German says the ones before the tens: the grammar has room for that.
func TestAnotherLanguage(t *testing.T) {
	g, err := parseGrammar(strings.NewReader("count = es-sind {n}\nnumber 0-20 20-90/10 = {}\nnumber 21-99 = {%10} und {~10}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if parts, err := g.parts(Count(42)); err != nil || strings.Join(parts, " ") != "es-sind 2 und 40" {
		t.Errorf("%q, %v", parts, err)
	}
}

func TestGrammarNamesItsMistakes(t *testing.T) {
	tests := map[string]string{
		"welcome":                          "line 1",
		"# fine\n= x":                      "line 2",
		"number x = {}":                    "0-20",
		"number 5-1 = {}":                  "0-20",
		"number 0-20/0 = {}":               "20-90/10",
		"number 0-20 = {*3}":               "{/10}",
		"two words = x":                    "one name",
		"a = " + strings.Repeat("b ", 100): "at most",
	}
	for text, want := range tests {
		if _, err := parseGrammar(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	g, err := parseGrammar(strings.NewReader("count = {n}\nnumber 0-9 = {~2}"))
	if err != nil {
		t.Fatal(err)
	}
	if parts, err := g.parts(Count(4)); err == nil {
		t.Errorf("a rule that leads to itself says %q", parts)
	}
}

// Each shipped language can say all that the bridge says, is audible, and is not large.
func TestShippedPrompts(t *testing.T) {
	l := shippedLibrary(t)
	m := defaultMenu(t)
	words := slices.Concat(Words(), m.Help(true), []Word{Music})
	for n := range 1001 {
		words = append(words, Count(n))
	}
	for _, name := range l.Languages() {
		for _, w := range words {
			if w == Help || w == HelpModerator || w == "count" { // filled in by the player, or above
				continue
			}
			pieces, err := l.say(l.languages[name], w)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if sound := slices.Concat(pieces...); level(sound) < -40 || len(sound) < l16.SampleRate/5 {
				t.Errorf("%s: %s has %d samples at %.1f dBFS", name, w, len(sound), level(sound))
			}
		}
	}
	total := int64(0)
	err := fs.WalkDir(shipped, ".", func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		total += info.Size()
		return err
	})
	if err != nil || total > 1_500_000 {
		t.Errorf("the shipped prompts have %d bytes, %v; at most 1.5 MB", total, err)
	}
}

// Each part that a shipped sentence may need is spoken by make prompts, and nothing else is.
func TestPromptsTextHasEveryPart(t *testing.T) {
	text, err := os.ReadFile("prompts/en/prompts.txt")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("prompts/en/*.wav")
	if err != nil {
		t.Fatal(err)
	}
	spoken := 0
	for line := range strings.Lines(string(text)) {
		name, _, ok := strings.Cut(line, ": ")
		if !ok || strings.HasPrefix(name, "#") || name == "voice" {
			continue
		}
		spoken++
		if !slices.Contains(files, "prompts/en/"+name+".wav") {
			t.Errorf("prompts.txt has %s, whose file is missing: make prompts", name)
		}
	}
	if spoken != len(files) {
		t.Errorf("%d prompts in prompts.txt, %d files", spoken, len(files))
	}
}

// wavOf is a WAV file of 16 bit PCM.
func wavOf(rate, channels int, pcm []int16) []byte {
	var b bytes.Buffer
	le := binary.LittleEndian
	head := make([]byte, 44)
	copy(head, "RIFF")
	copy(head[8:], "WAVEfmt ")
	le.PutUint32(head[16:], 16)
	le.PutUint16(head[20:], formatPCM)
	le.PutUint16(head[22:], uint16(channels))
	le.PutUint32(head[24:], uint32(rate))
	le.PutUint32(head[28:], uint32(2*rate*channels))
	le.PutUint16(head[32:], uint16(2*channels))
	le.PutUint16(head[34:], 16)
	copy(head[36:], "data")
	le.PutUint32(head[40:], uint32(2*len(pcm)))
	b.Write(head)
	for _, s := range pcm {
		b.Write(le.AppendUint16(nil, uint16(s)))
	}
	return b.Bytes()
}

// sine is one second of a tone at −9 dBFS (peak −6).
func sine(rate, channels int, pitch float64) []int16 {
	var pcm []int16
	for i := range rate {
		for range channels {
			pcm = append(pcm, int16(16384*math.Sin(2*math.Pi*pitch*float64(i)/float64(rate))))
		}
	}
	return pcm
}

func TestWAV(t *testing.T) {
	for _, rate := range []int{8000, 16000, 24000, 32000, 48000} {
		for channels := 1; channels <= 2; channels++ {
			pcm, err := decodeWAV(wavOf(rate, channels, sine(rate, channels, 440)))
			if err != nil || len(pcm) != l16.SampleRate {
				t.Errorf("%d Hz, %d channels: %d samples, %v", rate, channels, len(pcm), err)
				continue
			}
			if l := level(pcm[1000:]); math.Abs(l+9) > 0.5 {
				t.Errorf("%d Hz, %d channels: %.1f dBFS, want −9", rate, channels, l)
			}
		}
	}
}

func TestWAVThatIsWrong(t *testing.T) {
	good := wavOf(16000, 1, sine(16000, 1, 440))
	change := func(at int, b ...byte) []byte {
		file := bytes.Clone(good)
		copy(file[at:], b)
		return file
	}
	tests := map[string]struct {
		file []byte
		want string
	}{
		"empty":         {nil, "no WAV"},
		"an MP3":        {[]byte("ID3 something else, long enough"), "no WAV"},
		"cut short":     {good[:30], "no WAV"},
		"no sound":      {good[:44], "no sound"},
		"8 bit":         {change(34, 8), "16 bit PCM"},
		"float":         {change(20, 3), "16 bit PCM"},
		"CD rate":       {change(24, 0x44, 0xac), "44100 Hz"},
		"five channels": {change(22, 5), "channels"},
	}
	for name, tt := range tests {
		if _, err := decodeWAV(tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// A file of somebody's own replaces the shipped one, a wrong one is named and does not.
func TestOperatorsFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tone := wavOf(8000, 1, sine(8000, 1, 440))
	write("en/muted.wav", tone)
	write("en/unmuted.wav", []byte("nonsense"))
	write("de/muted.wav", tone)
	write("de/sentences.txt", []byte("muted = muted\ncount = {n}\nnumber 0 = {}\n"))
	write("files/jingle.wav", tone)
	l, err := Open(dir, "de")
	if err == nil || !strings.Contains(err.Error(), dir+"/en: unmuted.wav") || strings.Count(err.Error(), "\n") != 0 {
		t.Errorf("problems: %v", err)
	}
	long := func(language string, w Word) int {
		pieces, err := l.Say(language, w)
		if err != nil {
			t.Errorf("%s in %q: %v", w, language, err)
			return 0
		}
		return len(pieces[0])
	}
	shipped := shippedLibrary(t).languages[English].sounds
	for _, language := range []string{"en", "de", "de-AT", "", "fr"} {
		if n := long(language, Muted); n != l16.SampleRate {
			t.Errorf("muted in %q has %d samples, not those of the file", language, n)
		}
	}
	if n := long("de", Unmuted); n != len(shipped["unmuted"]) {
		t.Errorf("what German lacks has %d samples, not those of English", n)
	}
	if n := long("de", Count(3)); n != len(shipped["there-are"]) {
		t.Errorf("a number that German cannot say has %d samples, not those of English", n)
	}
	if n := long("", "file:jingle.wav"); n != l16.SampleRate {
		t.Errorf("the file has %d samples", n)
	}
	for _, name := range []Word{"file:../en/muted.wav", "file:", "file:en", "file:none.wav"} {
		if _, err := l.Say("", name); err == nil {
			t.Errorf("%q was read", name)
		}
	}
	if _, err := Open(filepath.Join(dir, "nowhere"), "tlh"); err == nil || !strings.Contains(err.Error(), "nowhere") || !strings.Contains(err.Error(), `"tlh"`) {
		t.Errorf("problems: %v", err)
	}
}

// Whatever a folder holds is sound or an error.
func FuzzDecodeWAV(f *testing.F) {
	f.Add(wavOf(8000, 2, []int16{1, 2, 3, 4}))
	if b, err := shipped.ReadFile("prompts/en/3.wav"); err == nil {
		f.Add(b[:600])
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		pcm, err := decodeWAV(file)
		if (err == nil) != (len(pcm) > 0) || len(pcm) > 16*len(file) {
			t.Fatalf("%d bytes make %d samples, %v", len(file), len(pcm), err)
		}
	})
}

func FuzzGrammar(f *testing.F) {
	f.Add("count = there {n} {keys}\nnumber 0-20/3 7 = {} {/10} {%10} {~10}\nkey * = star", "count:12")
	f.Fuzz(func(t *testing.T, text, word string) {
		g, err := parseGrammar(strings.NewReader(text))
		if err != nil {
			return
		}
		if parts, err := g.parts(Word(word)); err == nil && len(parts) > maxParts {
			t.Fatalf("%d parts", len(parts))
		}
	})
}
