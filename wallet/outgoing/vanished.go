package outgoing

import (
	"fmt"
	"slices"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// What was settled in a block that left the chain all the same stays settled:
// the payment keeps its nonce, nothing is released and nothing can be built in
// its place. Mostly the very same transaction is mined again, and the books are
// brought in line with that one.

// minedAgain lists what is final now at slots that vanished.
func minedAgain(tx store.Tx, chain, final uint64) (list []wallet.Mined, err error) {
	vanished, err := store.AllVanished(tx, chain)
	for _, v := range vanished {
		if v.Found != nil && v.Found.BlockNumber <= final {
			list = append(list, *v.Found)
		}
	}
	return list, err
}

// settleAgain brings the books of a slot that vanished in line with what is
// final there now, if that is the same transaction with the same effect. What
// it cost depends on the block. Anything else is left to a person.
func (s *settler) settleAgain(old wallet.Mined, final uint64, p *Progress) error {
	v, ok, err := store.VanishedAt(s.tx, old.Slot)
	if err != nil || !ok || v.Found == nil || v.Found.BlockNumber > final {
		return err
	}
	m := *v.Found
	if !SameEffect(&old, &m) {
		p.Held++
		return nil
	}
	id := m.Slot.IntentID()
	gas := wallet.Move(wallet.Coin(s.chain), m.Cost().Sub(old.Cost()),
		wallet.Posting{Location: m.Slot.Sender, Owner: wallet.House, Book: wallet.Available},
		wallet.Posting{Location: wallet.Outside, Owner: wallet.House, Book: wallet.GasSpent})
	if err := s.book(&m, fmt.Sprintf("gas:%s:%s", id, m.BlockHash), wallet.EntryGas, id, gas); err != nil {
		return err
	}
	o, _, err := store.OutgoingAt(s.tx, m.Slot)
	if err != nil {
		return err
	}
	for _, id := range idsOf(&o) {
		w, ok, err := store.Withdrawal(s.tx, id)
		if err != nil {
			return err
		}
		if ok && w.TxHash == m.TxHash {
			w.Fee, w.UpdatedAt = share(m.Cost(), max(1, len(o.Payments))), s.now
			if err := store.PutWithdrawal(s.tx, w); err != nil {
				return err
			}
		}
	}
	m.Settled = true
	if err := store.PutMined(s.tx, m); err != nil {
		return err
	}
	return store.DeleteVanished(s.tx, m.Slot)
}

// SameEffect reports whether a transaction moved the same in two blocks.
func SameEffect(a, b *wallet.Mined) bool {
	made := func(x, y wallet.PaidPayment) bool { return x.OK == y.OK }
	return a.TxHash == b.TxHash && a.Success == b.Success && slices.EqualFunc(a.Paid, b.Paid, made) && slices.EqualFunc(a.Transfers, b.Transfers, func(x, y wallet.Transfer) bool {
		return x.Asset == y.Asset && x.From == y.From && x.To == y.To && x.Amount.Cmp(y.Amount) == 0 && x.Position == y.Position && x.Path == y.Path
	})
}

// vanished says what is in doubt about the slots that vanished.
func (s *settler) vanished(final uint64) (list []Doubt, err error) {
	all, err := store.AllVanished(s.tx, s.chain)
	for _, v := range all {
		old, _, err := store.MinedAt(s.tx, v.Slot)
		if err != nil {
			return nil, err
		}
		d := Doubt{Kind: DoubtVanished, Slot: v.Slot, Mined: &old, Final: old.BlockNumber <= final}
		if o, bound, err := store.OutgoingAt(s.tx, v.Slot); err != nil {
			return nil, err
		} else if bound {
			d.Intent = &o.Intent
		}
		booked := fmt.Sprintf("booked as final in block %d, which left the chain, and still in the books", old.BlockNumber)
		switch {
		case v.Found == nil:
			d.Final = false
			d.Advice = booked + "; it was not mined again. Its nonce stays bound: send its raw transaction from the signed file again, with any tool. Pay nothing in its place"
		case SameEffect(&old, v.Found):
			d.Mined, d.Final = v.Found, v.Found.BlockNumber <= final
			d.Advice = "it was mined again: once it is final, airlock confirm brings the books in line"
		default:
			d.Mined, d.Final = v.Found, v.Found.BlockNumber <= final
			d.Advice = fmt.Sprintf("%s was %s. Another one took its nonce, or it moved something else now: once that is final, nothing else can be mined there. Compare the two, and correct the accounts with airlock ledger", old.TxHash, booked)
		}
		list = append(list, d)
	}
	return list, err
}
