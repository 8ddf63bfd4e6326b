package chaintest_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

func TestGeth(t *testing.T) {
	story(t, chaintest.NewGeth(t, chaintest.GethOptions{}))
}

// Every 32nd block is final as soon as it is mined.
func TestGethFinality(t *testing.T) {
	ctx := deadline(t)
	g := chaintest.NewGeth(t, chaintest.GethOptions{})
	for _, test := range []struct{ mine, head, final uint64 }{
		{0, 0, 0}, {31, 31, 0}, {1, 32, 32}, {1, 33, 32}, {31, 64, 64},
	} {
		must(t, g.Mine(ctx, int(test.mine)))
		head := height(t, g.Client(), rpc.LatestBlockNumber)
		safe := height(t, g.Client(), rpc.SafeBlockNumber)
		final := height(t, g.Client(), rpc.FinalizedBlockNumber)
		if head != test.head || safe != test.head || final != test.final {
			t.Errorf("head %d, safe %d, finalized %d; want %d, %d, %d", head, safe, final, test.head, test.head, test.final)
		}
	}
}

// What a reorganisation takes back is gone.
func TestGethReorg(t *testing.T) {
	ctx := deadline(t)
	g := chaintest.NewGeth(t, chaintest.GethOptions{})
	must(t, g.Mine(ctx, 3))
	tx, err := g.Fund(ctx, alice, ether)
	must(t, err)
	settle(t, g, tx)
	must(t, g.Reorg(ctx, 1))
	must(t, g.Mine(ctx, 1))
	balance, err := g.Client().BalanceAt(ctx, alice, nil)
	must(t, err)
	equal(t, "alice's ether", balance, new(big.Int))
}

func TestGethWithdraw(t *testing.T) {
	ctx := deadline(t)
	g := chaintest.NewGeth(t, chaintest.GethOptions{})
	must(t, g.Withdraw(ctx, alice, 3))
	balance, err := g.Client().BalanceAt(ctx, alice, nil)
	must(t, err)
	equal(t, "alice's ether", balance, big.NewInt(3*params.GWei))
}
