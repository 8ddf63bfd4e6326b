package payout

import (
	"errors"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

func (w *world) gap() *outgoing.Gap {
	w.Helper()
	list, err := w.s.Gaps(w.ctx, w.client)
	w.must(err)
	if len(list) == 0 {
		return nil
	}
	return &list[0]
}

// A nonce that nothing is bound to is found, and taken by a no-op of the next
// batch, which moves nothing but gas.
func TestGapIsTakenByANoOp(t *testing.T) {
	w := approved(t, 1)
	// What a store lost that was restored from before.
	w.update(func(tx store.Tx) error { return store.PutNextNonce(tx, w.s.Chain, payoutAddress, 2) })
	// The payment is bound to nonce 2; 0 and 1 are bound to nothing.
	b := w.build().Batch
	kinds := []wallet.IntentKind{wallet.IntentNoOp, wallet.IntentNoOp, wallet.IntentWithdrawal}
	for i, it := range b.Items {
		if len(b.Items) != 3 || it.Intent.Kind != kinds[i] || it.Nonce != uint64(i) {
			t.Fatalf("built %+v, want two no-ops and the payment", b.Items)
		}
	}
	if _, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, ErrNothing) {
		t.Fatalf("built again: %v", err)
	}
	if g := w.gap(); g != nil {
		t.Errorf("a gap before anything is signed: %+v", g)
	}
	// Discarded, they are built again at the same nonces.
	_, err := w.s.Discard(w.ctx, b.ID)
	w.must(err)
	again := w.build().Batch
	if len(again.Items) != 3 || again.Items[0].Intent.Kind != wallet.IntentNoOp || again.Items[1].Nonce != 1 {
		t.Fatalf("built again %+v", again.Items)
	}
	if sent := w.broadcast(again); sent.Accepted != 3 {
		t.Errorf("broadcast: %+v, want 3 accepted", sent)
	}
	if r := w.finish(); r.Confirmed != 3 {
		t.Errorf("confirm: %+v, want 3 confirmed", r)
	}
	w.status("w0", wallet.WithdrawalConfirmed)
	w.alice(0, 49)
	w.balanced()
}

// What holds up others is named with what it is bound to and the ways out.
func TestGapsAreTold(t *testing.T) {
	w := approved(t, 2)
	both := w.build().Batch
	if g := w.gap(); g != nil {
		t.Fatalf("a gap before anything is signed: %+v", g)
	}
	_, err := w.s.Discard(w.ctx, both.ID)
	w.must(err)
	one := func(i int) *batch.Batch {
		b := *both
		b.Items = both.Items[i : i+1]
		return w.write(&b, func(*batch.Item) {})
	}
	second := one(1)
	w.broadcastNothing(second)
	g := w.gap()
	if g == nil || g.Slot.Nonce != 0 || g.Intent == nil || g.Intent.ID != "w0" || g.Behind != 1 || !strings.Contains(g.Advice, "airlock build-withdrawals builds it again, or airlock withdraw cancel w0") {
		t.Fatalf("gap %+v, want nonce 0 of w0 that was discarded", g)
	}
	first := one(0)
	if g := w.gap(); g == nil || !strings.Contains(g.Advice, "sign batch "+first.ID) || g.Why != "not signed yet" {
		t.Fatalf("gap %+v, want a batch that is not signed", g)
	}
	w.cancel("w0", outgoing.ActionBuild)
	if g := w.gap(); g == nil || !strings.Contains(g.Advice, "build-withdrawals puts its cancel") {
		t.Fatalf("gap %+v, want a cancel that is not built", g)
	}
	cancel := w.build().Batch
	if g := w.gap(); g == nil || !strings.Contains(g.Advice, "sign batch "+cancel.ID) {
		t.Fatalf("gap %+v, want a cancel that is not signed", g)
	}
	w.broadcast(cancel)
	if g := w.gap(); g != nil {
		t.Errorf("gap %+v, and its cancel is out", g)
	}
	w.confirm()
	if r := w.finish(); r.Canceled != 1 || r.Confirmed != 1 {
		t.Errorf("confirm: %+v, want 1 canceled and 1 confirmed", r)
	}
	w.alice(0, 49)
	w.balanced()
}

// A nonce that no batch holds is told as soon as something signed waits for it.
func TestGapBoundToNothingIsTold(t *testing.T) {
	w := approved(t, 1)
	w.update(func(tx store.Tx) error { return store.PutNextNonce(tx, w.s.Chain, payoutAddress, 1) })
	fee := wallet.Fee{MaxFeePerGas: wallet.NewAmount(5e9), MaxPriorityFeePerGas: wallet.NewAmount(1e9)}
	b := w.write(&batch.Batch{Kind: batch.Withdrawals, ChainID: w.s.Chain, Items: []batch.Item{{
		From: payoutAddress, Path: wallet.Path{Role: wallet.PayoutRole}, Nonce: 1, To: someone("w0"), Value: ether, Data: []byte{}, Gas: 21_000,
		Rungs: []wallet.Fee{fee}, Requires: -1,
		Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: "w0", Asset: coinID, Recipient: someone("w0"), Amount: ether},
	}}}, func(*batch.Item) {})
	w.broadcastNothing(b)
	g := w.gap()
	if g == nil || g.Slot.Nonce != 0 || g.Intent != nil || g.Behind != 1 || !strings.Contains(g.Advice, "no-op") {
		t.Fatalf("gap %+v, want nonce 0 bound to nothing", g)
	}
	noOp := w.build().Batch
	if len(noOp.Items) != 1 || noOp.Items[0].Intent.Kind != wallet.IntentNoOp || noOp.Items[0].Nonce != 0 {
		t.Fatalf("built %+v, want a no-op", noOp.Items)
	}
	w.broadcast(noOp)
	w.confirm()
	if g := w.gap(); g != nil {
		t.Errorf("gap %+v, and its no-op is out", g)
	}
	if r := w.finish(); r.Confirmed != 2 {
		t.Errorf("confirm: %+v, want 2 confirmed", r)
	}
	w.balanced()
}
