package payout

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// A rebalance that reverted is said to have, books nothing but its gas, and leaves
// one that went through as a movement.
func TestOutcomeOfARebalance(t *testing.T) {
	w := newNetwork(t).newWorld(t, t.TempDir())
	treasury := addressOf(wallet.TreasuryRole, 0)
	var rec wallet.BatchRecord
	w.update(func(tx store.Tx) error {
		c, _, err := store.ReadCursor(tx, w.s.Chain)
		if err != nil {
			return err
		}
		for nonce := range uint64(2) {
			slot := wallet.Slot{ChainID: w.s.Chain, Sender: payoutAddress, Nonce: nonce}
			o := wallet.Outgoing{
				Slot: slot, Intent: wallet.Intent{Kind: wallet.IntentRebalance, ID: slot.IntentID(), Asset: coinID, Recipient: treasury, Amount: wallet.NewAmount(7)},
				Payload:  outgoing.PayloadOf(coinID, treasury, wallet.NewAmount(7), 21_000),
				Attempts: []wallet.Attempt{{Batch: "b", Rungs: []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(1)}}}}, State: wallet.OutgoingBound,
			}
			if err := store.PutOutgoing(tx, o); err != nil {
				return err
			}
			rec.Slots = append(rec.Slots, slot)
			if err := store.PutMined(tx, wallet.Mined{
				Slot: slot, TxHash: common.Hash{byte(nonce + 1)}, BlockNumber: c.Final, BlockHash: c.FinalHash, Success: nonce == 0,
				To: treasury, Value: wallet.NewAmount(7), DataHash: common.HexToHash("0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"), GasUsed: 21_000, GasPrice: wallet.NewAmount(1),
			}); err != nil {
				return err
			}
		}
		return nil
	})
	r, err := w.s.Confirm(w.ctx, w.dial)
	w.must(err)
	if r.Confirmed != 1 || r.Failed != 1 {
		t.Errorf("settled: %+v", r)
	}
	o, err := w.s.Outcome(w.ctx, rec)
	w.must(err)
	if o.States[wallet.OutgoingFinal] != 2 || len(o.Troubles) != 1 || o.Troubles[0].Nonce != 1 || !strings.Contains(o.Troubles[0].Text, "reverted") {
		t.Errorf("what became of it: %+v", o)
	}
	w.view(func(tx store.Tx) error {
		have, err := store.LocationBalance(tx, treasury, coinID)
		if err == nil && have.Cmp(wallet.NewAmount(7)) != 0 {
			t.Errorf("the books have %s at the treasury", have)
		}
		return err
	})
}
