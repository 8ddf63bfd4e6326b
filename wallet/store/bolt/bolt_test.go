package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

func newDB(t testing.TB) *bolt.DB {
	t.Helper()
	db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db"))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

type pair struct{ key, value string }

// model is what a store must behave like: a sorted map.
type model map[string]string

func (m model) scan(r store.Range) (list []pair) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= string(r.From) && (r.To == nil || k < string(r.To)) {
			list = append(list, pair{k, m[k]})
		}
	}
	if r.Reverse {
		slices.Reverse(list)
	}
	return list
}

// TestModel compares the engine with a sorted map, over transactions that
// commit and transactions that fail.
func TestModel(t *testing.T) {
	n := 0
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		n++
		db, err := bolt.Create(context.Background(), filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			t.Fatal(err)
		}
		// Few bytes, so that keys are prefixes of each other and meet again.
		key := rapid.StringOfN(rapid.SampledFrom([]rune{'t', 0, 1, 'z'}), 1, 4, -1)
		want := model{}
		if err := db.View(context.Background(), func(tx store.Tx) error { // what the schema keeps for itself
			return tx.Scan(store.Range{}, func(k, v []byte) error {
				want[string(k)] = string(v)
				return nil
			})
		}); err != nil {
			t.Fatal(err)
		}
		failed := errors.New("as told")
		for range rapid.IntRange(1, 6).Draw(t, "transactions") {
			next := maps.Clone(want)
			commit := rapid.Bool().Draw(t, "commit")
			err := db.Update(context.Background(), func(tx store.Tx) error {
				for range rapid.IntRange(0, 12).Draw(t, "steps") {
					step(t, tx, next, key)
				}
				if !commit {
					return failed
				}
				return nil
			})
			if commit {
				want = next
			} else if !errors.Is(err, failed) {
				t.Fatalf("failed transaction returned %v", err)
			}
			if commit && err != nil {
				t.Fatal(err)
			}
			if err := db.View(context.Background(), func(tx store.Tx) error {
				compare(t, tx, want, store.Range{})
				compare(t, tx, want, store.Range{Reverse: true})
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func step(t *rapid.T, tx store.Tx, m model, keys *rapid.Generator[string]) {
	k := keys.Draw(t, "key")
	switch rapid.SampledFrom([]string{"get", "put", "delete", "scan", "scan"}).Draw(t, "op") {
	case "get":
		v, err := tx.Get([]byte(k))
		want, ok := m[k]
		if err != nil || (v != nil) != ok || string(v) != want {
			t.Fatalf("Get(%q) = %q, %v; want %q, %v", k, v, err, want, ok)
		}
	case "put":
		v := rapid.StringN(0, 5, -1).Draw(t, "value")
		if err := tx.Put([]byte(k), []byte(v)); err != nil {
			t.Fatal(err)
		}
		m[k] = v
	case "delete":
		if err := tx.Delete([]byte(k)); err != nil {
			t.Fatal(err)
		}
		delete(m, k)
	case "scan":
		r := store.Range{From: []byte(k), Reverse: rapid.Bool().Draw(t, "reverse")}
		if rapid.Bool().Draw(t, "bounded") {
			r.To = []byte(keys.Draw(t, "to"))
		}
		compare(t, tx, m, r)
	}
}

func compare(t *rapid.T, tx store.Tx, m model, r store.Range) {
	var have []pair
	if err := tx.Scan(r, func(k, v []byte) error {
		have = append(have, pair{string(k), string(v)})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := m.scan(r)
	if !slices.Equal(have, want) {
		t.Fatalf("Scan(%q, %q, reverse %v) = %q, want %q", r.From, r.To, r.Reverse, have, want)
	}
	if len(want) < 2 {
		return
	}
	var first []string
	if err := tx.Scan(r, func(k, _ []byte) error {
		first = append(first, string(k))
		return store.Stop
	}); err != nil || len(first) != 1 || first[0] != want[0].key {
		t.Fatalf("Scan that stops at once saw %q, %v", first, err)
	}
}

func TestScanPassesErrorsOn(t *testing.T) {
	db := newDB(t)
	failed := errors.New("as told")
	err := db.View(t.Context(), func(tx store.Tx) error {
		return tx.Scan(store.Range{}, func(_, _ []byte) error { return failed })
	})
	if !errors.Is(err, failed) {
		t.Fatalf("View = %v, want %v", err, failed)
	}
}

func TestViewCannotWrite(t *testing.T) {
	db := newDB(t)
	if err := db.View(t.Context(), func(tx store.Tx) error { return tx.Put([]byte("k"), []byte("v")) }); err == nil {
		t.Fatal("a View wrote")
	}
}

// TestOpenMakesNothing guards against a mistyped home becoming a new one.
func TestOpenMakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "airlock.db")
	err := bolt.Open(path).Update(t.Context(), func(store.Tx) error { return nil })
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Update = %v, want %v", err, fs.ErrNotExist)
	}
	if bolt.Exists(path) {
		t.Error("a file was made")
	}
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "airlock.db")
	if _, err := bolt.Create(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
	if _, err := bolt.Create(t.Context(), path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create in its place = %v, want %v", err, fs.ErrExist)
	}
}

// TestBusy guards the message that tells an operator whom to wait for. The
// lock is of a file opened, so this process can stand in its own way.
func TestBusy(t *testing.T) {
	db := newDB(t).WithWait(300 * time.Millisecond)
	var busy, canceled error
	err := db.Update(t.Context(), func(store.Tx) error {
		busy = db.View(t.Context(), func(store.Tx) error { return nil })
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		canceled = db.WithWait(time.Hour).Update(ctx, func(store.Tx) error { return nil })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(busy, wallet.ErrBusy) || wallet.Hint(busy) == "" {
		t.Errorf("View beside Update = %v, want ErrBusy with a hint", busy)
	}
	if me := fmt.Sprintf("process %d (bolt.test", os.Getpid()); holderKnown() && !strings.Contains(busy.Error(), me) {
		t.Errorf("%q does not name %q", busy, me)
	}
	if !errors.Is(canceled, context.DeadlineExceeded) {
		t.Errorf("canceled wait = %v, want %v", canceled, context.DeadlineExceeded)
	}
	if err := db.Update(t.Context(), func(store.Tx) error { return nil }); err != nil {
		t.Errorf("after the lock was free: %v", err)
	}
}

// holderKnown reports whether the kernel tells who holds a lock.
func holderKnown() bool {
	_, err := os.Stat("/proc/locks")
	return err == nil
}

// TestBackupOfLiveStore backs up while others write: each copy must be whole
// and hold what some transaction left, never half of one.
func TestBackupOfLiveStore(t *testing.T) {
	db := newDB(t)
	dir := t.TempDir()
	write := func(n int) error {
		return db.Update(t.Context(), func(tx store.Tx) error {
			v := bytes.Repeat([]byte{byte(n)}, 3000)
			if err := tx.Put([]byte("test.a"), v); err != nil {
				return err
			}
			return tx.Put([]byte("test.b"), v)
		})
	}
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := range 60 {
			if err := write(n); err != nil {
				t.Error(err)
			}
		}
	})
	for n := range 10 {
		path := filepath.Join(dir, fmt.Sprint(n))
		backUp(t, db, path)
		if err := bolt.Verify(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if err := bolt.Open(path).View(t.Context(), func(tx store.Tx) error {
			a, errA := tx.Get([]byte("test.a"))
			b, errB := tx.Get([]byte("test.b"))
			if len(a) != 3000 || !bytes.Equal(a, b) {
				t.Errorf("copy %d holds half of a transaction", n)
			}
			return errors.Join(errA, errB)
		}); err != nil {
			t.Fatal(err)
		}
	}
	writer.Wait()
}

func backUp(t *testing.T, db *bolt.DB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Backup(t.Context(), f), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestVerify(t *testing.T) {
	db := newDB(t)
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		for i := range 2000 {
			if err := tx.Put(fmt.Appendf(nil, "test.%06d", i), bytes.Repeat([]byte("v"), 100)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy")
	backUp(t, db, path)
	if err := bolt.Verify(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// One kind of damage at a time: a copy cut short, and keys out of order.
	for name, damaged := range map[string][]byte{
		"empty":     {},
		"cut":       raw[:len(raw)/2],
		"reordered": bytes.Replace(raw, []byte("test.000900"), []byte("test.999900"), 1),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "damaged")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := bolt.Verify(t.Context(), path); err == nil {
				t.Error("the damage was not seen")
			}
		})
	}
}

// schemaKey is where a store keeps its version: stored, so it never changes.
var schemaKey = []byte("meta\x00schema\x00")

func TestSchemaVersions(t *testing.T) {
	version := func(n byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, n} }
	nothing := func(store.Tx) error { return nil }
	set := func(t *testing.T, n byte) *bolt.DB {
		db := newDB(t)
		if err := db.Update(t.Context(), func(tx store.Tx) error { return tx.Put(schemaKey, version(n)) }); err != nil {
			t.Fatal(err)
		}
		return db
	}
	t.Run("a View migrates what is older", func(t *testing.T) {
		db := set(t, 0)
		err := db.View(t.Context(), func(tx store.Tx) error {
			have, err := tx.Get(schemaKey)
			if !bytes.Equal(have, version(byte(store.Version()))) {
				t.Errorf("version %x after a View", have)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("what is newer is refused", func(t *testing.T) {
		db := set(t, byte(store.Version())+1)
		if err := db.View(t.Context(), nothing); err == nil || wallet.Hint(err) == "" {
			t.Errorf("View = %v, want a refusal with a hint", err)
		}
		if err := db.Update(t.Context(), nothing); err == nil || wallet.Hint(err) == "" {
			t.Errorf("Update = %v, want a refusal with a hint", err)
		}
	})
}
