package payout

import (
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// A batch whose signed file never came back waits, until everything in it was
// mined all the same.
func TestWaitingEndsWithTheBatch(t *testing.T) {
	w := approved(t, 1)
	b := w.build().Batch
	waiting := func() (id string) {
		w.update(func(tx store.Tx) (err error) {
			id, err = outgoing.Waiting(tx, w.s.Chain, b.Kind, "")
			return err
		})
		return id
	}
	if id := waiting(); id != b.ID {
		t.Errorf("batch %q waits, want %q", id, b.ID)
	}
	w.must(w.client.SendRawTransaction(w.ctx, sign(w, b).Transactions[0][0].Raw)) // by somebody
	w.finish()
	w.status("w0", wallet.WithdrawalConfirmed)
	if id := waiting(); id != "" {
		t.Errorf("batch %q waits, want none", id)
	}
}
