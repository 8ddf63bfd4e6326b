package chaintest_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

func TestSimulated(t *testing.T) {
	story(t, chaintest.NewSimulated(t, chaintest.SimulatedOptions{}))
}

func TestSimulatedAmsterdam(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{Amsterdam: true})
	story(t, s)
	tx, err := s.Fund(deadline(t), alice, ether)
	must(t, err)
	if receipt := settle(t, s, tx); len(receipt.Logs) != 1 {
		t.Errorf("a plain transfer left %d logs, EIP-7708 wants one", len(receipt.Logs))
	}
}

func TestSimulatedGenesis(t *testing.T) {
	hash := func(o chaintest.SimulatedOptions) common.Hash {
		s := chaintest.NewSimulated(t, o)
		header, err := s.Client().HeaderByNumber(deadline(t), new(big.Int))
		must(t, err)
		return header.Hash()
	}
	first := hash(chaintest.SimulatedOptions{})
	if again := hash(chaintest.SimulatedOptions{}); again != first {
		t.Error("the same options gave two genesis blocks")
	}
	if other := hash(chaintest.SimulatedOptions{ChainID: 8453}); other == first {
		t.Error("two chain ids gave the same genesis block")
	}
}

// TestSimulatedSeed makes the same chain twice, reorg included, and another one.
func TestSimulatedSeed(t *testing.T) {
	hash := func(seed uint64) common.Hash {
		s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{Seed: seed})
		_, err := s.Fund(deadline(t), alice, ether)
		must(t, err)
		must(t, s.Mine(deadline(t), 2))
		must(t, s.Reorg(deadline(t), 1))
		must(t, s.Mine(deadline(t), 1))
		header, err := s.Client().HeaderByNumber(deadline(t), nil)
		must(t, err)
		return header.Hash()
	}
	first := hash(1)
	if again := hash(1); again != first {
		t.Error("the same seed gave two chains")
	}
	if other := hash(2); other == first {
		t.Error("two seeds gave the same chain")
	}
}

func TestSimulatedFinality(t *testing.T) {
	for _, test := range []struct {
		finality            int
		blocks              int
		wantSafe, wantFinal uint64
	}{
		{finality: 0, blocks: 0, wantSafe: 0, wantFinal: 0},
		{finality: 0, blocks: 1, wantSafe: 0, wantFinal: 0},
		{finality: 0, blocks: 10, wantSafe: 9, wantFinal: 8},
		{finality: 5, blocks: 10, wantSafe: 7, wantFinal: 5},
	} {
		s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{Finality: test.finality})
		must(t, s.Mine(deadline(t), test.blocks))
		safe := height(t, s.Client(), rpc.SafeBlockNumber)
		final := height(t, s.Client(), rpc.FinalizedBlockNumber)
		if safe != test.wantSafe || final != test.wantFinal {
			t.Errorf("finality %d, head %d: safe %d, finalized %d; want %d and %d",
				test.finality, test.blocks, safe, final, test.wantSafe, test.wantFinal)
		}
	}
}

func TestSimulatedWithoutFinality(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{Finality: -1})
	must(t, s.Mine(deadline(t), 5))
	header, err := s.Client().HeaderByNumber(deadline(t), big.NewInt(int64(rpc.FinalizedBlockNumber)))
	if err == nil {
		t.Errorf("block %d is finalized", header.Number)
	}
}

// What a reorganisation takes back is pending, and can be mined elsewhere or lost.
func TestSimulatedReorg(t *testing.T) {
	ctx := deadline(t)
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	must(t, s.Mine(ctx, 3))
	tx, err := s.Fund(ctx, alice, ether)
	must(t, err)
	first := settle(t, s, tx)

	must(t, s.Reorg(ctx, 1))
	if _, err := s.Client().TransactionReceipt(ctx, tx); err == nil {
		t.Error("the transaction is still mined after its block is gone")
	}
	second := settle(t, s, tx)
	if second.BlockHash == first.BlockHash || second.BlockNumber.Uint64() != first.BlockNumber.Uint64()+1 {
		t.Errorf("mined at %d, then at %d", first.BlockNumber, second.BlockNumber)
	}

	must(t, s.Reorg(ctx, 1))
	s.Rollback()
	must(t, s.Mine(ctx, 2))
	balance, err := s.Client().BalanceAt(ctx, alice, nil)
	must(t, err)
	equal(t, "alice's ether after the rollback", balance, new(big.Int))

	if err := s.Reorg(ctx, 100); err == nil {
		t.Error("a reorganisation deeper than the chain succeeded")
	}
}

