package outgoing

import (
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Progress counts what a pass over the evidence changed.
type Progress struct {
	Mined     int // found in a block that is not final yet
	Returned  int // was mined in a block that left the chain
	Confirmed int
	Failed    int
	Canceled  int // its cancel is final at the slot; funds released
	Replaced  int // another transaction is final at the slot
	Held      int // waits for a person
}

// Add returns the sum of two passes.
func (p Progress) Add(q Progress) Progress {
	return Progress{
		p.Mined + q.Mined, p.Returned + q.Returned, p.Confirmed + q.Confirmed,
		p.Failed + q.Failed, p.Canceled + q.Canceled, p.Replaced + q.Replaced, p.Held + q.Held,
	}
}

// Stale lists the slots whose state is not what scanning found there: mined
// and not known to be, or known to be and no longer. It reads two indexes, and
// records only of what is not as it should be.
func Stale(tx store.Tx, chain uint64) (slots []wallet.Slot, err error) {
	mined, err := store.UnsettledHashes(tx, chain) // what is settled is final here too
	if err != nil {
		return nil, err
	}
	err = store.OpenSlots(tx, chain, func(open store.OpenSlot) error {
		hash, found := mined[open.Slot]
		switch {
		case open.State == wallet.OutgoingMined && found && open.TxHash == hash:
			return nil
		case open.State != wallet.OutgoingMined && !found:
			return nil
		case found:
			if told, err := foreignTold(tx, open.Slot); err != nil || told {
				return err
			}
		}
		slots = append(slots, open.Slot)
		return nil
	})
	return slots, err
}

// foreignTold reports whether a slot is known to be taken by what is mined there.
func foreignTold(tx store.Tx, slot wallet.Slot) (bool, error) {
	m, ok, err := store.MinedAt(tx, slot)
	if err != nil || !ok {
		return false, err
	}
	o, ok, err := store.OutgoingAt(tx, slot)
	if err != nil || !ok {
		return false, err
	}
	return Judge(&m, &o) == Foreign && strings.HasPrefix(o.Answer, explain(Foreign, &m, &o)), nil
}

// Observe brings slots in line with what scanning found there. Nothing is
// booked: a reorg may undo it.
func Observe(tx store.Tx, slots []wallet.Slot, now time.Time) (p Progress, err error) {
	for _, slot := range slots {
		o, ok, err := store.OutgoingAt(tx, slot)
		if err != nil {
			return p, err
		}
		if !ok || o.State == wallet.OutgoingFinal {
			continue
		}
		m, mined, err := store.MinedAt(tx, slot)
		if err != nil {
			return p, err
		}
		switch {
		case mined && Judge(&m, &o) != Foreign:
			if o.State != wallet.OutgoingMined {
				p.Mined++
			}
			err = observeMined(tx, o, m, now)
		case mined:
			err = observeForeign(tx, o, m, now)
		case o.State == wallet.OutgoingMined:
			p.Returned++
			err = observeReturn(tx, o, now)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

func observeMined(tx store.Tx, o wallet.Outgoing, m wallet.Mined, now time.Time) error {
	if o.State == wallet.OutgoingMined && o.TxHash == m.TxHash {
		return nil
	}
	o.State, o.TxHash, o.Answer, o.Refusal = wallet.OutgoingMined, m.TxHash, "", ""
	if err := store.PutOutgoing(tx, o); err != nil {
		return err
	}
	return eachWithdrawal(tx, &o, func(w wallet.Withdrawal) error {
		w.Status, w.TxHash, w.Fee, w.Reason, w.UpdatedAt = wallet.WithdrawalMined, m.TxHash, share(m.Cost(), max(1, len(o.Payments))), "", now
		if Judge(&m, &o) == Canceled {
			w.Reason = explain(Canceled, &m, &o) + ", which is not final yet"
		} else if err := emitOut(tx, w, now); err != nil {
			return err
		}
		return store.PutWithdrawal(tx, w)
	})
}

// observeForeign notes why a transaction cannot be mined any more, unless a
// reorg takes back what took its place.
func observeForeign(tx store.Tx, o wallet.Outgoing, m wallet.Mined, now time.Time) error {
	if o.State == wallet.OutgoingMined {
		demote(&o)
	}
	o.Answer = explain(Foreign, &m, &o)
	if err := store.PutOutgoing(tx, o); err != nil {
		return err
	}
	return eachWithdrawal(tx, &o, func(w wallet.Withdrawal) error {
		if w.Status == wallet.WithdrawalMined {
			w.Status, w.Fee = statusBefore(&o), wallet.Amount{}
		}
		w.Reason, w.UpdatedAt = o.Answer+"; that is not final yet", now
		return store.PutWithdrawal(tx, w)
	})
}

// observeReturn puts a transaction whose block left the chain back on its way.
func observeReturn(tx store.Tx, o wallet.Outgoing, now time.Time) error {
	demote(&o)
	if err := store.PutOutgoing(tx, o); err != nil {
		return err
	}
	return eachWithdrawal(tx, &o, func(w wallet.Withdrawal) error {
		w.Status, w.Fee, w.UpdatedAt = statusBefore(&o), wallet.Amount{}, now
		w.Reason = "the block that held it left the chain"
		return store.PutWithdrawal(tx, w)
	})
}

// demote takes a mined transaction back to where what nodes are given stands. It
// is to be offered again, also if a node has it: others may have dropped it.
func demote(o *wallet.Outgoing) {
	o.State, o.OfferedAt = wallet.OutgoingBound, time.Time{}
	if o.Current().Live() {
		o.State = wallet.OutgoingOffered
	}
}

// statusBefore is the status of a withdrawal whose transaction is not mined.
func statusBefore(o *wallet.Outgoing) wallet.WithdrawalStatus {
	switch last := o.Last(); {
	case o.Serving() != nil && o.Wish == wallet.WishCancel && o.Serving().Offered == 0:
		return wallet.WithdrawalSigned // only its cancel went out
	case o.Serving() != nil:
		return wallet.WithdrawalBroadcast
	case last.Discarded:
		return wallet.WithdrawalApproved
	}
	return wallet.WithdrawalBuilt
}

// Ripe lists what was mined at or below the final block and is not booked, in
// the order of the blocks, then what was mined again after it was booked. It is
// empty before the first scan, and while a block that was final is another one.
func Ripe(tx store.Tx, chain uint64) ([]wallet.Mined, error) {
	c, ok, err := finalTo(tx, chain)
	if err != nil || !ok {
		return nil, err
	}
	list, err := store.UnsettledMined(tx, chain, 0, c.Final)
	if err != nil {
		return nil, err
	}
	again, err := minedAgain(tx, chain, c.Final)
	return append(list, again...), err
}

// finalTo is the cursor of a chain whose final block can be settled by.
func finalTo(tx store.Tx, chain uint64) (c store.Cursor, ok bool, err error) {
	if _, changed, err := store.Alarm(tx, chain, wallet.AlarmFinal); err != nil || changed {
		return c, false, err
	}
	return store.ReadCursor(tx, chain)
}

// Settle books what was mined at slots and is final. What it finds held for a
// person it leaves as it is. Settling a slot again changes nothing.
func Settle(tx store.Tx, chain uint64, slots []wallet.Slot, now time.Time) (p Progress, err error) {
	c, ok, err := finalTo(tx, chain)
	if err != nil || !ok {
		return p, err
	}
	s := settler{tx: tx, now: now, chain: chain}
	for _, slot := range slots {
		m, ok, err := store.MinedAt(tx, slot)
		if err != nil {
			return p, err
		}
		if ok && m.Settled {
			if err := s.settleAgain(m, c.Final, &p); err != nil {
				return p, fmt.Errorf("settle %s (nonce %d of %s) again: %w", m.TxHash, slot.Nonce, slot.Sender, err)
			}
			continue
		}
		if !ok || m.BlockNumber > c.Final {
			continue
		}
		if err := s.settle(m, &p); err != nil {
			return p, fmt.Errorf("settle %s (nonce %d of %s): %w", m.TxHash, slot.Nonce, slot.Sender, err)
		}
	}
	return p, nil
}

type settler struct {
	tx    store.Tx
	now   time.Time
	chain uint64
	open  map[payment][]string // open withdrawals by what they pay; nil until asked for
}

func (s *settler) settle(m wallet.Mined, p *Progress) error {
	o, bound, err := store.OutgoingAt(s.tx, m.Slot)
	if err != nil {
		return err
	}
	if !bound {
		return s.unbound(m, p)
	}
	if o.State == wallet.OutgoingFinal {
		return s.again(m, &o, p)
	}
	out := Judge(&m, &o)
	if o.Intent.Kind == wallet.IntentPayments && out != Other && out != Foreign {
		return s.closeMany(m, o, out, p)
	}
	switch out {
	case Done:
		p.Confirmed++
		return s.close(m, o, out, wallet.WithdrawalConfirmed)
	case Reverted, Silent:
		p.Failed++
		return s.close(m, o, out, wallet.WithdrawalFailed)
	case Canceled:
		p.Canceled++
		return s.close(m, o, out, wallet.WithdrawalCanceled)
	case Other:
		if o.Intent.Kind != wallet.IntentWithdrawal && o.Intent.Kind != wallet.IntentPayments {
			p.Confirmed++
			return s.close(m, o, out, wallet.WithdrawalConfirmed)
		}
		p.Held++
		return s.hold(&o, explain(out, &m, &o))
	case Foreign:
		return s.foreign(m, o, p)
	}
	return fmt.Errorf("outcome of %s is not known", m.TxHash)
}

// again meets a slot that was booked before: scanning read its block anew. What
// took the place of a final transaction is beyond what software may decide.
func (s *settler) again(m wallet.Mined, o *wallet.Outgoing, p *Progress) error {
	if o.TxHash != m.TxHash {
		p.Held++
		return store.MarkUnexplained(s.tx, m.Slot)
	}
	m.Settled = true
	return store.PutMined(s.tx, m)
}

// unbound books a transaction that nobody here made. One that pays what a
// withdrawal still asks for is left for a person, since booking it as anything
// else would let the withdrawal be paid again.
func (s *settler) unbound(m wallet.Mined, p *Progress) error {
	sender, _, err := store.OurAddress(s.tx, m.Slot.Sender)
	if err != nil {
		return err
	}
	if sender.Path.Imported { // nothing is ever built here for its nonces
		return s.bookMined(m, nil)
	}
	pays, err := s.pays(&m)
	if err != nil {
		return err
	}
	if err := store.MarkUnexplained(s.tx, m.Slot); err != nil {
		return err
	}
	if len(pays) > 0 {
		p.Held++
		return nil
	}
	return s.bookMined(m, nil)
}

// foreign settles a slot that somebody else's transaction took. Its intent is
// free of the slot: a withdrawal may be built at another one.
func (s *settler) foreign(m wallet.Mined, o wallet.Outgoing, p *Progress) error {
	why := explain(Foreign, &m, &o)
	pays, err := s.pays(&m)
	if err != nil {
		return err
	}
	if len(pays) > 0 {
		p.Held++
		return s.hold(&o, fmt.Sprintf("%s, but pays what withdrawal %s asks for: airlock resolve shows it", why, pays[0]))
	}
	p.Replaced++
	if err := s.bookMined(m, nil); err != nil {
		return err
	}
	if err := s.free(&m, &o, why); err != nil {
		return err
	}
	o.State, o.TxHash, o.Answer = wallet.OutgoingFinal, m.TxHash, why
	return store.PutOutgoing(s.tx, o)
}

// free takes the intent of a slot that another transaction used off the slot.
func (s *settler) free(m *wallet.Mined, o *wallet.Outgoing, why string) error {
	if o.Intent.Kind == wallet.IntentPayments {
		return eachWithdrawal(s.tx, o, func(w wallet.Withdrawal) error { return s.unbind(w, why) })
	}
	w, ok, err := withdrawalOf(s.tx, o)
	if err != nil {
		return err
	}
	switch {
	case ok && o.Wish == wallet.WishCancel:
		w.TxHash, w.Fee = common.Hash{}, wallet.Amount{}
		return s.cancel(w, why)
	case ok:
		return s.unbind(w, why)
	}
	return s.fail(m, o, why)
}

// unbind lets a withdrawal be built again at another slot.
func (s *settler) unbind(w wallet.Withdrawal, why string) error {
	w.Status, w.Slot, w.Batch, w.TxHash, w.Fee = wallet.WithdrawalApproved, nil, "", common.Hash{}, wallet.Amount{}
	w.Reason, w.UpdatedAt = why+"; it can be built again", s.now
	return store.PutWithdrawal(s.tx, w)
}

// hold leaves a final transaction unbooked and says why, once.
func (s *settler) hold(o *wallet.Outgoing, why string) error {
	if o.Answer != why {
		o.Answer = why
		if err := store.PutOutgoing(s.tx, *o); err != nil {
			return err
		}
	}
	return eachWithdrawal(s.tx, o, func(w wallet.Withdrawal) error {
		if w.Reason == why {
			return nil
		}
		w.Reason, w.UpdatedAt = why, s.now
		return store.PutWithdrawal(s.tx, w)
	})
}

// close books the final transaction of a slot that is the intent's own.
func (s *settler) close(m wallet.Mined, o wallet.Outgoing, out Outcome, status wallet.WithdrawalStatus) error {
	w, ok, err := withdrawalOf(s.tx, &o)
	if err != nil {
		return err
	}
	if o.Intent.Kind == wallet.IntentWithdrawal && !ok {
		return fmt.Errorf("%w: withdrawal %s is not bound there", wallet.ErrConflict, o.Intent.ID)
	}
	var paid []wallet.Withdrawal
	if ok && status == wallet.WithdrawalConfirmed {
		paid = append(paid, w)
	}
	if err := s.bookMined(m, paid); err != nil {
		return err
	}
	o.State, o.TxHash, o.Answer = wallet.OutgoingFinal, m.TxHash, explain(out, &m, &o)
	if err := store.PutOutgoing(s.tx, o); err != nil {
		return err
	}
	if !ok {
		return s.closeOwn(m, o, out)
	}
	w.TxHash, w.Fee = m.TxHash, m.Cost()
	if status == wallet.WithdrawalCanceled {
		return s.cancel(w, explain(out, &m, &o))
	}
	w.Status, w.Reason, w.UpdatedAt = status, explain(out, &m, &o), s.now
	if err := store.PutWithdrawal(s.tx, w); err != nil {
		return err
	}
	if status != wallet.WithdrawalCanceled {
		if err := emitOut(s.tx, w, s.now); err != nil {
			return err
		}
	}
	if status == wallet.WithdrawalConfirmed {
		return emitWithdrawal(s.tx, wallet.WithdrawalConfirmedEvent, w, s.now)
	}
	if err := Release(s.tx, w, s.now); err != nil {
		return err
	}
	return emitWithdrawal(s.tx, wallet.WithdrawalFailedEvent, w, s.now)
}

// closeOwn ends a movement between addresses of ours.
func (s *settler) closeOwn(m wallet.Mined, o wallet.Outgoing, out Outcome) error {
	if out != Done && out != Other {
		return s.fail(&m, &o, explain(out, &m, &o))
	}
	if o.Intent.Kind != wallet.IntentSweep {
		return nil
	}
	if o.Intent.Asset.IsCoin() {
		if err := s.bookDust(&m, &o); err != nil {
			return err
		}
	}
	return emitSweep(s.tx, wallet.SweepConfirmedEvent, &o, &m, explain(out, &m, &o), s.now)
}
