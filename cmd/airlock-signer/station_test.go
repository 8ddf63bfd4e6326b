//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/wallet/batch"
)

// machine is a directory that the released signer sees as the root of a machine:
// there is nothing in it but the program and what a test puts there. It has no
// environment and a network of its own, which has only a loopback interface that
// is down. Where that cannot be had, tests that need it are skipped.
type machine struct {
	*testing.T
	root string
}

// names of files on a machine
const (
	signerFile     = "/airlock-signer"
	home           = "/station"
	wordsFile      = "/stick/words"
	passphraseFile = "/stick/passphrase"
	batchFile      = "/stick/batch.json"
	signedFile     = "/stick/signed.json"
)

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t, t.TempDir()}
	if err := exec.CommandContext(t.Context(), "cp", program("airlock-signer"), m.path(signerFile)).Run(); err != nil {
		t.Fatal(err)
	}
	m.write(wordsFile, example(t, "mnemonic"))
	m.write(passphraseFile, example(t, "passphrase"))
	return m
}

// newStation has a vault and an open policy.
func newStation(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.ok("vault", "create", "--mnemonic-file", wordsFile, "--passphrase-file", passphraseFile, "--light-kdf")
	m.ok("policy", "init", "--preset", "open")
	return m
}

func (m *machine) path(name string) string { return filepath.Join(m.root, name) }

func (m *machine) write(name, text string) {
	m.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(m.path(name)), 0o700), os.WriteFile(m.path(name), []byte(text), 0o600)); err != nil {
		m.Fatal(err)
	}
}

func (m *machine) read(name string) string {
	m.Helper()
	raw, err := os.ReadFile(m.path(name))
	if err != nil {
		m.Fatal(err)
	}
	return string(raw)
}

func (m *machine) exists(name string) bool {
	_, err := os.Lstat(m.path(name))
	return err == nil
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// command is a command of the signer on this machine.
func (m *machine) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, signerFile, args...)
	cmd.Path, cmd.Dir, cmd.Env = signerFile, "/", []string{} // none: nil would be ours
	cmd.SysProcAttr = alone()
	cmd.SysProcAttr.Chroot = m.root
	return cmd
}

// alone gives a process its own users and network.
func alone() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
}

// shellEnv is the environment of a shell that finds chroot and ip, which lie where
// only root looks.
func shellEnv() []string {
	return append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
}

