package chaintest_test

import (
	"bytes"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// Parting's heir is paid without being called.
func TestParting(t *testing.T) {
	ctx := deadline(t)
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	code, err := chaintest.Parting.Create(alice)
	must(t, err)
	tx, err := s.Send(ctx, chaintest.Call{Wei: ether, Data: code})
	must(t, err)
	settle(t, s, tx)
	balance, err := s.Client().BalanceAt(ctx, alice, nil)
	must(t, err)
	equal(t, "alice's ether", balance, ether)
}

func TestCreateRefusesArguments(t *testing.T) {
	if _, err := chaintest.Token.Create("only a name"); err == nil {
		t.Error("a token was made of a name alone")
	}
	if _, err := chaintest.Token.Call("mint", big.NewInt(1)); err == nil {
		t.Error("a method that the contract lacks was called")
	}
}

// The compiled contracts are those of the sources and of the pinned compiler.
func TestContractsAreCurrent(t *testing.T) {
	if _, err := os.Stat("npm/node_modules/solc"); err != nil {
		missing := t.Skipf
		if os.Getenv("CI") == "true" {
			missing = t.Fatalf
		}
		missing("the compiler is not installed: run \"make tools\", which needs npm")
	}
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "node", "npm/compile.js", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	built, err := filepath.Glob(filepath.Join(dir, "*.json"))
	must(t, err)
	committed, err := filepath.Glob("contracts/*.json")
	must(t, err)
	if len(built) == 0 || len(built) != len(committed) {
		t.Errorf("%d contracts are compiled, %d committed", len(built), len(committed))
	}
	for _, path := range built {
		want, err := os.ReadFile(path)
		must(t, err)
		got, err := os.ReadFile(filepath.Join("contracts", filepath.Base(path)))
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what its source compiles to: run \"make contracts\"", filepath.Base(path))
		}
	}
}
