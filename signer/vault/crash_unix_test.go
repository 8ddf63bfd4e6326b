//go:build unix

package vault

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

// The passphrases that a process of TestKillWhileChanging changes between.
var killPassphrases = []string{passphrase, "battery staple"}

// A process that changes the passphrase over and over is killed: whenever
// that is, the vault opens with one of the two, and holds what it held.
func TestKillWhileChanging(t *testing.T) {
	if path := os.Getenv("VAULT_VICTIM"); path != "" {
		v, n := openEither(t, path)
		for {
			n++
			if err := v.ChangePassphrase([]byte(killPassphrases[n%2]), fastKDF); err != nil {
				t.Fatal(err)
			}
			fmt.Println("changed")
		}
	}
	path := newVault(t)
	for round := range 10 {
		victim := exec.Command(os.Args[0], "-test.run=^TestKillWhileChanging$")
		victim.Env = append(os.Environ(), "VAULT_VICTIM="+path)
		out, err := victim.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		// It has begun when it says so; from there on any moment will do.
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(round*1700) * time.Microsecond)
		if err := victim.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = victim.Wait() // reports the kill
		v, _ := openEither(t, path)
		if got := v.Fingerprint().String(); got != junkFingerprint {
			t.Fatalf("after kill %d the vault has the fingerprint %s", round, got)
		}
	}
}

func openEither(t *testing.T, path string) (*Vault, int) {
	t.Helper()
	for n, p := range killPassphrases {
		v, err := Open(path, []byte(p))
		if errors.Is(err, ErrPassphrase) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v, n
	}
	t.Fatal("the vault opens with neither passphrase")
	return nil, 0
}

// A process that may write only a few bytes meets what a full disk does:
// writing fails in the middle. Nothing is changed, and nothing left behind.
func TestDiskFull(t *testing.T) {
	if path := os.Getenv("VAULT_FULL"); path != "" {
		v := openVault(t, path)
		signal.Ignore(syscall.SIGXFSZ) // the call that writes fails instead
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100, Max: 100}); err != nil {
			t.Fatal(err)
		}
		_, mnemonic := v.AddMnemonic([]byte(abandon))
		_, key := v.addKey(newKey(t))
		_, created := Create(filepath.Join(filepath.Dir(path), "other.json"), []byte(abandon), []byte(passphrase), fastKDF)
		for name, err := range map[string]error{
			"add a mnemonic": mnemonic, "import a key": key, "create": created,
			"change the passphrase": v.ChangePassphrase([]byte("x"), fastKDF),
		} {
			fmt.Printf("%s: %t\n", name, errors.Is(err, syscall.EFBIG))
		}
		// The open vault is as its file: what was not written is not there.
		if n := len(v.Info().Fingerprints) + len(v.s.contents.Imported); n != 1 {
			fmt.Printf("%d keys: false\n", n)
		}
		assertSigns(t, v, wallet.Path{}, [32]byte{1})
		os.Exit(0)
	}
	path := newVault(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestDiskFull$")
	child.Env = append(os.Environ(), "VAULT_FULL="+path)
	out, err := child.CombinedOutput()
	if n := strings.Count(string(out), ": true\n"); err != nil || n != 4 || strings.Contains(string(out), "false") {
		t.Errorf("%v: %d of 4 changes failed for want of room:\n%s", err, n, out)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(after, before) {
		t.Errorf("the vault was changed (%v)", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v), want the vault alone", entries, err)
	}
}

// Two processes change one vault at the same time. Each gets its change in or
// is told that it lost; what is in at the end is what was told.
func TestTwoProcesses(t *testing.T) {
	if path := os.Getenv("VAULT_RACER"); path != "" {
		mnemonic, err := hd.NewMnemonic()
		if err != nil {
			t.Fatal(err)
		}
		for {
			v, err := Open(path, []byte(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			k, err := v.AddMnemonic(mnemonic)
			if err == nil {
				fmt.Println("added", k.Fingerprint())
				os.Exit(0)
			}
			if !errors.Is(err, ErrChanged) {
				t.Fatal(err)
			}
			v.Close()
		}
	}
	path := newVault(t)
	const n = 4
	racers, outs := make([]*exec.Cmd, n), make([]bytes.Buffer, n)
	for i := range racers {
		racers[i] = exec.Command(os.Args[0], "-test.run=^TestTwoProcesses$")
		racers[i].Env = append(os.Environ(), "VAULT_RACER="+path)
		racers[i].Stdout = &outs[i]
		if err := racers[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range racers {
		if err := racers[i].Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, &outs[i])
		}
	}
	v := openVault(t, path)
	for i := range outs {
		text, _ := strings.CutPrefix(strings.TrimSpace(outs[i].String()), "added ")
		fp, err := hd.ParseFingerprint(text)
		if err != nil {
			t.Fatalf("process %d said %q", i, &outs[i])
		}
		if _, err := v.Keys(fp); err != nil {
			t.Errorf("what process %d added is lost: %v", i, err)
		}
	}
	if got := len(v.Info().Fingerprints); got != n+1 {
		t.Errorf("%d mnemonics, want %d", got, n+1)
	}
}

// A file that was written by half is no vault, wherever it ends; one that
// lies beside it under a temporary name is in nobody's way.
func TestHalfWritten(t *testing.T) {
	path := newVault(t)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(filepath.Dir(path), ".vault.json.123.tmp")
	if err := os.WriteFile(beside, raw[:len(raw)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openVault(t, path).ChangePassphrase([]byte(passphrase), fastKDF); err != nil {
		t.Fatal(err)
	}
	for i := range len(raw) - 2 {
		half := filepath.Join(t.TempDir(), "vault.json")
		if err := os.WriteFile(half, raw[:i], 0o600); err != nil {
			t.Fatal(err)
		}
		var bad *FileError
		if _, err := Stat(half); !errors.As(err, &bad) || bad.Path != half {
			t.Fatalf("the first %d of %d bytes: %v, want a FileError", i, len(raw), err)
		}
	}
}
