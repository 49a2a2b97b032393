package announce

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"tutti/codec/l16"
)

// shipped is what "make prompts" speaks.
//
//go:embed prompts/*/*.wav prompts/*/sentences.txt
var shipped embed.FS

// English is the language that is always there.
const English = "en"

const (
	maxFile    = 40 << 20 // bytes of one file
	maxFiles   = 1000     // of one language
	filesDir   = "files"  // of what is played on request, in the operator's folder
	between    = 40 * time.Millisecond
	grammarTXT = "sentences.txt"
)

// Library holds what can be said, in each language, as 16 kHz mono. It never changes after Open; any goroutine may use it.
type Library struct {
	languages map[string]*language
	standard  string
	files     fs.FS // nil where there is no folder of the operator's
	generated map[string]func() []int16
}

// language is the folder of one language.
type language struct {
	grammar *grammar
	sounds  map[string][]int16
}

// Open reads the shipped prompts and, over them, the folders of languages in dir; "" is none. What dir lacks is taken from the
// shipped set. standard is the language of who has no other.
//
// The library can be used whatever the error says, which names each file that is wrong and therefore not used.
func Open(dir, standard string) (*Library, error) {
	inner, err := fs.Sub(shipped, "prompts")
	if err != nil {
		return nil, err // never: the folder is in the program
	}
	l := &Library{languages: map[string]*language{}, standard: standard, generated: map[string]func() []int16{
		string(JoinedSound): sync.OnceValue(joined), string(LeftSound): sync.OnceValue(left), string(Music): sync.OnceValue(music),
	}}
	problems := l.read(inner, "")
	if dir != "" {
		if _, err := os.ReadDir(dir); err != nil {
			problems = append(problems, err)
		} else {
			l.files = os.DirFS(dir)
			problems = append(problems, l.read(l.files, dir)...)
		}
	}
	if l.languages[standard] == nil {
		problems = append(problems, fmt.Errorf("there are no prompts in the language %q, only in %s", standard, strings.Join(l.Languages(), ", ")))
		l.standard = English
	}
	return l, errors.Join(problems...)
}

// Languages are those that something can be said in.
func (l *Library) Languages() []string {
	var all []string
	for name := range l.languages {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// read adds the languages of a folder, whose name in errors is shown.
func (l *Library) read(folder fs.FS, shown string) (problems []error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return []error{err}
	}
	for _, e := range entries {
		if !e.IsDir() || e.Name() == filesDir {
			continue
		}
		name := strings.ToLower(e.Name())
		if l.languages[name] == nil {
			l.languages[name] = &language{sounds: map[string][]int16{}}
		}
		sub, err := fs.Sub(folder, e.Name())
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for _, err := range l.languages[name].read(sub) {
			problems = append(problems, fmt.Errorf("%s: %w", path.Join(shown, e.Name()), err))
		}
	}
	return problems
}

// read takes what is right in a folder, and says what is wrong.
func (g *language) read(folder fs.FS) (problems []error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return []error{err}
	}
	if len(entries) > maxFiles {
		return []error{fmt.Errorf("%d files, at most %d", len(entries), maxFiles)}
	}
	for _, e := range entries {
		name, isWAV := strings.CutSuffix(e.Name(), ".wav")
		switch {
		case isWAV:
			pcm, err := readSound(folder, e.Name())
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", e.Name(), err))
				continue
			}
			g.sounds[name] = pcm
		case e.Name() == grammarTXT:
			data, err := readFile(folder, e.Name())
			if err == nil {
				var own *grammar
				if own, err = parseGrammar(bytes.NewReader(data)); err == nil {
					g.grammar = own
				}
			}
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", e.Name(), err))
			}
		}
	}
	return problems
}

func readFile(folder fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(folder, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("no file of at most %d MB", maxFile>>20)
	}
	return fs.ReadFile(folder, name)
}

func readSound(folder fs.FS, name string) ([]int16, error) {
	data, err := readFile(folder, name)
	if err != nil {
		return nil, err
	}
	return decodeWAV(data)
}

// Say is the sound of a sentence: pieces of 16 kHz mono that follow one another, which the caller borrows for ever. A language that
// cannot say it, or "", leaves it to the standard language, and that to English.
func (l *Library) Say(languageTag string, w Word) ([][]int16, error) {
	if name, ok := strings.CutPrefix(string(w), "file:"); ok {
		return l.file(name)
	}
	var first error
	for _, name := range l.candidates(languageTag) {
		pieces, err := l.say(l.languages[name], w)
		if err == nil {
			return pieces, nil
		}
		if first == nil {
			first = fmt.Errorf("announce: %s: %w", name, err)
		}
	}
	return nil, first
}

// candidates are the languages to try: "de-AT", "de", the standard, English.
func (l *Library) candidates(tag string) []string {
	tag = strings.ToLower(tag)
	short, _, _ := strings.Cut(tag, "-")
	var all []string
	for _, name := range []string{tag, short, l.standard, English} {
		if l.languages[name] != nil && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

func (l *Library) say(g *language, w Word) ([][]int16, error) {
	rules := g.grammar
	if rules == nil {
		rules = l.languages[English].grammar
	}
	parts, err := rules.parts(w)
	if err != nil {
		return nil, err
	}
	gap := make([]int16, int(between.Seconds()*l16.SampleRate))
	var pieces [][]int16
	for _, part := range parts {
		sound, ok := g.sounds[part]
		if !ok {
			if sound = l.wordless(part); sound == nil {
				return nil, fmt.Errorf("%q: %s.wav is missing", w, part)
			}
		}
		pieces = append(pieces, sound, gap)
	}
	return pieces, nil
}

// wordless is a part that serves every language, nil where there is none: a file of the standard language, or what the code makes.
func (l *Library) wordless(part string) []int16 {
	make, ok := l.generated[part]
	if !ok {
		return nil
	}
	if own, ok := l.languages[l.standard].sounds[part]; ok {
		return own
	}
	return make()
}

// file is a sound of the operator's, in the folder "files" beside the languages.
func (l *Library) file(name string) ([][]int16, error) {
	if l.files == nil {
		return nil, errors.New("announce: there is no folder with files to play: see prompts.directory")
	}
	if name == "" || strings.ContainsAny(name, `/\`) {
		return nil, fmt.Errorf("announce: %q is not the name of a WAV file without its folder", name)
	}
	if !strings.HasSuffix(name, ".wav") {
		name += ".wav"
	}
	pcm, err := readSound(l.files, path.Join(filesDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("announce: there is no file %s to play", name)
	} else if err != nil {
		return nil, fmt.Errorf("announce: %s: %w", name, err)
	}
	return [][]int16{pcm}, nil
}
