package outgoing

import (
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/multipay"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// manyOf pays withdrawals of the token together.
func manyOf(t *testing.T, nonce uint64, list ...wallet.Withdrawal) batch.Item {
	t.Helper()
	it := batch.Item{
		From: payer, Path: wallet.Path{Role: wallet.PayoutRole}, Nonce: nonce, To: multipay.Address(), Rungs: fee(10), Requires: -1,
		Intent: wallet.Intent{Kind: wallet.IntentPayments, ID: wallet.Slot{ChainID: chainID, Sender: payer, Nonce: nonce}.IntentID(), Asset: token, Recipient: multipay.Address()},
	}
	for _, w := range list {
		it.Payments = append(it.Payments, batch.Payment{ID: w.ID, Recipient: w.To, Amount: w.Amount})
		it.Intent.Amount = it.Intent.Amount.Add(w.Amount)
	}
	call := it.Call(80_000)
	data, err := call.Encode()
	if err != nil {
		t.Fatal(err)
	}
	it.Data, it.Gas = data, call.GasLimit()
	return it
}

// minedMany is what becomes of it if all is well.
func minedMany(it batch.Item, block uint64) wallet.Mined {
	m := mined(it, block)
	for n, p := range it.Payments {
		f := logOf(payer, p.Recipient, 0)
		f.Amount, f.Position = p.Amount, uint64(2*n)
		m.Transfers = append(m.Transfers, f)
		m.Paid = append(m.Paid, wallet.PaidPayment{Position: uint64(n), Asset: token, To: p.Recipient, Amount: p.Amount, OK: true, Log: uint64(2*n + 1)})
	}
	return m
}

// Many payments of which the token moved something else are held, and there is a way
// out: they count as paid, and what did not move is given back.
func TestOtherAmountsOfManyAreHeldUntilAccepted(t *testing.T) {
	h := newHome(t)
	it := manyOf(t, 0, h.approved("a", token, 100), h.approved("b", token, 50))
	h.mustWrite(batch.Withdrawals, it)
	m := minedMany(it, 50)
	m.Transfers[0].Amount = wallet.NewAmount(98)
	for range 2 {
		if p := h.settle(m); p.Held != 1 {
			t.Fatalf("%+v", p)
		}
	}
	if got := h.balance("alice", token, wallet.Pending); got != "150" {
		t.Fatalf("pending %s", got)
	}
	h.update(func(tx store.Tx) error {
		a, err := Accept(tx, m.Slot, "", now)
		if err == nil && len(a.Paid) != 2 {
			t.Errorf("attributed to %q", a.Paid)
		}
		return err
	})
	for _, id := range []string{"a", "b"} {
		if w := h.withdrawal(id); w.Status != wallet.WithdrawalConfirmed {
			t.Errorf("%s is %s", id, w.Status)
		}
	}
	for book, want := range map[wallet.Book]string{wallet.Pending: "0", wallet.Paid: "148", wallet.Available: "852"} {
		if got := h.balance("alice", token, book); got != want {
			t.Errorf("%s: %s, want %s", book, got, want)
		}
	}
	if got := h.location(payer, token); got != "-148" { // the home was never funded
		t.Errorf("the payer's tokens moved by %s", got)
	}
}

// What paid many and is mined again in another block is the same only if it made the
// same payments; then each has its part of the new cost.
func TestManyMinedAgain(t *testing.T) {
	for name, fails := range map[string]bool{"with the same effect": false, "and one failed": true} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			it := manyOf(t, 0, h.approved("a", token, 100), h.approved("b", token, 50))
			h.mustWrite(batch.Withdrawals, it)
			m := minedMany(it, 50)
			if p := h.settle(m); p.Confirmed != 2 {
				t.Fatalf("%+v", p)
			}
			again := minedMany(it, 60)
			again.BlockHash[0], again.GasUsed = 1, m.GasUsed+2
			if fails {
				again.Paid[1].OK = false
			}
			h.update(func(tx store.Tx) error {
				if err := store.PutVanished(tx, store.Vanished{Slot: m.Slot, Found: &again}); err != nil {
					return err
				}
				p, err := Settle(tx, chainID, []wallet.Slot{m.Slot}, now)
				if held := p.Held == 1; held != fails {
					t.Errorf("%+v", p)
				}
				return err
			})
			want := m.Cost()
			if !fails {
				want = again.Cost()
			}
			if got := h.withdrawal("b").Fee.Mul(2); got.Cmp(want) != 0 {
				t.Errorf("two of them cost %s, want %s", got, want)
			}
		})
	}
}
