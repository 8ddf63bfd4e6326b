package payout

import (
	"context"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

// A cancel that the float's policy does not let pass is left out alone, and does not
// take the payments beside it along. One that passes is found to wait for its
// signature, whatever became of the payment's own batch.
func TestCancelOfTheFloat(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.withFloat(5)
	forbidden := true
	o := BuildOptions{Expiry: testExpiry, Float: Float{Use: true, Fit: func(_ context.Context, b *batch.Batch) ([]string, error) {
		why := make([]string, len(b.Items))
		for i := range b.Items {
			if forbidden && b.Items[i].Intent.Kind == wallet.IntentCancel {
				why[i] = "no cancels"
			}
		}
		return why, nil
	}}}
	build := func() Built {
		built, err := w.s.Build(w.ctx, w.client, o)
		w.must(err)
		return built
	}
	w.request("a", "alice", coinID, ether, someone("a"))
	w.approve("a")
	first := build()
	_, err := w.s.Discard(w.ctx, first.Batch.ID)
	w.must(err)
	w.cancel("a", outgoing.ActionBuild)
	w.request("b", "alice", coinID, ether, someone("b"))
	w.approve("b")
	built := build()
	if got := ids(built.Batch); got != "b" || len(built.LeftOut) != 1 || built.LeftOut[0] != (LeftOut{"a", "no cancels"}) {
		t.Fatalf("built %q, left out %v", got, built.LeftOut)
	}
	forbidden = false
	cancel := build()
	if len(cancel.Batch.Items) != 1 || cancel.Batch.Items[0].Intent.Kind != wallet.IntentCancel {
		t.Fatalf("built %+v", cancel.Batch.Items)
	}
	open, err := w.s.Unsigned(w.ctx)
	w.must(err)
	if len(open) != 2 || open[0].ID == open[1].ID || open[0].ID != cancel.Batch.ID && open[1].ID != cancel.Batch.ID {
		t.Errorf("%d batches wait, want the payment's and the cancel's", len(open))
	}
}

// Higher fees that the float's policy does not let pass are left out alone: what is on
// its way goes on, and others are paid behind it.
func TestBumpOfTheFloat(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	w.withFloat(5)
	refused := ""
	o := BuildOptions{Expiry: testExpiry, Rungs: 1, Float: Float{Use: true, Fit: func(_ context.Context, b *batch.Batch) ([]string, error) {
		why := make([]string, len(b.Items))
		for i := range b.Items {
			if b.Items[i].Intent.ID == refused {
				why[i] = "too dear"
			}
		}
		return why, nil
	}}}
	w.request("a", "alice", coinID, ether, someone("a"))
	w.approve("a")
	first, err := w.s.Build(w.ctx, w.client, o)
	w.must(err)
	signed := sign(w, first.Batch)
	key, err := floatMaster.Key(first.Batch.Items[0].Path)
	w.must(err)
	tx, err := types.SignTx(first.Batch.Items[0].Transaction(w.ChainID(), 0), types.LatestSignerForChainID(new(big.Int).SetUint64(w.ChainID())), key)
	w.must(err)
	raw, err := tx.MarshalBinary()
	w.must(err)
	signed.Transactions[0] = []wallet.SignedRung{{Hash: tx.Hash(), Raw: raw}}
	rec, err := w.s.TakeIn(w.ctx, w.file(signed))
	w.must(err)
	_, err = w.s.Offer(w.ctx, w.client, rec.ID)
	w.must(err)
	w.bump("a", outgoing.ActionBuild)
	refused = "a"
	for _, id := range []string{"b", "c"} {
		w.request(id, "alice", coinID, ether.Mul(2), someone(id))
		w.approve(id)
	}
	built, err := w.s.Build(w.ctx, w.client, o)
	w.must(err)
	// The float has 5, and 1 of it is on its way: one of 2 goes, and its fee.
	if got := ids(built.Batch); got != "b" {
		t.Errorf("built %q, left out %v", got, built.LeftOut)
	}
}
