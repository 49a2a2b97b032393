package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	bucket      = "definitions"
	maxValue    = 64 << 10  // bytes of one value
	maxBytes    = 256 << 20 // of all
	markerTime  = 24 * time.Hour
	startTime   = 5 * time.Second // for the server to come up
	requestTime = 5 * time.Second // for one write
)

// JetStream is a Store in a directory: a NATS server inside this process, which opens no port. Every write is on disk, fsync
// included, before it is answered.
//
// A file that was cut short or damaged is not used silently: a mark beside it says how far the store had come, and a store
// that does not reach its mark is Broken. So is one whose directory cannot be written, or is another process's. A broken
// store can still be loaded, as far as it can be read; it refuses to be written.
type JetStream struct {
	dir string
	log *slog.Logger

	mu     sync.Mutex // guards the fields below; held over a write
	lock   *os.File
	server *server.Server
	conn   *nats.Conn
	kv     jetstream.KeyValue
	mark   mark
	live   map[string]bool // keys that are held
	failed bool            // the last write did; the server is started anew before the next
	broken error
}

// Open starts the store in a directory, which is made. It never fails: see Broken.
func Open(ctx context.Context, dir string, log *slog.Logger) *JetStream {
	j := &JetStream{dir: dir, log: log}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken = j.own(); j.broken == nil {
		j.broken = j.startLocked(ctx)
	}
	return j
}

// Broken is why nothing can be written, nil if it can.
func (j *JetStream) Broken() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.broken
}

// Close ends the server and lets others have the directory.
func (j *JetStream) Close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stopLocked()
	if j.lock != nil {
		j.lock.Close()
	}
}

// own makes the directory ours until the process ends, in whatever way.
func (j *JetStream) own() error {
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return fmt.Errorf("the state directory cannot be made: %w", err)
	}
	name := filepath.Join(j.dir, bucket+".lock")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("the state directory cannot be written: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("%s: another bridge uses this state directory", j.dir)
	}
	j.lock = f
	return nil
}

// startLocked starts the server, opens the bucket and compares it with its mark.
func (j *JetStream) startLocked(ctx context.Context) error {
	var err error
	j.server, err = server.NewServer(&server.Options{
		ServerName: "tutti", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: j.dir, SyncAlways: true, JetStreamMaxStore: maxBytes, JetStreamMaxMemory: 1 << 20,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", j.dir, err)
	}
	j.server.SetLogger(serverLog{j.log}, false, false)
	j.server.Start()
	if !j.server.ReadyForConnections(startTime) || !j.server.JetStreamEnabled() {
		return fmt.Errorf("%s: the store did not start", filepath.Join(j.dir, "jetstream"))
	}
	if j.conn, err = nats.Connect("", nats.InProcessServer(j.server), nats.Name("tutti"), nats.MaxReconnects(0)); err != nil {
		return fmt.Errorf("%s: %w", j.dir, err)
	}
	js, err := jetstream.New(j.conn)
	if err != nil {
		return err
	}
	return j.openBucket(ctx, js)
}

// openBucket opens what is there. A bucket that is missing is made only where there never was one: what can still be read of
// a lost one is not written over.
func (j *JetStream) openBucket(ctx context.Context, js jetstream.JetStream) error {
	marked, err := readMark(j.markFile())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	j.kv, err = js.KeyValue(ctx, bucket)
	switch {
	case errors.Is(err, jetstream.ErrBucketNotFound) && marked.Revision > 0:
		return fmt.Errorf("%s is damaged: there were %d definitions, and none can be read; %s", j.dir, marked.Keys, accept(j.markFile()))
	case errors.Is(err, jetstream.ErrBucketNotFound):
		j.kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: bucket, History: 1, Storage: jetstream.FileStorage, MaxValueSize: maxValue, MaxBytes: maxBytes, LimitMarkerTTL: markerTime,
		})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", j.dir, err)
	}
	return j.compare(ctx, js, marked)
}

