package payout

import (
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
)

// A process that dies when a node has a transaction and its answer is not recorded
// leaves a withdrawal of which nobody was told that it is out. If it is mined before
// it is offered again, the chain says so instead; in a block that is final already,
// too.
func TestMinedBeforeAnybodyHeard(t *testing.T) {
	for _, final := range []bool{false, true} {
		w := newNetwork(t).newWorld(t, t.TempDir())
		w.request("w", "alice", coinID, ether, someone("w"))
		w.approve("w")
		signed := sign(w, w.build().Batch)
		_, err := w.s.TakeIn(w.ctx, w.file(signed))
		w.must(err)
		for _, err := range w.client.SendRawTransactions(w.ctx, [][]byte{signed.Transactions[0][0].Raw}) {
			w.must(err)
		}
		if !final {
			w.mine(1)
			w.scan()
			_, err := w.s.Confirm(w.ctx, w.dial)
			w.must(err)
			w.status("w", wallet.WithdrawalMined)
			if have := w.events(); have[wallet.WithdrawalBroadcastEvent] != 1 || have[wallet.WithdrawalConfirmedEvent] != 0 {
				t.Errorf("once it is mined: %v", have)
			}
		}
		w.finish()
		w.status("w", wallet.WithdrawalConfirmed)
		if have := w.events(); have[wallet.WithdrawalBroadcastEvent] != 1 || have[wallet.WithdrawalConfirmedEvent] != 1 {
			t.Errorf("final %v: %v", final, have)
		}
		w.balanced()
	}
}
