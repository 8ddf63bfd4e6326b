package outgoing

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// movement is an item of ours of the coin.
func movement(kind wallet.IntentKind, from common.Address, role wallet.Role, to common.Address, recipient wallet.Role) batch.Item {
	p := PayloadOf(coin, to, wallet.NewAmount(700), 60_000)
	slot := wallet.Slot{ChainID: chainID, Sender: from}
	return batch.Item{
		From: from, Path: wallet.Path{Role: role}, To: p.To, Value: p.Value, Data: p.Data, Gas: p.Gas, Rungs: fee(10), Requires: -1,
		Intent:        wallet.Intent{Kind: kind, ID: slot.IntentID(), Asset: coin, Recipient: to, Amount: wallet.NewAmount(700)},
		RecipientPath: wallet.Path{Role: recipient}.String(),
	}
}

// A sweep whose top-up was canceled says so, is told to have failed, and holds
// nobody up in silence.
func TestSweepOfACanceledTopUp(t *testing.T) {
	h := newHome(t)
	top := movement(wallet.IntentTopUp, gas, wallet.GasRole, deposit, wallet.DepositRole)
	sweep := movement(wallet.IntentSweep, deposit, wallet.DepositRole, treasury, wallet.TreasuryRole)
	sweep.Requires = 0
	rec := h.mustWrite(batch.Sweep, top, sweep)
	h.takeIn(rec)
	why := func() (s string) {
		h.update(func(tx store.Tx) error {
			o, _, err := store.OutgoingAt(tx, rec.Slots[1])
			if err == nil {
				s, err = WhyWaits(tx, &o)
			}
			return err
		})
		return s
	}
	if w := why(); !strings.Contains(w, "waits for nonce 0 of "+gas.Hex()) {
		t.Errorf("the sweep %q", w)
	}
	h.update(func(tx store.Tx) error {
		if _, action, err := CancelSlot(tx, rec.Slots[0]); err != nil || action != ActionBuild {
			t.Errorf("cancel of the top-up: %s, %v", action, err)
		}
		return nil
	})
	empty := batch.Item{
		From: gas, Path: top.Path, To: gas, Data: []byte{}, Gas: 21_000, Rungs: []wallet.Fee{batch.Bump(top.Rungs[0])}, Requires: -1,
		Intent:   wallet.Intent{Kind: wallet.IntentCancel, ID: rec.Slots[0].IntentID(), Asset: coin, Recipient: gas},
		Replaces: top.Intent.Name(),
	}
	h.takeIn(h.mustWrite(batch.Withdrawals, empty))
	if p := h.settle(mined(empty, 50)); p.Canceled != 1 {
		t.Fatalf("the cancel: %+v", p)
	}
	if w := why(); !strings.Contains(w, "what it needs, nonce 0 of "+gas.Hex()+", was taken by") {
		t.Errorf("the sweep %q", w)
	}
	h.update(func(tx store.Tx) error {
		e, err := store.EventAt(tx, 1)
		if err != nil || e.Type != wallet.SweepFailedEvent || !strings.Contains(string(e.Data), "the top-up that it needs did not come: nonce 0") {
			t.Errorf("told %s %s, %v", e.Type, e.Data, err)
		}
		return nil
	})
}

// What a cancel of a slot refuses.
func TestCancelSlotRefuses(t *testing.T) {
	h := newHome(t)
	sweep := movement(wallet.IntentSweep, deposit, wallet.DepositRole, treasury, wallet.TreasuryRole)
	rec := h.mustWrite(batch.Sweep, sweep)
	h.takeIn(rec)
	refused := func(slot wallet.Slot, say string) {
		t.Helper()
		h.update(func(tx store.Tx) error {
			if _, _, err := CancelSlot(tx, slot); err == nil || !strings.Contains(err.Error(), say) {
				t.Errorf("cancel of nonce %d of %s: %v, want %q", slot.Nonce, slot.Sender, err, say)
			}
			return nil
		})
	}
	refused(wallet.Slot{ChainID: chainID, Sender: deposit, Nonce: 1}, "bound to nothing")
	if p := h.settle(mined(sweep, 50)); p.Confirmed != 1 {
		t.Fatalf("the sweep: %+v", p)
	}
	refused(rec.Slots[0], "is final")
}
