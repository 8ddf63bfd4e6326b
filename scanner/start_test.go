package scanner_test

import (
	"math/big"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TestReorgOfTheStart has a chain replace blocks from before the start with
// ones that hold what was read after it. It must not get lost between the two.
func TestReorgOfTheStart(t *testing.T) {
	h := newHome(t, three, deep)
	ctx := t.Context()
	h.fund(h.address(bob), 50) // before the start: an opening balance
	h.mine(3)
	head, err := h.net.Client().HeaderByNumber(ctx, nil)
	h.ok(err)
	h.chain.StartBlock = head.Number.Uint64() + 1
	h.update(func(tx store.Tx) error { return store.PutChain(tx, h.chain) })
	parent, err := h.net.Client().HeaderByNumber(ctx, new(big.Int).Sub(head.Number, big.NewInt(2)))
	h.ok(err)

	coin, token := h.fund(h.address(alice), 1000), h.pay(h.address(alice), 7)
	h.mine(2)
	h.pass()
	h.wantStatus(h.deposit(coin, wallet.KindNative, 0), wallet.DepositPending, detected)
	h.ok(h.net.Fork(parent.Hash()))
	h.fund(h.address(bob), 9) // and these are before the start too
	h.fund(h.address(gas), 3)
	h.mine(6)
	if d := h.deposit(coin, wallet.KindNative, 0); d.BlockNumber < h.chain.StartBlock {
		t.Fatalf("the deposit was in block %d, before the start", d.BlockNumber)
	}
	h.pass()
	for _, d := range []wallet.Deposit{h.deposit(coin, wallet.KindNative, 0), h.deposit(token, wallet.KindToken, 0)} {
		if d.BlockNumber >= h.chain.StartBlock {
			t.Fatalf("%s is in block %d, after the start", d.Kind, d.BlockNumber)
		}
		h.wantStatus(d, wallet.DepositConfirmed, detected, orphaned, detected, confirmed)
	}
	if list := h.deposits(); len(list) != 2 {
		t.Errorf("%d deposits, want those of after the start alone", len(list))
	}
	if a := h.available("alice", h.coin()); a.Cmp(wallet.NewAmount(1000)) != 0 {
		t.Errorf("alice has %s", a)
	}
	if a := h.available(wallet.House, h.coin()); a.Cmp(wallet.NewAmount(62)) != 0 {
		t.Errorf("the house has %s", a)
	}
	head, err = h.net.Client().HeaderByNumber(ctx, nil)
	h.ok(err)
	h.checkBalances(head.Hash(), head.Number.Uint64())
}
