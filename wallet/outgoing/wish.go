package outgoing

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Action is what comes of a wish.
type Action string

// What comes of asking for a cancel or for higher fees.
const (
	// ActionCanceled: nothing was ever written for it, so it is over.
	ActionCanceled Action = "canceled"
	// ActionOffer: what it takes is signed, and the next confirm sends it.
	ActionOffer Action = "offered next"
	// ActionSign: what it takes waits for its signatures in a batch.
	ActionSign Action = "waits for signatures"
	// ActionBuild: the next batch of withdrawals holds what it takes.
	ActionBuild Action = "needs a batch"
	// ActionWait: its nonce was taken by something else than the payment, which
	// is not final yet.
	ActionWait Action = "waits for finality"
)

// Cancel gives a withdrawal up. One that no batch was written for is canceled
// at once, and what it set aside is given back. Of any other a signature may
// exist, so its slot is wished to be taken by a cancel: nodes are not given the
// payment any more but the cancel, once that is signed, and the funds come back
// when something else than the payment is final at the slot. A wish is for
// good. Canceling again changes nothing. The error is wallet.ErrConflict for
// what is paid or settled already.
func Cancel(tx store.Tx, w *wallet.Withdrawal, now time.Time) (Action, error) {
	switch {
	case w.Status == wallet.WithdrawalCanceled:
		return ActionCanceled, nil
	case w.Status.Settled():
		return "", fmt.Errorf("%w: withdrawal %s is %s", wallet.ErrConflict, w.ID, w.Status)
	case w.Slot == nil:
		if err := CheckUnclaimed(tx, w); err != nil {
			return "", err
		}
		return ActionCanceled, canceled(tx, w, "canceled before it was built", now)
	}
	o, ok, err := store.OutgoingAt(tx, *w.Slot)
	if err == nil && !ok {
		err = fmt.Errorf("%w: nothing is bound to nonce %d of %s", wallet.ErrConflict, w.Slot.Nonce, w.Slot.Sender)
	}
	if err != nil {
		return "", err
	}
	if err := alone(&o, w); err != nil {
		return "", err
	}
	m, mined, err := store.MinedAt(tx, o.Slot)
	if err != nil {
		return "", err
	}
	taken := false
	if mined {
		if out := Judge(&m, &o); out != Foreign && out != Canceled {
			return "", wallet.WithHint(fmt.Errorf("%w: withdrawal %s is mined in %s, which cannot be taken back", wallet.ErrConflict, w.ID, m.TxHash),
				"if its block leaves the chain, scan and confirm notice, and it can be canceled then")
		}
		taken = true
	}
	if o.Wish != wallet.WishCancel {
		wishCancel(&o)
		if err := store.PutOutgoing(tx, o); err != nil {
			return "", err
		}
		if err := noteWish(tx, &o, w, now); err != nil {
			return "", err
		}
	}
	if taken {
		return ActionWait, nil
	}
	return cancelAction(&o), nil
}

// CancelSlot is Cancel for a slot that does not serve one withdrawal: a sweep, a
// top-up, a rebalance, or what the contract that pays many is for. Withdrawals that
// it pays together can be built again once something else is final there. The error is wallet.ErrNotFound for a
// slot that nothing is bound to.
func CancelSlot(tx store.Tx, slot wallet.Slot) (wallet.Outgoing, Action, error) {
	o, ok, err := store.OutgoingAt(tx, slot)
	where := fmt.Sprintf("nonce %d of %s", slot.Nonce, slot.Sender)
	switch {
	case err != nil:
		return o, "", err
	case !ok:
		return o, "", wallet.WithHint(wallet.As(wallet.ErrNotFound, "%s is bound to nothing", where), "airlock resolve shows which nonces hold up others")
	case o.Intent.Kind == wallet.IntentWithdrawal:
		return o, "", wallet.WithHint(wallet.As(wallet.ErrUsage, "%s is bound to withdrawal %s", where, o.Intent.ID), "airlock withdraw cancel %s", o.Intent.ID)
	case o.Intent.Kind == wallet.IntentNoOp:
		return o, "", fmt.Errorf("%w: %s is bound to a no-op, which moves nothing", wallet.ErrConflict, where)
	case o.State == wallet.OutgoingFinal:
		return o, "", fmt.Errorf("%w: %s is final with %s", wallet.ErrConflict, where, o.TxHash)
	}
	if m, mined, err := store.MinedAt(tx, slot); err != nil {
		return o, "", err
	} else if mined {
		return o, "", fmt.Errorf("%w: %s was used by %s", wallet.ErrConflict, where, m.TxHash)
	}
	if o.Wish != wallet.WishCancel {
		wishCancel(&o)
		if err := store.PutOutgoing(tx, o); err != nil {
			return o, "", err
		}
	}
	return o, cancelAction(&o), nil
}

