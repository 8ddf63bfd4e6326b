package outgoing

import (
	"fmt"
	"slices"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/multipay"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// A transaction that pays many may be one that this store did not bind: a restored
// one knows nothing of what was signed after its backup. The contract's proven word
// says what it paid.

// madeBy is the payment that the contract's word is about, if it was made.
func madeBy(p *wallet.PaidPayment) (payment, bool) {
	return keyOf(PayloadOf(p.Asset, p.To, p.Amount, 0)), p.OK
}

// doubtMany completes a doubt about a final transaction that pays many, some of
// whose payments open withdrawals ask for.
func (s *settler) doubtMany(d *Doubt) {
	used, made := map[string]bool{}, 0
	for i := range d.Mined.Paid {
		key, ok := madeBy(&d.Mined.Paid[i])
		if !ok {
			continue
		}
		made++
		id, elsewhere := "", ""
		for _, asks := range s.open[key] {
			switch {
			case used[asks]:
			case slices.Contains(d.Free, asks):
				id = asks
			default:
				elsewhere = asks
			}
			if id != "" {
				break
			}
		}
		switch {
		case id != "":
			used[id] = true
			d.Paid = append(d.Paid, id)
		case elsewhere != "":
			d.Paid = nil
			d.Advice = fmt.Sprintf("it pays what withdrawal %s asks for, which has a nonce of its own: nothing is released until that one is settled", elsewhere)
			return
		}
	}
	d.Acceptable = true
	d.Advice = fmt.Sprintf("it makes %d payments, which %d withdrawals ask for; accepting counts those as paid", made, len(d.Paid))
	if left := made - len(d.Paid); left > 0 {
		d.Advice += fmt.Sprintf(". If any of the other %d was asked for after the backup of this store, ask for it again first: airlock withdraw request", left)
	}
}

// attributeMany counts withdrawals as paid by a transaction that pays many.
func (s *settler) attributeMany(d Doubt) error {
	m := *d.Mined
	if d.Kind == DoubtForeign {
		was, _, err := store.OutgoingAt(s.tx, d.Slot)
		if err != nil {
			return err
		}
		if slices.Contains(d.Paid, was.Intent.ID) {
			was.Wish = "" // it is paid, so there is nothing to cancel
		}
		if err := s.free(&m, &was, explain(Foreign, &m, &was)); err != nil {
			return err
		}
	}
	if !m.Settled {
		if err := s.bookMined(m, nil); err != nil {
			return err
		}
	}
	sender, _, err := store.OurAddress(s.tx, d.Slot.Sender)
	if err != nil {
		return err
	}
	o := wallet.Outgoing{
		Slot: d.Slot, Path: sender.Path, State: wallet.OutgoingFinal, TxHash: m.TxHash, BoundAt: s.now,
		Intent:   wallet.Intent{Kind: wallet.IntentPayments, ID: d.Slot.IntentID(), Asset: m.Paid[0].Asset, Recipient: multipay.Address()},
		Payload:  wallet.Payload{To: m.To, Value: m.Value, Data: []byte{}, Gas: m.GasUsed},
		Attempts: []wallet.Attempt{{}}, // none of ours
	}
	for _, id := range d.Paid {
		w, _, err := store.Withdrawal(s.tx, id)
		if err != nil {
			return err
		}
		o.Intent.Amount = o.Intent.Amount.Add(w.Amount)
		o.Payments = append(o.Payments, wallet.SlotPayment{ID: id, To: w.To, Amount: w.Amount})
		w.Slot, w.TxHash, w.Fee = &o.Slot, m.TxHash, share(m.Cost(), len(d.Paid))
		if err := s.wasPaid(&m, w); err != nil {
			return err
		}
	}
	return store.PutOutgoing(s.tx, o)
}
