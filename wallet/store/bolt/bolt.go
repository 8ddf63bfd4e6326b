// Package bolt keeps a store in one bbolt file. It alone knows bbolt.
//
// bbolt locks its file for one writer. The file is therefore opened for each
// transaction and closed after it: cron jobs, a follower and an operator share
// one home, and none holds it while it waits for the world. Opening and
// closing costs a few milliseconds, also on a file of many hundred megabytes.
package bolt

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// DefaultWait is how long a transaction waits for other processes.
const DefaultWait = 30 * time.Second

// maxPause bounds how long whoever has the turn waits between two looks at the
// lock of the file.
const maxPause = 10 * time.Millisecond

// The file has one bucket, which holds the whole ordered key space.
var space = []byte("airlock")

// DB is a store in a file.
type DB struct {
	path string
	wait time.Duration
}

// Create makes a new store file (mode 0600) with the current schema. It
// refuses a path where there is one.
func Create(ctx context.Context, path string) (*DB, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	db := Open(path)
	if err := db.Update(ctx, func(store.Tx) error { return nil }); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return db, nil
}

// Open names an existing store file. It touches the file only in
// transactions, which fail with fs.ErrNotExist if there is none.
func Open(path string) *DB { return &DB{path: path, wait: DefaultWait} }

// WithWait returns the same store with another limit on waiting.
func (db *DB) WithWait(d time.Duration) *DB { return &DB{db.path, d} }

// View implements store.DB.
func (db *DB) View(ctx context.Context, fn func(store.Tx) error) error {
	migrate := false
	err := db.with(ctx, true, func(b *bbolt.DB) error {
		return b.View(func(t *bbolt.Tx) error {
			bucket := t.Bucket(space)
			if bucket == nil {
				migrate = true
				return nil
			}
			var err error
			if migrate, err = store.CheckVersion(tx{bucket}); err != nil || migrate {
				return err
			}
			return fn(tx{bucket})
		})
	})
	if err != nil || !migrate {
		return err
	}
	return db.Update(ctx, fn)
}

// Update implements store.DB.
func (db *DB) Update(ctx context.Context, fn func(store.Tx) error) error {
	return db.with(ctx, false, func(b *bbolt.DB) error {
		return b.Update(func(t *bbolt.Tx) error {
			bucket, err := t.CreateBucketIfNotExists(space)
			if err != nil {
				return fmt.Errorf("store: %w", err)
			}
			if migrate, err := store.CheckVersion(tx{bucket}); err != nil {
				return err
			} else if migrate {
				if err := store.Migrate(tx{bucket}); err != nil {
					return err
				}
			}
			return fn(tx{bucket})
		})
	})
}

// Backup implements store.DB. The copy is a store file itself.
func (db *DB) Backup(ctx context.Context, w io.Writer) error {
	return db.with(ctx, true, func(b *bbolt.DB) error {
		return b.View(func(t *bbolt.Tx) error {
			_, err := t.WriteTo(w)
			return err
		})
	})
}

func (db *DB) with(ctx context.Context, readOnly bool, fn func(*bbolt.DB) error) error {
	var b *bbolt.DB
	_, err := db.guard(func() (err error) {
		b, err = db.open(ctx, readOnly)
		return err
	})
	if err != nil {
		return err
	}
	damaged, err := db.guard(func() error { return fn(b) })
	if damaged {
		// Its transaction may not have come to an end, for which closing waits.
		go func() { _, _ = db.guard(b.Close) }()
		return err
	}
	return errors.Join(err, b.Close())
}

func (db *DB) open(ctx context.Context, readOnly bool) (*bbolt.DB, error) {
	// bbolt would create the file; a mistyped home must not make a new store.
	if info, err := os.Stat(db.path); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	} else if readOnly && info.Size() == 0 {
		readOnly = false // never initialised: only a writer can make it valid
	}
	started := time.Now()
	leave, ok := enter(ctx, db.path, db.wait)
	if !ok {
		return nil, cmp.Or(ctx.Err(), db.busy(time.Since(started)))
	}
	defer leave()
	for pause := time.Millisecond; ; pause = min(2*pause, maxPause) {
		b, err := bbolt.Open(db.path, 0o600, &bbolt.Options{
			Timeout:      1, // bbolt's own waiting looks 20 times a second only
			ReadOnly:     readOnly,
			FreelistType: bbolt.FreelistMapType,
		})
		switch {
		case err == nil:
			return b, nil
		case !errors.Is(err, berrors.ErrTimeout):
			return nil, fmt.Errorf("store %s: %w", db.path, err)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case time.Since(started) >= db.wait:
			return nil, db.busy(time.Since(started))
		}
		time.Sleep(pause)
	}
}

func (db *DB) busy(waited time.Duration) error {
	who := "another process"
	if h := holder(db.path); h != "" {
		who = h
	}
	return wallet.WithHint(
		wallet.As(wallet.ErrBusy, "store %s: waited %s, and %s still holds it", filepath.Base(db.path), waited.Round(time.Second), who),
		"wait for that process or stop it (stopping is safe at any time), then run this again")
}

type tx struct{ b *bbolt.Bucket }

func (t tx) Get(key []byte) ([]byte, error) { return t.b.Get(key), nil }

func (t tx) Put(key, value []byte) error {
	if err := t.b.Put(key, value); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

func (t tx) Delete(key []byte) error {
	if err := t.b.Delete(key); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

func (t tx) Scan(r store.Range, fn func(key, value []byte) error) error {
	c := t.b.Cursor()
	step, k, v := c.Next, []byte(nil), []byte(nil)
	if r.Reverse {
		step = c.Prev
		if r.To == nil {
			k, v = c.Last()
		} else if k, v = c.Seek(r.To); k == nil {
			k, v = c.Last()
		}
		for k != nil && r.To != nil && bytes.Compare(k, r.To) >= 0 {
			k, v = c.Prev()
		}
	} else {
		k, v = c.Seek(r.From)
	}
	for ; k != nil; k, v = step() {
		if r.Reverse && bytes.Compare(k, r.From) < 0 {
			break
		}
		if !r.Reverse && r.To != nil && bytes.Compare(k, r.To) >= 0 {
			break
		}
		if err := fn(k, v); errors.Is(err, store.Stop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Exists reports whether there is a store file at path.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// Verify reads every page of a store file that nobody uses, and reports the
// first thing that is wrong with it.
func Verify(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if info.Size() == 0 { // opening it would make it a valid one
		return fmt.Errorf("store %s: is empty", path)
	}
	return Open(path).with(ctx, true, func(b *bbolt.DB) error {
		return b.View(func(t *bbolt.Tx) error {
			if t.Size() > info.Size() {
				return fmt.Errorf("store %s: was cut off: it has %d bytes of %d", path, info.Size(), t.Size())
			}
			var first error
			for err := range t.Check() { // must be drained
				if first == nil {
					first = fmt.Errorf("store %s: %w", path, err)
				}
			}
			if first != nil {
				return first
			}
			bucket := t.Bucket(space)
			if bucket == nil {
				return fmt.Errorf("store %s: holds nothing", path)
			}
			_, err := store.CheckVersion(tx{bucket})
			return err
		})
	})
}