// Canceling reports whether a withdrawal that is bound to a slot is to be
// canceled there.
func Canceling(tx store.Tx, w *wallet.Withdrawal) (bool, error) {
	if w.Slot == nil || w.Status.Settled() {
		return false, nil
	}
	o, ok, err := store.OutgoingAt(tx, *w.Slot)
	return ok && o.Wish == wallet.WishCancel, err
}

func wishCancel(o *wallet.Outgoing) {
	o.Wish, o.Answer = wallet.WishCancel, "" // which was about the payment
	if o.State == wallet.OutgoingBound && o.Current().Live() {
		o.State = wallet.OutgoingSigned
	}
}

func cancelAction(o *wallet.Outgoing) Action {
	switch {
	case o.Cancellation() != nil && takesOver(o, o.Cancellation()):
		return ActionOffer
	case o.Awaited(true) != nil:
		return ActionSign
	}
	return ActionBuild
}

// Bump asks for higher fees than a node was given for a withdrawal: those of
// its next rung where a higher one is signed, else of another attempt that the
// next batch holds. What is on its way goes on. Asking again changes nothing.
// The error is wallet.ErrConflict for what is not on its way.
func Bump(tx store.Tx, w *wallet.Withdrawal, now time.Time) (Action, error) {
	refuse := func(hint, why string, args ...any) (Action, error) {
		return "", wallet.WithHint(fmt.Errorf("%w: withdrawal %s "+why, append([]any{wallet.ErrConflict, w.ID}, args...)...), "%s", hint)
	}
	if w.Slot == nil || w.Status.Settled() {
		return refuse("only what was sent can be sent with higher fees; airlock build-withdrawals looks at the market when it builds", "is %s", w.Status)
	}
	o, ok, err := store.OutgoingAt(tx, *w.Slot)
	if err != nil {
		return "", err
	}
	if m, mined, err := store.MinedAt(tx, *w.Slot); err != nil {
		return "", err
	} else if mined {
		return refuse("airlock scan and airlock confirm settle it", "needs no higher fees: its nonce was used by %s", m.TxHash)
	}
	if err := alone(&o, w); err != nil {
		return "", wallet.WithHint(err, "airlock confirm raises the fees of all of them while rungs are left; %s", wallet.Hint(err))
	}
	serving := o.Serving()
	switch {
	case !ok:
		return refuse("airlock confirm brings it in line", "is bound to nothing")
	case o.Wish == wallet.WishCancel:
		return refuse("if the market outgrows its cancel, airlock build-withdrawals makes a higher one", "is to be canceled")
	case serving == nil && o.Last().Discarded:
		return refuse("airlock build-withdrawals builds it again, with fees above all that was signed", "is in a batch that was discarded")
	case serving == nil:
		return refuse("sign and broadcast its batch first", "is in batch %s, which is not signed yet", w.Batch)
	case serving.Offered == 0:
		return refuse("airlock confirm sends it", "was not sent yet")
	}
	if o.Wish != wallet.WishBump && o.Awaited(false) == nil {
		o.Wish = wallet.WishBump
		if err := store.PutOutgoing(tx, o); err != nil {
			return "", err
		}
		if err := noteWish(tx, &o, w, now); err != nil {
			return "", err
		}
	}
	switch {
	case raised(&o, serving):
		return ActionOffer, nil
	case o.Awaited(false) != nil:
		return ActionSign, nil
	}
	return ActionBuild, nil
}

// raised reports whether the next offer of an attempt is one rung up, because
// the operator asked for it.
func raised(o *wallet.Outgoing, a *wallet.Attempt) bool {
	return o.Wish == wallet.WishBump && !a.Cancel && 0 < a.Offered && a.Offered < len(a.Signed)
}

