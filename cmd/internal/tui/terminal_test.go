package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// childReview makes this program show a review, for a real terminal.
const childReview = "TUI_TEST_REVIEW"

func TestMain(m *testing.M) {
	if os.Getenv(childReview) == "" {
		code := m.Run()
		if builtDir != "" {
			os.RemoveAll(builtDir)
		}
		os.Exit(code)
	}
	err := Review(context.Background(), os.Stdin, os.Stdout, withdrawals(10_000))
	switch {
	case errors.Is(err, ErrInterrupted):
		fmt.Println("left by interruption")
	case err != nil:
		fmt.Println("left with", err)
	default:
		fmt.Println("left as asked")
	}
	time.Sleep(time.Hour) // the screen is still to be read; the test ends us
}

// terminal is a program in a real terminal, which tmux plays.
type terminal struct {
	t      testing.TB
	socket string
}

// startTerminal starts a program in a terminal of 80 by 24.
func startTerminal(t testing.TB, env []string, command ...string) *terminal {
	t.Helper()
	return startTerminalOf(t, 80, 24, env, command...)
}

func startTerminalOf(t testing.TB, width, height int, env []string, command ...string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tmux is missing")
		}
		t.Skip("tmux is missing")
	}
	tt := &terminal{t, filepath.Join(t.TempDir(), "tmux")}
	args := []string{"-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height)}
	for _, e := range env {
		args = append(args, "-e", e)
	}
	tt.tmux(append(append(args, "--"), command...)...)
	t.Cleanup(func() { tt.tmux("kill-server") })
	return tt
}

// tmux runs one of its commands, in an environment that is the same on every
// machine: another shell, language or wish for no colors would be the program's.
func (tt *terminal) tmux(args ...string) string {
	tt.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", tt.socket}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "SHELL=/bin/sh", "LC_ALL=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		tt.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// types sends keys by tmux's names for them.
func (tt *terminal) types(keys ...string) { tt.tmux(append([]string{"send-keys"}, keys...)...) }

// shows waits until all words are on the screen.
func (tt *terminal) shows(words ...string) {
	tt.t.Helper()
	screen, ok := tt.waits(func(screen string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(screen, w) })
	})
	if !ok {
		tt.t.Fatalf("the screen does not show %q:\n%s", words, screen)
	}
}

// patience is how long a screen may take. It decides nothing: a screen that is
// there is seen at once.
const patience = 2 * time.Minute

// waits looks at the screen until it is as wanted.
func (tt *terminal) waits(wanted func(screen string) bool) (screen string, ok bool) {
	tt.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if screen = tt.tmux("capture-pane", "-p"); wanted(screen) {
			return screen, true
		}
	}
	return screen, false
}

// golden waits until the screen is that of a file in testdata. With -update it
// waits for words and until two looks are the same, and writes the file.
func (tt *terminal) golden(name string, words ...string) {
	tt.t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		tt.shows(words...)
		last := ""
		screen, _ := tt.waits(func(screen string) bool {
			same := screen == last
			last = screen
			return same
		})
		if err := os.WriteFile(path, []byte(screen), 0o600); err != nil {
			tt.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tt.t.Fatal(err)
	}
	if screen, ok := tt.waits(func(screen string) bool { return screen == string(want) }); !ok {
		tt.t.Fatalf("screen\n%s\nwant, as in %s,\n%s", screen, path, want)
	}
}

func TestInARealTerminal(t *testing.T) {
	tests := map[string][]string{
		"usual":       nil,
		"no color":    {"NO_COLOR=1"},
		"plain vt100": {"TERM=vt100"},
	}
	for name, env := range tests {
		t.Run(name, func(t *testing.T) {
			tt := startTerminal(t, append(env, childReview+"=1"), os.Args[0])
			tt.shows("batch   3f1c9a7be2d84c05b6a1f00d5e7c9b21", "digest  0123 4567", ">    0 ", "1 of 10000")
			tt.types("?")
			tt.shows("only items with these words")
			tt.types("Escape")
			tt.shows("1 of 10000")
			tt.types("End")
			tt.shows("10000 of 10000", "> 9999 ")
			tt.types("/")
			tt.types("order-5821")
			tt.shows("/order-5821_   1 of 10000 items", "> 4821 ")
			tt.types("Enter")
			tt.shows("1 of 1 shown, of 10000, with /order-5821")
			tt.types("Enter")
			tt.shows("item 4821, withdrawal order-5821", "1.25 USDT")
			tt.types("q")
			tt.shows("left as asked")
		})
	}
}

