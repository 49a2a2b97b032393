package store

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func open(t *testing.T, dir string) *JetStream {
	t.Helper()
	j := Open(t.Context(), dir, slog.New(slog.DiscardHandler))
	t.Cleanup(j.Close)
	return j
}

// fill writes n values and closes the store.
func fill(t *testing.T, dir string, n int) {
	t.Helper()
	j := open(t, dir)
	for i := range n {
		if _, err := j.Put(t.Context(), fmt.Sprintf("k%d", i), []byte(strings.Repeat("x", 200)), 0); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
}

// Both stores hold what they were given, and let nobody write over what they have not seen.
func TestStores(t *testing.T) {
	dir := t.TempDir()
	for name, s := range map[string]Store{"memory": &Memory{}, "jetstream": open(t, dir)} {
		t.Run(name, func(t *testing.T) {
			first, err := s.Put(t.Context(), "a", []byte("1"), 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Delete(t.Context(), "a", first); err != nil {
				t.Fatal(err)
			}
			again, err := s.Put(t.Context(), "a", []byte("2"), 0)
			if err != nil || again <= first {
				t.Fatalf("revision %d after %d, %v", again, first, err)
			}
			third, err := s.Put(t.Context(), "a", []byte("3"), again)
			if err != nil {
				t.Fatal(err)
			}
			all, err := s.Load(t.Context())
			if err != nil || len(all) != 1 || all[0].Key != "a" || string(all[0].Value) != "3" || all[0].Revision != third {
				t.Fatalf("%v %v", all, err)
			}
			if _, err := s.Put(t.Context(), "a", []byte("x"), again); err == nil {
				t.Error("an old revision was written over a new one")
			}
			if all, err := s.Load(t.Context()); err != nil || string(all[0].Value) != "3" { // a store that refused is read anew
				t.Fatalf("after a refusal: %v %v", all, err)
			}
			if _, err := s.Put(t.Context(), "a", []byte("x"), 0); err == nil {
				t.Error("a second value has the key of the first")
			}
		})
	}
}

// What was written is there after the process has ended, and the directory is one process's.
func TestStoreOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 3)
	j := open(t, dir)
	if err := j.Broken(); err != nil {
		t.Fatal(err)
	}
	all, err := j.Load(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("%d values, %v", len(all), err)
	}
	second := open(t, dir)
	if err := second.Broken(); err == nil || !strings.Contains(err.Error(), "another bridge uses this state directory") {
		t.Errorf("a second one in the directory: %v", err)
	}
	if _, err := second.Put(t.Context(), "z", nil, 0); err == nil {
		t.Error("the second one writes")
	}
}

// blocks are the files in which the values lie.
func blocks(t *testing.T, dir string) []string {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "jetstream/*/streams/*/msgs/*.blk"))
	if len(files) == 0 {
		t.Fatal("no file holds the values")
	}
	return files
}

// A store whose file was cut short, damaged or removed is not taken for a whole one.
func TestDamageIsNoticed(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"cut in half": func(t *testing.T, dir string) {
			for _, f := range blocks(t, dir) {
				info, _ := os.Stat(f)
				if err := os.Truncate(f, info.Size()/2); err != nil {
					t.Fatal(err)
				}
			}
		},
		"a byte less": func(t *testing.T, dir string) {
			f := blocks(t, dir)[0]
			info, _ := os.Stat(f)
			if err := os.Truncate(f, info.Size()-1); err != nil {
				t.Fatal(err)
			}
		},
		"emptied": func(t *testing.T, dir string) {
			for _, f := range blocks(t, dir) {
				if err := os.Truncate(f, 0); err != nil {
					t.Fatal(err)
				}
			}
		},
		"overwritten in the middle": func(t *testing.T, dir string) {
			os.Remove(filepath.Join(filepath.Dir(blocks(t, dir)[0]), "index.db"))
			f, err := os.OpenFile(blocks(t, dir)[0], os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte(strings.Repeat("y", 300)), 900); err != nil {
				t.Fatal(err)
			}
		},
		"removed": func(t *testing.T, dir string) { os.RemoveAll(filepath.Join(dir, "jetstream")) },
		"no description": func(t *testing.T, dir string) {
			files, _ := filepath.Glob(filepath.Join(dir, "jetstream/*/streams/*/meta.inf"))
			if len(files) != 1 || os.Truncate(files[0], 10) != nil {
				t.Fatal(files)
			}
		},
		"mark damaged": func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, "definitions.mark"), []byte("{"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, 10)
			damage(t, dir)
			j := open(t, dir)
			if err := j.Broken(); err == nil || !strings.Contains(err.Error(), "damaged") {
				all, _ := j.Load(t.Context())
				t.Fatalf("not noticed: %v; %d values", err, len(all))
			} else {
				t.Log(err)
			}
			if _, err := j.Put(t.Context(), "new", nil, 0); err == nil {
				t.Error("it was written to")
			}
			j.Close()
			os.Remove(filepath.Join(dir, "definitions.mark")) // as the message says
			again := open(t, dir)
			if err := again.Broken(); err != nil {
				t.Fatalf("what is left was not accepted: %v", err)
			}
			if _, err := again.Put(t.Context(), "new", nil, 0); err != nil {
				t.Errorf("and is not written: %v", err)
			}
		})
	}
}

// A directory that cannot be made or written is one clear line.
func TestDirectoryThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	j := open(t, filepath.Join(file, "state"))
	if err := j.Broken(); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
	if _, err := j.Load(t.Context()); err == nil {
		t.Error("it can be read")
	}
}

// A full disk refuses changes, keeps what was kept, and takes changes again when there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs a small file system of its own: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 700<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir)
	defer j.Close()
	if err := j.Broken(); err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	var refusal error
	for i := 0; i < 1000 && refusal == nil; i++ {
		key := fmt.Sprintf("k%d", i)
		if _, refusal = j.Put(t.Context(), key, []byte(strings.Repeat("x", 4000)), 0); refusal == nil {
			kept[key] = true
		}
	}
	if refusal == nil || len(kept) == 0 {
		t.Fatalf("%d values went onto the disk: %v", len(kept), refusal)
	}
	t.Log(len(kept), refusal)
	if !strings.Contains(refusal.Error(), "full") {
		t.Errorf("the refusal says %q", refusal)
	}
	os.Remove(ballast)
	all, err := j.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		delete(kept, e.Key)
	}
	if len(kept) > 0 {
		t.Errorf("lost: %v", kept)
	}
	if _, err := j.Put(t.Context(), "later", []byte("x"), 0); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
