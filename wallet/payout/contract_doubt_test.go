package payout

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// A store from before a batch that paid many finds their transaction, before or
// after it is asked for the same: none of them is paid again.
func TestRestoredFromBeforeManyPaysNothingTwice(t *testing.T) {
	for name, early := range map[string]bool{"asked before booking": true, "asked after booking": false} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t)
			old := deployedOn(t, n)
			w := n.newWorld(t, t.TempDir())
			ids, _ := old.many(3)
			old.request("own", "alice", old.tokenID(), wallet.NewAmount(7), aliceDeposit)
			old.approve("own")
			ids = append(ids, "own")
			b := old.buildMany()
			old.broadcast(b.Batch)
			old.finish()
			ask := func() {
				w.many(3)
				w.request("own", "alice", w.tokenID(), wallet.NewAmount(7), aliceDeposit)
				w.approve("own")
			}
			if early {
				ask()
			}
			w.finish()
			old.finish()
			w.finish()
			if !early {
				ask()
			}
			if _, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, wallet.ErrRefused) {
				t.Fatalf("the restored store builds: %v", err)
			}
			for _, it := range b.Batch.Items {
				_, err := w.s.Accept(w.ctx, w.client, payoutAddress, it.Nonce, "")
				w.must(err)
			}
			if built, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, ErrNothing) {
				t.Fatalf("the restored store builds again: %v %+v", err, built.Batch)
			}
			for _, id := range ids {
				w.status(id, wallet.WithdrawalConfirmed)
			}
			w.scan()
			w.balanced()
			w.booksAgree()
			old.scan()
			old.balanced()
			for _, book := range []wallet.Book{wallet.Available, wallet.Pending, wallet.Paid, wallet.Received} {
				if have, want := w.balance("alice", w.tokenID(), book), old.balance("alice", w.tokenID(), book); have.Cmp(want) != 0 {
					t.Errorf("alice's %s is %s, and %s in the store that was not lost", book, have, want)
				}
			}
		})
	}
}

// What was bound to a nonce together with others is paid there alone by something
// else: it counts as paid once that is accepted, and the others are free.
func TestOneOfManyIsPaidBySomethingElse(t *testing.T) {
	w := deployed(t)
	ids, _ := w.many(2)
	w.buildMany() // and nobody signs it
	w.foreignSent(0, someone("x"), nil)
	w.foreignSent(1, w.token, batch.TransferData(someone(ids[0]), wallet.NewAmount(1)))
	w.finish()
	a, err := w.s.Accept(w.ctx, w.client, payoutAddress, 1, "")
	w.must(err)
	if a.Withdrawal != ids[0] {
		t.Errorf("attributed to %q", a.Withdrawal)
	}
	w.status(ids[0], wallet.WithdrawalConfirmed)
	w.status(ids[1], wallet.WithdrawalApproved)
	again := w.build().Batch
	if len(again.Items) != 1 || again.Items[0].Intent.ID != ids[1] {
		t.Errorf("built %+v", again.Items)
	}
	w.broadcast(again)
	w.finish()
	w.status(ids[1], wallet.WithdrawalConfirmed)
	w.balanced()
}

// A withdrawal is not built while a transaction that took the nonce of another one
// pays what it asks for.
func TestPaidAtTheNonceOfAnother(t *testing.T) {
	w := approved(t, 1)
	w.build()
	w.request("next", "alice", w.tokenID(), wallet.NewAmount(5), someone("next"))
	w.approve("next")
	w.foreignSent(0, w.token, batch.TransferData(someone("next"), wallet.NewAmount(5)))
	w.mine(1)
	w.scan()
	for range 2 {
		if built, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, ErrNothing) {
			t.Fatalf("it is built: %v %v", built.Batch, err)
		}
		if _, err := w.s.Cancel(w.ctx, []string{"next"}); !errors.Is(err, wallet.ErrConflict) {
			t.Fatalf("its funds are given back: %v", err)
		}
		if _, err := w.s.Reject(w.ctx, []string{"next"}, "no"); !errors.Is(err, wallet.ErrConflict) {
			t.Fatalf("its funds are given back: %v", err)
		}
		if why := w.show("next").Reason; !strings.Contains(why, "airlock resolve") {
			t.Errorf("its reason is %q", why)
		}
		w.finish()
	}
	if a, err := w.s.Accept(w.ctx, w.client, payoutAddress, 0, ""); err != nil || a.Withdrawal != "next" {
		t.Fatalf("%+v %v", a, err)
	}
	if built := w.build().Batch; len(built.Items) != 1 || built.Items[0].Intent.ID != "w0" || built.Items[0].Nonce != 1 {
		t.Errorf("built %+v", built.Items)
	}
	w.balanced()
}

// What one address paid that nobody here made is not built from another one.
func TestPaidByAnotherSender(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.update(func(tx store.Tx) error {
		return store.AddAddress(tx, wallet.Address{Address: addressOf(wallet.PayoutRole, 1), Path: wallet.Path{Role: wallet.PayoutRole, Index: 1}, Role: wallet.PayoutRole})
	})
	_, err := w.Fund(w.ctx, addressOf(wallet.PayoutRole, 1), new(big.Int).Mul(big.NewInt(10), ether.Big()))
	w.must(err)
	w.must(w.sim.Client().SendTransaction(w.ctx, w.foreign(0, someone("w"), ether.Big(), nil)))
	w.finish() // and booked as nobody's
	w.request("w", "alice", coinID, ether, someone("w"))
	w.approve("w")
	if built, err := w.s.Build(w.ctx, w.client, BuildOptions{Senders: 2}); !errors.Is(err, ErrNothing) {
		t.Fatalf("it is built: %+v %v", built.Batch, err)
	}
	a, err := w.s.Accept(w.ctx, w.client, payoutAddress, 0, "")
	if err != nil || a.Withdrawal != "w" {
		t.Fatalf("%+v %v", a, err)
	}
	w.status("w", wallet.WithdrawalConfirmed)
	w.booksAgree()
}

// foreignSent is mined in a block of its own.
func (w *world) foreignSent(nonce uint64, to common.Address, data []byte) {
	w.Helper()
	w.must(w.sim.Client().SendTransaction(w.ctx, w.foreign(nonce, to, nil, data)))
	w.mine(1)
}
