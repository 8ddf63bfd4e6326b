package outgoing

import (
	"fmt"
	"slices"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/multipay"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// A slot may serve many withdrawals, each paid or failed by itself. Until it is
// final they all are where its transaction is.

// paymentsOf are the withdrawals of an item that pays many.
func paymentsOf(it *batch.Item) (list []wallet.SlotPayment) {
	for _, p := range it.Payments {
		list = append(list, wallet.SlotPayment{ID: p.ID, To: p.Recipient, Amount: p.Amount})
	}
	return list
}

func samePayments(a, b []wallet.SlotPayment) bool {
	return slices.EqualFunc(a, b, func(x, y wallet.SlotPayment) bool {
		return x.ID == y.ID && x.To == y.To && x.Amount.Cmp(y.Amount) == 0
	})
}

// idsOf are the withdrawals that a slot serves.
func idsOf(o *wallet.Outgoing) []string {
	ids := make([]string, 0, 1+len(o.Payments))
	if o.Intent.Kind == wallet.IntentWithdrawal {
		ids = append(ids, o.Intent.ID)
	}
	for _, p := range o.Payments {
		ids = append(ids, p.ID)
	}
	return ids
}

// eachWithdrawal calls fn for every unsettled withdrawal that a slot serves.
func eachWithdrawal(tx store.Tx, o *wallet.Outgoing, fn func(wallet.Withdrawal) error) error {
	for _, id := range idsOf(o) {
		w, ok, err := boundThere(tx, o, id)
		if err == nil && ok {
			err = fn(w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// alone refuses what can only be done to a withdrawal that has a transaction of its
// own.
func alone(o *wallet.Outgoing, w *wallet.Withdrawal) error {
	if o.Intent.Kind != wallet.IntentPayments {
		return nil
	}
	return wallet.WithHint(
		fmt.Errorf("%w: withdrawal %s is paid with %d others by one transaction, nonce %d of %s", wallet.ErrConflict, w.ID, len(o.Payments)-1, o.Slot.Nonce, o.Slot.Sender),
		"airlock resolve --cancel %s:%d gives the transaction up: all of its withdrawals can be built again, or canceled, once that is final", o.Slot.Sender, o.Slot.Nonce)
}

// paysThere reports whether a flow can be what a withdrawal was paid with: coin
// goes to the contract first, which pays it on or gives it back.
func paysThere(f *flow, w *wallet.Withdrawal) bool {
	return f.to == w.To || w.Asset.IsCoin() && f.to == multipay.Address()
}

// judgeMany decides of each payment of a mined transaction whether it was made. The
// contract's word must be there for each, in order, and agree with what the token
// logged just before it; else a person must look.
func judgeMany(m *wallet.Mined, o *wallet.Outgoing) (made []bool, out Outcome) {
	if len(m.Paid) == 0 && m.Value.IsZero() && len(m.Transfers) == 0 {
		return make([]bool, len(o.Payments)), Silent
	}
	if len(m.Paid) != len(o.Payments) {
		return nil, Other
	}
	after := uint64(0)
	for i, want := range o.Payments {
		p := &m.Paid[i]
		if p.Position != uint64(i) || p.Asset != o.Intent.Asset || p.To != want.To || p.Amount.Cmp(want.Amount) != 0 {
			return nil, Other
		}
		ok := p.OK
		if !o.Intent.Asset.IsCoin() {
			moved, stray := wallet.Amount{}, false
			for _, t := range m.Transfers {
				if t.Asset != p.Asset || t.From != o.Slot.Sender || t.Position < after || t.Position >= p.Log || t.Path != "" {
					continue
				}
				moved, stray = moved.Add(t.Amount), stray || t.To != want.To
			}
			switch {
			case stray, !moved.IsZero() && (!p.OK || moved.Cmp(want.Amount) != 0):
				return nil, Other
			case moved.IsZero():
				ok = false
			}
		}
		made = append(made, ok)
		after = p.Log
	}
	return made, Done
}

// closeMany books the final transaction of a slot that serves many withdrawals, and
// ends each of them.
func (s *settler) closeMany(m wallet.Mined, o wallet.Outgoing, out Outcome, p *Progress) error {
	var list []wallet.Withdrawal
	if err := eachWithdrawal(s.tx, &o, func(w wallet.Withdrawal) error {
		list = append(list, w)
		return nil
	}); err != nil {
		return err
	}
	if len(list) != len(o.Payments) {
		return fmt.Errorf("%w: of %d withdrawals of nonce %d of %s %d are bound there", wallet.ErrConflict, len(o.Payments), o.Slot.Nonce, o.Slot.Sender, len(list))
	}
	why := explain(out, &m, &o)
	made := make([]bool, len(list))
	switch out {
	case Done:
		made, _ = judgeMany(&m, &o)
	case Other: // which a person accepted
		for i := range made {
			made[i] = true
		}
	case Reverted, Silent, Foreign, Canceled:
	}
	var paid []wallet.Withdrawal
	for i, w := range list {
		if made[i] {
			paid = append(paid, w)
		}
	}
	if err := s.bookMined(m, paid); err != nil {
		return err
	}
	o.State, o.TxHash, o.Answer = wallet.OutgoingFinal, m.TxHash, why
	if err := store.PutOutgoing(s.tx, o); err != nil {
		return err
	}
	for i, w := range list {
		if out == Canceled {
			p.Canceled++
			if err := s.unbind(w, why); err != nil {
				return err
			}
			continue
		}
		w.TxHash, w.Fee, w.Reason = m.TxHash, share(m.Cost(), len(list)), why
		if err := s.closeOne(w, made[i], p); err != nil {
			return err
		}
	}
	return nil
}

// closeOne ends a withdrawal that was one of many.
func (s *settler) closeOne(w wallet.Withdrawal, made bool, p *Progress) error {
	w.Status, w.UpdatedAt = wallet.WithdrawalConfirmed, s.now
	event := wallet.WithdrawalConfirmedEvent
	if made {
		p.Confirmed++
	} else {
		p.Failed++
		w.Status, event = wallet.WithdrawalFailed, wallet.WithdrawalFailedEvent
		if w.Reason == "" {
			w.Reason = fmt.Sprintf("its payment failed in %s, and others there were made", w.TxHash)
		}
	}
	if err := store.PutWithdrawal(s.tx, w); err != nil {
		return err
	}
	if err := emitOut(s.tx, w, s.now); err != nil {
		return err
	}
	if !made {
		if err := Release(s.tx, w, s.now); err != nil {
			return err
		}
	}
	return emitWithdrawal(s.tx, event, w, s.now)
}

// share is a withdrawal's part of what a transaction of many cost, rounded down.
func share(cost wallet.Amount, n int) wallet.Amount {
	return wallet.AmountOf(cost.Big().Div(cost.Big(), wallet.NewAmount(int64(n)).Big()))
}
