package payout

import (
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

// What is signed for a nonce and not on its way, a cancel or rungs of a batch that
// was discarded, does not stop the building of higher fees, nor of anything else.
func TestBumpAboveWhatIsSigned(t *testing.T) {
	for name, discard := range map[string]bool{"with a cancel": false, "with a batch that was discarded": true} {
		t.Run(name, func(t *testing.T) {
			w := approved(t, 2)
			w.rungs = 3
			first, err := w.s.Build(w.ctx, w.client, BuildOptions{Expiry: testExpiry, Rungs: 1, Cancel: !discard})
			w.must(err)
			w.broadcast(first.Batch)
			w.bump("w0", outgoing.ActionBuild)
			if discard {
				higher := w.build().Batch
				w.broadcastNothing(higher)
				_, err := w.s.Discard(w.ctx, higher.ID)
				w.must(err)
				w.bump("w0", outgoing.ActionBuild)
			}
			w.broadcast(w.build().Batch)
			w.finish()
			w.status("w0", wallet.WithdrawalConfirmed)
			w.status("w1", wallet.WithdrawalConfirmed)
			w.balanced()
		})
	}
}

// A cancel that was signed before the fees were raised is no longer of use: a higher
// one is built.
func TestCancelOfRaisedFees(t *testing.T) {
	w := approved(t, 1)
	first, err := w.s.Build(w.ctx, w.client, BuildOptions{Expiry: testExpiry, Rungs: 1, Cancel: true})
	w.must(err)
	w.broadcast(first.Batch)
	w.bump("w0", outgoing.ActionBuild)
	w.broadcast(w.build().Batch)
	w.cancel("w0", outgoing.ActionBuild)
	cancel := w.build().Batch
	if len(cancel.Items) != 1 || cancel.Items[0].Intent.Kind != wallet.IntentCancel {
		t.Fatalf("built %+v, want a cancel", cancel.Items)
	}
	if sent := w.broadcast(cancel); sent.Accepted != 1 {
		t.Errorf("broadcast: %+v, want the cancel accepted", sent)
	}
	w.finish()
	w.status("w0", wallet.WithdrawalCanceled)
	w.nobodyPaid("w0")
	w.balanced()
}
