package payout

import (
	"errors"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

func TestBumpToTheNextRung(t *testing.T) {
	w := approved(t, 1)
	b := w.rebuilt(w.build().Batch, twoRungs)
	s := sign(w, b)
	w.broadcastNothing(b)
	if _, err := w.s.Bump(w.ctx, []string{"w0"}); !errors.Is(err, wallet.ErrConflict) || !strings.Contains(err.Error(), "not sent") {
		t.Fatalf("bump of what was not sent: %v", err)
	}
	w.confirm()
	if o := w.slot(0); o.TxHash != s.Transactions[0][0].Hash {
		t.Fatalf("the first rung is not what was sent")
	}
	w.bump("w0", outgoing.ActionOffer)
	w.bump("w0", outgoing.ActionOffer)
	if r := w.confirm(); r.Rebroadcast != 1 || r.Refused != 0 {
		t.Errorf("confirm: %+v, want the second rung offered", r)
	}
	if o := w.slot(0); o.TxHash != s.Transactions[0][1].Hash || o.Wish != "" {
		t.Errorf("the slot has %s and wishes %q, want the second rung and nothing", o.TxHash, o.Wish)
	}
	w.bump("w0", outgoing.ActionBuild) // the ladder is at its end
	w.finish()
	w.status("w0", wallet.WithdrawalConfirmed)
	if _, err := w.s.Bump(w.ctx, []string{"w0"}); !errors.Is(err, wallet.ErrConflict) {
		t.Errorf("bump of what is confirmed: %v", err)
	}
	w.balanced()
}

// Higher fees come through another batch; until that is signed, what is on its
// way goes on and keeps its status.
func TestBumpThroughABatch(t *testing.T) {
	for name, way := range map[string]string{"signed": "", "the first is mined": "first", "discarded": "discarded"} {
		t.Run(name, func(t *testing.T) {
			w := approved(t, 1)
			first := w.build().Batch
			w.broadcast(first)
			w.bump("w0", outgoing.ActionBuild)
			second := w.build().Batch
			it, was := second.Items[0], first.Items[0]
			if it.Intent.Name() != was.Intent.Name() || it.To != was.To || it.Value.Cmp(was.Value) != 0 || it.Nonce != was.Nonce || it.Gas != was.Gas || len(second.Items) != 1 {
				t.Fatalf("built %+v, want the same payment", second.Items)
			}
			if least := batch.Bump(was.Rungs[0]); it.Rungs[0].MaxFeePerGas.Cmp(least.MaxFeePerGas) < 0 || it.Rungs[0].MaxPriorityFeePerGas.Cmp(least.MaxPriorityFeePerGas) < 0 {
				t.Errorf("it offers %v, want at least %v", it.Rungs[0], least)
			}
			w.status("w0", wallet.WithdrawalBroadcast)
			w.bump("w0", outgoing.ActionSign)
			if _, err := w.s.Build(w.ctx, w.client, BuildOptions{}); !errors.Is(err, ErrNothing) {
				t.Errorf("built once more: %v", err)
			}
			if o := w.slot(0); o.State != wallet.OutgoingAccepted || o.Current().Batch != first.ID {
				t.Errorf("the slot is %s with batch %s, want the first one going on", o.State, o.Current().Batch)
			}
			switch way {
			case "":
				w.broadcast(second)
				if o := w.slot(0); o.Current().Batch != second.ID || !o.Current().Holds(o.TxHash) || o.Wish != "" {
					t.Errorf("the slot has %s of batch %s and wishes %q", o.TxHash, o.Current().Batch, o.Wish)
				}
			case "discarded":
				_, err := w.s.Discard(w.ctx, second.ID)
				w.must(err)
				if o := w.slot(0); o.State != wallet.OutgoingAccepted || o.Wish != "" || w.show("w0").Batch != first.ID {
					t.Errorf("the slot is %s and wishes %q, the withdrawal is in %s", o.State, o.Wish, w.show("w0").Batch)
				}
				w.status("w0", wallet.WithdrawalBroadcast)
				if _, err := w.s.Discard(w.ctx, first.ID); !errors.Is(err, wallet.ErrConflict) {
					t.Errorf("what a node has was discarded: %v", err)
				}
			}
			w.mine(1)
			w.scan()
			w.confirm()
			w.status("w0", wallet.WithdrawalMined)
			w.must(w.sim.Reorg(w.ctx, 1))
			w.mine(2)
			w.scan()
			w.confirm()
			w.finish()
			w.status("w0", wallet.WithdrawalConfirmed)
			if n := w.events()[wallet.WithdrawalBroadcastEvent]; n != 1 {
				t.Errorf("%d events of a broadcast, want 1", n)
			}
			w.alice(0, 49)
			w.balanced()
		})
	}
}

// What waits in another batch does not hold a cancel back.
func TestCancelAfterBump(t *testing.T) {
	w := approved(t, 1)
	w.broadcast(w.build().Batch)
	w.bump("w0", outgoing.ActionBuild)
	higher := w.build().Batch
	w.cancel("w0", outgoing.ActionBuild)
	if _, err := w.s.Bump(w.ctx, []string{"w0"}); !errors.Is(err, wallet.ErrConflict) || !strings.Contains(err.Error(), "to be canceled") {
		t.Errorf("bump of what is to be canceled: %v", err)
	}
	b := w.build().Batch
	w.broadcastNothing(higher) // it comes back all the same, and is not sent
	if r := w.confirm(); r.Rebroadcast != 0 {
		t.Errorf("confirm: %+v, want nothing sent", r)
	}
	if sent := w.broadcast(b); sent.Accepted != 1 {
		t.Errorf("broadcast: %+v, want the cancel accepted", sent)
	}
	w.finish()
	w.status("w0", wallet.WithdrawalCanceled)
	w.nobodyPaid("w0")
	w.balanced()
}
