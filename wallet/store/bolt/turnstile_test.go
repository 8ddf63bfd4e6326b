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

func TestMain(m *testing.M) {
	db := bolt.Open(os.Getenv(pathEnv))
	work := map[string]func(context.Context, func(store.Tx) error) error{"read": db.View, "write": db.Update}[os.Getenv(workEnv)]
	if work == nil {
		os.Exit(m.Run())
	}
	for {
		if err := work(context.Background(), nothing); err != nil {
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
// a loop keep out those that must write, or the other way round.
func TestNobodyStarves(t *testing.T) {
	for _, others := range []string{"read", "write"} {
		t.Run("others "+others, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "airlock.db")
			db, err := bolt.Create(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			_, did := start(t, path, others, 8)
			for did() < 100 { // until they are at it
				time.Sleep(time.Millisecond)
			}
			for what, work := range map[string]func(context.Context, func(store.Tx) error) error{"read": db.View, "write": db.Update} {
				var longest time.Duration
				for range 10 {
					began := time.Now()
					if err := work(t.Context(), nothing); err != nil {
						t.Fatal(err)
					}
					longest = max(longest, time.Since(began))
				}
				t.Logf("the longest wait to %s: %s", what, longest)
				if longest > bolt.DefaultWait/3 {
					t.Errorf("waited %s to %s", longest, what)
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
