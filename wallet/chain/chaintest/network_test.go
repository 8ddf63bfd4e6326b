package chaintest_test

import (
	"context"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

var (
	ether = big.NewInt(1e18)
	alice = common.HexToAddress("0xA11CE00000000000000000000000000000000001")
	bob   = common.HexToAddress("0xB0B0000000000000000000000000000000000002")
)

// deadline bounds a story, however slow the machine.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// story is what every network must be able to do. Its reads go over HTTP, as
// those of the programs under test do.
func story(t *testing.T, n chaintest.Network) {
	ctx := deadline(t)
	client, err := ethclient.DialContext(ctx, n.URL())
	must(t, err)
	defer client.Close()

	id, err := client.ChainID(ctx)
	must(t, err)
	if id.Uint64() != n.ChainID() {
		t.Errorf("the node's chain id is %d, the network's %d", id, n.ChainID())
	}

	tx, err := n.Fund(ctx, alice, ether)
	must(t, err)
	settle(t, n, tx)
	balance, err := client.BalanceAt(ctx, alice, nil)
	must(t, err)
	equal(t, "alice's ether", balance, ether)

	token, err := n.Deploy(ctx, chaintest.Token, "Test Dollar", "TUSD", uint8(6), big.NewInt(1_000_000))
	must(t, err)
	tx, err = n.TransferToken(ctx, token, alice, big.NewInt(250))
	must(t, err)
	settle(t, n, tx)
	tokenBalance(t, n, token, alice, 250)

	usdt, err := n.Deploy(ctx, chaintest.USDTLike, big.NewInt(500))
	must(t, err)
	tx, err = n.TransferToken(ctx, usdt, bob, big.NewInt(7))
	must(t, err)
	settle(t, n, tx)
	tokenBalance(t, n, usdt, bob, 7)

	forwarder, err := n.Deploy(ctx, chaintest.Forwarder)
	must(t, err)
	tx, err = n.Fund(ctx, forwarder, ether)
	must(t, err)
	if receipt := settle(t, n, tx); receipt.GasUsed <= 21000 {
		t.Errorf("a payment to a contract used %d gas", receipt.GasUsed)
	}
	data, err := chaintest.Forwarder.Call("split", []common.Address{alice, bob})
	must(t, err)
	tx, err = n.Send(ctx, chaintest.Call{To: &forwarder, Wei: ether, Data: data})
	must(t, err)
	settle(t, n, tx)
	balance, err = client.BalanceAt(ctx, bob, nil)
	must(t, err)
	equal(t, "bob's ether", balance, big.NewInt(5e17))
	traced(t, client, tx)

	before := height(t, client, rpc.LatestBlockNumber)
	must(t, n.Mine(ctx, 3))
	if after := height(t, client, rpc.LatestBlockNumber); after != before+3 {
		t.Errorf("three blocks after %d is %d", before, after)
	}

	head := height(t, client, rpc.LatestBlockNumber)
	must(t, n.Finalize(ctx))
	final := height(t, client, rpc.FinalizedBlockNumber)
	if safe := height(t, client, rpc.SafeBlockNumber); final < head || safe < final {
		t.Errorf("finalized block %d and safe block %d, after block %d was finalized", final, safe, head)
	}

	subscribed(t, n)
	reorganised(t, n, client)
}

// reorganised has the network replace two blocks.
func reorganised(t *testing.T, n chaintest.Network, client *ethclient.Client) {
	t.Helper()
	ctx := deadline(t)
	must(t, n.Mine(ctx, 2))
	old, err := client.HeaderByNumber(ctx, nil)
	must(t, err)
	must(t, n.Reorg(ctx, 2))
	replaced, err := client.HeaderByNumber(ctx, old.Number)
	must(t, err)
	parent, err := client.HeaderByHash(ctx, replaced.ParentHash)
	must(t, err)
	kept, err := client.HeaderByNumber(ctx, new(big.Int).Sub(old.Number, big.NewInt(2)))
	must(t, err)
	if replaced.Hash() == old.Hash() || replaced.ParentHash == old.ParentHash || parent.ParentHash != kept.Hash() {
		t.Errorf("block %d is %s, its parent %s and grandparent %s: two blocks were to change",
			old.Number, replaced.Hash(), replaced.ParentHash, parent.ParentHash)
	}
	// The faucet still knows its nonce.
	tx, err := n.Fund(ctx, bob, ether)
	must(t, err)
	settle(t, n, tx)
}

// subscribed waits for a new head over WebSocket.
func subscribed(t *testing.T, n chaintest.Network) {
	t.Helper()
	ctx := deadline(t)
	client, err := ethclient.DialContext(ctx, n.WSURL())
	must(t, err)
	defer client.Close()
	heads := make(chan *types.Header, 1)
	sub, err := client.SubscribeNewHead(ctx, heads)
	must(t, err)
	defer sub.Unsubscribe()
	must(t, n.Mine(ctx, 1))
	select {
	case <-heads:
	case err := <-sub.Err():
		t.Errorf("subscription: %v", err)
	case <-ctx.Done():
		t.Error("a new head was not announced")
	}
}

// traced checks that the node can tell of the two payments inside a call.
func traced(t *testing.T, client *ethclient.Client, tx common.Hash) {
	t.Helper()
	var frame struct {
		Calls []struct{ Value string }
	}
	err := client.Client().CallContext(deadline(t), &frame, "debug_traceTransaction", tx,
		map[string]any{"tracer": "callTracer"})
	must(t, err)
	if len(frame.Calls) != 2 || frame.Calls[0].Value != "0x6f05b59d3b20000" {
		t.Errorf("the trace of a split among two is %+v", frame)
	}
}

func settle(t *testing.T, n chaintest.Network, tx common.Hash) *types.Receipt {
	t.Helper()
	receipt, err := n.Settle(deadline(t), tx)
	must(t, err)
	if receipt.Status != types.ReceiptStatusSuccessful {
		t.Fatalf("transaction %s failed", tx)
	}
	return receipt
}

func tokenBalance(t *testing.T, n chaintest.Network, token, owner common.Address, want int64) {
	t.Helper()
	got, err := n.TokenBalance(deadline(t), token, owner)
	must(t, err)
	equal(t, "token balance", got, big.NewInt(want))
}

func height(t *testing.T, client *ethclient.Client, tag rpc.BlockNumber) uint64 {
	t.Helper()
	header, err := client.HeaderByNumber(deadline(t), big.NewInt(int64(tag)))
	must(t, err)
	return header.Number.Uint64()
}

func equal(t *testing.T, what string, got, want *big.Int) {
	t.Helper()
	if got.Cmp(want) != 0 {
		t.Errorf("%s: got %d, want %d", what, got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