// Raisable reports whether a slot's transaction is to be built again with
// higher fees while what is signed of it goes on: the operator asked for it, no
// higher rung is signed, and no batch with one waits for its signatures.
func Raisable(o *wallet.Outgoing) bool {
	a := o.Serving()
	return o.Wish == wallet.WishBump && a != nil && a.Offered == len(a.Signed) && o.Awaited(false) == nil &&
		o.State != wallet.OutgoingMined && o.State != wallet.OutgoingFinal
}

// WantsCancel reports whether a cancel is to be built for a slot: the operator
// asked for one, none waits for its signatures, and none is signed that could
// be mined where a transaction pays least wei per gas, in place of what nodes were
// given.
func WantsCancel(o *wallet.Outgoing, least wallet.Amount) bool {
	if o.Wish != wallet.WishCancel || o.Awaited(true) != nil {
		return false
	}
	c := o.Cancellation()
	return c == nil || c.Rungs[len(c.Rungs)-1].MaxFeePerGas.Cmp(least) < 0 || !takesOver(o, c)
}

// takesOver reports whether a cancel outbids every payment of its slot that nodes
// were given. One that was signed before higher fees does not.
func takesOver(o *wallet.Outgoing, c *wallet.Attempt) bool {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if !a.Cancel && a.Offered > 0 && !outbid(a.Rungs[a.Rung()], c.Rungs[len(c.Rungs)-1]) {
			return false
		}
	}
	return true
}

// cancel binds a cancel to the slot that it takes. The slot stays its intent's.
func (w *writer) cancel(slot wallet.Slot, i int) error {
	it := &w.b.Items[i]
	o, bound, err := store.OutgoingAt(w.tx, slot)
	switch {
	case err != nil:
		return err
	case !bound:
		return fmt.Errorf("%w: nonce %d of %s is bound to nothing", ErrChanged, slot.Nonce, slot.Sender)
	case o.Wish != wallet.WishCancel:
		return fmt.Errorf("%w: nobody asked to cancel nonce %d of %s", ErrChanged, slot.Nonce, slot.Sender)
	case o.Awaited(true) != nil:
		return fmt.Errorf("%w: batch %s holds a cancel for nonce %d of %s", ErrChanged, o.Awaited(true).Batch, slot.Nonce, slot.Sender)
	case it.Intent.ID != slot.IntentID() || it.Replaces != o.Intent.Name():
		return fmt.Errorf("%w: nonce %d of %s is bound to %s %s", wallet.ErrConflict, slot.Nonce, slot.Sender, o.Intent.Kind, o.Intent.ID)
	}
	if err := outbids(&o, signedFees(&o), it.Rungs[0]); err != nil {
		return err
	}
	o.Attempts = append(o.Attempts, wallet.Attempt{Batch: w.b.ID, Item: i, Cancel: true, Gas: it.Gas, Rungs: it.Rungs})
	if err := store.PutOutgoing(w.tx, o); err != nil {
		return err
	}
	return eachWithdrawal(w.tx, &o, func(wd wallet.Withdrawal) error { return noteWish(w.tx, &o, &wd, w.b.CreatedAt) })
}

// raises reports whether a batch may hold a withdrawal that is on its way.
func (w *writer) raises(slot wallet.Slot) bool {
	o, ok, err := store.OutgoingAt(w.tx, slot)
	return err == nil && ok && Raisable(&o)
}

// Standing are the fees that what is built again at a slot must outbid. Of an
// attempt that goes on that is its top rung; of one that was given up, and of a
// cancel, the highest that a node was given, since a signed copy that somebody else
// sent at more does the same.
func Standing(o *wallet.Outgoing) (fees []wallet.Fee) {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		switch {
		case len(a.Signed) == 0 || a.Cancel && a.Offered == 0:
		case !a.Cancel && a.Live():
			fees = append(fees, a.Rungs[len(a.Rungs)-1])
		default:
			fees = append(fees, a.Rungs[a.Rung()])
		}
	}
	return fees
}

// signedFees are the highest fees of each attempt at a slot that is signed.
func signedFees(o *wallet.Outgoing) (fees []wallet.Fee) {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; len(a.Signed) > 0 {
			fees = append(fees, a.Rungs[len(a.Rungs)-1])
		}
	}
	return fees
}

// outbid reports whether nodes take a transaction in place of another: both of its
// fees must be one tenth higher.
func outbid(before, fee wallet.Fee) bool {
	least := batch.Bump(before)
	return fee.MaxFeePerGas.Cmp(least.MaxFeePerGas) >= 0 && fee.MaxPriorityFeePerGas.Cmp(least.MaxPriorityFeePerGas) >= 0
}