// end runs a command to its end.
func end(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
			t.Skipf("NOT TESTED: this system lets nobody have users and a network of their own: %v", err)
		}
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code == -1 {
		t.Fatalf("%q was ended by %v: %s", cmd.Args, cmd.ProcessState, errs.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// run runs a command in the machine's home.
func (m *machine) run(args ...string) result {
	m.Helper()
	return end(m.T, m.command(m.Context(), append([]string{"--home", home}, args...)...))
}

func (m *machine) ok(args ...string) result {
	m.Helper()
	return m.fails(0, "", args...)
}

// fails wants an exit code and words on standard error.
func (m *machine) fails(code int, say string, args ...string) result {
	m.Helper()
	r := m.run(args...)
	if r.code != code || !strings.Contains(r.err, say) {
		m.Fatalf("%q: exit code %d, %s; want %d and %q", args, r.code, r.err, code, say)
	}
	return r
}

// signs are the arguments that sign a batch which was written to the machine.
func (m *machine) signs(in, out string) []string {
	m.Helper()
	b, err := batch.Parse([]byte(m.read(in)))
	if err != nil {
		m.Fatal(err)
	}
	digest, err := b.HexDigest()
	if err != nil {
		m.Fatal(err)
	}
	return []string{"sign", in, "-o", out, "--passphrase-file", passphraseFile, "--expect", digest}
}

// newBatch writes the batch of docs/formats.md as if it had been built a moment
// ago, the first of its sender, changed as a test wants it.
func (m *machine) newBatch(name string, change func(*batch.Batch)) {
	m.Helper()
	b, err := batch.Parse([]byte(example(m.T, "batch")))
	if err != nil {
		m.Fatal(err)
	}
	b.CreatedAt = time.Now().UTC().Truncate(time.Second).Add(-time.Minute)
	b.ExpiresAt = b.CreatedAt.Add(48 * time.Hour)
	for i := range b.Items {
		b.Items[i].Nonce = uint64(i) // of a sender that never sent anything
	}
	if change != nil {
		change(b)
	}
	file, err := b.Encode()
	if err != nil {
		m.Fatal(err)
	}
	m.write(name, string(file))
}

// verify reads a signed batch, and proves every signature.
func (m *machine) verify(name string) *batch.Signed {
	m.Helper()
	s, err := batch.ParseSigned([]byte(m.read(name)))
	if err == nil {
		err = s.Verify()
	}
	if err != nil {
		m.Fatal(err)
	}
	return s
}

// example is an example of docs/formats.md.
func example(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(sources, "docs/formats.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?ms)^```[a-z]+ example=" + regexp.QuoteMeta(name) + "\n(.*?)^```$").FindSubmatch(page)
	if m == nil {
		t.Fatalf("docs/formats.md has no example %s", name)
	}
	return string(m[1])
}

// TestBare plays the signing station's part on a machine that has nothing: no
// /etc, no /proc, no terminal, no environment, no other program.
func TestBare(t *testing.T) {
	m := newMachine(t)
	m.newBatch(batchFile, nil)

	// Without an environment nothing tells where the home is.
	r := end(t, m.command(t.Context(), "vault", "create", "--mnemonic-file", wordsFile, "--passphrase-file", passphraseFile, "--light-kdf"))
	if r.code != 2 || !strings.Contains(r.err, "name one with --home or $AIRLOCK_HOME") {
		t.Errorf("without a home: exit code %d, %s", r.code, r.err)
	}
	// New words need a terminal, which is said before anything is made.
	m.fails(2, "--mnemonic-file restores", "vault", "create", "--passphrase-file", passphraseFile, "--light-kdf")
	if m.exists(home + "/vault.json") {
		t.Fatal("a vault was made whose words nobody saw")
	}

	m.ok("version")
	m.ok("vault", "create", "--mnemonic-file", wordsFile, "--passphrase-file", passphraseFile, "--light-kdf")
	m.fails(3, "policy init", m.signs(batchFile, signedFile)...)
	m.ok("policy", "init", "--preset", "open")
	m.ok("policy", "check", batchFile)
	m.ok("vault", "export-watch", "-o", "/stick/watch.json", "--passphrase-file", passphraseFile)
	if r := m.ok("review", batchFile); !strings.Contains(r.out, "w-1001") {
		t.Errorf("the review does not show the first withdrawal:\n%s", r.out)
	}
	var row struct{ Signed, Signatures int }
	r = m.ok(append(m.signs(batchFile, signedFile), "--json")...)
	if err := json.Unmarshal([]byte(r.out), &row); err != nil || row.Signed != 2 || row.Signatures != 5 {
		t.Errorf("%s, %v; want 2 transactions of 2 rungs, and a cancel", r.out, err)
	}
	m.verify(signedFile)
	m.ok("review", signedFile)
	if r.err != "" && strings.Contains(r.err, "interface") {
		t.Errorf("a machine without a network is said to have one: %s", r.err)
	}
}

// TestSameSignatures: the signatures of the released program, which is pure Go,
// are those of libsecp256k1, to the byte: a station can go over from one to the
// other, and sign again what it signed.
func TestSameSignatures(t *testing.T) {
	with := filepath.Join(t.TempDir(), "with-cgo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", with, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: there is no C compiler: %v\n%s", err, out)
	}
	m := newStation(t)
	m.newBatch(batchFile, func(b *batch.Batch) {
		first := b.Items[0]
		for i := range uint64(100) {
			it := first
			it.Nonce += 10 + i
			it.Intent.ID += strings.Repeat("x", int(i)+1)
			b.Items = append(b.Items, it)
		}
	})
	m.ok(m.signs(batchFile, signedFile)...)
	released := m.verify(signedFile)

	args := m.signs(batchFile, m.path("/again.json"))
	for i, arg := range args {
		if strings.HasPrefix(arg, "/stick/") {
			args[i] = m.path(arg)
		}
	}
	again := exec.CommandContext(t.Context(), with, append(args, "--home", m.path(home), "--accept-risk=online-station")...)
	if r := end(t, again); r.code != 0 {
		t.Fatal(r.err)
	}
	if one, other := m.read("/again.json"), m.read(signedFile); one != other {
		t.Errorf("libsecp256k1 signs otherwise, from byte %d on", firstDifference([]byte(one), []byte(other)))
	}
	if n := len(released.Transactions); n != 102 {
		t.Errorf("%d transactions were compared, want 102", n)
	}
}
