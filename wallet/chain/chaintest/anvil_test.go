package chaintest_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

func TestAnvil(t *testing.T) {
	story(t, chaintest.NewAnvil(t, chaintest.AnvilOptions{}))
}

func TestAnvilAutomine(t *testing.T) {
	story(t, chaintest.NewAnvil(t, chaintest.AnvilOptions{Automine: true, ChainID: 100}))
}

func TestAnvilFinality(t *testing.T) {
	ctx := deadline(t)
	a := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	for _, test := range []struct{ mine, safe, final uint64 }{
		{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {8, 9, 8},
	} {
		must(t, a.Mine(ctx, int(test.mine)))
		safe := height(t, a.Client(), rpc.SafeBlockNumber)
		final := height(t, a.Client(), rpc.FinalizedBlockNumber)
		if safe != test.safe || final != test.final {
			t.Errorf("safe %d, finalized %d; want %d, %d", safe, final, test.safe, test.final)
		}
	}
}

// What a reorganisation takes back is gone.
func TestAnvilReorg(t *testing.T) {
	ctx := deadline(t)
	a := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	must(t, a.Mine(ctx, 3))
	tx, err := a.Fund(ctx, alice, ether)
	must(t, err)
	settle(t, a, tx)
	must(t, a.Reorg(ctx, 1))
	must(t, a.Mine(ctx, 1))
	balance, err := a.Client().BalanceAt(ctx, alice, nil)
	must(t, err)
	equal(t, "alice's ether", balance, new(big.Int))
}

func TestAnvilDropTransaction(t *testing.T) {
	ctx := deadline(t)
	a := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	tx, err := a.Fund(ctx, alice, ether)
	must(t, err)
	must(t, a.DropTransaction(ctx, tx))
	must(t, a.Mine(ctx, 1))
	balance, err := a.Client().BalanceAt(ctx, alice, nil)
	must(t, err)
	equal(t, "alice's ether", balance, new(big.Int))
	if err := a.DropTransaction(ctx, tx); err == nil {
		t.Error("a transaction was dropped twice")
	}
}

func TestAnvilSetBalance(t *testing.T) {
	ctx := deadline(t)
	a := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	must(t, a.SetBalance(ctx, alice, ether))
	balance, err := a.Client().BalanceAt(ctx, alice, nil)
	must(t, err)
	equal(t, "alice's ether", balance, ether)
}
