package payout

import (
	"errors"
	"testing"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TestSettledPaymentVanishes has the block of a settled payment leave the chain.
// The payment keeps its nonce and stays settled, is told of, and is never made
// a second time; mined again, it is in the books as it was.
func TestSettledPaymentVanishes(t *testing.T) {
	for name, lost := range map[string]bool{"mined again": false, "lost": true} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t).newWorld(t, t.TempDir())
			w.finish()
			fork, err := w.client.BlockNumber(w.ctx)
			w.must(err)
			w.request("w", "alice", coinID, ether, someone(name))
			w.approve("w")
			w.broadcast(w.build().Batch)
			w.finish()
			w.status("w", wallet.WithdrawalConfirmed)
			w.balanced()
			paid := w.show("w")
			slot := wallet.Slot{ChainID: w.sim.ChainID(), Sender: payoutAddress, Nonce: *paid.Nonce}
			raw, _, err := w.sim.Client().TransactionByHash(w.ctx, *paid.TxHash)
			w.must(err)
			head, err := w.client.BlockNumber(w.ctx)
			w.must(err)

			w.must(w.sim.Reorg(w.ctx, int(head-fork))) //nolint:gosec // a few
			if lost {
				w.sim.Rollback()
			}
			w.mine(3)
			s := scanner.New(w.db.DB, w.client, w.sim.ChainID(), scanner.Options{Now: w.s.Now})
			if _, err := s.Pass(w.ctx); !errors.Is(err, scanner.ErrFinalChanged) {
				t.Fatalf("the final block changed: %v", err)
			}
			if r, err := w.s.Confirm(w.ctx, w.dial); err != nil || r.Changed() {
				t.Errorf("while nobody knows which chain it is: %+v, %v", r, err)
			}
			_, err = s.AcceptFinal(w.ctx)
			w.must(err)
			w.status("w", wallet.WithdrawalConfirmed)
			doubts, err := w.s.Doubts(w.ctx, w.client)
			w.must(err)
			if len(doubts) != 1 || doubts[0].Kind != outgoing.DoubtVanished || doubts[0].Slot != slot || doubts[0].Acceptable || doubts[0].Advice == "" {
				t.Fatalf("doubts: %+v", doubts)
			}
			if _, err := w.s.Accept(w.ctx, w.client, slot.Sender, slot.Nonce, ""); !errors.Is(err, wallet.ErrRefused) {
				t.Errorf("accepted: %v", err)
			}
			if _, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, ErrNothing) {
				t.Errorf("built again: %v", err)
			}
			if r := w.finish(); r.Rebroadcast != 0 || r.Confirmed != 0 {
				t.Errorf("%+v", r)
			}
			if lost {
				w.explained()
				if got := w.got(coinID, someone(name)); !got.IsZero() {
					t.Fatalf("got %s", got)
				}
				w.must(w.sim.Client().SendTransaction(w.ctx, raw))
				w.finish()
			}
			w.balanced()
			if got := w.got(coinID, someone(name)); got.Cmp(ether) != 0 {
				t.Errorf("got %s", got)
			}
			w.view(func(tx store.Tx) error {
				left, err := store.AllVanished(tx, w.sim.ChainID())
				m, _, _ := store.MinedAt(tx, slot)
				if len(left) != 0 || !m.Settled || m.TxHash != raw.Hash() {
					t.Errorf("vanished %+v, mined %+v", left, m)
				}
				receipt, err2 := w.sim.Client().TransactionReceipt(w.ctx, raw.Hash())
				w.must(err2)
				if m.BlockHash != receipt.BlockHash {
					t.Errorf("it is in block %s, on record in %s", receipt.BlockHash, m.BlockHash)
				}
				if fee := w.show("w").Fee; fee == nil || fee.Cmp(m.Cost()) != 0 {
					t.Errorf("fee %v, cost %s", fee, m.Cost())
				}
				return err
			})
		})
	}
}

// TestNothingSettlesWhileAFinalBlockChanged waits with what is ripe until it is
// known which chain is the right one.
func TestNothingSettlesWhileAFinalBlockChanged(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.request("w", "alice", coinID, ether, someone("w"))
	w.approve("w")
	w.broadcast(w.build().Batch)
	w.mine(1)
	w.must(w.sim.Finalize(w.ctx))
	w.scan()
	w.update(func(tx store.Tx) error {
		return store.PutAlarm(tx, wallet.Alarm{ChainID: w.sim.ChainID(), Code: wallet.AlarmFinal})
	})
	if r, err := w.s.Confirm(w.ctx, w.dial); err != nil || r.Confirmed != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	w.status("w", wallet.WithdrawalMined)
	w.update(func(tx store.Tx) error { return store.ClearAlarm(tx, w.sim.ChainID(), wallet.AlarmFinal) })
	if r, err := w.s.Confirm(w.ctx, w.dial); err != nil || r.Confirmed != 1 {
		t.Errorf("once it is over: %+v, %v", r, err)
	}
}

// explained checks that the books and what scanning knows beside them say what
// lies on the payout address.
func (w *world) explained() {
	w.Helper()
	w.view(func(tx store.Tx) error {
		c, _, err := store.ReadCursor(tx, w.sim.ChainID())
		w.must(err)
		beside, err := store.Unbooked(tx, w.sim.ChainID(), c.Head)
		w.must(err)
		have, err := store.LocationBalance(tx, payoutAddress, coinID)
		have = have.Add(beside[store.Place{Address: payoutAddress, Asset: coinID}])
		if want := w.got(coinID, payoutAddress); have.Cmp(want) != 0 {
			w.Fatalf("the books explain %s, the chain says %s", have, want)
		}
		return err
	})
}
