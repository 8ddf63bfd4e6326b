package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// newHome makes a home with a watch file, and returns how to run airlock in
// it.
func newHome(t *testing.T) (home string, airlock func(args ...string) (stdout, stderr []byte, err error)) {
	t.Helper()
	dir := t.TempDir()
	home = filepath.Join(dir, "home")
	airlock = func(args ...string) (_, _ []byte, err error) {
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "airlock"), args...)
		cmd.Env = append(os.Environ(), "AIRLOCK_HOME="+home)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err = cmd.Run()
		return stdout.Bytes(), stderr.Bytes(), err
	}
	master, err := hd.NewMaster(make([]byte, 64))
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	file, err := master.Watch().Encode()
	if err != nil {
		t.Fatal(err)
	}
	watch := filepath.Join(dir, "watch.json")
	if err := os.WriteFile(watch, file, 0o600); err != nil {
		t.Fatal(err)
	}
	chain := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	for _, args := range [][]string{
		{"init", "--chain-id", strconv.FormatUint(chain.ChainID(), 10), "--rpc", chain.URL()},
		{"watch", "import", watch, "--fingerprint", master.Watch().Fingerprint().String()},
	} {
		if _, stderr, err := airlock(args...); err != nil {
			t.Fatalf("%v: %v: %s", args, err, stderr)
		}
	}
	return home, airlock
}

// TestManyProcesses runs two hundred short processes on one home at once: all
// of them finish, and nothing is lost or done twice.
func TestManyProcesses(t *testing.T) {
	_, airlock := newHome(t)
	const processes = 200
	var all sync.WaitGroup
	for i := range processes {
		args := []string{"address", "new", fmt.Sprint("account-", i%20), "--count", fmt.Sprint(1 + i%7)}
		if i%2 == 1 {
			args = []string{"ledger", "credit", "everybody", "--asset", "ETH", "--amount", "1", "--id", fmt.Sprint(i / 2)}
		}
		all.Go(func() {
			// On a slow machine two hundred turns take longer than anybody waits.
			if _, stderr, err := airlock(append(args, "--wait", "10m")...); err != nil {
				t.Errorf("%v: %v: %s", args, err, stderr)
			}
		})
	}
	all.Wait()

	var addresses []struct{ Address, Path string }
	read(t, airlock, &addresses, "address", "list", "--role", "deposit", "--limit", "0")
	want := 0
	for i := 0; i < processes; i += 2 {
		want += 1 + i%7
	}
	if len(addresses) != want {
		t.Errorf("%d addresses, want %d", len(addresses), want)
	}
	seen := map[string]bool{}
	for i, a := range addresses {
		if path := fmt.Sprintf("m/44'/60'/0'/0/%d", i); a.Path != path || seen[a.Address] {
			t.Errorf("address %d is %v, want a new one at %s", i, a, path)
		}
		seen[a.Address] = true
	}
	var balances []struct{ Available string }
	read(t, airlock, &balances, "ledger", "balances", "--account", "everybody")
	if want := fmt.Sprintf("%d000000000000000000", processes/2); len(balances) != 1 || balances[0].Available != want {
		t.Errorf("balances %v, want %s", balances, want)
	}
}

func read(t *testing.T, airlock func(...string) ([]byte, []byte, error), into any, args ...string) {
	t.Helper()
	stdout, stderr, err := airlock(append(args, "--json")...)
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, stderr)
	}
	if err := json.Unmarshal(stdout, into); err != nil {
		t.Fatal(err)
	}
}

// TestBusyStore holds the store and expects others to say so, and by whom.
func TestBusyStore(t *testing.T) {
	home, airlock := newHome(t)
	var stderr []byte
	var busy error
	if err := bolt.Open(filepath.Join(home, "airlock.db")).Update(context.Background(), func(store.Tx) error {
		_, stderr, busy = airlock("--wait", "300ms", "ledger", "balances")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if !errors.As(busy, &exit) || exit.ExitCode() != 4 {
		t.Fatalf("airlock ended with %v, want exit code 4: %s", busy, stderr)
	}
	if _, err := os.Stat("/proc/locks"); err == nil {
		if me := fmt.Sprintf("process %d (airlock.test", os.Getpid()); !strings.Contains(string(stderr), me) {
			t.Errorf("%q does not name %q", stderr, me)
		}
	}
	if _, stderr, err := airlock("ledger", "balances"); err != nil {
		t.Errorf("after the lock was free: %v: %s", err, stderr)
	}
}

// TestKilled kills commands at any instant and runs them again: it ends as if
// nothing had happened.
func TestKilled(t *testing.T) {
	home, airlock := newHome(t)
	const rounds = 40
	for i := range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(25))*time.Millisecond)
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "airlock"), "ledger", "credit", "everybody", "--asset", "ETH", "--amount", "1", "--id", fmt.Sprint(i))
		cmd.Env = append(os.Environ(), "AIRLOCK_HOME="+home)
		_ = cmd.Run() // ended by SIGKILL, or by then done
		cancel()
	}
	for i := range rounds {
		if _, stderr, err := airlock("ledger", "credit", "everybody", "--asset", "ETH", "--amount", "1", "--id", fmt.Sprint(i)); err != nil {
			t.Fatalf("credit %d again: %v: %s", i, err, stderr)
		}
	}
	var balances []struct{ Available string }
	read(t, airlock, &balances, "ledger", "balances", "--account", "everybody")
	if want := fmt.Sprintf("%d000000000000000000", rounds); len(balances) != 1 || balances[0].Available != want {
		t.Errorf("balances %v, want %s", balances, want)
	}
}

// TestKilledInit kills init at any instant; the next one makes the home, unless
// the first had just done so.
func TestKilledInit(t *testing.T) {
	chain := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	done := 0
	for range 30 {
		home := filepath.Join(t.TempDir(), "home")
		initialise := func(ctx context.Context) ([]byte, error) {
			cmd := exec.CommandContext(ctx, filepath.Join(bin, "airlock"), "init", "--chain-id", strconv.FormatUint(chain.ChainID(), 10), "--rpc", chain.URL())
			cmd.Env = append(os.Environ(), "AIRLOCK_HOME="+home)
			return cmd.CombinedOutput()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(3+rand.IntN(18))*time.Millisecond)
		_, _ = initialise(ctx) // ended by SIGKILL, or by then done
		cancel()
		if bolt.Exists(filepath.Join(home, "airlock.db")) {
			done++
		} else if out, err := initialise(t.Context()); err != nil {
			t.Fatalf("init again: %v: %s", err, out)
		}
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "airlock"), "--home", home, "chain", "list")
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("1337")) {
			t.Fatalf("chain list: %v: %s", err, out)
		}
	}
	t.Logf("%d of 30 were done before they were killed", done)
}
