package online

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
)

// TestCompareBlocks reads what config.toml says about comparing.
func TestCompareBlocks(t *testing.T) {
	for text, want := range map[string]int{"": 0, "compare_blocks = 0": -1, "compare_blocks = 600": 600} {
		path := filepath.Join(t.TempDir(), configFile)
		if err := os.WriteFile(path, []byte("[[chain]]\nid = 7\nrpc = [\"http://node\"]\n"+text+"\n[[chain]]\nid = 8\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := readConfig(path)
		if err != nil {
			t.Fatal(err)
		}
		if have := c.compareBlocks(7); have != want || c.compareBlocks(8) != 0 {
			t.Errorf("%q: %d, want %d; of the other chain %d", text, have, want, c.compareBlocks(8))
		}
		again, err := c.encode()
		if err != nil || strings.Contains(string(again), "compare_blocks") != (text != "") {
			t.Errorf("%q is written as %s, %v", text, again, err)
		}
	}
	path := filepath.Join(t.TempDir(), configFile)
	if err := os.WriteFile(path, []byte("[[chain]]\nid = 7\ncompare_blocks = -1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readConfig(path); err == nil {
		t.Error("a number of blocks below zero was taken")
	}
}

// TestWarnUnseen tells what a comparison found, and that a trace was wrong.
func TestWarnUnseen(t *testing.T) {
	var told bytes.Buffer
	a := common.HexToAddress("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359")
	warnScan(&Station{&cli.Env{Err: &told}}, scanner.Summary{
		Residuals: 3,
		Unseen: []scanner.Residual{
			{Address: a, BlockNumber: 7, Amount: wallet.NewAmount(5)},
			{Address: a, BlockNumber: 8, Amount: wallet.NewAmount(-4)},
			{Address: a, BlockNumber: 9, Amount: wallet.NewAmount(3), Traced: true},
		},
		Uncompared: errors.New("no such method"),
	})
	want := []string{
		"5 wei reached " + a.Hex() + " in block 7 unseen",
		"4 wei left " + a.Hex() + " in block 8 unseen",
		"3 wei reached " + a.Hex() + ", and the trace did not show it, in block 9",
		"balances could not be compared with the books: no such method",
	}
	lines := strings.Split(strings.TrimSpace(told.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("told %q", lines)
	}
	for i := range want {
		if !strings.Contains(lines[i], want[i]) {
			t.Errorf("told %q, want %q", lines[i], want[i])
		}
	}
}
