package payout

import (
	"errors"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

// paidTogether checks that withdrawals of 1, 2, 3 … tokens were paid, each once.
func (w *world) paidTogether(ids []string) {
	w.Helper()
	for i, id := range ids {
		w.status(id, wallet.WithdrawalConfirmed)
		if got := w.got(w.tokenID(), someone(id)); got.Cmp(wallet.NewAmount(int64(i)+1)) != 0 {
			w.Fatalf("%s got %s, want %d", id, got, i+1)
		}
	}
	if pending := w.balance("alice", w.tokenID(), wallet.Pending); !pending.IsZero() {
		w.Fatalf("%s are still set aside", pending)
	}
	w.balanced()
}

// freed gives the transaction at a nonce up, which must come to an action.
func (w *world) freed(nonce uint64, want outgoing.Action) {
	w.Helper()
	f, err := w.s.CancelSlot(w.ctx, payoutAddress, nonce)
	w.must(err)
	if f.Action != want {
		w.Fatalf("giving nonce %d up: %s, want %s", nonce, f.Action, want)
	}
}

// An allowance that fails on chain keeps its payments from being sent, and says so.
// Given up, their withdrawals can be built again, and are paid once.
func TestAllowanceFails(t *testing.T) {
	w := deployed(t)
	ids, _ := w.many(3)
	plan, err := w.s.Estimate(w.ctx, w.client, BuildOptions{Contract: true, Expiry: testExpiry})
	w.must(err)
	b := w.write(plan.Batch, func(it *batch.Item) {
		if it.Intent.Kind == wallet.IntentAllowance {
			it.Gas = 30_000 // too little
		}
	})
	w.broadcast(b)
	if r := w.finish(); r.Failed != 1 {
		t.Fatalf("confirm: %+v, want the allowance to have failed", r)
	}
	if r := w.finish(); r.Rebroadcast != 0 {
		t.Fatalf("confirm: %+v, want the payments to stay here", r)
	}
	if n, err := w.client.NonceAt(w.ctx, payoutAddress, nil); err != nil || n != 1 {
		t.Fatalf("%d transactions were mined, want the allowance alone: %v", n, err)
	}
	for _, id := range ids {
		w.status(id, wallet.WithdrawalSigned)
	}
	told, err := w.s.Track(w.ctx, ids[0], w.client)
	if err != nil || !strings.Contains(told.Reason, "failed") {
		t.Errorf("why it waits: %q, %v", told.Reason, err)
	}
	w.freed(1, outgoing.ActionBuild)
	gone := w.buildMany().Batch
	if len(gone.Items) != 1 || gone.Items[0].Intent.Kind != wallet.IntentCancel || gone.Items[0].Nonce != 1 {
		t.Fatalf("items %+v, want the cancel alone", gone.Items)
	}
	w.broadcast(gone)
	if r := w.finish(); r.Canceled != len(ids) {
		t.Errorf("confirm: %+v, want what was given up", r)
	}
	for _, id := range ids {
		w.status(id, wallet.WithdrawalApproved)
	}
	w.broadcast(w.buildMany().Batch)
	w.finish()
	w.finish()
	w.paidTogether(ids)
}

// Payments that are on their way are given up together: a cancel that was signed with
// them takes their nonce, and their withdrawals can be built again at another.
func TestManyAreGivenUp(t *testing.T) {
	w := deployed(t)
	ids, sum := w.many(3)
	built, err := w.s.Build(w.ctx, w.client, BuildOptions{Contract: true, Cancel: true, Expiry: testExpiry})
	w.must(err)
	w.broadcast(built.Batch)
	for what, ask := range map[string]func([]string) error{
		"cancel": func(ids []string) error { _, err := w.s.Cancel(w.ctx, ids); return err },
		"bump":   func(ids []string) error { _, err := w.s.Bump(w.ctx, ids); return err },
	} {
		err := ask(ids[1:2])
		if !errors.Is(err, wallet.ErrConflict) || !strings.Contains(err.Error(), "with 2 others") || !strings.Contains(wallet.Hint(err), "airlock resolve --cancel "+payoutAddress.Hex()+":1") {
			t.Errorf("%s of one of many: %v (%s)", what, err, wallet.Hint(err))
		}
		if climbs := strings.Contains(wallet.Hint(err), "confirm"); climbs != (what == "bump") {
			t.Errorf("%s of one of many is told: %s", what, wallet.Hint(err))
		}
	}
	w.freed(1, outgoing.ActionOffer)
	w.freed(1, outgoing.ActionOffer)
	w.finish() // the allowance
	w.finish()
	if n, err := w.client.NonceAt(w.ctx, payoutAddress, nil); err != nil || n != 2 {
		t.Fatalf("%d transactions were mined, want the allowance and the cancel: %v", n, err)
	}
	for _, id := range ids {
		w.status(id, wallet.WithdrawalApproved)
		if got := w.got(w.tokenID(), someone(id)); !got.IsZero() {
			t.Errorf("%s got %s", id, got)
		}
	}
	if pending := w.balance("alice", w.tokenID(), wallet.Pending); pending.Cmp(sum) != 0 {
		t.Errorf("%s are set aside, want %s until they are paid or canceled", pending, sum)
	}
	// One of them is not wanted any more; the others are built again.
	if _, err := w.s.Cancel(w.ctx, ids[2:]); err != nil {
		t.Fatal(err)
	}
	w.status(ids[2], wallet.WithdrawalCanceled)
	w.broadcast(w.buildMany().Batch)
	w.finish()
	w.finish()
	w.paidTogether(ids[:2])
	if got := w.got(w.tokenID(), someone(ids[2])); !got.IsZero() {
		t.Errorf("%s got %s", ids[2], got)
	}
}
