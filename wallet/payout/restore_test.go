package payout

import (
	"errors"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// A store from before the requests finds what was paid, and is asked for the
// same again, before or after it booked that: nothing is paid twice, and no
// deposit is lost.
func TestRestoredFromBeforeTheRequestsPaysNothingTwice(t *testing.T) {
	t.Run("asked before booking", func(t *testing.T) { restore(t, true) })
	t.Run("asked after booking", func(t *testing.T) { restore(t, false) })
}

func restore(t *testing.T, early bool) {
	t.Helper()
	n := newNetwork(t)
	old, w := n.newWorld(t, t.TempDir()), n.newWorld(t, t.TempDir())
	five := wallet.NewAmount(5_000_000)
	ask := func(w *world) {
		w.request("coin", "alice", coinID, ether, someone("coin"))
		w.request("token", "alice", n.tokenID(), five, someone("token"))
		w.request("house", wallet.House, coinID, ether, someone("house"))
		w.request("own coin", "alice", coinID, ether, aliceDeposit)
		w.request("own token", "alice", n.tokenID(), five, aliceDeposit)
		w.approve("coin", "token", "house", "own coin", "own token")
	}
	ask(old)
	b := old.build()
	old.broadcast(b.Batch)
	if early {
		ask(w)
	}
	w.finish()
	if !early {
		ask(w)
	}
	for _, it := range b.Batch.Items {
		if _, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, wallet.ErrRefused) {
			t.Fatalf("the restored store builds: %v", err)
		}
		a, err := w.s.Accept(w.ctx, w.client, payoutAddress, it.Nonce, "")
		w.must(err)
		if a.Withdrawal != it.Intent.ID {
			t.Fatalf("attributed to %q, want %s", a.Withdrawal, it.Intent.ID)
		}
		w.status(it.Intent.ID, wallet.WithdrawalConfirmed)
	}
	if _, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, ErrNothing) {
		t.Fatalf("the restored store builds again: %v", err)
	}
	w.scan()
	w.balanced()
	w.booksAgree()
	old.finish()
	old.balanced()
	old.booksAgree()
	for _, asset := range []wallet.AssetID{coinID, n.tokenID()} {
		for _, book := range []wallet.Book{wallet.Available, wallet.Pending, wallet.Paid, wallet.Received} {
			if have, want := w.balance("alice", asset, book), old.balance("alice", asset, book); have.Cmp(want) != 0 {
				t.Errorf("alice's %s of %s is %s, and %s in the store that was not lost", book, asset, have, want)
			}
		}
	}
}

// booksAgree checks that what owners have is what lies on addresses.
func (w *world) booksAgree() {
	w.Helper()
	sums := map[wallet.AssetID]wallet.Amount{}
	w.view(func(tx store.Tx) error {
		if err := store.Balances(tx, "", func(b store.OwnerBalance) error {
			sums[b.Asset] = sums[b.Asset].Add(b.Balance[wallet.Available]).Add(b.Balance[wallet.Pending]).Add(b.Balance[wallet.Dust])
			return nil
		}); err != nil {
			return err
		}
		return store.Locations(tx, w.s.Chain, func(l store.Location) error {
			sums[l.Asset] = sums[l.Asset].Sub(l.Amount)
			return nil
		})
	})
	for asset, sum := range sums {
		if !sum.IsZero() {
			w.Fatalf("owners have %s of %s more than lies on addresses", sum, asset)
		}
	}
}
