package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// childReview makes this program show a review, for a real terminal.
const childReview = "TUI_TEST_REVIEW"

func TestMain(m *testing.M) {
	if os.Getenv(childReview) == "" {
		os.Exit(m.Run())
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
	time.Sleep(10 * time.Minute) // the screen is still to be read; the test ends us
}

// terminal is a program in a real terminal of 80 by 24, which tmux plays.
type terminal struct {
	t      *testing.T
	socket string
}

func startTerminal(t *testing.T, env []string, command ...string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tmux is missing")
		}
		t.Skip("tmux is missing")
	}
	tt := &terminal{t, filepath.Join(t.TempDir(), "tmux")}
	args := []string{"-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24"}
	for _, e := range env {
		args = append(args, "-e", e)
	}
	tt.tmux(append(append(args, "--"), command...)...)
	t.Cleanup(func() { tt.tmux("kill-server") })
	return tt
}

func (tt *terminal) tmux(args ...string) string {
	tt.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", tt.socket}, args...)...).CombinedOutput()
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
	screen := ""
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		screen = tt.tmux("capture-pane", "-p")
		missing := 0
		for _, w := range words {
			if !strings.Contains(screen, w) {
				missing++
			}
		}
		if missing == 0 {
			return
		}
	}
	tt.t.Fatalf("the screen does not show %q:\n%s", words, screen)
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
			tt.shows("show only items with these words")
			tt.types("Escape")
			tt.shows("1 of 10000")
			tt.types("End")
			tt.shows("10000 of 10000", "> 9999 ")
			tt.types("/")
			tt.types("order-5821")
			tt.shows("/order-5821_   1 of 10000 items", "> 4821 ")
			tt.types("Enter")
			tt.shows("1 of 1 with /order-5821")
			tt.types("Enter")
			tt.shows("item 4821 of batch", "order-5821", "1.25 USDT")
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

// TestSignerReview walks through a batch with the signing station's program.
func TestSignerReview(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir, "github.com/airlock-wallet/airlock/cmd/airlock-signer")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	to := address(7)
	b := batch.Batch{
		Format: batch.Format, Version: batch.Version, ID: strings.Repeat("ab", 16), Kind: batch.Withdrawals, ChainID: 1,
		Vault:     strings.Repeat("0f", 32),
		CreatedAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), ExpiresAt: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		Assets: []batch.Asset{{Asset: ether.ID, Symbol: "ETH", Decimals: 18}},
	}
	for i := range 300 {
		n := wallet.NewAmount(int64(1 + i))
		b.Items = append(b.Items, batch.Item{
			From: address(98), Path: wallet.Path{Role: wallet.PayoutRole}, Nonce: uint64(i), To: to, Value: n, Gas: 31500, Requires: -1,
			Rungs:  []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(42_000_000_000), MaxPriorityFeePerGas: wallet.NewAmount(2_000_000_000)}},
			Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: fmt.Sprintf("w-%d", i), Asset: ether.ID, Recipient: to, Amount: n},
		})
	}
	raw, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "batch.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	digest, err := b.HexDigest()
	if err != nil {
		t.Fatal(err)
	}
	command := fmt.Sprintf("%s review %s; echo exit code $?; sleep 600", filepath.Join(dir, "airlock-signer"), file)
	tt := startTerminal(t, []string{"AIRLOCK_HOME=" + dir}, "sh", "-c", command)
	tt.shows("batch   abababab", "digest  "+strings.Join(groups(digest)[:8], " "), "1 of 300", "items   300 to 1 recipient")
	tt.types("?")
	tt.shows("leave, and break off what would follow")
	tt.types("?", "/")
	tt.types("w-123")
	tt.shows("1 of 300 items", ">  123 ")
	tt.types("Enter", "Enter")
	tt.shows("item 123 of batch", "w-123", "124 base units, 18 decimals")
	tt.types("q")
	tt.shows("exit code 0")
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