func TestInterruptedInARealTerminal(t *testing.T) {
	tt := startTerminal(t, []string{childReview + "=1"}, os.Args[0])
	tt.shows("1 of 10000")
	tt.types("C-c")
	tt.shows("left by interruption")
}

func TestKeysComeFromTheTerminalWhenInputIsAPipe(t *testing.T) {
	tt := startTerminal(t, []string{childReview + "=1"}, "sh", "-c", "echo words | "+os.Args[0])
	tt.shows("1 of 10000")
	tt.types("q")
	tt.shows("left as asked")
}

// TestSignerScreens walks through a batch with the signing station's program, on
// a station with a vault, a policy and a record, at two sizes.
func TestSignerScreens(t *testing.T) {
	st := newSigner(t)
	before := st.batch(0, 4, "a")
	st.sign(before)
	next := st.batch(4, 30, "b")
	pay := func(i int, to common.Address) { next.Items[i].To, next.Items[i].Intent.Recipient = to, to }
	pay(0, before.Items[0].To)
	poison := before.Items[1].To
	copy(poison[3:17], make([]byte, 14)) // six digits at either end are left
	pay(3, poison)
	next.Items[5].Intent.ID = "订单 b-9 e\u0301"
	huge := wallet.NewAmount(5_000_000_000_000_000_000).Add(wallet.NewAmount(1))
	next.Items[7].Value, next.Items[7].Intent.Amount = huge, huge
	next.Items[9].Intent = wallet.Intent{Kind: wallet.IntentCancel, ID: "1:13", Asset: ether.ID, Recipient: next.Items[9].From}
	next.Items[9].To, next.Items[9].Value = next.Items[9].From, wallet.NewAmount(0)
	next.Items[9].Replaces = wallet.IntentName{Kind: wallet.IntentWithdrawal, ID: "a-9"}
	file := st.write(next)

	for _, size := range []struct{ width, height int }{{80, 24}, {132, 43}} {
		t.Run(fmt.Sprintf("%dx%d", size.width, size.height), func(t *testing.T) {
			name := func(s string) string { return fmt.Sprintf("signer-%s.%dx%d.txt", s, size.width, size.height) }
			command := fmt.Sprintf("%s review %s; echo exit code $?; sleep 3600", st.program, file)
			tt := startTerminalOf(t, size.width, size.height, []string{"AIRLOCK_HOME=" + st.home}, "sh", "-c", command)
			tt.golden(name("list"), "1 of 30", "REFUSED")
			tt.types("?")
			tt.golden(name("help"), "leave, and break off what would follow")
			tt.types("?", "n")
			tt.shows("4 of 30")
			tt.types("Enter")
			tt.golden(name("lookalike"), "item 3, withdrawal b-7", "looks like")
			tt.types("Escape") // and nothing right after it, which would be another key
			tt.shows("4 of 30")
			tt.types("w")
			tt.golden(name("warnings"), "warnings only")
			tt.types("w", "/")
			tt.types("cancel")
			tt.types("Enter")
			tt.shows("1 of 1 shown")
			tt.types("Enter")
			tt.golden(name("cancel"), "cancel: sends 0 to itself")
			tt.types("b")
			tt.shows("REFUSED", "lines 1 to ")
			tt.types("q")
			tt.shows("exit code 0")
		})
	}
}

// TestSignAsksAfterThePage signs in a real terminal: quitting the page signs
// nothing, nor does another digest; its first four groups do.
func TestSignAsksAfterThePage(t *testing.T) {
	st := newSigner(t)
	b := st.batch(0, 2, "a")
	file, signed := st.write(b), filepath.Join(st.home, "out.json")
	digest, err := b.HexDigest()
	if err != nil {
		t.Fatal(err)
	}
	command := func(flags string) string {
		return fmt.Sprintf("%s sign %s %s -o %s --passphrase-file %s --accept-risk online-station; echo exit code $?; sleep 3600", st.program, flags, file, signed, st.passphrase)
	}
	refuses := func(tt *terminal, code string) {
		t.Helper()
		tt.shows("exit code " + code)
		if _, err := os.Stat(signed); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("there is a signed file: %v", err)
		}
	}
	start := func(flags string) *terminal {
		return startTerminal(t, []string{"AIRLOCK_HOME=" + st.home}, "sh", "-c", command(flags))
	}
	tt := start("")
	tt.shows("1 of 2", cli.DigestLines(digest)[0])
	tt.types("C-c")
	refuses(tt, "1")

	tt = start("")
	tt.shows("1 of 2")
	tt.types("q")
	tt.shows("Type the first 16 characters of the digest")
	tt.types("0000 0000 0000 0000", "Enter")
	refuses(tt, "3")

	// With --plain there is no page, and the same question.
	tt = start("--plain")
	tt.shows("Type the first 16 characters of the digest")
	tt.types("", "Enter")
	refuses(tt, "3")

	tt = start("")
	tt.shows("1 of 2")
	tt.types("q")
	tt.shows("Type the first 16 characters of the digest")
	tt.types(cli.DigestBlocks(digest)[0], "Enter")
	tt.shows("2 transactions, 2 signatures", "exit code 0")
	if _, err := os.Stat(signed); err != nil {
		t.Error(err)
	}
}