// compare says whether everything is there that was ever answered for.
func (j *JetStream) compare(ctx context.Context, js jetstream.JetStream, marked mark) error {
	entries, err := j.read(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", j.dir, err)
	}
	j.live = map[string]bool{}
	for _, e := range entries {
		j.live[e.Key] = true
	}
	stream, err := js.Stream(ctx, "KV_"+bucket)
	if err != nil {
		return fmt.Errorf("%s: %w", j.dir, err)
	}
	j.mark = mark{Revision: stream.CachedInfo().State.LastSeq, Keys: len(entries)}
	if lost := j.mark.lost(marked); lost != "" {
		return fmt.Errorf("%s is damaged: %s; %s", j.dir, lost, accept(j.markFile()))
	}
	if err := j.writeMark(); err != nil {
		j.log.Warn("the mark of the store was not moved: a loss would be noticed later", "error", err)
	}
	return nil
}

func accept(file string) string {
	return "put a backup back, or remove " + file + " to go on with what is left"
}

func (j *JetStream) stopLocked() {
	if j.conn != nil {
		j.conn.Close()
	}
	if j.server != nil {
		j.server.Shutdown()
		j.server.WaitForShutdown()
	}
	j.conn, j.server, j.kv = nil, nil, nil
}

// Load is everything that is held. After a failed write it starts the server anew: one that met a full disk stays down.
func (j *JetStream) Load(ctx context.Context) ([]Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed {
		j.stopLocked()
		if err := j.startLocked(ctx); err != nil {
			return nil, err
		}
		j.failed = false
	}
	if j.kv == nil {
		return nil, j.broken
	}
	return j.read(ctx)
}

func (j *JetStream) read(ctx context.Context) ([]Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	watch, err := j.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	defer watch.Stop()
	var all []Entry
	for {
		select {
		case e := <-watch.Updates():
			if e == nil { // that was all
				return all, nil
			}
			all = append(all, Entry{e.Key(), e.Value(), e.Revision()})
		case <-ctx.Done():
			return nil, fmt.Errorf("store: the store does not answer: %w", context.Cause(ctx))
		}
	}
}

// Put writes a value.
func (j *JetStream) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	var now uint64
	err := j.write(ctx, func(ctx context.Context) (err error) {
		if revision == 0 {
			now, err = j.kv.Create(ctx, key, value)
		} else {
			now, err = j.kv.Update(ctx, key, value, revision)
		}
		if err == nil {
			j.live[key] = true
			j.mark.Revision = now
		}
		return err
	})
	return now, err
}

// Delete removes a value.
func (j *JetStream) Delete(ctx context.Context, key string, revision uint64) error {
	return j.write(ctx, func(ctx context.Context) error {
		err := j.kv.Purge(ctx, key, jetstream.LastRevision(revision), jetstream.PurgeTTL(markerTime))
		if err == nil {
			delete(j.live, key)
			j.mark.Revision++ // the marker's
		}
		return err
	})
}

// write makes one change and moves the mark.
func (j *JetStream) write(ctx context.Context, change func(context.Context) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return j.broken
	}
	if j.failed || j.kv == nil {
		return errors.New("store: it failed before and was not loaded since")
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	if err := change(ctx); err != nil {
		j.failed = true
		return j.explain(err)
	}
	j.mark.Keys = len(j.live)
	if err := j.writeMark(); err != nil {
		j.log.Warn("the mark of the store was not moved: a loss would be noticed later", "error", err)
	}
	return nil
}

// explain says what a person can do.
func (j *JetStream) explain(err error) error {
	var disk syscall.Statfs_t
	if syscall.Statfs(j.dir, &disk) == nil && disk.Bavail*uint64(disk.Bsize) < 1<<20 {
		return fmt.Errorf("the disk of %s is full", j.dir)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s cannot be written: %w", j.dir, err)
	}
	return fmt.Errorf("store: %w", err)
}

// serverLog is the log of the NATS server at levels of ours. Its warnings after a crash are about what it mends; whether
// something is lost, compare says.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Noticef(format string, v ...any) {
	l.log.Debug("store: " + fmt.Sprintf(format, v...))
}
func (l serverLog) Warnf(format string, v ...any) { l.log.Debug("store: " + fmt.Sprintf(format, v...)) }
func (l serverLog) Errorf(format string, v ...any) {
	l.log.Warn("store: " + fmt.Sprintf(format, v...))
}
func (l serverLog) Fatalf(format string, v ...any) {
	l.log.Warn("store: " + fmt.Sprintf(format, v...))
}
func (l serverLog) Debugf(string, ...any) {}
func (l serverLog) Tracef(string, ...any) {}
