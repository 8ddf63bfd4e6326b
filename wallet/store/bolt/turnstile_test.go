package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// Child processes of these tests work on the store that pathEnv names, in the
// way that workEnv says, without a pause.
const (
	pathEnv = "AIRLOCK_TEST_STORE"
	workEnv = "AIRLOCK_TEST_WORK"
)

func nothing(store.Tx) error { return nil }

// busy takes long enough for the transactions of readers to overlap, however many
// processors there are.
func busy(store.Tx) error {
	time.Sleep(5 * time.Millisecond)
	return nil
}

func TestMain(m *testing.M) {
	db := bolt.Open(os.Getenv(pathEnv))
	work := map[string]func(context.Context, func(store.Tx) error) error{"read": db.View, "write": db.Update}[os.Getenv(workEnv)]
	if work == nil {
		os.Exit(m.Run())
	}
	for {
		if err := work(context.Background(), busy); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Print(".")
	}
}

// start begins child processes that work on a store until the test ends. did is
// how often they have done so.
func start(t *testing.T, path, work string, n int) (list []*exec.Cmd, did func() int64) {
	t.Helper()
	out, err := os.OpenFile(filepath.Join(t.TempDir(), "done"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	for range n {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), pathEnv+"="+path, workEnv+"="+work)
		c.Stdout, c.Stderr = out, os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = c.Process.Kill()
			_ = c.Wait()
		})
		list = append(list, c)
	}
	return list, func() int64 {
		info, err := out.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
}

// TestNobodyStarves guards against a home on which commands that look at it in
// a loop keep out those that must write, or the other way round. A wait is
// measured in turns of the others, which a slow machine slows down as well: about
// as many as there are others, where nobody is pushed aside. Who starves waits for
// ever.
func TestNobodyStarves(t *testing.T) {
	const others, enough = 8, 10_000
	for _, what := range []string{"read", "write"} {
		t.Run("others "+what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "airlock.db")
			db, err := bolt.Create(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			db = db.WithWait(2 * time.Minute)
			_, did := start(t, path, what, others)
			for did() < 100 { // until they are at it
				time.Sleep(time.Millisecond)
			}
			for what, work := range map[string]func(context.Context, func(store.Tx) error) error{"read": db.View, "write": db.Update} {
				var most int64
				for range 10 {
					before := did()
					if err := work(t.Context(), nothing); err != nil {
						t.Fatal(err)
					}
					most = max(most, did()-before)
				}
				t.Logf("at most %d turns of the others before one to %s", most, what)
				if most > enough {
					t.Errorf("the others had %d turns before one to %s", most, what)
				}
			}
		})
	}
}

// TestKilledInTheTurnstile kills a writer that waits for a reader: nobody may
// have to wait for the dead.
func TestKilledInTheTurnstile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "airlock.db")
	db, err := bolt.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(store.Tx) error {
		writers, _ := start(t, path, "write", 1)
		short := db.WithWait(200 * time.Millisecond)
		for began := time.Now(); ; {
			if err := short.View(t.Context(), nothing); errors.Is(err, wallet.ErrBusy) {
				break // it holds the turnstile
			} else if err != nil || time.Since(began) > 2*time.Minute {
				t.Fatalf("a reader beside a waiting writer: %v, want %v", err, wallet.ErrBusy)
			}
		}
		if err := writers[0].Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if _, err := writers[0].Process.Wait(); err != nil {
			t.Fatal(err)
		}
		return db.View(t.Context(), nothing)
	})
	if err != nil {
		t.Fatal(err)
	}
}