// outbids refuses fees that nodes would not take in place of all before.
func outbids(o *wallet.Outgoing, before []wallet.Fee, fee wallet.Fee) error {
	for _, f := range before {
		if !outbid(f, fee) {
			return fmt.Errorf("%w: nonce %d of %s was signed with fees that these do not outbid by a tenth", ErrChanged, o.Slot.Nonce, o.Slot.Sender)
		}
	}
	return nil
}

// noteWish stores a withdrawal with what becomes of the wish at its slot as the
// reason why it is where it is.
func noteWish(tx store.Tx, o *wallet.Outgoing, w *wallet.Withdrawal, now time.Time) error {
	if why := wishWords(o); why != "" && why != w.Reason {
		w.Reason, w.UpdatedAt = why, now
	}
	return store.PutWithdrawal(tx, *w)
}

// wishWords says what becomes of the wish at a slot, or "" if there is none.
func wishWords(o *wallet.Outgoing) string {
	what, awaited := "to be sent with higher fees", o.Awaited(false)
	switch o.Wish {
	case wallet.WishBump:
		if raised(o, o.Current()) {
			return what + ": the next confirm sends the next rung"
		}
	case wallet.WishCancel:
		what, awaited = "to be canceled", o.Awaited(true)
		if c := o.Cancellation(); c != nil {
			switch {
			case o.Answer != "":
				return what + ": " + o.Answer
			case o.State == wallet.OutgoingAccepted && c.Holds(o.TxHash):
				return fmt.Sprintf("%s: its cancel %s is on its way", what, o.TxHash)
			}
			return what + ": the next confirm sends its cancel"
		}
	default:
		return ""
	}
	if awaited != nil {
		return fmt.Sprintf("%s: batch %s waits for its signatures", what, awaited.Batch)
	}
	return what + ": the next build-withdrawals makes what it takes"
}

// cancel ends a withdrawal that will never be paid from its slot because the
// operator did not want it any more. Where somebody paid the same at another
// nonce its funds stay set aside: accepting that one counts it as paid.
func (s *settler) cancel(w wallet.Withdrawal, why string) error {
	u, err := ReadUnclaimed(s.tx, s.chain)
	if err != nil {
		return err
	}
	if paid := u.Why(&w); paid != "" {
		w.Status, w.Slot, w.Batch, w.TxHash, w.Fee = wallet.WithdrawalApproved, nil, "", common.Hash{}, wallet.Amount{}
		w.Reason, w.UpdatedAt = why+"; but "+paid, s.now
		return store.PutWithdrawal(s.tx, w)
	}
	return canceled(s.tx, &w, why, s.now)
}

// canceled ends a withdrawal and gives back what it set aside.
func canceled(tx store.Tx, w *wallet.Withdrawal, why string, now time.Time) error {
	w.Status, w.Reason, w.UpdatedAt = wallet.WithdrawalCanceled, why, now
	if err := store.PutWithdrawal(tx, *w); err != nil {
		return err
	}
	if err := Release(tx, *w, now); err != nil {
		return err
	}
	return emitWithdrawal(tx, wallet.WithdrawalCanceledEvent, *w, now)
}

// fail tells that a movement between addresses of ours did not come to be, and
// with a top-up every sweep that waits for it.
func (s *settler) fail(m *wallet.Mined, o *wallet.Outgoing, why string) error {
	if o.Intent.Kind == wallet.IntentSweep {
		return emitSweep(s.tx, wallet.SweepFailedEvent, o, m, why, s.now)
	}
	if o.Intent.Kind != wallet.IntentTopUp {
		return nil
	}
	var waiting []wallet.Outgoing
	if err := store.OpenOutgoingOf(s.tx, s.chain, o.Intent.Recipient, func(sweep wallet.Outgoing) error {
		if sweep.Requires != nil && *sweep.Requires == o.Slot && sweep.State != wallet.OutgoingMined {
			waiting = append(waiting, sweep)
		}
		return nil
	}); err != nil {
		return err
	}
	for i := range waiting {
		if err := emitSweep(s.tx, wallet.SweepFailedEvent, &waiting[i], &wallet.Mined{},
			"the top-up that it needs did not come: "+why, s.now); err != nil {
			return err
		}
	}
	return nil
}
