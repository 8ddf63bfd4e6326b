package payout

import (
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// A contract that does more than receive is paid like anybody else.
func TestContractIsPaid(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	forwarder, err := w.sim.Deploy(w.ctx, chaintest.Forwarder)
	w.must(err)
	w.scan()
	w.request("contract", "alice", coinID, ether, forwarder)
	w.approve("contract")
	w.broadcast(w.build().Batch)
	if r := w.finish(); r.Confirmed != 1 {
		t.Fatalf("%+v", r)
	}
	w.status("contract", wallet.WithdrawalConfirmed)
	if got := w.got(coinID, forwarder); got.Cmp(ether) != 0 {
		t.Errorf("it got %s", got)
	}
	w.balanced()
	w.booksAgree()
}

// A withdrawal pays a deposit address of ours, is credited there, and leaves
// the chain with its block: paid and credited once in the end.
func TestReorgOfAWithdrawalToOurDepositAddress(t *testing.T) {
	for _, asset := range []string{"coin", "token"} {
		t.Run(asset, func(t *testing.T) {
			w := newNetwork(t).newWorld(t, t.TempDir())
			id, amount := coinID, ether
			if asset == "token" {
				id, amount = w.tokenID(), wallet.NewAmount(77)
			}
			w.request("w", "alice", id, amount, aliceDeposit)
			w.approve("w")
			before := w.balance("alice", id, wallet.Available)
			w.broadcast(w.build().Batch)
			w.mine(1)
			w.scan() // credited after one confirmation
			if got := w.balance("alice", id, wallet.Available).Sub(before); got.Cmp(amount) != 0 {
				t.Fatalf("credited %s", got)
			}
			_, err := w.s.Confirm(w.ctx, w.dial)
			w.must(err)
			w.status("w", wallet.WithdrawalMined)
			w.must(w.sim.Reorg(w.ctx, 1))
			w.sim.Rollback() // and the pool lost it
			w.mine(2)
			w.scan()
			if got := w.balance("alice", id, wallet.Available).Sub(before); !got.IsZero() {
				t.Fatalf("still credited %s", got)
			}
			r, err := w.s.Confirm(w.ctx, w.dial)
			w.must(err)
			if r.Returned != 1 || r.Rebroadcast != 1 {
				t.Fatalf("%+v", r)
			}
			w.finish()
			w.status("w", wallet.WithdrawalConfirmed)
			w.finish()
			if got := w.balance("alice", id, wallet.Available).Sub(before); got.Cmp(amount) != 0 {
				t.Errorf("credited %s in the end", got)
			}
			if got := w.balance("alice", id, wallet.Paid); got.Cmp(amount) != 0 {
				t.Errorf("paid %s in the end", got)
			}
			w.balanced()
			w.booksAgree()
			w.view(func(tx store.Tx) error {
				why, err := store.Frozen(tx, "alice")
				if why != "" {
					t.Errorf("alice is frozen: %s", why)
				}
				return err
			})
		})
	}
}