// signerHome is the signing station's program with a home of its own.
type signerHome struct {
	t                         testing.TB
	program, home, passphrase string
}

const (
	testWords       = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
	testFingerprint = "91b223edbbe9f7023ed8178f14fdb7bd629a803dcdd46efd1f8d7320b0636cfc"
	testPayout      = "0x78839F6054d7ed13918bAe0473BA31b1Ca9D7265" // at m/44'/60'/1'/0/0
	testPolicy      = `version = 1
open = true
[[chain]]
id = 1
[[asset]]
asset = "eip155:1/slip44:60"
symbol = "ETH"
decimals = 18
max_per_transaction = "5"
`
)

// built builds the signing station's program, once for all tests that run it.
var built = sync.OnceValues(func() (program string, err error) {
	if builtDir, err = os.MkdirTemp("", "airlock-bin-"); err != nil {
		return "", err
	}
	program = filepath.Join(builtDir, "airlock-signer")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, "../../airlock-signer").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

var builtDir string

func newSigner(t testing.TB) *signerHome {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	st := &signerHome{t: t, program: program, home: filepath.Join(dir, "home"), passphrase: filepath.Join(dir, "passphrase")}
	st.file(st.passphrase, "correct horse battery staple\n")
	words := filepath.Join(dir, "words")
	st.file(words, testWords+"\n")
	st.run("vault", "create", "--mnemonic-file", words, "--passphrase-file", st.passphrase, "--light-kdf")
	st.file(filepath.Join(st.home, "policy.toml"), testPolicy)
	return st
}

func (st *signerHome) file(path, text string) {
	st.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		st.t.Fatal(err)
	}
}

func (st *signerHome) run(args ...string) {
	st.t.Helper()
	cmd := exec.Command(st.program, append(args, "--home", st.home)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		st.t.Fatalf("%q: %v: %s", args, err, out)
	}
}

// batch pays n new recipients from nonce first on. Its times are far apart, so
// that it is the same batch whenever the test runs.
func (st *signerHome) batch(first, n int, ids string) *batch.Batch {
	b := &batch.Batch{
		Format: batch.Format, Version: batch.Version, ID: strings.Repeat(ids, 32), Kind: batch.Withdrawals, ChainID: 1, Vault: testFingerprint,
		CreatedAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), ExpiresAt: time.Date(2099, 3, 2, 9, 0, 0, 0, time.UTC),
		Assets: []batch.Asset{{Asset: ether.ID, Symbol: "ETH", Decimals: 18}},
	}
	for i := first; i < first+n; i++ {
		to := common.BytesToAddress(crypto.Keccak256([]byte(fmt.Sprintf("recipient %d", i))))
		amount := wallet.NewAmount(1_000_000_000_000_000_000 + int64(i))
		b.Items = append(b.Items, batch.Item{
			From: common.HexToAddress(testPayout), Path: wallet.Path{Role: wallet.PayoutRole}, Nonce: uint64(i), To: to, Value: amount, Gas: 31500, Requires: -1,
			Rungs:  []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(42_000_000_000), MaxPriorityFeePerGas: wallet.NewAmount(2_000_000_000)}},
			Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: fmt.Sprintf("%s-%d", ids, i), Asset: ether.ID, Recipient: to, Amount: amount},
		})
	}
	return b
}

// write writes the file of a batch.
func (st *signerHome) write(b *batch.Batch) string {
	st.t.Helper()
	raw, err := b.Encode()
	if err != nil {
		st.t.Fatal(err)
	}
	path := filepath.Join(st.home, b.ID[:1]+".json")
	st.file(path, string(raw))
	return path
}

func (st *signerHome) sign(b *batch.Batch) {
	st.t.Helper()
	digest, err := b.HexDigest()
	if err != nil {
		st.t.Fatal(err)
	}
	st.run("sign", st.write(b), "-o", filepath.Join(st.home, b.ID[:1]+"-signed.json"), "--passphrase-file", st.passphrase,
		"--expect", digest, "--accept-risk", "online-station")
}

func TestContextEndsAReview(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := Review(ctx, r, &strings.Builder{}, withdrawals(3)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