func TestSimulatedFork(t *testing.T) {
	ctx := deadline(t)
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	parent, err := s.Commit()
	must(t, err)
	must(t, s.Mine(ctx, 2))
	must(t, s.Fork(parent))
	if head := height(t, s.Client(), rpc.LatestBlockNumber); head != 1 {
		t.Errorf("the head is block %d after a fork from block 1", head)
	}
	must(t, s.Mine(ctx, 4))
	if head := height(t, s.Client(), rpc.LatestBlockNumber); head != 5 {
		t.Errorf("the head is block %d, four blocks after block 1", head)
	}
}

// Old blocks can be proven and traced, however many came after them.
func TestSimulatedHistory(t *testing.T) {
	ctx := deadline(t)
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	tx, err := s.Fund(ctx, alice, ether)
	must(t, err)
	receipt := settle(t, s, tx)
	must(t, s.Mine(ctx, 200))

	var proof struct {
		Balance      string
		AccountProof []string
	}
	must(t, s.Client().Client().CallContext(ctx, &proof, "eth_getProof", alice, []string{}, receipt.BlockHash))
	if proof.Balance != "0xde0b6b3a7640000" || len(proof.AccountProof) == 0 {
		t.Errorf("proof of alice's balance: %+v", proof)
	}
	var traces []struct{ TxHash common.Hash }
	must(t, s.Client().Client().CallContext(ctx, &traces, "debug_traceBlockByHash", receipt.BlockHash,
		map[string]any{"tracer": "callTracer"}))
	if len(traces) != 1 || traces[0].TxHash != tx {
		t.Errorf("traces: %+v", traces)
	}
}

func TestSimulatedWithdraw(t *testing.T) {
	ctx := deadline(t)
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	s.Withdraw(alice, 3)
	must(t, s.Mine(ctx, 2))
	balance, err := s.Client().BalanceAt(ctx, alice, nil)
	must(t, err)
	equal(t, "alice's ether", balance, big.NewInt(3*params.GWei))
}

func TestSimulatedAdjustTime(t *testing.T) {
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	must(t, s.AdjustTime(48*time.Hour))
	header, err := s.Client().HeaderByNumber(deadline(t), nil)
	must(t, err)
	if ahead := time.Until(time.Unix(int64(header.Time), 0)); ahead < 47*time.Hour {
		t.Errorf("the head is %v ahead of the clock", ahead)
	}
}

// CommitOnly leaves the pool alone, and mines what it does not hold.
func TestSimulatedCommitOnly(t *testing.T) {
	ctx := deadline(t)
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	pooled, err := s.Fund(ctx, alice, ether)
	must(t, err)
	_, err = s.CommitOnly()
	must(t, err)
	if _, err := s.Client().TransactionReceipt(ctx, pooled); err == nil {
		t.Error("a pending transaction is in a block of none")
	}

	s.Rollback()
	id := new(big.Int).SetUint64(s.ChainID())
	own, err := types.SignNewTx(s.Faucet().Key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, GasFeeCap: big.NewInt(params.GWei), Gas: 21000, To: &bob, Value: ether,
	})
	must(t, err)
	block, err := s.CommitOnly(own)
	must(t, err)
	receipt, err := s.Client().TransactionReceipt(ctx, own.Hash())
	must(t, err)
	if receipt.BlockHash != block {
		t.Errorf("mined in %s instead of %s", receipt.BlockHash, block)
	}
}

// Sends that wait for a block together have nonces of their own.
func TestSimulatedManyPending(t *testing.T) {
	ctx := deadline(t)
	s := chaintest.NewSimulated(t, chaintest.SimulatedOptions{})
	const n = 50
	for range n {
		_, err := s.Fund(ctx, alice, big.NewInt(1))
		must(t, err)
	}
	must(t, s.Mine(ctx, 1))
	balance, err := s.Client().BalanceAt(ctx, alice, nil)
	must(t, err)
	equal(t, "alice's wei", balance, big.NewInt(n))
}
