package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// mark says how far the store has come. It is written after each change and before its answer, so what is on disk is at least
// as new as the mark; and at most one change newer, unless the mark could not be written.
type mark struct {
	Revision uint64 `json:"revision"`
	Keys     int    `json:"keys"`
}

// lost is what is missing where older was written once, in words.
func (now mark) lost(older mark) string {
	missing := older.Keys - now.Keys
	switch {
	case now.Revision < older.Revision:
		return fmt.Sprintf("it ends at change %d of %d", now.Revision, older.Revision)
	case now.Revision == older.Revision && missing > 0, now.Revision == older.Revision+1 && missing > 1:
		return fmt.Sprintf("%d of %d definitions cannot be read", missing, older.Keys)
	}
	return ""
}

func (j *JetStream) markFile() string { return filepath.Join(j.dir, bucket+".mark") }

// readMark is what was written last; nothing where there is no file.
func readMark(file string) (mark, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, nil
	}
	var m mark
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return mark{}, fmt.Errorf("%s is damaged: %w; %s", file, err, accept(file))
	}
	return m, nil
}

// writeMark replaces the file as a whole.
func (j *JetStream) writeMark() error {
	text, err := json.Marshal(j.mark)
	if err != nil {
		return err
	}
	fresh := j.markFile() + ".new"
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(fresh, j.markFile())
}
